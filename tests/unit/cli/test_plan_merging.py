"""What `kubectl apply` leaves of objects that are there, and what an API server adds to new ones."""

import base64

import pytest

from cli import values
from cli.core import assuming, merging
from frr_adapter import refs
from tests.unit.cli import plan_world as a

NAMESPACE = a.NAMESPACE


def applied(before, *manifests, **options):
    there = {each.ref: each for each in before}
    return merging.apply(there, manifests, namespace=NAMESPACE, **options)


def manifest(document: values.Document) -> values.Document:
    """As a person writes it: nothing that the API server owns."""
    metadata = {
        key: document.raw["metadata"][key] for key in ("name", "namespace", "labels") if key in document.raw["metadata"]
    }
    return values.Document(document.ref, {**document.raw, "metadata": metadata})


def changes(merged):
    return [(str(each.ref), each.change.value, each.fields) for each in merged.changes]


def test_a_new_object_is_younger_than_all_and_the_files_order_says_by_how_much():
    merged = applied([a.pool("old")], manifest(a.pool("z")), manifest(a.pool("b")))
    created = {ref.name: each.raw["metadata"]["creationTimestamp"] for ref, each in merged.documents.items()}
    assert sorted(created, key=created.__getitem__) == ["old", "z", "b"]
    assert len({each.raw["metadata"]["uid"] for each in merged.documents.values()}) == 3


def test_what_the_server_owns_stays_and_what_the_file_says_replaces():
    old = a.service("web", "192.0.2.1", loadBalancerIP="192.0.2.1", ipFamilyPolicy="SingleStack")
    old.raw["metadata"]["annotations"] = {"metallb.io/ip-allocated-from-pool": "p", "metallb.io/address-pool": "p"}
    new = a.service("web", externalTrafficPolicy="Local")
    del new.raw["spec"]["clusterIPs"], new.raw["status"]
    new.raw["metadata"] = {"name": "web", "namespace": "default", "annotations": {"mine": "yes"}, "uid": "nonsense"}
    raw = applied([old], new).documents[new.ref].raw
    assert raw["metadata"]["uid"] == "uid-Service-web"
    assert raw["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert raw["metadata"]["annotations"] == {"metallb.io/ip-allocated-from-pool": "p", "mine": "yes"}
    assert raw["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.1"}]
    assert raw["spec"]["clusterIPs"] == ["10.96.0.1"]
    assert raw["spec"]["externalTrafficPolicy"] == "Local"
    assert "loadBalancerIP" not in raw["spec"]


def test_a_status_in_a_file_is_nobodys_word():
    new = manifest(a.service("web", "192.0.2.9"))
    assert "status" not in applied([], new).documents[new.ref].raw


def test_labels_of_a_node_are_added_and_its_conditions_stay():
    node = a.node("n1", unavailable=True)
    file = values.Document(node.ref, {"kind": "Node", "metadata": {"name": "n1", "labels": {"rack": "r1"}}})
    raw = applied([node], file).documents[node.ref].raw
    assert raw["metadata"]["labels"] == {"kubernetes.io/hostname": "n1", "rack": "r1"}
    assert raw["status"]["conditions"][0]["status"] == "True"


def test_texts_of_a_secret_are_stored_encoded():
    ref = refs.ObjectRef("Secret", NAMESPACE, "s")
    new = values.Document(ref, {"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "x"}})
    raw = applied([], new).documents[ref].raw
    assert raw["data"] == {"password": base64.b64encode(b"x").decode()}
    assert "stringData" not in raw


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ["0.0.0.0"]),
        ({"ipFamilies": ["IPv6"]}, ["::"]),
        ({"ipFamilyPolicy": "RequireDualStack"}, ["0.0.0.0", "::"]),
        ({"ipFamilyPolicy": "PreferDualStack"}, ["0.0.0.0"]),
        ({"clusterIP": "None"}, None),
    ],
)
def test_a_new_service_gets_cluster_ips_of_its_families(spec, expected):
    raw = {"kind": "Service", "metadata": {"name": "s"}, "spec": {"type": "LoadBalancer", **spec}}
    new = values.Document(refs.ObjectRef("Service", "default", "s"), raw)
    assert applied([], new).documents[new.ref].raw["spec"].get("clusterIPs") == expected


def test_a_cluster_of_two_families_gives_both_where_they_are_preferred():
    there = a.service("there", clusterIPs=["fd00::1", "10.96.0.1"])
    raw = {"kind": "Service", "metadata": {"name": "s"}, "spec": {"ipFamilyPolicy": "PreferDualStack"}}
    new = values.Document(refs.ObjectRef("Service", "default", "s"), raw)
    assert applied([there], new).documents[new.ref].raw["spec"]["clusterIPs"] == ["::", "0.0.0.0"]


def test_a_service_that_wants_two_families_keeps_the_one_it_has():
    new = manifest(a.service("web", ipFamilyPolicy="RequireDualStack"))
    del new.raw["spec"]["clusterIPs"]
    assert applied([a.service("web")], new).documents[new.ref].raw["spec"]["clusterIPs"] == ["10.96.0.1", "::"]


def test_a_default_that_is_spelled_out_changes_nothing():
    merged = applied(
        [a.bgp("ad", aggregationLength=32), a.pool()], manifest(a.bgp("ad")), manifest(a.pool(autoAssign=True))
    )
    assert changes(merged) == [
        ("BGPAdvertisement metallb-system/ad", "unchanged", ()),
        ("IPAddressPool metallb-system/p", "unchanged", ()),
    ]


def test_fields_that_change_are_named():
    new = manifest(a.peer(peerASN=64999, holdTime="30s"))
    new.raw["metadata"]["labels"] = {"a": "b"}
    merged = applied([a.peer(bfdProfile="fast")], new)
    assert changes(merged) == [
        ("BGPPeer metallb-system/up", "changed", ("spec.bfdProfile", "spec.holdTime", "spec.peerASN"))
    ]


def test_pruning_removes_what_configures_us_and_nothing_else():
    secret = a.document("Secret", "s")
    elsewhere = a.document("IPAddressPool", "p", {}, "other")
    before = [a.pool("p"), a.pool("q"), a.node("n1"), a.service("web"), secret, elsewhere]
    merged = applied(before, manifest(a.pool("p")), prune=True)
    assert changes(merged)[1:] == [("IPAddressPool metallb-system/q", "deleted", ())]
    assert {each.ref for each in before} - merged.documents.keys() == {a.pool("q").ref}


def test_what_belongs_to_a_deleted_service_goes_with_it():
    before = [a.service("web"), a.endpoints("web", "n1"), a.holding("web", "n1"), a.endpoints("other", "n1")]
    merged = applied(before, delete=[a.service("web").ref, a.pool("never-there").ref])
    assert set(merged.documents) == {a.endpoints("other", "n1").ref}
    assert changes(merged) == [("Service default/web", "deleted", ())]


# ---- Endpoints ----


def assumed(before, *manifests):
    merged = applied(before, *manifests)
    documents, notes = assuming.endpoints(merged.documents, merged.changes)
    slices = [each.raw for ref, each in documents.items() if ref.kind == "EndpointSlice"]
    rows = sorted((row["nodeName"], row["conditions"]["ready"]) for each in slices for row in each["endpoints"])
    return rows, notes


def pod(name: str, node: str, *, ready: bool = True) -> values.Document:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return a.document(
        "Pod", name, {"nodeName": node}, "default", labels={"app": "web"}, status={"conditions": conditions}
    )


WEB = {"selector": {"app": "web"}}


@pytest.mark.parametrize(("policy", "expected"), [("Local", [("n1", True), ("n2", True)]), ("Cluster", [("n1", True)])])
def test_endpoints_of_a_new_service_are_guessed_and_that_is_said(policy, expected):
    made = manifest(a.service("web", externalTrafficPolicy=policy, **WEB))
    rows, notes = assumed([a.node("n1"), a.node("n2")], made)
    assert rows == expected
    assert notes == ("Service default/web: its endpoints are not known yet; every node is taken to have a ready one",)


def test_many_guesses_are_said_in_one_line():
    _, notes = assumed([a.node("n1")], *(manifest(a.service(f"s{n}", selector={"app": f"s{n}"})) for n in range(7)))
    (note,) = notes
    assert note.startswith("Services default/s0, default/s1, default/s2, default/s3, default/s4 and 2 more: their ")


def test_a_service_that_selects_the_same_pods_knows_better():
    twin = [a.service("twin", **WEB), a.endpoints("twin", "n2", ready=False)]
    rows, notes = assumed([a.node("n1"), *twin], manifest(a.service("web", **WEB)))
    assert rows == [("n2", False), ("n2", False)]
    assert "those of Service default/twin" in notes[0]


def test_pods_know_better_than_nodes():
    rows, notes = assumed(
        [a.node("n1"), pod("a", "n2"), pod("b", "n3", ready=False)], manifest(a.service("web", **WEB))
    )
    assert rows == [("n2", True), ("n3", False)]
    assert "pods that it selects" in notes[0]


def test_nothing_is_guessed_where_something_is_known_or_nothing_will_come():
    known = [a.node("n1"), a.service("web", **WEB), a.endpoints("web", "n2")]
    assert assumed(known, manifest(a.service("web", externalTrafficPolicy="Local", **WEB))) == ([("n2", True)], ())
    assert assumed([a.node("n1")], manifest(a.service("bare"))) == ([], ())
    assert assumed([a.node("n1")], manifest(a.service("inner", type="ClusterIP", **WEB))) == ([], ())
    given = [manifest(a.service("web", **WEB)), manifest(a.endpoints("web", "n4"))]
    assert assumed([a.node("n1")], *given) == ([("n4", True)], ())


def test_another_selector_makes_known_endpoints_worthless():
    known = [a.node("n1"), a.service("web", **WEB), a.endpoints("web", "n2")]
    rows, notes = assumed(known, manifest(a.service("web", selector={"app": "other"})))
    assert rows == [("n1", True)]
    assert len(notes) == 1
