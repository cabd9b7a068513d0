"""The CustomResourceDefinitions of the ten kinds, derived from the types in `kinds`.

`documents` gives them as plain JSON objects; the chart's YAML files are written from them and a test keeps both equal.
BGPPeer has a second version, which is served where a webhook converts it.
"""

from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec import inspect

from frr_adapter.api import former, kinds, wire

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One printer column."""

    name: str
    type: str
    path: str
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Former:
    """An older version of a kind, never stored: its spec type, and what its users are told."""

    version: str
    spec: type[wire.Wire]
    warning: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """The Service whose `/convert` turns older versions into newer ones and back."""

    namespace: str
    service: str = "metallb-webhook-service"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its names, its spec and status types, columns and object-level CEL rules on the spec.

    `spec` None means that the kind has no spec property; `status` None that status is an empty object.
    """

    name: str
    plural: str
    version: str
    description: str
    columns: tuple[Column, ...] = ()
    spec: type[wire.Wire] | None = None
    status: type[wire.Wire] | None = None
    empty_spec: bool = False
    spec_rules: tuple[dict[str, str], ...] = ()
    required: tuple[str, ...] = ("spec",)
    former: Former | None = None


_POOL_COLUMNS = (
    Column("IPAddressPools", "string", ".spec.ipAddressPools"),
    Column("IPAddressPool Selectors", "string", ".spec.ipAddressPoolSelectors"),
)
_NODE_COLUMN = Column("Node Selectors", "string", ".spec.nodeSelectors", priority=10)
_SERVICE_COLUMNS = (
    Column("Service Name", "string", ".status.serviceName"),
    Column("Service Namespace", "string", ".status.serviceNamespace"),
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "BFDProfile",
        "bfdprofiles",
        "v1beta1",
        "BFDProfile holds the settings of BFD sessions that guard BGP sessions.",
        (
            Column("Passive Mode", "boolean", ".spec.passiveMode"),
            Column("Transmit Interval", "integer", ".spec.transmitInterval"),
            Column("Receive Interval", "integer", ".spec.receiveInterval"),
            Column("Multiplier", "integer", ".spec.detectMultiplier"),
        ),
        kinds.BFDProfileSpec,
        required=(),
    ),
    Kind(
        "BGPAdvertisement",
        "bgpadvertisements",
        "v1beta1",
        "BGPAdvertisement announces the addresses of pools by BGP.",
        (*_POOL_COLUMNS, Column("Peers", "string", ".spec.peers"), _NODE_COLUMN),
        kinds.BGPAdvertisementSpec,
        spec_rules=tuple(kinds.AGGREGATION_RULES),
        required=(),
    ),
    Kind(
        "BGPPeer",
        "bgppeers",
        "v1beta2",
        "BGPPeer is a router to speak BGP with.",
        (
            Column("Address", "string", ".spec.peerAddress"),
            Column("ASN", "string", ".spec.peerASN"),
            Column("BFD Profile", "string", ".spec.bfdProfile"),
            Column("Multi Hops", "string", ".spec.ebgpMultiHop"),
        ),
        kinds.BGPPeerSpec,
        required=(),
        former=Former(
            former.VERSION,
            former.BGPPeerSpec,
            "metallb.io/v1beta1 BGPPeer is deprecated; use metallb.io/v1beta2 BGPPeer, in which timers that are left out"
            " are FRR's and not 0",
        ),
    ),
    Kind(
        "Community",
        "communities",
        "v1beta1",
        "Community gives names to BGP communities.",
        (),
        kinds.CommunitySpec,
        required=(),
    ),
    Kind(
        "ConfigurationState",
        "configurationstates",
        "v1beta1",
        "ConfigurationState says whether one program could use the whole configuration.",
        (
            Column("Result", "string", ".status.result"),
            Column("ErrorSummary", "string", ".status.errorSummary"),
            Column("Age", "date", ".metadata.creationTimestamp"),
        ),
        None,
        kinds.ConfigurationStateStatus,
        required=(),
    ),
    Kind(
        "IPAddressPool",
        "ipaddresspools",
        "v1beta1",
        "IPAddressPool is a set of addresses that can be given to Services of type LoadBalancer.",
        (
            Column("Auto Assign", "boolean", ".spec.autoAssign"),
            Column("Avoid Buggy IPs", "boolean", ".spec.avoidBuggyIPs"),
            Column("Addresses", "string", ".spec.addresses"),
        ),
        kinds.IPAddressPoolSpec,
        kinds.IPAddressPoolStatus,
    ),
    Kind(
        "L2Advertisement",
        "l2advertisements",
        "v1beta1",
        "L2Advertisement announces the addresses of pools by ARP and NDP.",
        (*_POOL_COLUMNS, Column("Interfaces", "string", ".spec.interfaces"), _NODE_COLUMN),
        kinds.L2AdvertisementSpec,
        required=(),
    ),
    Kind(
        "NodeBGPStatus",
        "nodebgpstatuses",
        "v1beta1",
        "NodeBGPStatus says how BGP on one node is: its sessions, and how far its configuration got. Written by speakers.",
        (
            Column("Node", "string", ".status.node"),
            Column("State", "string", ".status.configuration.state"),
            Column("Established", "string", ".status.established"),
            Column("Error", "string", ".status.configuration.lastError"),
            Column("Age", "date", ".metadata.creationTimestamp"),
        ),
        None,
        kinds.NodeBGPStatusStatus,
        required=(),
    ),
    Kind(
        "ServiceBGPStatus",
        "servicebgpstatuses",
        "v1beta1",
        "ServiceBGPStatus says to which peers a node announces a service. Written by speakers.",
        (Column("Node", "string", ".status.node"), *_SERVICE_COLUMNS),
        None,
        kinds.ServiceBGPStatusStatus,
        empty_spec=True,
        required=(),
    ),
    Kind(
        "ServiceL2Status",
        "servicel2statuses",
        "v1beta1",
        "ServiceL2Status says which node announces a service on layer 2. Written by speakers.",
        (Column("Allocated Node", "string", ".status.node"), *_SERVICE_COLUMNS),
        None,
        kinds.ServiceL2StatusStatus,
        empty_spec=True,
        required=(),
    ),
)


def documents(conversion: Conversion | None = None) -> tuple[Json, ...]:
    """All CustomResourceDefinitions, sorted by name, as apiextensions.k8s.io/v1 objects.

    Without a conversion, older versions are there but not served: a version that may once have been stored cannot be left
    out, and the API server refuses every request to one that it cannot convert.
    """
    return tuple(_document(kind, conversion) for kind in KINDS)


def _document(kind: Kind, conversion: Conversion | None) -> Json:
    singular = kind.name.lower()
    versions = [_version(kind, kind.version, _object_schema(kind))]
    spec: Json = {
        "group": wire.GROUP,
        "names": {"kind": kind.name, "listKind": f"{kind.name}List", "plural": kind.plural, "singular": singular},
        "scope": "Namespaced",
        "versions": versions,
    }
    if kind.former is not None:
        older = replace(kind, spec=kind.former.spec)
        version = _version(older, kind.former.version, _object_schema(older))
        told = {"deprecated": True, "deprecationWarning": kind.former.warning}
        versions.append({**version, "served": conversion is not None, "storage": False, **told})
        if conversion is not None:
            spec["conversion"] = _conversion(conversion)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{wire.GROUP}"},
        "spec": spec,
    }


def _version(kind: Kind, name: str, schema: Json) -> Json:
    version: Json = {
        "name": name,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    if kind.columns:
        version["additionalPrinterColumns"] = [_column(column) for column in kind.columns]
    return version


def _conversion(conversion: Conversion) -> Json:
    """The clause; who serves the webhook adds the caBundle."""
    service = {"name": conversion.service, "namespace": conversion.namespace, "path": "/convert", "port": 443}
    webhook = {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1"]}
    return {"strategy": "Webhook", "webhook": webhook}


def _column(column: Column) -> Json:
    document: Json = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.priority:
        document["priority"] = column.priority
    return document


def _object_schema(kind: Kind) -> Json:
    properties: Json = {
        "apiVersion": {"type": "string", "description": "Version of the schema of this representation."},
        "kind": {"type": "string", "description": "The kind of this object."},
        "metadata": {"type": "object"},
    }
    if kind.spec is not None:
        properties["spec"] = type_schema(kind.spec)
        if kind.spec_rules:
            properties["spec"]["x-kubernetes-validations"] = [dict(rule) for rule in kind.spec_rules]
    elif kind.empty_spec:
        properties["spec"] = {"type": "object", "description": "Unused."}
    properties["status"] = type_schema(kind.status) if kind.status is not None else {"type": "object"}
    document: Json = {"type": "object", "description": kind.description, "properties": properties}
    if kind.required:
        document["required"] = list(kind.required)
    return document


def type_schema(kind: type[wire.Wire]) -> Json:
    """The structural OpenAPI v3 schema of a wire type (no references, as Kubernetes demands)."""
    return _schema(inspect.type_info(kind))


def _schema(info: inspect.Type) -> Json:
    match info:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return {**_schema(inner), **(extra or {})}
        case inspect.UnionType(types=types):
            (inner,) = (each for each in types if not isinstance(each, inspect.NoneType))
            return _schema(inner)
        case inspect.StructType():
            return _struct_schema(info)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return {"type": "array", "items": _schema(item)}
        case inspect.DictType(value_type=value):
            return {"type": "object", "additionalProperties": _schema(value)}
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.IntType():
            return {"type": "integer"}
        case inspect.StrType():
            return {"type": "string"}
        case _:
            raise TypeError(f"a wire type may not use {info!r}")


def _struct_schema(info: inspect.StructType) -> Json:
    document: Json = {"type": "object", "description": (info.cls.__doc__ or "").strip()}
    document["properties"] = {field.encode_name: _schema(field.type) for field in info.fields}
    required = sorted(field.encode_name for field in info.fields if field.required)
    if required:
        document["required"] = required
    if info.cls is wire.LabelSelector:
        document["x-kubernetes-map-type"] = "atomic"
    return document


def yaml_text(document: Json) -> str:
    """One definition as YAML, keys sorted, ready for kubectl apply."""
    import yaml

    return "---\n" + yaml.safe_dump(msgspec.to_builtins(document), sort_keys=True, width=120)
