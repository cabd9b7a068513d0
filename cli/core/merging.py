"""The objects of a cluster after `kubectl apply` of manifests: what the file says replaces, what the API server owns stays.

Called by `planning`. Pure. It knows the few fields that an API server fills in by itself; it must never judge an object.
"""

import base64
import dataclasses
import datetime as dt
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cli import values
from frr_adapter import refs
from frr_adapter.api import wire
from frr_adapter.boundary import decoders, watch
from frr_adapter.model import service

CONFIG_KINDS = frozenset({"BFDProfile", "BGPAdvertisement", "BGPPeer", "Community", "IPAddressPool", "L2Advertisement"})
"""Kinds that people write to configure us: what `--prune` may remove."""

Documents = Mapping[refs.ObjectRef, values.Document]

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SERVER_METADATA = ("uid", "resourceVersion", "creationTimestamp", "generation")
_SERVER_SPEC = (
    "clusterIP",
    "clusterIPs",
    "ipFamilies",
    "ipFamilyPolicy",
    "healthCheckNodePort",
    "internalTrafficPolicy",
    "sessionAffinity",
    "allocateLoadBalancerNodePorts",
)
"""Of a Service: filled in by the API server where the file says nothing."""
_FIRST_NEW = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
"""New objects are younger than everything there is, whatever the clock of whoever made that."""


class Change(enum.StrEnum):
    """What applying does to one object."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Changed:
    """One object that the manifests name, or that goes. `fields` are the paths that differ, sorted, two levels deep, as far as they mean anything."""

    ref: refs.ObjectRef
    change: Change
    fields: tuple[str, ...] = ()
    origin: values.Origin | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """Everything after, and what that changes, in the order of the files; what goes comes last, sorted."""

    documents: Documents
    changes: tuple[Changed, ...]


def apply(
    before: Documents,
    manifests: Sequence[values.Document],
    *,
    namespace: str,
    prune: bool = False,
    delete: Iterable[refs.ObjectRef] = (),
) -> Merged:
    """The cluster after the manifests. With `prune`, objects of `CONFIG_KINDS` in the namespace that no manifest names are gone, too.

    Endpoints and status objects of a Service go with it, as the garbage collector would have it.
    """
    named = {each.ref for each in manifests}
    going = {ref for ref in delete if ref in before}
    if prune:
        going |= {ref for ref in before if ref.kind in CONFIG_KINDS and ref.namespace == namespace and ref not in named}
    after = {ref: each for ref, each in before.items() if ref not in going and not _belongs(each, going)}
    changes = []
    families = _families(before)
    for number, each in enumerate(manifests):
        old = before.get(each.ref)
        new = _created(each, number) if old is None else _merged(old, each)
        if each.ref.kind == "Service":
            new = _with_cluster_ips(new, families)
        after[each.ref] = new
        fields = () if old is None else tuple(_differing(old, new))
        change = Change.CREATED if old is None else Change.CHANGED if fields else Change.UNCHANGED
        if change is Change.UNCHANGED and old is not None:
            after[each.ref] = dataclasses.replace(old, origin=each.origin)
        changes.append(Changed(each.ref, change, fields, each.origin))
    gone = (Changed(ref, Change.DELETED) for ref in sorted(going))
    return Merged(after, (*changes, *gone))


def _created(document: values.Document, number: int) -> values.Document:
    """As the API server stores it: named, dated, and without a status, which only its own programs write."""
    raw = _plain(document.raw)
    metadata = dict(document.part("metadata"))
    created = (_FIRST_NEW + dt.timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata |= {"uid": f"new {document.ref}", "creationTimestamp": created, "generation": 1}
    metadata.pop("resourceVersion", None)
    raw["metadata"] = metadata
    if document.ref.kind == "Service" or str(raw.get("apiVersion", "")).startswith(f"{wire.GROUP}/"):
        raw.pop("status", None)
    return dataclasses.replace(document, raw=raw)


def _merged(old: values.Document, new: values.Document) -> values.Document:
    """The fields of the file over those that are there; metadata, status and what the API server filled in stay."""
    there = {key: value for key, value in old.raw.items() if value is not None}
    raw = {**there, **_plain(new.raw)}
    raw["metadata"] = _metadata(old, new)
    if "status" in there:
        raw["status"] = there["status"]
    else:
        raw.pop("status", None)
    if old.ref.kind == "Service" and isinstance(raw.get("spec") or {}, dict):
        known, spec = old.part("spec"), new.part("spec")
        raw["spec"] = {**{key: known[key] for key in _SERVER_SPEC if key in known}, **spec}
    if "apiVersion" in there and "apiVersion" not in new.raw:
        raw["apiVersion"] = there["apiVersion"]
    return values.Document(new.ref, raw, new.origin)


def _metadata(old: values.Document, new: values.Document) -> values.Json:
    there, said = (each.part("metadata") for each in (old, new))
    found = {**there, **said}
    for name in _SERVER_METADATA:
        found.pop(name, None)
        if name in there:
            found[name] = there[name]
    for name in ("labels", "annotations"):
        kept = {key: value for key, value in values.part(there, name).items() if _stays(old.ref, name, key)}
        if not isinstance(said.get(name) or {}, dict):
            continue  # no API server would take it: that is told as it stands
        if together := {**kept, **values.part(said, name)}:
            found[name] = together
        else:
            found.pop(name, None)
    return found


def _stays(ref: refs.ObjectRef, field: str, key: str) -> bool:
    """Whether a label or annotation is not the file's to remove: those of nodes come from elsewhere, others from controllers."""
    if ref.kind in ("Node", "Namespace"):
        return True
    return field == "annotations" and key in (service.ALLOCATED_FROM_ANNOTATION, _LAST_APPLIED)


def _plain(raw: values.Json) -> values.Json:
    """The object as it is stored: texts of a Secret encoded."""
    found = dict(raw)
    texts = found.pop("stringData", None) if found.get("kind") == "Secret" else None
    if isinstance(texts, dict):
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
        found["data"] = {**values.part(found, "data"), **encoded}
    return found


def _belongs(document: values.Document, going: set[refs.ObjectRef]) -> bool:
    labels = document.part("metadata", "labels")
    match document.ref.kind:
        case "EndpointSlice":
            owner = [document.ref.namespace, labels.get("kubernetes.io/service-name")]
        case "ServiceBGPStatus" | "ServiceL2Status":
            owner = [labels.get("metallb.io/service-namespace"), labels.get("metallb.io/service-name")]
        case _:
            return False
    return refs.ObjectRef("Service", *map(str, owner)) in going


# ---- What the API server gives a Service ----

_STAND_INS = {"IPv4": "0.0.0.0", "IPv6": "::"}
"""Only the family of a cluster IP counts here; these are nobody's."""


def _families(documents: Documents) -> tuple[str, ...]:
    """Families of cluster IPs in this cluster, the usual one first; IPv4 when there is no Service to tell."""
    usual: list[str] = []
    for ref, each in documents.items():
        if ref.kind == "Service":
            for ip in _listed(each.part("spec").get("clusterIPs")):
                family = "IPv6" if ":" in str(ip) else "IPv4"
                if ip != "None" and family not in usual:
                    usual.append(family)
    return tuple(usual) or ("IPv4",)


def _with_cluster_ips(document: values.Document, usual: tuple[str, ...]) -> values.Document:
    """With an address of each family that the Service asks for, where the API server would choose one."""
    if not isinstance(document.raw.get("spec") or {}, dict):
        return document
    spec = dict(document.part("spec"))
    given = _listed(spec.get("clusterIPs")) or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    if "None" in given or spec.get("type") == "ExternalName":
        return document
    policy = spec.get("ipFamilyPolicy") or "SingleStack"
    asked = [str(family) for family in _listed(spec.get("ipFamilies"))]
    first = asked[0] if asked else _family(given[0]) if given else usual[0]
    other = "IPv4" if first == "IPv6" else "IPv6"
    is_dual = policy == "RequireDualStack" or (policy == "PreferDualStack" and (other in usual or other in asked))
    known = {_family(ip): ip for ip in given}
    wanted = [first, *([other] if is_dual else [])]
    ips = [known.get(family) or _STAND_INS.get(family, "") for family in wanted]
    if not all(ips) or ips == list(given):
        return document
    spec |= {"clusterIP": ips[0], "clusterIPs": ips, "ipFamilies": wanted}
    return dataclasses.replace(document, raw={**document.raw, "spec": spec})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _family(ip: object) -> str:
    return "IPv6" if ":" in str(ip) else "IPv4"


# ---- What differs ----

_Path = tuple[str, ...]

_encode = msgspec.json.Encoder().encode


def _differing(old: values.Document, new: values.Document) -> Iterator[str]:
    """Paths of what applying changes. What the programs would read the same, such as a default that is spelled out, does not count."""
    found = list(_paths(old.raw, new.raw))
    decode = decoders.DECODERS.get(new.ref.kind)
    if decode is None or not found:
        yield from map(".".join, found)
        return
    meant = _meaning(decode, new.raw)
    differing = [path for path in found if _meaning(decode, _put_back(old.raw, new.raw, path)) != meant]
    if not differing and _meaning(decode, old.raw) != meant:
        differing = found  # each can be told from the others, as hold and keepalive time; all of them cannot
    yield from map(".".join, differing)


def _meaning(decode: watch.Decode, raw: values.Json) -> object:
    """What the programs read; the object itself where no API server would have taken it."""
    try:
        return decode(msgspec.Raw(_encode(raw)))
    except (msgspec.DecodeError, ValueError):
        return raw


def _paths(old: values.Json, new: values.Json) -> Iterator[_Path]:
    """One level below what differs at the top; who made the object and when does not count."""
    for key in sorted({*old, *new} - {"apiVersion", "kind", "metadata", "status"}):
        yield from _below((key,), old.get(key), new.get(key))
    before, after = (values.part(each, "metadata") for each in (old, new))
    for key in ("labels", "annotations"):
        yield from _below(("metadata", key), before.get(key) or {}, after.get(key) or {})


def _below(path: _Path, old: object, new: object) -> Iterator[_Path]:
    before, after = ({} if each is None else each for each in (old, new))
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from ((*path, key) for key in sorted({*before, *after}) if before.get(key) != after.get(key))
    else:
        yield path


def _put_back(old: Any, new: values.Json, path: _Path) -> values.Json:
    """The new object with the old value at the path, or without one."""
    key, *rest = path
    there = old.get(key) if isinstance(old, dict) else None
    kept = {name: value for name, value in new.items() if name != key}
    if rest:
        return {**kept, key: _put_back(there, values.part(new, key), tuple(rest))}
    return kept if there is None else {**kept, key: there}
