"""How the lists and maps of the core kinds merge: one table for strategic merge patch and for server-side apply.

`patch` reads the merge keys, `listtypes` the list types. Holds facts only. Source: the patchMergeKey, listType,
listMapKey and mapType marks of the Kubernetes API reference.
"""

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoreField:
    """One list, map or struct that does not merge in the plain way.

    `path` names it with `[]` for a list's items. `kind` is `map`, `set`, `atomic` or `struct`; `keys` and `defaults`
    identify the items of a `map`. `merge` is the key of a strategic merge, empty text for a merged list of plain values,
    None for a list that is replaced. `is_inline` says that every object has it.
    """

    path: str
    kind: str
    keys: tuple[str, ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    merge: str | None = None
    is_inline: bool = False


def _map(path: str, *keys: str, merge: str | None = None, **defaults: str) -> CoreField:
    return CoreField(path, "map", keys, tuple(defaults.items()), merge)


def _set(path: str, *, merge: bool = True) -> CoreField:
    return CoreField(path, "set", merge="" if merge else None)


def _atomic(*paths: str) -> tuple[CoreField, ...]:
    return tuple(CoreField(path, "atomic") for path in paths)


def _inline(*paths: str) -> tuple[CoreField, ...]:
    return tuple(CoreField(path, "struct", is_inline=True) for path in paths)


def _always(field: CoreField) -> CoreField:
    return dataclasses.replace(field, is_inline=True)


def _conditions(path: str = "status.conditions") -> CoreField:
    return _map(path, "type", merge="type")


def _container(prefix: str) -> tuple[CoreField, ...]:
    return (
        _map(prefix, "name", merge="name"),
        _map(f"{prefix}[].ports", "containerPort", "protocol", merge="containerPort", protocol="TCP"),
        _map(f"{prefix}[].env", "name", merge="name"),
        _map(f"{prefix}[].volumeMounts", "mountPath", merge="mountPath"),
        _map(f"{prefix}[].volumeDevices", "devicePath", merge="devicePath"),
        _map(f"{prefix}[].resources.claims", "name"),
        *_atomic(
            f"{prefix}[].env[].valueFrom.configMapKeyRef",
            f"{prefix}[].env[].valueFrom.fieldRef",
            f"{prefix}[].env[].valueFrom.resourceFieldRef",
            f"{prefix}[].env[].valueFrom.secretKeyRef",
        ),
        *_inline(f"{prefix}[].resources"),
    )


def _pod_spec(prefix: str) -> tuple[CoreField, ...]:
    return (
        *(
            _always(item) if item.path == f"{prefix}.containers" else item
            for item in _container(f"{prefix}.containers")
        ),
        *_container(f"{prefix}.initContainers"),
        *_container(f"{prefix}.ephemeralContainers"),
        _map(f"{prefix}.volumes", "name", merge="name"),
        _map(f"{prefix}.imagePullSecrets", "name", merge="name"),
        _map(f"{prefix}.hostAliases", "ip", merge="ip"),
        _map(
            f"{prefix}.topologySpreadConstraints",
            "topologyKey",
            "whenUnsatisfiable",
            merge="topologyKey",
        ),
        _map(f"{prefix}.schedulingGates", "name", merge="name"),
        _map(f"{prefix}.resourceClaims", "name", merge="name"),
        *_atomic(
            f"{prefix}.nodeSelector", f"{prefix}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
        ),
        *_inline(prefix),
    )


def _workload() -> tuple[CoreField, ...]:
    return (
        *_inline("spec", "status", "spec.template", "spec.template.metadata"),
        *_pod_spec("spec.template.spec"),
        *_atomic("spec.selector"),
        _conditions(),
    )


META: tuple[CoreField, ...] = (
    _set("metadata.finalizers"),
    _map("metadata.ownerReferences", "uid", merge="uid"),
    *_inline("metadata"),
)

CORE: dict[str, tuple[CoreField, ...]] = {
    "CustomResourceDefinition": (
        *_inline("spec", "spec.names", "status", "status.acceptedNames"),
        _map("status.conditions", "type"),
    ),
    "DaemonSet": (*_workload(), *_inline("spec.updateStrategy")),
    "Deployment": (*_workload(), *_inline("spec.strategy")),
    "EndpointSlice": _atomic("endpoints", "ports"),
    "Endpoints": _atomic("subsets"),
    "Event": (*_atomic("involvedObject", "related", "regarding"), *_inline("source")),
    "Lease": _inline("spec"),
    "Namespace": (*_inline("spec", "status"), _conditions()),
    "Node": (
        *_inline(
            "spec", "status", "status.daemonEndpoints", "status.daemonEndpoints.kubeletEndpoint", "status.nodeInfo"
        ),
        _set("spec.podCIDRs"),
        _map("status.addresses", "type", merge="type"),
        _conditions(),
    ),
    "NetworkPolicy": (*_inline("spec"), *_atomic("spec.podSelector")),
    "PodDisruptionBudget": (*_inline("spec", "status"), *_atomic("spec.selector"), _conditions()),
    "Pod": (
        *_inline("status"),
        *_pod_spec("spec"),
        _conditions(),
        _map("status.podIPs", "ip", merge="ip"),
        _map("status.hostIPs", "ip", merge="ip"),
    ),
    "ReplicaSet": _workload(),
    "Service": (
        *_inline("spec", "status", "status.loadBalancer"),
        _map("spec.ports", "port", "protocol", merge="port", protocol="TCP"),
        _conditions(),
        *_atomic(
            "spec.selector",
            "spec.clusterIPs",
            "spec.externalIPs",
            "spec.ipFamilies",
            "spec.loadBalancerSourceRanges",
            "status.loadBalancer.ingress",
        ),
    ),
    "ServiceAccount": (
        _map("secrets", "name", merge="name"),
        *_atomic("imagePullSecrets"),
    ),
    "StatefulSet": (*_workload(), *_inline("spec.updateStrategy")),
    "ValidatingWebhookConfiguration": (_map("webhooks", "name", merge="name"),),
}


def fields(kind: str) -> tuple[CoreField, ...]:
    """What is special about a core kind, the metadata of every object included."""
    return (*META, *CORE.get(kind, ()))
