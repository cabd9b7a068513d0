"""Mistakes in objects as they are written: each told once, at its field."""

import pytest

from cli import values
from cli.core import checking, structure, world
from frr_adapter import refs
from frr_adapter.api import crds

POOL = {"addresses": ["198.51.100.0/24"]}
PEER = {"myASN": 64600, "peerASN": 64512, "peerAddress": "10.0.0.1"}


def document(kind, spec=None, *, version="v1beta1", name="a", namespace="metallb-system", **metadata):
    raw = {
        "apiVersion": f"metallb.io/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, **metadata},
    }
    if spec is not None:
        raw["spec"] = spec
    return values.Document(refs.ObjectRef(kind, namespace, name), raw, values.Origin("file.yaml", 1, {"spec": 4}))


def told(*documents):
    return [(each.field, each.message) for each in checking.problems(documents)]


def everything(*documents):
    return checking.everything(world.Course(values.Programs()).advance(documents))


@pytest.mark.parametrize(
    "good",
    [
        document("IPAddressPool", POOL),
        document("BGPPeer", PEER, version="v1beta2"),
        document("BGPAdvertisement"),
        document("L2Advertisement", {}),
        document("BFDProfile", {"receiveInterval": 300}),
        document("Community", {"communities": []}),
        document("ConfigurationState", namespace="elsewhere"),
        document("IPAddressPool", {**POOL, "autoAssign": None}),
    ],
    ids=lambda each: each.ref.kind,
)
def test_nothing_is_said_of_what_is_right(good):
    assert told(good) == []


@pytest.mark.parametrize(
    ("bad", "field", "words"),
    [
        (document("IPAddressPool"), "spec", "is missing"),
        (document("IPAddressPool", {}), "spec.addresses", "is missing"),
        (document("IPAddressPool", POOL, namespace="x"), "metadata.namespace", 'found "x"; the programs read only'),
        (document("IPAddressPool", POOL, name="Up"), "metadata.name", 'found "Up"; lower case'),
        (document("IPAddressPool", POOL, version="v1"), "apiVersion", 'found "metallb.io/v1"; IPAddressPool is known'),
        (document("BGPPeer", PEER, version="v3"), "apiVersion", "BGPPeer is known as v1beta2 or v1beta1"),
        (document("BGPPeer", {**PEER, "connectTime": "0s"}, version="v1beta2"), "spec.connectTime", "whole seconds"),
        (document("IPAddresspool", POOL), "kind", "did you mean IPAddressPool?"),
        (document("AddressPool", {}), "kind", "frr-adapter import"),
        (document("Nothing", {}), "kind", "known are BFDProfile"),
        (document("IPAddressPool", POOL, labels={"a": 1}), "metadata.labels.a", "found 1; a string is allowed"),
        (document("IPAddressPool", POOL, annotations=["a"]), "metadata.annotations", "a map of fields"),
    ],
)
def test_what_no_api_server_takes_or_no_program_sees(bad, field, words):
    (found,) = told(bad)
    assert found[0] == field
    assert words in found[1]


def test_an_older_peer_is_read_as_the_webhook_would_turn_it():
    old = document("BGPPeer", {**PEER, "peerPort": 0}, version="v1beta1")
    (found,) = checking.problems([old])
    assert (found.severity, found.field) == (checking.Severity.WARNING, "apiVersion")
    new = checking.current(old)
    assert new.raw["apiVersion"] == "metallb.io/v1beta2"
    assert new.raw["spec"] == {**PEER, "holdTime": "0s", "keepaliveTime": "0s"}
    assert checking.current(new) is new


def test_a_mistake_that_both_see_is_told_once():
    found = everything(document("BGPPeer", {**PEER, "dynamicASN": "x", "peerASN": None}, version="v1beta2"))
    assert [each.field for each in found] == ["spec.dynamicASN"]


def test_what_the_programs_say_comes_with_its_place():
    (found,) = everything(document("IPAddressPool", {"addresses": ["198.51.100.0"]}))
    assert (found.field, found.where) == ("spec.addresses[0]", "file.yaml:4")
    assert found.line.startswith('IPAddressPool metallb-system/a: spec.addresses[0]: invalid CIDR "198.51.100.0"')


def test_a_wrong_type_does_not_hide_the_other_mistakes():
    found = everything(document("IPAddressPool", {"addresses": ["x/y", 5], "autoAssign": "no"}))
    assert [each.field for each in found] == ["spec.addresses[0]", "spec.addresses[1]", "spec.autoAssign"]


def test_an_object_that_cannot_be_read_at_all_is_told_and_stops_nobody():
    broken = values.Document(
        refs.ObjectRef("Service", "default", "a"),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "a", "namespace": "default"},
            "spec": {"clusterIP": "x"},
        },
    )
    good = document("IPAddressPool", POOL)
    now = world.Course(values.Programs()).advance([broken, good])
    assert [pool.ref.name for pool in now.controller.configuration.pools] == ["a"]
    (found,) = checking.everything(now)
    assert found.line == 'Service default/a: cannot be read: "x" is not an IPv4 or IPv6 address'


def test_errors_come_first_then_the_order_of_files():
    def finding(where, severity=checking.Severity.ERROR):
        return checking.Finding(refs.ObjectRef("Kind", "", "a"), "", "", where, severity)

    last, first = finding("a:1", checking.Severity.WARNING), finding("a:2")
    between = [finding("a:10"), finding("b:1")]
    assert sorted([last, *between, first], key=checking.order) == [first, *between, last]


def test_every_rule_of_the_definitions_is_known_here():
    """Rules that compare with the object before are the API server's; the others are judged by a decoder or by `_connect_time`."""
    known = {"serviceSelectors and aggregationLength", "connect time should"}
    rules = [each for each in _rules(crds.documents()) if "oldSelf" not in each["rule"]]
    assert len(rules) == 3
    assert all(any(each["message"].startswith(words) for words in known) for each in rules)
    conflict = {"aggregationLength": 24, "serviceSelectors": [{"matchLabels": {"a": "b"}}]}
    assert [each.field for each in everything(document("BGPAdvertisement", conflict))] == ["spec.aggregationLength"]


def _rules(value):
    if isinstance(value, dict):
        yield from value.get("x-kubernetes-validations", ())
        for each in value.values():
            yield from _rules(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _rules(each)


def test_the_keywords_of_our_definitions_are_those_that_are_checked():
    known = {
        "type",
        "properties",
        "required",
        "items",
        "additionalProperties",
        "enum",
        "minimum",
        "maximum",
        "minItems",
    }
    silent = {
        "description",
        "default",
        "format",
        "x-kubernetes-validations",
        "x-kubernetes-map-type",
        "x-kubernetes-list-type",
    }
    for versions in checking._schemas().values():
        for schema in versions.values():
            schema["properties"].pop("status", None)
            assert set(_keywords(schema)) <= known | silent


def _keywords(schema):
    yield from schema
    for each in schema.get("properties", {}).values():
        yield from _keywords(each)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _keywords(schema[name])


def test_the_nearest_name_is_found_whatever_its_case():
    assert structure.nearest("autoasign", ["autoAssign", "addresses"]) == "autoAssign"
    assert structure.nearest("zzz", ["autoAssign"]) == ""
