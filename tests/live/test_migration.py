"""From MetalLB to this project and back, by the commands of docs/migrate-from-metallb.md, under the eyes of clients that ask every 10 ms.

The cluster holds objects as MetalLB leaves them (`upstream/`); its pods, its election and its FRR are played by
`tests.live.upstream_cluster`, ours are real. The figures that each test prints are those of the page.
"""

import contextlib
import datetime as dt
import itertools
import json
import shutil
import subprocess

import pytest
import yaml

from frr_adapter.api import crds
from tests.live import client_traffic, layer2_lab, page, upstream_cluster
from tests.live.layer2_recording import until

pytest.importorskip("helm_python", reason="there is no Helm engine for this machine (helm-python-sdk)")
pytestmark = [
    pytest.mark.live, pytest.mark.frr, pytest.mark.long,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine"),
]  # fmt: skip

OBJECTS = page.ROOT / "tests/live/upstream"
NODES = ("n1", "n2", "n3")
LAST = "n3"
BGP = ("198.51.100.7", "2001:db8:100::7", "198.51.100.20", "2001:db8:100::20", "198.51.100.50")
LAYER2 = {"web-l2": ("10.99.0.207", "fd00:99::207"), "more-l2": ("10.99.0.211",)}
ON_WIRE = tuple(itertools.chain.from_iterable(LAYER2.values()))
METALLB = "/apis/metallb.io/v1beta1/namespaces/metallb-system"
PEERS = "/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers"
SERVICES = "/api/v1/namespaces/default/services"
CONFIGURATION = (
    PEERS,
    *(
        f"{METALLB}/{kind}"
        for kind in ("ipaddresspools", "bgpadvertisements", "l2advertisements", "communities", "bfdprofiles")
    ),
)
IRREGULAR = {"ServiceL2Status": "servicel2statuses", "ServiceBGPStatus": "servicebgpstatuses"}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
SLOWEST = 5000.0
"""Milliseconds without an answer that are still believed of a machine with better things to do."""


def written(name):
    return tuple(each for each in yaml.safe_load_all((OBJECTS / f"{name}.yaml").read_text()) if each)


def collection_of(document):
    group, _, version = document["apiVersion"].rpartition("/")
    plural = IRREGULAR.get(document["kind"]) or f"{document['kind'].lower()}s".replace("communitys", "communities")
    return f"{f'/apis/{group}' if group else '/api'}/{version}/namespaces/{document['metadata']['namespace']}/{plural}"


def put(cluster, document):
    """As its writer did: the status by a request of its own."""
    meta, collection = document["metadata"], collection_of(document)
    cluster.call("POST", collection, document)
    if "status" in document:
        merge = "application/merge-patch+json"
        cluster.call("PATCH", f"{collection}/{meta['name']}/status", {"status": document["status"]}, merge)


def emptied(cluster):
    """What our programs have left behind before the story begins."""
    for kind in ("configurationstates", "nodebgpstatuses"):
        for each in cluster.call("GET", f"{METALLB}/{kind}")["items"]:
            cluster.call("DELETE", f"{METALLB}/{kind}/{each['metadata']['name']}")
    for node in NODES:
        cluster.call("DELETE", f"/api/v1/namespaces/metallb-system/pods/speaker-{node}")


class Story:
    """A lab in which MetalLB runs, as far as anybody can tell."""

    def __init__(self, cluster, lab, directory):
        self.cluster, self.lab = cluster, lab
        self.page = page.Page("migrate-from-metallb.md", directory, cluster.places.kubeconfig)
        self.around = upstream_cluster.Cluster(cluster.places, cluster.plan, BGP, LAYER2)

    def all(self, path):
        """By name. An API server asks for patience (429) while a definition of the kind changes."""
        (listed,) = self.cluster.until(path, lambda: [self.cluster.call("GET", path)])
        return {each["metadata"]["name"]: each for each in listed["items"]}

    def kept(self):
        """Everything that people wrote, and the addresses: what must be the same in the end."""
        found = {}
        for path in (*CONFIGURATION, SERVICES):
            for name, each in self.all(path).items():
                meta = {key: each["metadata"].get(key) for key in ("labels", "annotations", "finalizers", "uid")}
                found[path, name] = (meta, each["spec"], each.get("status"))
        return found

    def versions(self, path):
        return {name: each["metadata"]["resourceVersion"] for name, each in self.all(path).items()}

    def runs(self, **nodes):
        until(f"{nodes}", lambda: all(self.around.running.get(node) == name for node, name in nodes.items()), 60)

    def is_routed(self, *nodes):
        for address in BGP:
            until(
                f"{address} over {nodes}",
                lambda address=address: self.cluster.router_routes(address) == tuple(sorted(nodes)),
                60,
            )

    def move(self, heading, name, *nodes):
        for node in nodes:
            print(self.page.run(heading, 1, NODE=node), end="")
            self.runs(**{node: name})
            self.is_routed(*NODES)


@pytest.fixture(scope="module")
def story(lab_factory, tmp_path_factory):
    cluster = lab_factory(3, False, True)
    lab = layer2_lab.Watched(cluster.places, 3)
    lab.plug()
    directory = tmp_path_factory.mktemp("migration")
    told = Story(cluster, lab, directory)
    for target in ("controller", "n*/speaker", *(f"n*/{daemon}" for daemon in upstream_cluster.DAEMONS)):
        with contextlib.suppress(AssertionError):  # the lab's FRR may have no mgmtd
            cluster.lab("stop", target)
    emptied(cluster)
    install_upstream(told, directory)
    # Its webhook refuses everything here, since its controller does not run.
    (hooks,) = told.all(HOOKS).values()
    cluster.call("DELETE", f"{HOOKS}/{hooks['metadata']['name']}")
    for document in written("objects"):
        put(cluster, document)
    cluster.call(
        "POST", HOOKS, {**hooks, "metadata": {key: hooks["metadata"][key] for key in ("name", "labels", "annotations")}}
    )
    with told.around.following(), client_traffic.backends(lab):
        told.runs(**dict.fromkeys(NODES, upstream_cluster.THEIRS))
        told.is_routed(*NODES)
        pods = told.all("/api/v1/namespaces/metallb-system/pods")
        for document in written("statuses"):
            for owner in document["metadata"].get("ownerReferences", ()):
                owner["uid"] = pods[owner["name"]]["metadata"]["uid"]
            put(cluster, document)
        yield told
    assert told.around.trouble == []


def without_webhook(story):
    """MetalLB's refuses everything here, since its controller does not run. Gives its configuration."""
    (hooks,) = story.all(HOOKS).values()
    story.cluster.call("DELETE", f"{HOOKS}/{hooks['metadata']['name']}")
    meta = {key: hooks["metadata"][key] for key in ("name", "labels", "annotations") if key in hooks["metadata"]}
    return {**hooks, "metadata": meta}


def install_upstream(story, directory):
    """With Helm, and with the definitions among the release's objects: uninstalling it would delete them.

    The definitions are written as by Helm 3, which would stand in the way of a server-side apply; they lack descriptions, as theirs would differ.
    """
    for each in story.all(DEFINITIONS).values():
        if each["spec"]["group"] == "metallb.io":
            story.cluster.call("DELETE", f"{DEFINITIONS}/{each['metadata']['name']}")
    chart = directory / "metallb"
    shutil.copytree(OBJECTS / "metallb", chart)
    own = [undescribed(each) for each in crds.documents() if each["metadata"]["name"] != "nodebgpstatuses.metallb.io"]
    (peers,) = (each for each in own if each["metadata"]["name"] == "bgppeers.metallb.io")
    service = {"name": "metallb-webhook-service", "namespace": "metallb-system", "path": "/convert"}
    conversion = {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1beta1", "v1beta2"]}
    peers["spec"]["conversion"] = {"strategy": "Webhook", "webhook": conversion}
    for version in peers["spec"]["versions"]:
        version["served"] = True
    (chart / "templates/crds.yaml").write_text("---\n".join(json.dumps(each) + "\n" for each in own))
    marks = {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "metallb", "meta.helm.sh/release-namespace": "metallb-system"},
    }
    for each in own:
        document = {**each, "metadata": {**each["metadata"], **marks}}
        until("the former one is gone", lambda each=each: each["metadata"]["name"] not in story.all(DEFINITIONS))
        story.cluster.call("POST", f"{DEFINITIONS}?fieldManager=helm", document)
    story.page.blocks["MetalLB", 1] = f"helm install metallb {chart} -n metallb-system"
    story.page.run("MetalLB", 1)


def undescribed(schema):
    if isinstance(schema, dict):
        return {
            key: undescribed(each)
            for key, each in schema.items()
            if not (key == "description" and isinstance(each, str))
        }
    return [undescribed(each) for each in schema] if isinstance(schema, list) else schema


@contextlib.contextmanager
def watched(story, what):
    """Clients of both kinds of addresses meanwhile, and a station that asks for those on the wire."""
    with (
        client_traffic.flowing(story.lab, client=(*BGP, *ON_WIRE)) as traffic,
        story.lab.recording(*ON_WIRE) as recording,
    ):
        yield traffic, recording
    for name, addresses in (("BGP", BGP), ("layer 2, through the router", ON_WIRE)):
        print(f"{what}: {name}: {traffic.figures(*addresses)}")
    for address in ON_WIRE:
        print(
            f"{what}: {address} on the wire: {recording.owners(address)}, silent for {recording.silence(address):.0f} ms"
        )


@contextlib.contextmanager
def away(story):
    """For each node, how long the router's kernel does not send the first address to it: seconds, known when the block has ended."""
    process = subprocess.Popen(
        [*story.lab.entry("up"), "ip", "-4", "-o", "-ts", "monitor", "route"], stdout=subprocess.PIPE, text=True
    )
    gaps, gone, present = {}, {}, set(NODES)
    try:
        yield gaps
    finally:
        process.terminate()
        told, _ = process.communicate(timeout=10)
    for line in told.splitlines():
        stamp, _, change = line.partition("] ")
        if BGP[0] not in change:
            continue
        at = dt.datetime.fromisoformat(stamp.strip("["))
        now = (
            set()
            if change.startswith("Deleted")
            else {node.name for node in story.cluster.plan.nodes if f"via {node.segment[0].ip} " in f"{change} "}
        )
        gone |= dict.fromkeys(present - now, at)
        gaps |= {node: round((at - gone.pop(node)).total_seconds(), 2) for node in now - present}
        present = now


def test_there(story):
    """Steps 1 to 7. No address changes, no Service is written, no question to an address of BGP is lost."""
    page_, around = story.page, story.around
    before, versions, pools = story.kept(), story.versions(SERVICES), story.versions(CONFIGURATION[1])
    page_.always("Before")
    page_.run("1. Write down what there is", 1)
    with watched(story, "steps 2 to 4") as (traffic, recording):
        page_.run("2. Tie MetalLB's speakers to a label", 1)
        for number in (1, 2, 3):
            page_.run("3. The controller", number)
        page_.run("4. Keep layer 2 where it is", 1)
        settled = around.turns + 5
        until("the cluster has seen it", lambda: around.turns > settled)
    assert around.running == dict.fromkeys(NODES, upstream_cluster.THEIRS)
    assert traffic.lost(*BGP, *ON_WIRE) == ()
    assert story.versions(SERVICES) == versions
    assert story.versions(CONFIGURATION[1]) == pools

    with watched(story, "step 5") as (traffic, recording), away(story) as gaps:
        story.move("5. BGP, one node after the other", upstream_cluster.OURS, *NODES[:2])
    print(f"step 5: seconds in which the router had no route to {BGP[0]} over the node: {gaps}")
    assert gaps.keys() == set(NODES[:2])
    assert traffic.lost(*BGP) == ()
    assert {recording.owner(address) for address in ON_WIRE} == {LAST}
    assert story.all(f"{METALLB}/servicebgpstatuses").keys() & {"bgp-fghij"} == set()

    with watched(story, "step 6") as (traffic, recording):
        print(page_.run("6. Layer 2, all at once", 1))
        for address in ON_WIRE:
            recording.moved(address, LAST)
    assert traffic.lost(*BGP) == ()
    for address in ON_WIRE:
        assert recording.double(address) == 0
        assert recording.late_claims(address) == ()
        assert recording.silence(address) < SLOWEST

    with watched(story, "step 7") as (traffic, recording):
        page_.ran.discard(("5. BGP, one node after the other", 1))
        story.move("5. BGP, one node after the other", upstream_cluster.OURS, LAST)
    assert traffic.lost(*BGP, *ON_WIRE) == ()
    assert all(len(recording.owners(address)) == 1 for address in ON_WIRE)

    assert story.versions(SERVICES) == versions
    after = story.kept()
    advertisements = {key for key in before if key[0].endswith("l2advertisements")}
    assert {key: each for key, each in after.items() if key not in advertisements} == {
        key: each for key, each in before.items() if key not in advertisements
    }


def test_status_objects_of_metallb_are_taken_over_or_removed(story):
    def said(kind):
        return sorted(
            (each["status"]["serviceName"], each["status"]["node"]) for each in story.all(f"{METALLB}/{kind}").values()
        )

    announced = ("shared-echo", "shared-http", "web", "web-local")
    wanted = sorted(itertools.product(announced, NODES))
    until("one object per Service and node", lambda: said("servicebgpstatuses") == wanted)
    until("one object per Service", lambda: [name for name, _ in said("servicel2statuses")] == ["more-l2", "web-l2"])
    owners = {
        each["metadata"]["ownerReferences"][0]["name"]
        for kind in ("servicebgpstatuses", "servicel2statuses")
        for each in story.all(f"{METALLB}/{kind}").values()
    }
    assert owners <= {f"speaker-{node}" for node in NODES}
    states = story.all(f"{METALLB}/configurationstates")
    assert {name: each["status"]["result"] for name, each in states.items()} == dict.fromkeys(
        ("controller", *(f"speaker-{node}" for node in NODES)), "Valid"
    )


def test_new_services_get_what_is_free_and_communities_arrive(story):
    service = client_traffic.service("late", "l2")
    story.cluster.apply(service)
    ingress = until(
        "an address", lambda: story.all(SERVICES)["late"].get("status", {}).get("loadBalancer", {}).get("ingress")
    )
    assert {each["ip"] for each in ingress}.isdisjoint(ON_WIRE)
    shown = json.loads(story.cluster.vtysh("up", "show bgp ipv4 unicast 198.51.100.7/32 json"))
    assert {path["community"]["string"] for path in shown["paths"]} == {"64600:100"}
    story.cluster.call("DELETE", f"{SERVICES}/late")


def test_back(story):
    """What people wrote is as it was, and nobody noticed."""
    page_ = story.page
    assert story.around.running == dict.fromkeys(NODES, upstream_cluster.OURS)
    versions = story.versions(SERVICES)
    with watched(story, "back") as (traffic, recording):
        story.move("Going back", upstream_cluster.THEIRS, *NODES[:2])
        page_.run("Going back", 2)
        for address in ON_WIRE:
            until(f"{address} is MetalLB's", lambda address=address: recording.owner(address) in NODES[:2])
        story.move("Going back", upstream_cluster.THEIRS, LAST)
        page_.run("Going back", 3)
        hooks = without_webhook(story)
        page_.run("Going back", 4)
        story.cluster.call("POST", HOOKS, hooks)
        settled = story.around.turns + 5
        until("the cluster has seen it", lambda: story.around.turns > settled)
    assert traffic.lost(*BGP) == ()
    for address in ON_WIRE:
        assert recording.silence(address) < SLOWEST
    assert story.versions(SERVICES) == versions
    assert story.around.running == dict.fromkeys(NODES, upstream_cluster.THEIRS)
    wanted = {(collection_of(each), each["metadata"]["name"]): each for each in written("objects")}
    found = {(path, name): each for path in (*CONFIGURATION, SERVICES) for name, each in story.all(path).items()}
    found.pop((SERVICES, "kubernetes"), None)  # a real API server's own
    assert found.keys() == wanted.keys()
    for key, old in wanted.items():
        each = found[key]
        assert holds(each["spec"], old["spec"])
        assert holds(each.get("status", {}), old.get("status", {}))
        assert {field: each["metadata"].get(field) for field in ("labels", "annotations", "finalizers")} == {
            field: old["metadata"].get(field) for field in ("labels", "annotations", "finalizers")
        }
    definitions = {
        each["metadata"]["name"]
        for each in story.cluster.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
    }
    assert {name for name in definitions if name.endswith("metallb.io")} == {
        each["metadata"]["name"] for each in crds.documents()
    } - {"nodebgpstatuses.metallb.io"}
    service = story.cluster.call("GET", "/api/v1/namespaces/metallb-system/services/metallb-webhook-service")
    assert service["spec"]["selector"]["app.kubernetes.io/name"] == "metallb"


def holds(found, wanted):
    """Whether everything that is wanted is found; defaults of the API may come on top."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and holds(found[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(holds, found, wanted))
    return found == wanted


def test_there_again_and_for_good(story):
    """The cleaning takes nothing of ours, and no definition."""
    page_ = story.page
    for heading, numbers in (
        ("1. Write down what there is", (1,)), ("2. Tie MetalLB's speakers to a label", (1,)),
        ("3. The controller", (1, 2, 3)), ("4. Keep layer 2 where it is", (1,)),
    ):  # fmt: skip
        for number in numbers:
            page_.run(heading, number)
    with watched(story, "again") as (traffic, _):
        story.move("5. BGP, one node after the other", upstream_cluster.OURS, *NODES[:2])
        page_.run("6. Layer 2, all at once", 1)
        story.move("5. BGP, one node after the other", upstream_cluster.OURS, LAST)
        for number in (1, 2):
            page_.run("8. Clean up", number)
        settled = story.around.turns + 5
        until("the cluster has seen it", lambda: story.around.turns > settled)
    assert traffic.lost(*BGP) == ()
    assert story.around.running == dict.fromkeys(NODES, upstream_cluster.OURS)
    apps = "/apis/apps/v1/namespaces/metallb-system"
    assert story.all(f"{apps}/daemonsets").keys() == {"frr-adapter-speaker"}
    assert story.all(f"{apps}/deployments").keys() == {"frr-adapter-controller"}
    assert story.all(HOOKS).keys() == {"metallb-webhook-configuration"}
    assert story.all(f"{METALLB}/ipaddresspools").keys() == {"bgp", "l2"}
    assert all("nodeSelectors" not in each["spec"] for each in story.all(f"{METALLB}/l2advertisements").values())


def test_every_command_of_the_page_was_run(story):
    assert story.page.blocks.keys() == story.page.ran
