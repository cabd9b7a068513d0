"""What the webhook admits and what it refuses: one line per rule, through the envelope as the API server sends it."""

import dataclasses
import json
import random

import pytest

from controller.core import admission
from frr_adapter.model import snapshot
from tests.unit.config import documents
from tests.unit.config.documents import document, node, peer, pool

NS = documents.NAMESPACE
PATH = {kind: path for path, (kind, _) in admission.PATHS.items()}
NODES = [node("n1"), node("n2")]


def ad(name="a", **spec):
    return document("BGPAdvertisement", name, {"aggregationLength": 32, "aggregationLengthV6": 128, **spec})


def l2(name="l", **spec):
    return document("L2Advertisement", name, spec)


def community(name, **aliases):
    return document("Community", name, {"communities": [{"name": k, "value": v} for k, v in aliases.items()]})


def elsewhere(found):
    return {**found, "metadata": {**found["metadata"], "namespace": "other"}}


def envelope(operation, new=None, old=None, asked=None):
    found = new or old
    kind = found["kind"]
    version = admission.PATHS[PATH[kind]][1]
    request = {
        "uid": "u-1",
        "kind": {"group": "metallb.io", "version": version, "kind": kind},
        "requestKind": {"group": "metallb.io", "version": asked or version, "kind": kind},
        "operation": operation,
        "name": found["metadata"]["name"],
        "namespace": found["metadata"]["namespace"],
        "object": new,
        "oldObject": old,
        "options": None,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return PATH[kind], json.dumps(review).encode()


def verdict(existing, operation, new=None, old=None, asked=None):
    path, body = envelope(operation, new, old, asked)
    request = admission.read(path, body)
    known, _ = documents.load([*existing, *NODES])
    found = admission.judge(request, known, NS)
    response = json.loads(admission.encode(request, found))["response"]
    assert (response["uid"], response["allowed"]) == ("u-1", isinstance(found, admission.Allowed))
    return found


def test_the_paths_are_those_of_existing_configurations():
    assert sorted(admission.PATHS) == [
        "/validate-metallb-io-v1beta1-bfdprofile",
        "/validate-metallb-io-v1beta1-bgpadvertisement",
        "/validate-metallb-io-v1beta1-community",
        "/validate-metallb-io-v1beta1-ipaddresspool",
        "/validate-metallb-io-v1beta1-l2advertisement",
        "/validate-metallb-io-v1beta2-bgppeer",
    ]


ALL = [
    document("BFDProfile", "b", {}),
    ad(),
    peer("p"),
    community("c", red="1:2"),
    pool("o", "10.0.0.0/24"),
    l2(),
]


@pytest.mark.parametrize("found", ALL, ids=lambda found: found["kind"])
def test_every_kind_is_created_in_our_namespace_only(found):
    assert verdict([], "CREATE", found) == admission.Allowed()
    refused = verdict([], "CREATE", elsewhere(found))
    assert f"resource must be created in {NS} namespace" in refused.message
    assert 'found "other"' in refused.message


REFUSED = {
    "pool overlaps": (
        [pool("a", "10.0.0.0/24")],
        pool("b", "10.0.0.128-10.0.1.3"),
        "overlaps with already defined CIDR",
    ),
    "pool overlaps itself": ([], pool("b", "10.0.0.0/24", "10.0.0.0/28"), "overlaps with already defined CIDR"),
    "pool with blanks": ([], pool("b", " 10.0.0.0/24"), "spec.addresses[0]"),
    "pool without addresses": ([], pool("b"), "spec.addresses"),
    "two namespaces alike": (
        [],
        pool("b", "10.0.0.0/24", spec={"serviceAllocation": {"namespaces": ["x", "x"]}}),
        'duplicate definition of namespaces "x"',
    ),
    "aggregate narrower than the entry": (
        [pool("a", "1.1.1.0/28")],
        ad(aggregationLength=26),
        (
            "invalid aggregation length 26: prefix 28 in this pool is more specific than the aggregation length "
            "for addresses 1.1.1.0/28"
        ),
    ),
    "selectors and aggregation": (
        [],
        ad(aggregationLength=26, serviceSelectors=[{"matchLabels": {"a": "b"}}]),
        "serviceSelectors and aggregationLength are mutually exclusive",
    ),
    "selectors and aggregation V6": (
        [],
        ad(aggregationLengthV6=64, serviceSelectors=[{"matchLabels": {"a": "b"}}]),
        "serviceSelectors and aggregationLengthV6 are mutually exclusive",
    ),
    "local preferences": (
        [pool("a", "10.0.0.0/24"), ad("old", localPref=100)],
        ad("new", localPref=200),
        "BGPAdvertisement metallb-system/new: spec.localPref: invalid localpref 200",
    ),
    "community value": ([], ad(communities=["1:70000"]), "invalid community value: invalid section"),
    "community marker": (
        [],
        ad(communities=["larg:1:2:3"]),
        "invalid community value: invalid marker for large community",
    ),
    "community size": ([], ad(communities=["larg:1:2:3"]), "expected community to be of format large"),
    "community with three parts": ([], ad(communities=["1:2:3"]), "invalid community format"),
    "duplicate communities": ([], ad(communities=["1:2", "1:2"]), "duplicate definition of communities"),
    "duplicate peers in an advertisement": ([], ad(peers=["x", "x"]), "duplicate definition of peers"),
    "duplicate pools": ([], l2(ipAddressPools=["x", "x"]), "duplicate definition of ipAddressPools"),
    "duplicate pool selectors": (
        [],
        l2(ipAddressPoolSelectors=[{"matchLabels": {"a": "b"}}] * 2),
        "duplicate definition of ipAddressPoolSelectors",
    ),
    "duplicate node selectors": (
        [],
        ad(nodeSelectors=[{"matchLabels": {"a": "b"}}] * 2),
        "duplicate definition of nodeSelectors",
    ),
    "peer address": ([], peer("p", "1.2.3.400"), "invalid BGPPeer address"),
    "same peer twice": ([peer("old")], peer("new"), "already exists"),
    "router IDs": ([peer("old", routerID="1.1.1.1")], peer("new", "9.9.9.9"), "spec.routerID"),
    "local ASNs": ([peer("old")], peer("new", "9.9.9.9", my_asn=7), "spec.myASN"),
    "no local ASN": ([], peer("p", my_asn=0), "missing local ASN"),
    "hold time": ([], peer("p", holdTime="2s"), "invalid hold time"),
    "disableMP does not hide a bad address": ([], peer("p", "nowhere", disableMP=True), "invalid BGPPeer address"),
    "alias twice": ([community("c", red="1:2")], community("d", red="1:3"), 'duplicate definition of community "red"'),
    "alias twice in one": (
        [],
        document("Community", "d", {"communities": [{"name": "x", "value": "1:2"}, {"name": "x", "value": "1:2"}]}),
        'duplicate definition of community "x"',
    ),
    "alias value": ([], community("d", red="70000:1"), "invalid community value: invalid section"),
    "profile out of range": ([], document("BFDProfile", "b", {"detectMultiplier": 1}), "2 to 255 is allowed"),
    "of the wrong type": ([], peer("p", my_asn="many"), "spec.myASN"),
}


@pytest.mark.parametrize(("existing", "new", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_on_create_and_on_update(existing, new, words):
    refused = verdict(existing, "CREATE", new)
    assert isinstance(refused, admission.Denied)
    assert words in refused.message
    assert refused.code == 403
    good = next(found for found in ALL if found["kind"] == new["kind"])
    before = {**good, "metadata": new["metadata"]}
    if "prefix 28" not in words and "localpref" not in words and not existing:
        assert words in verdict([before], "UPDATE", new, before).message


@pytest.mark.parametrize(("existing", "new", "words"), REFUSED.values(), ids=REFUSED)
def test_what_was_wrong_before_is_no_reason_to_refuse(existing, new, words):
    labelled = {**new, "metadata": {**new["metadata"], "labels": {"touched": "yes"}}}
    assert isinstance(verdict([*existing, new], "UPDATE", labelled, new), admission.Allowed)


ADMITTED = {
    "a profile that comes later": ([], peer("p", bfdProfile="later")),
    "a Secret that comes later": ([], peer("p", passwordSecret={"name": "later"})),
    "a Secret of the wrong type": (
        [document("Secret", "s", type="Opaque")],
        peer("p", passwordSecret={"name": "s"}),
    ),
    "an alias that comes later": ([], ad(communities=["later"])),
    "an alias with a colon": ([community("c", **{"a:b": "1:2"})], ad(communities=["a:b"])),
    "unknown pools and peers": ([], ad(ipAddressPools=["later"], peers=["later"])),
    "the same address on other nodes": (
        [peer("old", nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "n1"}}])],
        peer("new", nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "n2"}}]),
    ),
    "a quarrel of others": ([peer("one"), peer("two")], peer("new", "9.9.9.9")),
    "a range as wide as the aggregate": ([pool("a", "1.1.1.0-1.1.1.255")], ad(aggregationLength=24)),
}


@pytest.mark.parametrize(("existing", "new"), ADMITTED.values(), ids=ADMITTED)
def test_admitted(existing, new):
    assert verdict(existing, "CREATE", new) == admission.Allowed()


def test_any_order_of_creation_is_accepted():
    world = [
        document("BFDProfile", "fast", {}),
        peer("p", bfdProfile="fast", passwordSecret={"name": "s"}),
        peer("q", "2.2.2.2"),
        pool("v4", "10.0.0.0/24"),
        pool("v6", "2001:db8::/64"),
        ad("both", ipAddressPools=["v4", "v6"], aggregationLength=24, communities=["red", "1:2"], peers=["p"]),
        ad("rest", localPref=100, peers=["q"]),
        community("c", red="large:1:2:3"),
        l2("l", ipAddressPools=["v4"]),
    ]
    for seed in range(100):
        order = random.Random(seed).sample(world, len(world))
        for index, each in enumerate(order):
            assert verdict(order[:index], "CREATE", each) == admission.Allowed(), [
                found["metadata"]["name"] for found in order
            ]


def test_disable_mp_is_admitted_with_a_warning_when_it_is_new():
    plain, deprecated = peer("p"), peer("p", disableMP=True)
    assert "spec.disableMP is deprecated" in verdict([], "CREATE", deprecated).warnings[0]
    assert verdict([plain], "UPDATE", deprecated, plain).warnings
    assert verdict([deprecated], "UPDATE", deprecated, deprecated) == admission.Allowed()
    assert isinstance(verdict([], "CREATE", elsewhere(deprecated)), admission.Denied)


def test_a_pool_may_not_break_an_advertisement():
    wide, narrow = pool("a", "1.1.1.0/24"), pool("a", "1.1.1.0/28")
    refused = verdict([wide, ad(aggregationLength=24)], "UPDATE", narrow, wide)
    assert "BGPAdvertisement metallb-system/a: spec.aggregationLength: invalid aggregation length 24" in refused.message
    # It is broken by another pool already: a second reason does not make it more so.
    broken = [wide, pool("z", "2.2.2.0/30"), ad(aggregationLength=24)]
    assert verdict(broken, "UPDATE", narrow, wide) == admission.Allowed()


def test_the_message_is_about_the_object_under_review_whatever_its_name_and_age():
    for new in ("a", "z"):
        refused = verdict([pool("m", "10.0.0.0/24", created="2026-01-01T00:00:00Z")], "CREATE", pool(new, "10.0.0.0/8"))
        assert refused.message.startswith(f"IPAddressPool {NS}/{new}: spec.addresses[0]: ")


def test_a_long_list_of_problems_is_cut():
    refused = verdict([], "CREATE", pool("a", *(f"bad-{number}" for number in range(15))))
    assert refused.message.count("\n") == 10
    assert refused.message.endswith("and 5 more problems")


def test_a_profile_in_use_is_not_deleted():
    profile = document("BFDProfile", "fast", {})
    users = [peer("p2", bfdProfile="fast"), peer("p1", "9.9.9.9", bfdProfile="fast"), peer("p3", "8.8.8.8")]
    refused = verdict([profile, *users], "DELETE", old=profile)
    assert "failed to delete BFDProfile" in refused.message
    assert "used by BGPPeer p1, p2;" in refused.message
    assert verdict([profile, users[2]], "DELETE", old=profile) == admission.Allowed()
    assert verdict([profile, *users], "DELETE", old=elsewhere(profile)) == admission.Allowed()
    assert verdict([profile, *users], "DELETE", old=users[0]) == admission.Allowed()


def test_an_object_outside_our_namespace_may_change_and_has_no_effect():
    bad = elsewhere(peer("p", "nowhere"))
    allowed = verdict([peer("p")], "UPDATE", bad, bad)
    assert "has no effect" in allowed.warnings[0]


def test_what_is_no_object_at_all_is_a_bad_request():
    path, body = envelope("CREATE", pool("a", "10.0.0.0/24"))
    broken = body.replace(b'"object": {', b'"object": 7, "was": {')
    assert admission.judge(admission.read(path, broken), snapshot.ConfigObjects(), NS).code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        json.dumps({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"}).encode(),
        envelope("CREATE", l2())[1],
        envelope("CREATE", pool("a"))[1].replace(b'"v1beta1"', b'"v1"'),
    ],
)
def test_what_is_no_review_of_this_path_is_an_error(body):
    with pytest.raises(ValueError, match=r"AdmissionReview|allowed"):
        admission.read(PATH["IPAddressPool"], body)


def test_references_that_may_come_later_are_left_out_and_nothing_else():
    texts = ["11111:11aaaa", "larg:12345:12345:12345", "alias", "myCommunityAlias"]
    aliases = community("c", alias="1:2")
    found, _ = documents.load([peer("p", bfdProfile="b", passwordSecret={"name": "s"}), ad(communities=texts), aliases])
    kept = admission.forgiving(found)
    assert kept.peers == (dataclasses.replace(found.peers[0], bfd_profile="", password_secret=""),)
    assert kept.bgp_advertisements[0].communities == ("11111:11aaaa", "larg:12345:12345:12345")
    assert kept.communities == found.communities
    assert admission.forgiving(snapshot.ConfigObjects()) == snapshot.ConfigObjects()


NEWER_ONLY = {
    "passwordSecret": {"name": "s"},
    "connectTime": "10s",
    "vrf": "red",
    "enableGracefulRestart": True,
    "dualStackAddressFamily": True,
    "localASN": 64999,
}
ZERO = {"holdTime": "0s", "keepaliveTime": "0s"}


def test_what_a_write_in_the_older_version_loses_is_told():
    full = peer("p", **NEWER_ONLY, holdTime="9s", keepaliveTime="3s")
    through_older = peer("p", **ZERO)
    found = verdict([full], "UPDATE", through_older, through_older, asked="v1beta1")
    fields = sorted(line.split("spec.")[1].split(":")[0] for line in found.warnings)
    assert fields == sorted([*NEWER_ONLY, *ZERO])
    assert verdict([full], "UPDATE", through_older, through_older).warnings == ()
    assert verdict([through_older], "UPDATE", through_older, through_older, asked="v1beta1").warnings == ()
    assert len(verdict([], "CREATE", through_older, asked="v1beta1").warnings) == 2
    timed = peer("p", holdTime="90s", keepaliveTime="30s")
    assert verdict([], "CREATE", timed, asked="v1beta1").warnings == ()


def test_other_kinds_have_no_older_version():
    assert verdict([], "CREATE", pool("p", "10.0.0.0/24"), asked="v1beta1").warnings == ()
