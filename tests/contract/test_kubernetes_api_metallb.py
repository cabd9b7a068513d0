"""Our kinds as the API server serves them: defaults, validation rules, columns, status."""

import asyncio
import json

import pytest

from frr_adapter.api import crds
from tests.contract.conftest import CRDS, TABLE

pytestmark = pytest.mark.contract
GROUP = "metallb.io"
SELECTOR = {"matchLabels": {"a": "b"}}
PATTERN = "conditions[0].reason in body should match"
CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Fine",
    "message": "m",
    "lastTransitionTime": "2020-01-01T00:00:00Z",
}
VERSIONS = {
    definition["spec"]["names"]["kind"]: definition["spec"]["versions"][0]["name"] for definition in crds.documents()
}
PLURALS = {
    definition["spec"]["names"]["kind"]: definition["spec"]["names"]["plural"] for definition in crds.documents()
}


@pytest.fixture
async def ours(api, kube_api):
    """Our definitions, made once a server and left there."""
    kube_api.require(25, "x-kubernetes-validations")
    for definition in crds.documents():
        if (await api.post(CRDS, definition)).status == 409:
            continue
    for kind, plural in PLURALS.items():
        path = f"/apis/{GROUP}/{VERSIONS[kind]}/{plural}"
        await api.eventually(path, lambda answer: answer.status == 200)
    return api


def path_of(api, kind, name="", sub=""):
    return api.path(PLURALS[kind], name, group=GROUP, version=VERSIONS[kind], sub=sub)


def document(kind, name="a", **more):
    return {"apiVersion": f"{GROUP}/{VERSIONS[kind]}", "kind": kind, "metadata": {"name": name}, **more}


async def make(api, kind, name="a", **more):
    return (await api.post(path_of(api, kind), document(kind, name, **more))).ok(201)


@pytest.mark.parametrize(
    ("kind", "given", "filled"),
    [
        ("BGPAdvertisement", {}, {"aggregationLength": 32, "aggregationLengthV6": 128}),
        ("BGPAdvertisement", {"aggregationLength": 24}, {"aggregationLength": 24, "aggregationLengthV6": 128}),
        (
            "BGPPeer",
            {"myASN": 64500},
            {"myASN": 64500, "peerPort": 179, "disableMP": False, "dualStackAddressFamily": False},
        ),
        (
            "BGPPeer",
            {"myASN": 64500, "peerPort": None, "disableMP": True},
            {"myASN": 64500, "peerPort": 179, "disableMP": True, "dualStackAddressFamily": False},
        ),
        (
            "IPAddressPool",
            {"addresses": ["192.0.2.0/24"]},
            {"addresses": ["192.0.2.0/24"], "autoAssign": True, "avoidBuggyIPs": False},
        ),
        ("L2Advertisement", {}, {}),
        ("BFDProfile", {}, {}),
        ("Community", {}, {}),
    ],
)
async def test_defaults(ours, kind, given, filled):
    assert (await make(ours, kind, spec=given))["spec"] == filled


async def test_defaults_return_when_a_field_is_removed(ours):
    await make(ours, "BGPPeer", spec={"myASN": 64500, "peerPort": 1790})
    kept = (await ours.patch(path_of(ours, "BGPPeer", "a"), {"spec": {"peerPort": None}})).ok(200)
    assert kept["spec"]["peerPort"] == 179


async def test_an_absent_spec_has_no_defaults(ours):
    assert "spec" not in await make(ours, "BGPAdvertisement")


@pytest.mark.parametrize(
    ("kind", "spec", "field", "text"),
    [
        ("BGPPeer", {}, "spec.myASN", "Required value"),
        ("BGPPeer", {"myASN": 4294967296}, "spec.myASN", "should be less than or equal to 4294967295"),
        ("BGPPeer", {"myASN": 1, "dynamicASN": "x"}, "spec.dynamicASN", 'supported values: "internal", "external"'),
        ("BGPPeer", {"myASN": 1, "peerPort": 16385}, "spec.peerPort", "less than or equal to 16384"),
        ("BGPPeer", {"myASN": 1, "connectTime": "10ms"}, "spec.connectTime", "between 1 seconds to 65535"),
        ("BGPPeer", {"myASN": 1, "connectTime": "65536s"}, "spec.connectTime", "between 1 seconds to 65535"),
        ("BGPPeer", {"myASN": 1, "connectTime": "1500ms"}, "spec.connectTime", "whole number of seconds"),
        ("BGPPeer", {"myASN": 1, "connectTime": "x"}, "spec.connectTime", "evaluating rule: connect time"),
        ("BGPAdvertisement", {"aggregationLength": 0}, "spec.aggregationLength", "greater than or equal to 1"),
        (
            "BGPAdvertisement",
            {"serviceSelectors": [SELECTOR], "aggregationLength": 24},
            "spec",
            "serviceSelectors and aggregationLength are mutually exclusive",
        ),
        (
            "BGPAdvertisement",
            {"serviceSelectors": [SELECTOR], "aggregationLengthV6": 64},
            "spec",
            "serviceSelectors and aggregationLength are mutually exclusive",
        ),
        ("IPAddressPool", {}, "spec.addresses", "Required value"),
        ("BFDProfile", {"receiveInterval": 9}, "spec.receiveInterval", "greater than or equal to 10"),
        (
            "L2Advertisement",
            {"preferredNodeSelectors": [{"weight": 0, "preference": {}}]},
            "spec.preferredNodeSelectors[0].weight",
            "greater than or equal to 1",
        ),
    ],
)
async def test_refused_specs(ours, kind, spec, field, text):
    status = (await ours.post(path_of(ours, kind), document(kind, spec=spec))).refused(422, "Invalid")
    found = [cause["message"] for cause in status["details"]["causes"] if cause["field"] == field]
    assert any(text in message for message in found), status


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("BGPPeer", {"myASN": 1, "connectTime": "1s"}),
        ("BGPPeer", {"myASN": 1, "connectTime": "18h12m15s"}),
        ("BGPAdvertisement", {"serviceSelectors": [SELECTOR]}),
        ("BGPAdvertisement", {"serviceSelectors": [], "aggregationLength": 24}),
        # int32 in a schema is a hint for clients; nothing checks it.
        ("BGPAdvertisement", {"localPref": 3_000_000_000}),
    ],
)
async def test_accepted_specs(ours, kind, spec):
    assert (await make(ours, kind, spec=spec))["spec"].items() >= spec.items()


async def test_rules_that_were_not_reached_are_mentioned_where_a_kind_has_rules(ours):
    answers = {
        kind: (await ours.post(path_of(ours, kind), document(kind, spec=spec))).refused(422, "Invalid")
        for kind, spec in (("BGPPeer", {}), ("IPAddressPool", {}))
    }
    unreached = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid"
    assert unreached in answers["BGPPeer"]["message"]
    assert answers["IPAddressPool"]["message"].endswith("is invalid: spec.addresses: Required value")


async def test_graceful_restart_cannot_change(ours):
    path = path_of(ours, "BGPPeer", "a")
    await make(ours, "BGPPeer", spec={"myASN": 1, "enableGracefulRestart": True})
    status = (await ours.patch(path, {"spec": {"enableGracefulRestart": False}})).refused(422, "Invalid")
    assert "EnableGracefulRestart cannot be changed after creation" in status["message"]
    # The rule compares two values: it is silent when one is missing.
    (await ours.patch(path, {"spec": {"enableGracefulRestart": None}})).ok(200)
    (await ours.patch(path, {"spec": {"enableGracefulRestart": False}})).ok(200)


@pytest.mark.parametrize("kind", ["ServiceL2Status", "ServiceBGPStatus"])
async def test_a_service_status_keeps_its_identity(ours, kind):
    assert "status" not in await make(ours, kind, status={"node": "n9"})
    path = path_of(ours, kind, "a", "status")
    whole = {"node": "n1", "serviceName": "web", "serviceNamespace": "shop"}
    assert (await ours.patch(path, {"status": whole})).ok(200)["status"] == whole
    for field in whole:
        status = (await ours.patch(path, {"status": {field: "other"}})).refused(422, "Invalid")
        cause = {"reason": "FieldValueInvalid", "field": f"status.{field}"}
        assert cause.items() <= status["details"]["causes"][0].items()
        assert "Value is immutable" in status["message"]


async def test_a_pool_status_is_whole(ours):
    await make(ours, "IPAddressPool", spec={"addresses": ["192.0.2.0/24"]})
    path = path_of(ours, "IPAddressPool", "a", "status")
    status = (await ours.patch(path, {"status": {"assignedIPv4": 1}})).refused(422, "Invalid")
    missing = [cause["field"] for cause in status["details"]["causes"]]
    assert missing == ["status.assignedIPv6", "status.availableIPv4", "status.availableIPv6"]
    counters = {"assignedIPv4": 1, "assignedIPv6": 0, "availableIPv4": 255, "availableIPv6": 2**63 - 1}
    kept = (await ours.patch(path, {"status": counters})).ok(200)
    assert (kept["status"], kept["metadata"]["generation"]) == (counters, 1)
    (await ours.patch(path, {"status": {"availableIPv6": 2**63}})).refused(422, "Invalid")


async def test_configuration_state_by_apply(ours):
    await make(ours, "ConfigurationState")
    path = path_of(ours, "ConfigurationState", "a", "status")

    def state(**status):
        return document("ConfigurationState", status=status)

    first = (await ours.apply(path, state(result="Valid", conditions=[CONDITION]), "one")).ok(200)
    assert first["status"] == {"result": "Valid", "conditions": [CONDITION]}
    again = (await ours.apply(path, state(result="Valid", conditions=[CONDITION]), "one")).ok(200)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    changed = state(result="Invalid", errorSummary="x", conditions=[CONDITION])
    status = (await ours.apply(path, changed, "two")).refused(409, "Conflict")
    assert status["message"] == (
        'Apply failed with 1 conflict: conflict with "one" with subresource "status": .status.result'
    )
    forced = (await ours.apply(path, changed, "two", force="true")).ok(200)
    assert (forced["status"]["result"], forced["status"]["errorSummary"]) == ("Invalid", "x")
    entries = {entry["manager"]: entry["fieldsV1"]["f:status"] for entry in forced["metadata"]["managedFields"]}
    assert sorted(entries["two"]) == ["f:conditions", "f:errorSummary", "f:result"]
    assert sorted(entries["one"]) == ["f:conditions"]
    less = (await ours.apply(path, state(result="Invalid"), "two", force="true")).ok(200)
    assert less["status"] == {"result": "Invalid", "conditions": [CONDITION]}

    bad = state(result="Valid", conditions=[{**CONDITION, "reason": "two words"}])
    assert PATTERN in (await ours.apply(path, bad, "two", force="true")).refused(422, "Invalid")["message"]
    for part, text in (
        ({"junk": 1}, ".status.junk: field not declared in schema"),
        ({"conditions": [CONDITION, CONDITION]}, '.status.conditions: duplicate entries for key [type="Ready"]'),
    ):
        answer = await ours.apply(path, state(**part), "two", force="true")
        assert (answer.status, "reason" in answer.body) == (500, False)
        assert answer.body["message"].endswith(text)
    missing = document("ConfigurationState", "b", status={"result": "Valid"})
    (await ours.apply(path_of(ours, "ConfigurationState", "b", "status"), missing, "two")).refused(404, "NotFound")


async def test_apply_ignores_the_status_beside_a_status_subresource(ours):
    stated = document("ConfigurationState", status={"result": "Valid"})
    path = path_of(ours, "ConfigurationState", "a")
    made = (await ours.apply(path, stated, "one")).ok(201)
    assert "status" not in made
    assert "managedFields" not in made["metadata"]
    (await ours.apply(f"{path}/status", stated, "two")).ok(200)
    other = document("ConfigurationState", status={"result": "Invalid"})
    kept = (await ours.apply(path, other, "one")).ok(200)
    assert kept["status"] == {"result": "Valid"}
    assert [entry["manager"] for entry in kept["metadata"]["managedFields"]] == ["two"]


async def test_a_status_patch_is_one_watch_event(ours):
    made = await make(ours, "ConfigurationState")
    query = {"resourceVersion": made["metadata"]["resourceVersion"]}
    async with ours.watch(path_of(ours, "ConfigurationState"), **query) as watch:
        kept = await asyncio.gather(
            ours.patch(path_of(ours, "ConfigurationState", "a", "status"), {"status": {"result": "Valid"}})
        )
        event = await watch.next()
        assert (event["type"], event["object"]) == ("MODIFIED", kept[0].ok(200))
        # The same again changes nothing, so the next event is about the next change.
        (await ours.patch(path_of(ours, "ConfigurationState", "a", "status"), {"status": {"result": "Valid"}})).ok(200)
        (await ours.patch(path_of(ours, "ConfigurationState", "a", "status"), {"status": {"result": "Invalid"}})).ok(
            200
        )
        event = await watch.next()
        assert (event["type"], event["object"]["status"]["result"]) == ("MODIFIED", "Invalid")


COLUMNS = {
    "BFDProfile": (
        {"spec": {"passiveMode": True, "transmitInterval": 300, "receiveInterval": 200, "detectMultiplier": 3}},
        ["NAME", "PASSIVE MODE", "TRANSMIT INTERVAL", "RECEIVE INTERVAL", "MULTIPLIER"],
        ["a", "true", "300", "200", "3"],
    ),
    "BGPAdvertisement": (
        {"spec": {"ipAddressPools": ["p", "q"], "peers": ["r"]}},
        ["NAME", "IPADDRESSPOOLS", "IPADDRESSPOOL SELECTORS", "PEERS"],
        ["a", '["p","q"]', '["r"]'],
    ),
    "BGPPeer": (
        {"spec": {"myASN": 1, "peerASN": 4294967295, "peerAddress": "192.0.2.1", "ebgpMultiHop": True}},
        ["NAME", "ADDRESS", "ASN", "BFD PROFILE", "MULTI HOPS"],
        ["a", "192.0.2.1", "4294967295", "true"],
    ),
    "Community": ({"spec": {}}, ["NAME", "AGE"], None),
    "ConfigurationState": ({}, ["NAME", "RESULT", "ERRORSUMMARY", "AGE"], None),
    "IPAddressPool": (
        {"spec": {"addresses": ["192.0.2.0/24"]}},
        ["NAME", "AUTO ASSIGN", "AVOID BUGGY IPS", "ADDRESSES"],
        ["a", "true", "false", '["192.0.2.0/24"]'],
    ),
    "L2Advertisement": (
        {"spec": {"interfaces": ["eth0"]}},
        ["NAME", "IPADDRESSPOOLS", "IPADDRESSPOOL SELECTORS", "INTERFACES"],
        ["a", '["eth0"]'],
    ),
    "NodeBGPStatus": ({}, ["NAME", "NODE", "STATE", "ESTABLISHED", "ERROR", "AGE"], None),
    "ServiceBGPStatus": ({}, ["NAME", "NODE", "SERVICE NAME", "SERVICE NAMESPACE"], ["a"]),
    "ServiceL2Status": ({}, ["NAME", "ALLOCATED NODE", "SERVICE NAME", "SERVICE NAMESPACE"], ["a"]),
}


def test_every_kind_has_its_columns_tested():
    assert COLUMNS.keys() == VERSIONS.keys()


async def test_kubectl_shows_our_columns(ours, kubectl):
    for kind, (body, _, _) in COLUMNS.items():
        await make(ours, kind, **body)
    names = ",".join(f"{plural}.{GROUP}" for plural in PLURALS.values())
    code, out, err = await kubectl("get", names)
    assert code == 0, err
    tables = [part.splitlines() for part in out.strip().split("\n\n")]
    found = {lines[1].split(f".{GROUP}/")[0]: lines for lines in tables}
    for kind, (_, header, row) in COLUMNS.items():
        lines = found[kind.lower()]
        assert [word.strip() for word in lines[0].split("   ") if word.strip()] == header
        cells = lines[1].split()
        assert row is None or [cells[0].partition("/")[2], *cells[1:]] == row


async def test_tables_of_our_kinds(ours):
    await make(ours, "BGPAdvertisement", spec={"nodeSelectors": [SELECTOR]})
    found = (await ours.get(path_of(ours, "BGPAdvertisement"), accept=TABLE)).ok(200)
    columns = [(column["name"], column["type"], column["priority"]) for column in found["columnDefinitions"]]
    assert columns[1:] == [
        ("IPAddressPools", "string", 0),
        ("IPAddressPool Selectors", "string", 0),
        ("Peers", "string", 0),
        ("Node Selectors", "string", 10),
    ]
    assert found["rows"][0]["cells"] == ["a", None, None, None, '[{"matchLabels":{"a":"b"}}]']


PEER = """
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: a}
spec: {myASN: 64500, peerASN: 64501, peerAddress: 192.0.2.1}
"""


async def test_kubectl_applies_our_kinds_strictly(ours, kubectl):
    code, out, err = await kubectl("apply", "-f", "-", stdin=PEER)
    assert (code, out) == (0, "bgppeer.metallb.io/a created\n"), err
    code, out, err = await kubectl("apply", "-f", "-", stdin=PEER)
    assert (code, out) == (0, "bgppeer.metallb.io/a unchanged\n"), err
    misspelt = PEER.replace("peerAddress", "peerAdress")
    code, _, err = await kubectl("apply", "-f", "-", stdin=misspelt)
    assert code == 1
    assert 'strict decoding error: unknown field "spec.peerAdress"' in err
    code, _, err = await kubectl("apply", "-f", "-", stdin=misspelt.replace("name: a", "name: b"))
    assert code == 1
    assert 'strict decoding error: unknown field "spec.peerAdress"' in err
    code, out, err = await kubectl("apply", "--validate=warn", "-f", "-", stdin=misspelt)
    assert code == 0, err
    assert 'Warning: unknown field "spec.peerAdress"' in err
    code, out, err = await kubectl("get", "bgppeer", "a", "-o", "json")
    assert "peerAdress" not in json.loads(out)["spec"], err


async def test_kubectl_gets_several_kinds_of_all_namespaces(ours, kubectl):
    await make(ours, "IPAddressPool", spec={"addresses": ["192.0.2.0/24"]})
    service = {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    (await ours.post(ours.path("services"), service)).ok(201)
    code, out, err = await kubectl("get", "ipaddresspools,services", "-A")
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert [ours.namespace, "ipaddresspool.metallb.io/a", "true", "false", '["192.0.2.0/24"]'] in lines
    row = next(line for line in lines if line[:2] == [ours.namespace, "service/web"])
    assert (row[2], row[4]) == ("LoadBalancer", "<pending>")
