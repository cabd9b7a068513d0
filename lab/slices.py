"""Which EndpointSlices a Service should have, given the Pods: the rule of the cluster's own EndpointSlice controller.

Pure; `lab.endpoints` writes them.
"""

from collections.abc import Iterable

from lab.kube import Json

MANAGED_BY = "frr-adapter-lab"


_FAMILIES = ("IPv4", "IPv6")


def names(service: str) -> tuple[str, ...]:
    """All names that slices of a Service of that name may have."""
    return tuple(f"{service}-{family.lower()}" for family in _FAMILIES)


def service_of(namespace: str, name: str) -> tuple[str, str]:
    """Namespace and name of the Service whose slice has that name."""
    return namespace, name.rpartition("-")[0]


def is_ours(present: Json) -> bool:
    """Whether the lab made the slice."""
    labels = present["metadata"].get("labels") or {}
    return bool(labels.get("endpointslice.kubernetes.io/managed-by") == MANAGED_BY)


def wanted(service: Json, pods: Iterable[Json]) -> tuple[Json, ...]:
    """One slice for each address family of the Service; none when it has no selector."""
    spec, meta = service.get("spec") or {}, service["metadata"]
    selector = spec.get("selector") or {}
    if not selector or spec.get("type") == "ExternalName":
        return ()
    namespace = meta.get("namespace", "default")
    chosen = sorted((pod for pod in pods if _is_behind(pod, namespace, selector)), key=_name)
    return tuple(_slice(service, family, chosen) for family in spec.get("ipFamilies") or ["IPv4"])


def is_same(present: Json, slice_: Json) -> bool:
    """Whether the present slice already says what `slice_` says; what the API adds is not looked at."""
    labels = present["metadata"].get("labels") or {}
    return (
        all(present.get(field) == slice_.get(field) for field in ("addressType", "endpoints", "ports"))
        and labels.items() >= slice_["metadata"]["labels"].items()
    )


def _name(item: Json) -> str:
    return str(item["metadata"]["name"])


def _is_behind(pod: Json, namespace: str, selector: dict[str, str]) -> bool:
    meta = pod["metadata"]
    phase = (pod.get("status") or {}).get("phase")
    labels = meta.get("labels") or {}
    return meta.get("namespace") == namespace and phase == "Running" and labels.items() >= selector.items()


def _slice(service: Json, family: str, pods: list[Json]) -> Json:
    meta = service["metadata"]
    name, namespace = meta["name"], meta.get("namespace", "default")
    owner = {"apiVersion": "v1", "kind": "Service", "name": name, "uid": meta.get("uid", ""), "controller": True}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{family.lower()}",
            "namespace": namespace,
            "labels": {
                "kubernetes.io/service-name": name,
                "endpointslice.kubernetes.io/managed-by": MANAGED_BY,
            },
            "ownerReferences": [owner],
        },
        "addressType": family,
        "endpoints": [endpoint for pod in pods for endpoint in _endpoints(pod, family)],
        "ports": [_port(port, pods) for port in (service["spec"].get("ports") or [])],
    }


def _endpoints(pod: Json, family: str) -> list[Json]:
    """The pod as an endpoint, when it has an address of that family."""
    status = pod.get("status") or {}
    addresses = [entry["ip"] for entry in status.get("podIPs") or [] if (":" in entry["ip"]) == (family == "IPv6")]
    if not addresses:
        return []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or [])
    terminating = bool(pod["metadata"].get("deletionTimestamp"))
    return [
        {
            "addresses": addresses[:1],
            "conditions": {"ready": ready and not terminating, "serving": ready, "terminating": terminating},
            "nodeName": (pod.get("spec") or {}).get("nodeName", ""),
            "targetRef": {"kind": "Pod", "namespace": pod["metadata"].get("namespace", ""), "name": _name(pod)},
        }
    ]


def _port(port: Json, pods: list[Json]) -> Json:
    """The service port with the number behind it; a named target port is looked up in the first pod that has it."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, str):
        named = (
            declared["containerPort"]
            for pod in pods
            for container in (pod.get("spec") or {}).get("containers") or []
            for declared in container.get("ports") or []
            if declared.get("name") == target
        )
        target = next(named, port["port"])
    return {"name": port.get("name", ""), "port": int(target), "protocol": port.get("protocol", "TCP")}
