"""Reading a live cluster: everything with all rights, what there is with view rights, one line where there is nothing."""

import asyncio
import base64
import contextlib
import json
import socket

import aiohttp
import pytest

from cli import errors, values
from cli.boundary import live, sources
from cli.core import world
from controller.core import conversion
from frr_adapter import refs
from frr_adapter.api import crds
from frr_adapter.boundary import paths
from tests import command
from tests.contract import conftest, rights

pytestmark = pytest.mark.contract

PASSWORD = "hunter2hunter"
ROOT = "/api/v1/namespaces"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def home():
    return "command-sources"


@pytest.fixture
async def api(own_api, home):
    """A namespace with our definitions and some objects, once for all tests here."""
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(own_api.url, timeout=timeout, headers=own_api.headers) as session:
        client = conftest.Client(own_api, session, home)
        made = await client.post(ROOT, {"metadata": {"name": home}})
        if made.status == 201:
            await fill(client)
        yield client


async def fill(api):
    for document in crds.documents():
        answer = await api.post(conftest.CRDS, document)
        assert answer.status in (201, 409), answer.body
    for each in crds.KINDS:
        await api.eventually(api.path(each.plural, group="metallb.io", version=each.version), served)
    for ref, body in objects(api.namespace):
        kind = live.naming.KINDS[ref.kind]
        about = {"apiVersion": kind.api_version, "kind": ref.kind, "metadata": {"name": ref.name}}
        whole = {**about, **body, "metadata": {**about["metadata"], **body.get("metadata", {})}}
        (await api.post(kind.collection(ref.namespace), whole)).ok(201)
    # As kubectl would: the annotation repeats everything, and managedFields name every field.
    peer = api.path("bgppeers", "p", group="metallb.io", version="v1beta2")
    last = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"spec": {"password": PASSWORD}})}
    (await api.patch(peer, {"metadata": {"annotations": last}})).ok()


def served(answer):
    return answer.status == 200


def objects(home):
    def ours(kind, name, **body):
        return refs.ObjectRef(kind, home, name), body

    pod = {"containers": [{"name": "speaker", "image": "i"}], "nodeName": "sources-n1"}
    labels = {"app.kubernetes.io/component": "speaker"}
    speaker = {"name": "speaker", "image": "i", "args": ["--lb-class=example.org/lb", "--l2-owner=hash"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [speaker]}}
    return [
        (refs.ObjectRef("Node", "", "sources-n1"), {}),
        ours("IPAddressPool", "a", spec={"addresses": ["198.51.100.0/24"]}),
        ours("BGPAdvertisement", "a"),
        ours("BGPPeer", "p", spec={"myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "password": PASSWORD}),
        ours(
            "BGPPeer",
            "q",
            spec={"myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.2", "passwordSecret": {"name": "s"}},
        ),
        ours("Secret", "s", type="kubernetes.io/basic-auth", stringData={"password": PASSWORD, "username": "u"}),
        ours("ConfigMap", "bgpextras", data={"extras": f"router bgp 1\n neighbor 192.0.2.9 password {PASSWORD}\n"}),
        ours("Pod", "speaker-1", metadata={"labels": labels}, spec=pod),
        ours("DaemonSet", "speaker", spec={"selector": {"matchLabels": labels}, "template": template}),
        ours("Service", "web", spec={"type": "LoadBalancer", "ports": [{"port": 80}]}),
        ours(
            "Event",
            "web.1",
            metadata={"namespace": home},
            involvedObject={"kind": "Service", "namespace": home, "name": "web"},
            reason="IPAllocated",
            message="m",
            type="Normal",
            lastTimestamp="2024-01-01T00:00:02Z",
        ),
        ours(
            "Event",
            "a.1",
            metadata={"namespace": home},
            involvedObject={"kind": "IPAddressPool", "namespace": home, "name": "a"},
            reason="Told",
            message=f"refused neighbor 192.0.2.1 password {PASSWORD}",
            type="Normal",
            lastTimestamp="2024-01-01T00:00:01Z",
        ),
    ]


@contextlib.asynccontextmanager
async def account(api, folder, granted):
    """A kubeconfig of somebody who may only do that: the gate refuses the rest, or the server where it knows rights."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    gate = rights.Gate(api.kube, "viewer", api.namespace, frozenset(granted), listening)
    roles, bindings = (f"{RBAC}/{plural}" for plural in ("clusterroles", "clusterrolebindings"))
    rules = [{"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]} for one in granted]
    subject = {"kind": "ServiceAccount", "name": "viewer", "namespace": api.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "viewer"}
    (await api.post(roles, {"metadata": {"name": "viewer"}, "rules": rules})).ok(201)
    (await api.post(bindings, {"metadata": {"name": "viewer"}, "roleRef": role, "subjects": [subject]})).ok(201)
    try:
        async with gate:
            path = folder / "kubeconfig"
            path.write_text(gate.kubeconfig)
            yield str(path), gate
    finally:
        await api.delete(f"{bindings}/viewer")
        await api.delete(f"{roles}/viewer")


def grant(resource, group="", namespace="", verbs=("get", "list", "watch")):
    return [rights.Grant(verb, group, resource, namespace, "") for verb in verbs]


def everything():
    return [
        one for kind in live.naming.KINDS.values() for one in grant(kind.plural, live.naming.group(kind.api_version))
    ]


def view(home):
    """As the aggregated ClusterRole `view`: no Secrets, no Nodes, and CRs only where somebody granted them."""
    told = [
        *(("", plural) for plural in ("configmaps", "events", "namespaces", "pods", "services")),
        ("apps", "daemonsets"),
        ("apps", "deployments"),
        ("discovery.k8s.io", "endpointslices"),
        *(("metallb.io", each.plural) for each in crds.KINDS),
    ]
    return [one for group, plural in told for one in grant(plural, group)]


async def gather(**place):
    kinds = place.pop("kinds", None)
    return await asyncio.to_thread(sources.gather, sources.Place(**place), kinds=kinds)


def refs_of(gathered, home):
    return {(each.ref.kind, each.ref.name) for each in gathered.documents if each.ref.namespace in (home, "")}


def text_of(gathered):
    return json.dumps([[each.raw for each in gathered.documents], gathered.events, gathered.gaps])


async def test_with_all_rights(api, own_api, home):
    found = await gather(kubeconfig=str(own_api.kubeconfig), namespace=home, asks_nodes=False)
    wanted = {(ref.kind, ref.name) for ref, _ in objects(home) if ref.kind != "Event"}
    assert wanted <= refs_of(found, home)
    assert found.gaps == ()
    assert found.unread == ()
    assert list(found.documents) == sorted(found.documents, key=lambda each: each.ref)
    assert found.programs == values.Programs(home, "example.org/lb", l2_owner="hash")
    assert found.source.startswith("cluster ")
    assert found.taken_at.endswith("Z")
    # The oldest first, whatever order the server keeps.
    mine = [each["metadata"]["name"] for each in found.events if each["metadata"]["namespace"] == home]
    assert mine[-2:] == ["a.1", "web.1"]
    assert PASSWORD not in text_of(found)
    assert base64.b64encode(PASSWORD.encode()).decode() not in text_of(found)
    assert "managedFields" not in text_of(found)
    # Both peers have the same password, and that is still to be seen.
    peers = world.Course(found.programs).advance(found.documents).nodes["sources-n1"].configuration.peers
    assert len({each.password for each in peers}) == 1
    assert len(peers) == 2


async def test_with_view_rights(api, home, tmp_path):
    async with account(api, tmp_path, view(home)) as (kubeconfig, gate):
        found = await gather(kubeconfig=kubeconfig, namespace=home, asks_nodes=False)
        assert {each.verb for each in gate.seen} == {"list"}
    assert found.unread == ("Lease", "Node", "Secret")
    refused, stand_in = found.gaps
    assert refused.startswith("no right to list Node, Secret, Lease: 403 Forbidden: ")
    assert stand_in == f"Secret {home}/s of BGPPeer {home}/q is not known: taken as fitting"
    assert ("Secret", "s") in refs_of(found, home)
    assert world.Course(found.programs).advance(found.documents).problems == ()


async def test_nodes_that_cannot_be_asked_are_a_gap(api, own_api, home, tmp_path):
    found = await gather(kubeconfig=str(own_api.kubeconfig), namespace=home)
    assert found.reports == {}
    (gap,) = found.gaps
    assert gap.startswith("node sources-n1: pod speaker-1 gave no report: ")
    async with account(api, tmp_path, everything()) as (kubeconfig, _):
        found = await gather(kubeconfig=kubeconfig, namespace=home, kinds=["Node"])
    assert found.gaps == (f"nodes were not asked: no right to exec into pods of {home} (get and create on pods/exec)",)


async def test_kinds_that_the_cluster_does_not_have_are_one_line(api, own_api, home, monkeypatch):
    old = paths.Kind("NodeBGPStatus", paths.METALLB, "nosuchthings")
    other = paths.Kind("ConfigurationState", "example.org/v1", "states")
    known = {**live.naming.KINDS, "NodeBGPStatus": old, "ConfigurationState": other}
    monkeypatch.setattr(live.naming, "KINDS", known)
    found = await gather(kubeconfig=str(own_api.kubeconfig), namespace=home, asks_nodes=False)
    (gap,) = found.gaps
    assert gap.startswith("this cluster does not have ConfigurationState, NodeBGPStatus: 404 NotFound: ")
    assert found.unread == ("ConfigurationState", "NodeBGPStatus")
    assert ("Service", "web") in refs_of(found, home)


async def test_only_the_kinds_asked_for_are_listed(api, home, tmp_path):
    async with account(api, tmp_path, everything()) as (kubeconfig, gate):
        found = await gather(kubeconfig=kubeconfig, namespace=home, asks_nodes=False, kinds=["IPAddressPool"])
        assert {each.resource for each in gate.seen} == {"ipaddresspools", "daemonsets", "deployments"}
    assert {each.ref.kind for each in found.documents} == {"IPAddressPool", "DaemonSet"}
    assert found.programs.lb_class == "example.org/lb"
    assert found.events == ()


async def test_long_lists_come_in_pages(api, own_api, home, monkeypatch):
    monkeypatch.setattr(live, "_PAGE", "1")
    found = await gather(kubeconfig=str(own_api.kubeconfig), namespace=home, asks_nodes=False, kinds=["BGPPeer"])
    assert {("BGPPeer", "p"), ("BGPPeer", "q")} <= refs_of(found, home)


async def test_without_any_right_there_is_no_answer(api, home, tmp_path):
    async with account(api, tmp_path, []) as (kubeconfig, _):
        with pytest.raises(errors.NoAnswerError, match=r"^cluster c: nothing can be read: 403 Forbidden: [^\n]+$"):
            await gather(kubeconfig=kubeconfig, namespace=home)


def kubeconfig_to(port, folder, **user):
    path = folder / "other"
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": user}],
                "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("one", "two")],
                "current-context": "one",
            }
        )
    )
    return str(path)


async def test_who_does_not_answer_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    path = kubeconfig_to(port, tmp_path)
    with pytest.raises(errors.NoAnswerError, match=r"^cluster one: Unreachable: [^\n]+$"):
        await gather(kubeconfig=path)
    with pytest.raises(errors.NoAnswerError, match=r"^cluster two: Unreachable: [^\n]+$"):
        await gather(kubeconfig=path, context="two")
    with pytest.raises(errors.NoAnswerError, match=r"^kubeconfig .*three[^\n]*$"):
        await gather(kubeconfig=path, context="three")
    (tmp_path / "broken").write_text("{")
    with pytest.raises(errors.NoAnswerError, match=r"^kubeconfig [^\n]+$"):
        await gather(kubeconfig=str(tmp_path / "broken"))


async def test_several_kubeconfigs_are_one(api, own_api, home, tmp_path, monkeypatch):
    (tmp_path / "first").write_text(json.dumps({"current-context": "", "clusters": [], "contexts": [], "users": []}))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'first'}:{own_api.kubeconfig}:/nowhere")
    found = await gather(namespace=home, asks_nodes=False, kinds=["Node"])
    assert ("Node", "sources-n1") in refs_of(found, home)


async def test_a_bundle_of_it_answers_as_the_cluster_does(api, own_api, home, tmp_path):
    place = {"kubeconfig": str(own_api.kubeconfig), "namespace": home, "asks_nodes": False}
    words = ["bundle", f"--kubeconfig={own_api.kubeconfig}", f"--namespace={home}", "--no-nodes"]
    ran = await asyncio.to_thread(command.run, *words, f"--output={tmp_path / 'b.tar.gz'}", "-o", "json")
    assert (ran.status, ran.stderr) == (0, "")
    told = json.loads(ran.stdout)
    assert told["format"] == "frr-adapter.bundle/v1"
    assert (told["objects"]["BGPPeer"], told["nodes"], told["gaps"]) == (2, [], [])
    assert told["bytes"] == (tmp_path / "b.tar.gz").stat().st_size
    direct, bundled = await gather(**place), await gather(bundle=tmp_path / "b.tar.gz")
    assert refs_of(bundled, home) == refs_of(direct, home)
    assert bundled.programs == direct.programs
    assert len(bundled.events) == len(direct.events)
    assert PASSWORD not in text_of(bundled)

    def configured(gathered):
        return world.Course(gathered.programs).advance(gathered.documents).nodes["sources-n1"].configuration

    assert [each.name for each in configured(bundled).peers] == [each.name for each in configured(direct).peers]
    after = sources.comparable(bundled, direct)
    assert configured(after) == configured(bundled)
    assert len(after.gaps) == 1

    again = await asyncio.to_thread(command.run, *words, f"--output={tmp_path / 'b.tar.gz'}")
    assert (again.status, again.stdout) == (3, "")
    table = await asyncio.to_thread(command.run, *words, f"--output={tmp_path / 'b.tar.gz'}", "--force")
    assert table.stdout.startswith(f"{tmp_path / 'b.tar.gz'}: ")
    assert " 2 BGPPeer, " in table.stdout


def test_current_peers_are_read():
    assert paths.KINDS["BGPPeer"].api_version == conversion.NEW
