"""From an object as somebody wrote it to a Document: its name, its namespace, and whether it is one of those that we know.

Called by everything that reads objects. Passwords are hidden here, so that no Document ever has one.
"""

from types import MappingProxyType
from typing import Any

from cli import values
from cli.boundary import redaction
from frr_adapter import refs
from frr_adapter.api import wire
from frr_adapter.boundary import paths

WORKLOADS = MappingProxyType(
    {
        "DaemonSet": paths.Kind("DaemonSet", "apps/v1", "daemonsets"),
        "Deployment": paths.KINDS["Deployment"],
    }
)
"""What says how the programs are started."""

KINDS = MappingProxyType({**paths.KINDS, **WORKLOADS})

_CLUSTER_WIDE = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        *(kind.name for kind in KINDS.values() if not kind.is_namespaced),
    }
)


class NotOursError(Exception):
    """The text says why it is no Document, to be put after its place."""


def group(api_version: str) -> str:
    """`metallb.io` of `metallb.io/v1beta1`; empty for the core group."""
    return api_version.rpartition("/")[0]


def is_object(raw: Any) -> bool:
    """Whether it says its kind and version, as every object of Kubernetes does."""
    return isinstance(raw, dict) and all(isinstance(raw.get(key), str) and raw[key] for key in ("kind", "apiVersion"))


def document(raw: values.Json, namespace: str, origin: values.Origin | None = None) -> values.Document:
    """The object, its passwords hidden, in the namespace that it has or gets: `namespace` is that of our own kinds.

    The object is changed in place. Raises `NotOursError` for what is no object, has no name, or only has the name of a kind of ours.
    """
    if not is_object(raw):
        raise NotOursError("has no kind and apiVersion; left out")
    kind, version = raw["kind"], raw["apiVersion"]
    if group(version) == "kustomize.config.k8s.io":
        raise NotOursError(f"{kind}: its files are read as they stand, nothing in it is applied to them")
    known = KINDS.get(kind)
    is_ours = group(version).endswith(wire.GROUP) or (known is not None and group(known.api_version) == wire.GROUP)
    if known is not None and not is_ours and group(version) != group(known.api_version):
        raise NotOursError(f"{kind} of {version} is none of {known.api_version}; left out")
    metadata = raw.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise NotOursError(f"{kind} without a name; left out")
    place = _namespace(raw, namespace if is_ours else "default")
    return values.Document(refs.ObjectRef(kind, place, name), redaction.hide(raw), origin)


def _namespace(raw: values.Json, otherwise: str) -> str:
    """Written into the object too, as the API would."""
    metadata = raw["metadata"]
    if raw["kind"] in _CLUSTER_WIDE:
        metadata.pop("namespace", None)
        return ""
    found = metadata.get("namespace")
    if not isinstance(found, str) or not found:
        found = metadata["namespace"] = otherwise
    return found
