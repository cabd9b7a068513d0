"""The columns of the built-in kinds, as `kubectl get` shows them.

`table` looks a kind up here. Every cell function takes the object and the time and returns one cell per column.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lab.apiserver import ages, pod_columns

Cells = Callable[[dict[str, Any], datetime], list[Any]]

NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Definition:
    """One column: its heading, the type of its cells, and whether it shows only in wide output (priority 1)."""

    name: str
    type: str
    description: str
    priority: int = 0
    format: str = ""


NAME = Definition("Name", "string", "The object's name, unique among its kind within a namespace.", format="name")
AGE = Definition("Age", "string", "How long ago the object was made.")
_WORKLOAD = (
    Definition("Containers", "string", "The names of the template's containers.", 1),
    Definition("Images", "string", "The images of the template's containers.", 1),
    Definition("Selector", "string", "Which pods belong to it.", 1),
)


def of_kind(kind: str) -> tuple[tuple[Definition, ...], Cells]:
    """The columns of a built-in kind; name and age for a kind without its own."""
    return _KINDS.get(kind, ((NAME, AGE), lambda obj, now: [_name(obj), _age(obj, now)]))


def _text(name: str, description: str, priority: int = 0) -> Definition:
    return Definition(name, "string", description, priority)


def _count(name: str, description: str) -> Definition:
    return Definition(name, "integer", description)


def _name(obj: dict[str, Any]) -> str:
    name: str = obj["metadata"].get("name", "")
    return name


def _age(obj: dict[str, Any], now: datetime) -> str:
    return ages.since(obj["metadata"].get("creationTimestamp"), now)


def _part(obj: dict[str, Any], name: str) -> dict[str, Any]:
    part: dict[str, Any] = obj.get(name) or {}
    return part


def _pairs(labels: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def _selector(selector: dict[str, Any] | None) -> str:
    if not selector:
        return NONE
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for item in selector.get("matchExpressions") or ():
        values = f" ({','.join(sorted(item['values']))})" if item.get("values") else ""
        match item["operator"]:
            case "Exists":
                parts.append(item["key"])
            case "DoesNotExist":
                parts.append(f"!{item['key']}")
            case operator:
                parts.append(f"{item['key']} {operator.lower()}{values}")
    return ",".join(parts) or NONE


def _service(obj: dict[str, Any], now: datetime) -> list[Any]:
    spec = _part(obj, "spec")
    ports = ",".join(_service_port(port) for port in spec.get("ports") or ()) or NONE
    cluster_ip = (spec.get("clusterIPs") or [spec.get("clusterIP") or NONE])[0]
    selector = _pairs(spec.get("selector"))
    return [_name(obj), spec.get("type", ""), cluster_ip, _external_ip(obj), ports, _age(obj, now), selector]


def _service_port(port: dict[str, Any]) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}"


def _external_ip(obj: dict[str, Any]) -> str:
    spec = _part(obj, "spec")
    external: list[str] = spec.get("externalIPs") or []
    match spec.get("type"):
        case "LoadBalancer":
            ingress = (_part(obj, "status").get("loadBalancer") or {}).get("ingress") or ()
            given = sorted({item.get("ip") or item.get("hostname") or "" for item in ingress} - {""})
            return ",".join([*given, *external]) or "<pending>"
        case "ExternalName":
            name: str = spec.get("externalName", "")
            return name
        case _:
            return ",".join(external) or NONE


def _node(obj: dict[str, Any], now: datetime) -> list[Any]:
    status = _part(obj, "status")
    about = status.get("nodeInfo") or {}
    roles = {label.removeprefix("node-role.kubernetes.io/") for label in _labels(obj) if _is_role(label)}
    roles |= {value for label, value in _labels(obj).items() if label == "kubernetes.io/role" and value}
    return [
        _name(obj),
        _node_status(obj),
        ",".join(sorted(roles)) or NONE,
        _age(obj, now),
        about.get("kubeletVersion", ""),
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        about.get("osImage") or ages.UNKNOWN,
        about.get("kernelVersion") or ages.UNKNOWN,
        about.get("containerRuntimeVersion") or ages.UNKNOWN,
    ]


def _labels(obj: dict[str, Any]) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _is_role(label: str) -> bool:
    return label.startswith("node-role.kubernetes.io/") and label != "node-role.kubernetes.io/"


def _node_status(obj: dict[str, Any]) -> str:
    conditions = _part(obj, "status").get("conditions") or ()
    ready = next((item["status"] for item in conditions if item["type"] == "Ready"), None)
    shown = {None: "Unknown", "True": "Ready"}.get(ready, "NotReady")
    return f"{shown},SchedulingDisabled" if _part(obj, "spec").get("unschedulable") else shown


def _address(status: dict[str, Any], kind: str) -> str:
    return next((item["address"] for item in status.get("addresses") or () if item["type"] == kind), NONE)


def _event(obj: dict[str, Any], now: datetime) -> list[Any]:
    target = obj.get("involvedObject") or obj.get("regarding") or {}
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    series = obj.get("series") or {}
    kind = target.get("kind", "").lower()
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or first
    names = (
        source.get("component") or obj.get("reportingComponent") or obj.get("reportingController"),
        source.get("host") or obj.get("reportingInstance"),
    )
    return [
        ages.since(last, now),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{target['name']}" if target.get("name") else kind,
        target.get("fieldPath", ""),
        ", ".join(name for name in names if name),
        (obj.get("message") or obj.get("note") or "").strip(),
        ages.since(first, now),
        series.get("count") or obj.get("count") or obj.get("deprecatedCount") or 1,
        _name(obj),
    ]


def _endpoint_slice(obj: dict[str, Any], now: datetime) -> list[Any]:
    ports = [str(port["port"]) if port.get("port") is not None else "*" for port in obj.get("ports") or ()]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    shown = [_name(obj), obj.get("addressType", ""), _some(ports, "<unset>"), _some(addresses, "<unset>")]
    return [*shown, _age(obj, now)]


def _endpoints(obj: dict[str, Any], now: datetime) -> list[Any]:
    pairs = [
        f"[{address['ip']}]:{port['port']}" if ":" in address["ip"] else f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    return [_name(obj), _some(pairs, NONE), _age(obj, now)]


def _some(values: list[str], empty: str, limit: int = 3) -> str:
    if not values:
        return empty
    shown = ",".join(values[:limit])
    return f"{shown} + {len(values) - limit} more..." if len(values) > limit else shown


def _template(obj: dict[str, Any]) -> list[Any]:
    spec = _part(obj, "spec")
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
    return [
        ",".join(item["name"] for item in containers),
        ",".join(item.get("image", "") for item in containers),
        _selector(spec.get("selector")),
    ]


def _deployment(obj: dict[str, Any], now: datetime) -> list[Any]:
    status = _part(obj, "status")
    return [
        _name(obj),
        f"{status.get('readyReplicas', 0)}/{_part(obj, 'spec').get('replicas', 1)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _age(obj, now),
        *_template(obj),
    ]


def _daemon_set(obj: dict[str, Any], now: datetime) -> list[Any]:
    status = _part(obj, "status")
    template = ((_part(obj, "spec").get("template") or {}).get("spec")) or {}
    return [
        _name(obj),
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        _pairs(template.get("nodeSelector")),
        _age(obj, now),
        *_template(obj),
    ]


def _pod(obj: dict[str, Any], now: datetime) -> list[Any]:
    return [_name(obj), *pod_columns.cells(obj, now, _age(obj, now))]


_KINDS: dict[str, tuple[tuple[Definition, ...], Cells]] = {
    "ConfigMap": (
        (NAME, _text("Data", "How many entries it has."), AGE),
        lambda obj, now: [_name(obj), len(_part(obj, "data")) + len(_part(obj, "binaryData")), _age(obj, now)],
    ),
    "CustomResourceDefinition": (
        (NAME, Definition("Created At", "date", "When the object was made.")),
        lambda obj, _: [_name(obj), obj["metadata"].get("creationTimestamp")],
    ),
    "DaemonSet": (
        (
            NAME,
            _count("Desired", "How many nodes should run its pod."),
            _count("Current", "How many nodes run at least one of its pods."),
            _count("Ready", "How many nodes run a ready pod."),
            _count("Up-to-date", "How many nodes run a pod of the newest template."),
            _count("Available", "How many nodes run an available pod."),
            _text("Node Selector", "The labels a node needs."),
            AGE,
            *_WORKLOAD,
        ),
        _daemon_set,
    ),
    "Deployment": (
        (
            NAME,
            _text("Ready", "How many of the wanted pods are ready."),
            _count("Up-to-date", "How many pods have the newest template."),
            _count("Available", "How many pods are available."),
            AGE,
            *_WORKLOAD,
        ),
        _deployment,
    ),
    "EndpointSlice": (
        (
            NAME,
            _text("AddressType", "The family of its addresses."),
            _text("Ports", "The ports of its endpoints."),
            _text("Endpoints", "Some of its addresses."),
            AGE,
        ),
        _endpoint_slice,
    ),
    "Endpoints": ((NAME, _text("Endpoints", "Some of its addresses and ports."), AGE), _endpoints),
    "Event": (
        (
            _text("Last Seen", "How long ago it happened last."),
            _text("Type", "Normal or Warning."),
            _text("Reason", "Why it was recorded, in one word."),
            _text("Object", "What it is about."),
            _text("Subobject", "Which part of the object it is about.", 1),
            _text("Source", "Who recorded it.", 1),
            _text("Message", "What happened."),
            _text("First Seen", "How long ago it happened first.", 1),
            _text("Count", "How often it happened.", 1),
            Definition(NAME.name, NAME.type, NAME.description, 1, NAME.format),
        ),
        _event,
    ),
    "Lease": (
        (NAME, _text("Holder", "Who holds it."), AGE),
        lambda obj, now: [_name(obj), _part(obj, "spec").get("holderIdentity", ""), _age(obj, now)],
    ),
    "Namespace": (
        (NAME, _text("Status", "Active or Terminating."), AGE),
        lambda obj, now: [_name(obj), _part(obj, "status").get("phase", ""), _age(obj, now)],
    ),
    "Node": (
        (
            NAME,
            _text("Status", "Whether it is ready."),
            _text("Roles", "Its roles, from its labels."),
            AGE,
            _text("Version", "The version of its kubelet."),
            _text("Internal-IP", "Its address inside the cluster.", 1),
            _text("External-IP", "Its address outside the cluster.", 1),
            _text("OS-Image", "Its operating system.", 1),
            _text("Kernel-Version", "Its kernel.", 1),
            _text("Container-Runtime", "What runs its containers.", 1),
        ),
        _node,
    ),
    "Pod": (
        (
            NAME,
            _text("Ready", "How many of its containers are ready."),
            _text("Status", "What it is doing."),
            _text("Restarts", "How often its containers were restarted."),
            AGE,
            _text("IP", "Its address.", 1),
            _text("Node", "Where it runs.", 1),
            _text("Nominated Node", "Where it will run once others made room.", 1),
            _text("Readiness Gates", "How many of its readiness gates hold.", 1),
        ),
        _pod,
    ),
    "Secret": (
        (NAME, _text("Type", "What it is for."), _text("Data", "How many entries it has."), AGE),
        lambda obj, now: [_name(obj), obj.get("type", "Opaque"), len(_part(obj, "data")), _age(obj, now)],
    ),
    "Service": (
        (
            NAME,
            _text("Type", "How it is reached."),
            _text("Cluster-IP", "Its address inside the cluster."),
            _text("External-IP", "Its addresses outside the cluster."),
            _text("Port(s)", "Its ports, with node ports and protocols."),
            AGE,
            _text("Selector", "Which pods serve it.", 1),
        ),
        _service,
    ),
    "ServiceAccount": (
        (NAME, _text("Secrets", "How many secrets it lists."), AGE),
        lambda obj, now: [_name(obj), len(obj.get("secrets") or ()), _age(obj, now)],
    ),
}
