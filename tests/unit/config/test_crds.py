"""The CRDs: what the YAML files say is what the types say, and both are compatible field by field."""

import json
from pathlib import Path

import msgspec
import pytest
import yaml

from controller.core import conversion
from frr_adapter.api import crds, kinds, wire

CHART = Path(__file__).parents[3] / "charts/frr-adapter/files/crds"
DOCUMENTS = {document["spec"]["names"]["kind"]: document for document in crds.documents()}


def version_of(kind):
    (version,) = (each for each in DOCUMENTS[kind]["spec"]["versions"] if each["storage"])
    return version


def properties_of(kind, part="spec"):
    return version_of(kind)["schema"]["openAPIV3Schema"]["properties"][part]["properties"]


def test_the_yaml_files_are_what_the_types_say():
    files = {path.stem: yaml.safe_load(path.read_text()) for path in CHART.glob("*.yaml")}
    expected = {document["spec"]["names"]["plural"]: document for document in crds.documents()}
    assert files == json.loads(json.dumps(expected)), "run: make crds"


def test_there_are_nine_compatible_kinds_and_one_of_ours_all_namespaced_with_a_status_subresource():
    assert sorted(DOCUMENTS) == [
        "BFDProfile", "BGPAdvertisement", "BGPPeer", "Community", "ConfigurationState", "IPAddressPool", "L2Advertisement",
        "NodeBGPStatus", "ServiceBGPStatus", "ServiceL2Status",
    ]  # fmt: skip
    for kind, document in DOCUMENTS.items():
        assert document["spec"]["scope"] == "Namespaced"
        assert document["spec"]["group"] == "metallb.io"
        assert version_of(kind)["subresources"] == {"status": {}}
        assert version_of(kind)["name"] == ("v1beta2" if kind == "BGPPeer" else "v1beta1")


SPEC_FIELDS = {
    "IPAddressPool": "addresses autoAssign avoidBuggyIPs serviceAllocation",
    "L2Advertisement": "ipAddressPools ipAddressPoolSelectors nodeSelectors interfaces serviceSelectors preferredNodeSelectors",
    "BGPAdvertisement": (
        "aggregationLength aggregationLengthV6 localPref communities ipAddressPools ipAddressPoolSelectors nodeSelectors "
        "peers serviceSelectors"
    ),
    "BGPPeer": (
        "myASN peerASN localASN dynamicASN peerAddress interface sourceAddress peerPort holdTime keepaliveTime connectTime "
        "routerID nodeSelectors password passwordSecret bfdProfile enableGracefulRestart ebgpMultiHop vrf disableMP "
        "dualStackAddressFamily"
    ),
    "BFDProfile": "receiveInterval transmitInterval detectMultiplier echoInterval echoMode passiveMode minimumTtl",
    "Community": "communities",
}


@pytest.mark.parametrize("kind", SPEC_FIELDS)
def test_spec_fields(kind):
    assert sorted(properties_of(kind)) == sorted(SPEC_FIELDS[kind].split())
    assert all("description" in each for each in properties_of(kind).values())


STATUS_FIELDS = {
    "IPAddressPool": "assignedIPv4 assignedIPv6 availableIPv4 availableIPv6",
    "ServiceL2Status": "node serviceName serviceNamespace interfaces",
    "ServiceBGPStatus": "node serviceName serviceNamespace peers",
    "ConfigurationState": "result errorSummary conditions",
    "NodeBGPStatus": "node established frr configuration sessions",
}


@pytest.mark.parametrize("kind", STATUS_FIELDS)
def test_status_fields(kind):
    assert sorted(properties_of(kind, "status")) == sorted(STATUS_FIELDS[kind].split())


@pytest.mark.parametrize(
    ("kind", "field", "keys"),
    [
        ("IPAddressPool", "autoAssign", {"type": "boolean", "default": True}),
        ("IPAddressPool", "avoidBuggyIPs", {"type": "boolean", "default": False}),
        ("BGPAdvertisement", "aggregationLength", {"minimum": 1, "default": 32, "format": "int32"}),
        ("BGPAdvertisement", "aggregationLengthV6", {"default": 128}),
        ("BGPPeer", "myASN", {"minimum": 0, "maximum": 4294967295, "format": "int64"}),
        ("BGPPeer", "localASN", {"minimum": 1, "maximum": 4294967295}),
        ("BGPPeer", "dynamicASN", {"enum": ["internal", "external"]}),
        ("BGPPeer", "peerPort", {"minimum": 1, "maximum": 16384, "default": 179}),
        ("BFDProfile", "receiveInterval", {"minimum": 10, "maximum": 60000}),
        ("BFDProfile", "detectMultiplier", {"minimum": 2, "maximum": 255}),
        ("BFDProfile", "minimumTtl", {"minimum": 1, "maximum": 254}),
    ],
)
def test_bounds_and_defaults(kind, field, keys):
    assert properties_of(kind)[field].items() >= keys.items()


def test_fields_without_bounds_stay_without():
    assert "minimum" not in properties_of("BGPAdvertisement")["aggregationLengthV6"]
    assert "maximum" not in properties_of("BGPAdvertisement")["aggregationLength"]


def test_only_what_upstream_requires_is_required():
    def required(kind):
        spec = version_of(kind)["schema"]["openAPIV3Schema"]["properties"]["spec"]
        return version_of(kind)["schema"]["openAPIV3Schema"].get("required"), spec.get("required")

    assert required("IPAddressPool") == (["spec"], ["addresses"])
    assert required("BGPPeer") == (None, ["myASN"])
    for kind in ("L2Advertisement", "BGPAdvertisement", "BFDProfile", "Community"):
        assert required(kind) == (None, None)
    assert "spec" not in version_of("ConfigurationState")["schema"]["openAPIV3Schema"]["properties"]


def test_cel_rules():
    (aggregation,) = version_of("BGPAdvertisement")["schema"]["openAPIV3Schema"]["properties"]["spec"][
        "x-kubernetes-validations"
    ]
    assert "serviceSelectors and aggregationLength are mutually exclusive" in aggregation["message"]
    assert properties_of("BGPPeer")["enableGracefulRestart"]["x-kubernetes-validations"][0]["rule"] == "self == oldSelf"
    assert len(properties_of("BGPPeer")["connectTime"]["x-kubernetes-validations"]) == 2
    for kind in ("ServiceL2Status", "ServiceBGPStatus"):
        for field in ("node", "serviceName", "serviceNamespace"):
            (rule,) = properties_of(kind, "status")[field]["x-kubernetes-validations"]
            assert rule == {"rule": "self == oldSelf", "message": "Value is immutable"}


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("IPAddressPool", ["Auto Assign", "Avoid Buggy IPs", "Addresses"]),
        ("L2Advertisement", ["IPAddressPools", "IPAddressPool Selectors", "Interfaces", "Node Selectors"]),
        ("BGPAdvertisement", ["IPAddressPools", "IPAddressPool Selectors", "Peers", "Node Selectors"]),
        ("BGPPeer", ["Address", "ASN", "BFD Profile", "Multi Hops"]),
        ("BFDProfile", ["Passive Mode", "Transmit Interval", "Receive Interval", "Multiplier"]),
        ("NodeBGPStatus", ["Node", "State", "Established", "Error", "Age"]),
        ("ServiceL2Status", ["Allocated Node", "Service Name", "Service Namespace"]),
        ("ServiceBGPStatus", ["Node", "Service Name", "Service Namespace"]),
        ("ConfigurationState", ["Result", "ErrorSummary", "Age"]),
    ],
)
def test_printer_columns(kind, columns):
    assert [column["name"] for column in version_of(kind)["additionalPrinterColumns"]] == columns


@pytest.mark.parametrize(
    ("spec_type", "kind"),
    [
        (kinds.IPAddressPoolSpec, "IPAddressPool"),
        (kinds.BGPPeerSpec, "BGPPeer"),
        (kinds.BGPAdvertisementSpec, "BGPAdvertisement"),
        (kinds.L2AdvertisementSpec, "L2Advertisement"),
        (kinds.BFDProfileSpec, "BFDProfile"),
    ],
)
def test_defaults_of_the_schema_are_the_defaults_of_the_types(spec_type, kind):
    for field in msgspec.structs.fields(spec_type):
        if "default" in (schema := properties_of(kind)[field.encode_name]):
            assert field.default == schema["default"]


def test_the_older_peer_has_the_fields_it_had():
    stored, older = DOCUMENTS["BGPPeer"]["spec"]["versions"]
    assert (stored["name"], older["name"]) == ("v1beta2", "v1beta1")
    assert (older["storage"], older["deprecated"], older["subresources"]) == (False, True, {"status": {}})
    assert older["deprecationWarning"].startswith("metallb.io/v1beta1 BGPPeer is deprecated; use metallb.io/v1beta2")
    assert older["additionalPrinterColumns"] == stored["additionalPrinterColumns"]
    spec = older["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert sorted(spec["properties"]) == sorted(conversion.KNOWN_TO_OLD)
    assert spec["required"] == ["myASN", "peerASN", "peerAddress"]
    port = {key: value for key, value in spec["properties"]["peerPort"].items() if key != "description"}
    assert port == {"type": "integer", "minimum": 0, "maximum": 16384}
    expression = spec["properties"]["nodeSelectors"]["items"]["properties"]["matchExpressions"]["items"]
    assert expression["required"] == ["key", "operator", "values"]
    assert expression["properties"]["values"]["minItems"] == 1


def test_the_older_peer_is_served_only_where_somebody_converts_it():
    assert "conversion" not in DOCUMENTS["BGPPeer"]["spec"]
    assert [each["served"] for each in DOCUMENTS["BGPPeer"]["spec"]["versions"]] == [True, False]
    converted = crds.documents(crds.Conversion("ours"))
    for document in converted:
        kind = document["spec"]["names"]["kind"]
        if kind != "BGPPeer":
            assert document == DOCUMENTS[kind]
            continue
        assert [each["served"] for each in document["spec"]["versions"]] == [True, True]
        service = {"name": "metallb-webhook-service", "namespace": "ours", "path": "/convert", "port": 443}
        webhook = {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1"]}
        assert document["spec"]["conversion"] == {"strategy": "Webhook", "webhook": webhook}


def test_label_selectors_are_atomic():
    selector = crds.type_schema(wire.LabelSelector)
    assert selector["x-kubernetes-map-type"] == "atomic"
    assert sorted(selector["properties"]) == ["matchExpressions", "matchLabels"]
