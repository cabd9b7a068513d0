"""BGPPeer between its two versions: field by field, round trips, and the envelope."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core import conversion
from frr_adapter.decode import peers

OLD, NEW = conversion.OLD, conversion.NEW
META = {"name": "p", "namespace": "metallb-system", "uid": "u", "labels": {"a": "b"}, "annotations": {"c": "d"}}


def peer(version, **spec):
    return {"apiVersion": version, "kind": "BGPPeer", "metadata": META, "spec": spec}


EVERYTHING_OLD = {
    "myASN": 64500,
    "peerASN": 64501,
    "peerAddress": "192.0.2.1",
    "sourceAddress": "192.0.2.2",
    "peerPort": 1790,
    "holdTime": "90s",
    "keepaliveTime": "30s",
    "routerID": "192.0.2.3",
    "nodeSelectors": [
        {
            "matchLabels": {"rack": "1"},
            "matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}],
        }
    ],
    "password": "x",
    "bfdProfile": "fast",
    "ebgpMultiHop": True,
}
ONLY_NEW = {
    "passwordSecret": {"name": "s"},
    "connectTime": "10s",
    "vrf": "red",
    "dynamicASN": "external",
    "interface": "eth0",
    "enableGracefulRestart": True,
    "disableMP": False,
    "dualStackAddressFamily": True,
    "localASN": 64999,
}


def test_shared_fields_are_the_same_in_both():
    assert conversion.convert(peer(OLD, **EVERYTHING_OLD), NEW) == peer(NEW, **EVERYTHING_OLD)
    assert conversion.convert(peer(NEW, **EVERYTHING_OLD), OLD) == peer(OLD, **EVERYTHING_OLD)


def test_what_the_older_version_does_not_know_is_dropped():
    assert conversion.convert(peer(NEW, **EVERYTHING_OLD, **ONLY_NEW), OLD) == peer(OLD, **EVERYTHING_OLD)
    assert frozenset(EVERYTHING_OLD) == conversion.KNOWN_TO_OLD


def test_timers_that_nobody_gave_are_zero():
    least = {"myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1"}
    zero = {"holdTime": "0s", "keepaliveTime": "0s"}
    assert conversion.convert(peer(OLD, **least), NEW)["spec"] == {**least, **zero}
    assert conversion.convert(peer(NEW, **least), OLD)["spec"] == {**least, **zero}
    made = peers.decode_peer(json.dumps(conversion.convert(peer(OLD, **least), NEW)).encode())
    assert (made.value.hold_time, made.value.keepalive_time, made.value.port) == (0, 0, 179)


def test_an_unnumbered_peer_of_any_number_has_nothing_in_the_older_version():
    spec = conversion.convert(peer(NEW, myASN=1, interface="eth0", dynamicASN="external"), OLD)["spec"]
    assert (spec["peerASN"], spec["peerAddress"]) == (0, "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"peerPort": 0}, {}),
        ({"nodeSelectors": []}, {}),
        ({"nodeSelectors": [{}]}, {"nodeSelectors": [{}]}),
        ({"nodeSelectors": [{"matchLabels": {}, "matchExpressions": []}]}, {"nodeSelectors": [{}]}),
        (
            {"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "Odd", "values": ["b"]}]}]},
            {"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "Odd", "values": ["b"]}]}]},
        ),
    ],
)
def test_empty_values_upwards(old, new):
    zero = {"holdTime": "0s", "keepaliveTime": "0s"}
    assert conversion.convert(peer(OLD, **old), NEW)["spec"] == {**new, **zero}


def test_a_requirement_without_values_gets_an_empty_list_of_them():
    selectors = [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
    spec = conversion.convert(peer(NEW, myASN=1, nodeSelectors=selectors), OLD)["spec"]
    assert spec["nodeSelectors"] == [{"matchExpressions": [{"key": "a", "operator": "Exists", "values": []}]}]


@pytest.mark.parametrize("spec", [None, "x", 7])
def test_a_peer_without_a_usable_spec_changes_its_version_only(spec):
    found = {"apiVersion": OLD, "kind": "BGPPeer", "metadata": META, "spec": spec, "status": {}}
    assert conversion.convert(found, NEW) == {**found, "apiVersion": NEW}


words = st.text(st.characters(codec="ascii", exclude_categories=("C",)), min_size=1, max_size=8)
times = st.integers(0, 300).map(lambda seconds: f"{seconds}s")
requirements = st.fixed_dictionaries(
    {"key": words, "operator": words, "values": st.lists(words, min_size=1, max_size=2)}
)
selectors = st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": st.dictionaries(words, words, min_size=1, max_size=2),
        "matchExpressions": st.lists(requirements, min_size=1, max_size=2),
    },
)
shared = {
    "sourceAddress": words,
    "peerPort": st.integers(1, 16384),
    "routerID": words,
    "nodeSelectors": st.lists(selectors, min_size=1, max_size=2),
    "password": words,
    "bfdProfile": words,
    "ebgpMultiHop": st.booleans(),
}
required = {"myASN": st.integers(0, 2**32 - 1), "peerASN": st.integers(0, 2**32 - 1), "peerAddress": words}
timers = {"holdTime": times, "keepaliveTime": times}
only_new = {
    "passwordSecret": st.fixed_dictionaries({"name": words}),
    "connectTime": times,
    "vrf": words,
    "localASN": st.integers(1, 2**32 - 1),
}


@given(st.fixed_dictionaries({**required, **timers}, optional=shared))
def test_old_to_new_and_back_loses_nothing(spec):
    found = peer(OLD, **spec)
    assert conversion.convert(conversion.convert(found, NEW), OLD) == found


@given(st.fixed_dictionaries(required, optional={**timers, **shared}))
def test_what_was_converted_once_stays_as_it_is(spec):
    once = conversion.convert(peer(OLD, **spec), NEW)
    again = conversion.convert(conversion.convert(once, OLD), NEW)
    assert again == once
    # Whatever a client of the older version can write, the programs can read.
    assert peers.decode_peer(json.dumps(once).encode()).ref.name == "p"


@given(st.fixed_dictionaries(required, optional={**timers, **shared, **only_new}))
def test_new_to_old_and_back_keeps_what_the_old_one_knows(spec):
    back = conversion.convert(conversion.convert(peer(NEW, **spec), OLD), NEW)["spec"]
    known = {field: value for field, value in spec.items() if field in conversion.KNOWN_TO_OLD}
    assert back == {"holdTime": "0s", "keepaliveTime": "0s", **known}


def review(version, objects, wanted=NEW, uid="7"):
    request = {"uid": uid, "desiredAPIVersion": wanted, "objects": objects}
    # As API servers write it, with the shell of an answer.
    shell = {"uid": "", "convertedObjects": None, "result": {"metadata": {}}}
    envelope = {"apiVersion": version, "kind": "ConversionReview", "request": request, "response": shell}
    return json.dumps(envelope).encode()


@pytest.mark.parametrize("version", ["apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"])
def test_a_review_is_answered_in_its_own_version_and_order(version):
    objects = [{**peer(OLD, myASN=number), "metadata": {"name": f"p{number}"}} for number in range(3)]
    found = json.loads(conversion.answer(review(version, [*objects, peer(NEW, myASN=9, vrf="red")])))
    assert (found["apiVersion"], found["kind"]) == (version, "ConversionReview")
    response = found["response"]
    assert (response["uid"], response["result"]) == ("7", {"status": "Success"})
    assert [each["spec"]["myASN"] for each in response["convertedObjects"]] == [0, 1, 2, 9]
    assert {each["apiVersion"] for each in response["convertedObjects"]} == {NEW}
    assert response["convertedObjects"][3] == peer(NEW, myASN=9, vrf="red")
    assert response["convertedObjects"][1]["metadata"] == {"name": "p1"}


@pytest.mark.parametrize(
    ("objects", "wanted", "words"),
    [
        ([peer("metallb.io/v7")], NEW, "found BGPPeer of metallb.io/v7; BGPPeer of"),
        ([{**peer(OLD), "kind": "Pod"}], NEW, "found Pod of metallb.io/v1beta1; BGPPeer of"),
        ([peer(OLD)], "metallb.io/v3", "found metallb.io/v3 as the wanted version;"),
        ([{}], NEW, "found None of None;"),
    ],
)
def test_what_cannot_be_converted_is_a_failure_of_the_review(objects, wanted, words):
    response = json.loads(conversion.answer(review("apiextensions.k8s.io/v1", objects, wanted)))["response"]
    assert response["result"]["status"] == "Failed"
    assert response["result"]["message"].startswith(words)
    assert response["convertedObjects"] == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"?", "not a ConversionReview"),
        (b"[]", "not a ConversionReview"),
        (b'{"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview"}', "a request of apiextensions"),
        (review("admission.k8s.io/v1", []), "found ConversionReview of admission.k8s.io/v1"),
        (review("apiextensions.k8s.io/v1", [7]), "not a ConversionReview"),
    ],
)
def test_a_body_that_is_no_review(body, words):
    with pytest.raises(ValueError, match=words):
        conversion.answer(body)
