"""`frr-adapter explain service` in a lab that is broken in one way after another: its marked line names what was broken, and then all is well.

Asked as an operator would: by the lab's kubeconfig, once with the speakers' own reports and once without (`--no-nodes`).
"""

import contextlib
import json
import re

import pytest

from frr_adapter.model import cluster
from lab import kube, objects
from tests import command

pytestmark = [pytest.mark.live, pytest.mark.frr]

NAMESPACE = "metallb-system"
MERGE = "application/merge-patch+json"
ADVERTISEMENT = kube.path_of("metallb.io/v1beta1", "BGPAdvertisement", NAMESPACE, "bgp")
PEER = kube.path_of("metallb.io/v1beta2", "BGPPeer", NAMESPACE, "router-v4")
BOTH = pytest.mark.parametrize("more", [(), ("--no-nodes",)], ids=["nodes", "status"])


@pytest.fixture(scope="module")
def lab(lab_factory):
    """Two nodes, one router, and the three services of the demo, all of them well."""
    found = lab_factory(programs=True)
    found.apply(*(at_once(each) for each in objects.demo()))
    for service in ("web", "web-local", "web-l2"):
        found.until(f"{service} is well", lambda name=service: is_well(found, name), seconds=40)
    return found


def at_once(document):
    """Peers try again every second, so that nobody waits for them after the router was away."""
    if document["kind"] != "BGPPeer":
        return document
    return document | {"spec": document["spec"] | {"connectTime": "1s"}}


def explained(lab, service, *more):
    ran = command.run(
        "explain", "service", f"default/{service}", "--kubeconfig", str(lab.kubeconfig), "-o", "json", *more
    )
    assert ran.stderr == ""
    document = json.loads(ran.stdout)
    assert ran.status == (0 if document["works"] else 1)
    return document


def cause(document):
    marked = [each for each in document["hops"] if each["isCause"]]
    return marked[0] if marked else None


def is_well(lab, service="web", *more):
    document = explained(lab, service, *more)
    unknown = {each["name"] for each in document["hops"] if each["status"] == "unknown"}
    assert document["works"], cause(document)
    assert unknown <= ({"advertised", "wire"} if "--no-nodes" in more else set()), document["hops"]
    return True


def named(lab, hop, thing, field, *more, service="web", says=""):
    """The marked line, once it is about this hop, names this object and field and says this."""

    def holds():
        found = cause(explained(lab, service, *more))
        assert found is not None
        assert (found["name"], found["edit"]) == (hop, {"object": thing, "field": field}), found
        assert says in found["text"], found
        return found

    return lab.until(f"{hop}: {thing}", holds, seconds=40)


@contextlib.contextmanager
def patched(lab, path, broken, mended):
    """The object is so while the block runs; afterwards all services are well again."""
    lab.call("PATCH", path, broken, MERGE)
    try:
        yield
    finally:
        lab.call("PATCH", path, mended, MERGE)
    mended_again(lab)


def mended_again(lab):
    for service in ("web", "web-local", "web-l2"):
        for more in ((), ("--no-nodes",)):
            lab.until(f"{service} is well again", lambda name=service, how=more: is_well(lab, name, *how), seconds=60)


def test_all_is_well_and_every_hop_is_known(lab):
    over_bgp = explained(lab, "web")
    assert {each["status"] for each in over_bgp["hops"]} == {"ok", "notApplicable"}
    assert "announced by n1 and n2 over BGP to router-v4 and router-v6" in over_bgp["summary"]
    (intent,) = (each for each in over_bgp["hops"] if each["name"] == "intent")
    address = over_bgp["addresses"][0]
    assert f"network {address}/32 route-map" in intent["details"][0]
    assert f"network {address}/32 route-map" in lab.vtysh("n1", "show running-config")
    layer2 = explained(lab, "web-l2")
    (wire,) = (each for each in layer2["hops"] if each["name"] == "wire")
    assert wire["status"] == "ok"
    assert "announced " in wire["text"]


def test_a_node_that_is_not_the_owner_is_no_fault(lab):
    owner = {each["node"]: each for each in (explained(lab, "web-l2", "--node", name) for name in ("n1", "n2"))}
    states = {
        name: next(hop["status"] for hop in document["hops"] if hop["name"] == "owner")
        for name, document in owner.items()
    }
    assert sorted(states.values()) == ["notApplicable", "ok"]
    assert all(document["works"] for document in owner.values())


def test_a_bundle_gives_the_same_answers(lab, tmp_path):
    path = tmp_path / "lab.tar.gz"
    assert command.run("bundle", "--kubeconfig", str(lab.kubeconfig), "--output", str(path)).status == 0
    for service in ("web", "web-local"):
        ran = command.run("explain", "service", f"default/{service}", "--from-bundle", str(path), "-o", "json")
        found, live = json.loads(ran.stdout), explained(lab, service)
        assert found["source"] == f"bundle of {live['source']}"
        for each in ("hops", "summary", "works"):
            assert found[each] == live[each]


@BOTH
def test_a_wrong_pool_selector(lab, more):
    wrong = {"spec": {"ipAddressPools": None, "ipAddressPoolSelectors": [{"matchLabels": {"site": "elsewhere"}}]}}
    right = {"spec": {"ipAddressPools": ["bgp"], "ipAddressPoolSelectors": None}}
    with patched(lab, ADVERTISEMENT, wrong, right):
        where = f"BGPAdvertisement/{NAMESPACE}/bgp"
        found = named(lab, "advertisements", where, "spec.ipAddressPoolSelectors", *more)
        assert "selects pools by label; pool bgp has no labels" in found["text"]


@BOTH
def test_a_missing_secret(lab, more):
    with patched(lab, PEER, {"spec": {"passwordSecret": {"name": "router-key"}}}, {"spec": {"passwordSecret": None}}):
        found = named(lab, "intent", f"BGPPeer/{NAMESPACE}/router-v4", "spec.passwordSecret.name", *more)
        assert f"make Secret {NAMESPACE}/router-key of type kubernetes.io/basic-auth" in found["do"]


@BOTH
def test_excluded_nodes(lab, more):
    label = f"metadata.labels[{cluster.EXCLUDE_LABEL}]"
    n1, n2 = (kube.path_of("v1", "Node", "", name) for name in ("n1", "n2"))
    excluded, included = ({"metadata": {"labels": {cluster.EXCLUDE_LABEL: value}}} for value in ("", None))
    with patched(lab, n2, excluded, included):
        lab.until("only n1 is left", lambda: "announced by n1 over BGP" in explained(lab, "web", *more)["summary"])
        named(lab, "nodes", "Node/n2", label, "--node", "n2", *more)
        named(lab, "nodes", "Node/n2", label, "--node", "n2", *more, service="web-l2")
        with contextlib.ExitStack() as stack:
            lab.call("PATCH", n1, excluded, MERGE)
            stack.callback(lab.call, "PATCH", n1, included, MERGE)
            found = named(lab, "nodes", "Node/n1", label, *more)
            assert f"kubectl label node n1 {cluster.EXCLUDE_LABEL}-" in found["do"]


@BOTH
def test_a_router_that_is_down(lab, more):
    lab.lab("stop", "up/bgpd")
    try:
        found = named(lab, "sessions", f"BGPPeer/{NAMESPACE}/router-v4", "spec.peerAddress", *more)
        # Whichever node noticed first.
        assert re.match(r"n[12] to router-v4 \(10\.99\.0\.1\): ", found["text"]), found["text"]
        assert "see whether the router at 10.99.0.1 runs BGP" in found["do"]
    finally:
        lab.lab("start", "up/bgpd")
    mended_again(lab)


@BOTH
def test_bfd_that_the_router_does_not_speak(lab, more):
    profile = {"apiVersion": "metallb.io/v1beta1", "kind": "BFDProfile", "spec": {"receiveInterval": 300}}
    lab.apply(profile | {"metadata": {"name": "fast", "namespace": NAMESPACE}})
    with patched(lab, PEER, {"spec": {"bfdProfile": "fast"}}, {"spec": {"bfdProfile": None}}):
        says = "BGP is Established, but BFD is Down: the router sends no BFD packets that fit"
        named(lab, "sessions", f"BGPPeer/{NAMESPACE}/router-v4", "spec.bfdProfile", *more, says=says)
