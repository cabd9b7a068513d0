"""What is wrong with objects as they are written: against the definitions of our kinds, and where the programs would not see them.

`problems` says what an API server would refuse or drop, and needs no world; `everything` adds what the programs themselves say, each
mistake once. Called by plan and validate. It must never judge what a decoder or `resolve` judges.
"""

import dataclasses
import enum
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from cli import values
from cli.core import structure, world
from controller.core import conversion, request
from frr_adapter import problems as problem_values
from frr_adapter import refs
from frr_adapter.api import crds, wire
from frr_adapter.boundary import decoders
from frr_adapter.decode import peers
from frr_adapter.model import service

NAMESPACE = "metallb-system"

_WRITTEN_BY_US = frozenset(
    {"ConfigurationState", "NodeBGPStatus", "ServiceBGPStatus", "ServiceL2Status"},
)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""RFC 1123 subdomain: what the API server takes as the name of an object."""
_ANNOTATIONS = (service.POOL_ANNOTATION, service.IPS_ANNOTATION, service.SHARED_ANNOTATION)
_CONNECT_TIME = (1.0, 65535.0)
_FROM_DECODER = ("Expected `", "Object missing required field", "Invalid enum value")


class Severity(enum.StrEnum):
    """An error keeps an object, or a part of it, from working; a warning is something that is probably not meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake: the object, the path of the field (empty: the object as a whole), what was found and what is allowed,
    and `file:line` where the object came from a file.
    """

    ref: refs.ObjectRef
    field: str
    message: str
    where: str = ""
    severity: Severity = Severity.ERROR

    @property
    def line(self) -> str:
        """One line for people."""
        field = f"{self.field}: " if self.field else ""
        return f"{self.ref}: {field}{self.message}"


def current(document: values.Document) -> values.Document:
    """The document in the version that the programs read: a BGPPeer of v1beta1 as the conversion webhook would turn it."""
    if document.ref.kind != "BGPPeer" or document.raw.get("apiVersion") != conversion.OLD:
        return document
    return values.Document(document.ref, conversion.convert(document.raw, conversion.NEW), document.origin)


def problems(documents: Iterable[values.Document], namespace: str = NAMESPACE) -> tuple[Finding, ...]:
    """What an API server would refuse or drop, and what the programs, running in `namespace`, would never see; in the order given."""
    return tuple(finding for document in documents for finding in _of(document, namespace))


def everything(now: world.World, documents: Iterable[values.Document] | None = None) -> tuple[Finding, ...]:
    """`problems` of the documents (all of the world's without), and what the programs say of the world; each mistake once.

    Sorted: errors first, then by file and line, then by object.
    """
    chosen = tuple(now.documents.values()) if documents is None else tuple(documents)
    refs_ = {each.ref for each in chosen}
    found = list(problems(chosen, now.programs.namespace))
    faulty = {each.ref for each in found if each.severity is Severity.ERROR}
    known = {(each.ref, each.field) for each in found}
    for problem in _told(now):
        is_known = (problem.ref, problem.field) in known
        is_raw = problem.message.startswith(_FROM_DECODER) and problem.ref in faulty
        if is_known or is_raw or (documents is not None and problem.ref not in refs_):
            continue
        known.add((problem.ref, problem.field))
        message = "; ".join(problem.message.splitlines())
        found.append(Finding(problem.ref, problem.field, message, _where(now.documents, problem)))
    for ref, why in now.unreadable:
        if ref in refs_ and ref not in faulty:
            origin = now.documents[ref].origin
            found.append(Finding(ref, "", f"cannot be read: {why}", origin.at("") if origin else ""))
    for each in now.controller.services:
        asked = request.read(each)
        if isinstance(asked.ips, request.Malformed) and each.ref in refs_:
            origin = now.documents[each.ref].origin if each.ref in now.documents else None
            where = origin.at("metadata.annotations") if origin else ""
            found.append(Finding(each.ref, "", asked.ips.reason, where))
    return tuple(sorted(found, key=order))


def order(finding: Finding) -> tuple[Any, ...]:
    """Errors first, then by file and line, then by object."""
    file, _, line = finding.where.rpartition(":")
    return (
        finding.severity is not Severity.ERROR,
        file,
        int(line) if line.isdigit() else 0,
        finding.ref,
        finding.field,
    )


def _told(now: world.World) -> Iterator[problem_values.Problem]:
    yield from now.problems
    for name in sorted(now.nodes):
        yield from now.nodes[name].problems


def _where(documents: Mapping[refs.ObjectRef, values.Document], problem: problem_values.Problem) -> str:
    document = documents.get(problem.ref)
    return document.origin.at(problem.field) if document and document.origin else ""


def _of(document: values.Document, namespace: str) -> Iterator[Finding]:
    """The findings of one object."""

    def finding(field: str, message: str, severity: Severity = Severity.ERROR) -> Finding:
        where = document.origin.at(field) if document.origin else ""
        return Finding(document.ref, field, message, where, severity)

    for fault in _metadata(document.raw):
        yield finding(fault.path, fault.message)
    group, _, version = str(document.raw.get("apiVersion", "")).rpartition("/")
    kind = document.ref.kind
    if kind == "Service" and not group:
        for fault in _annotations(document.raw):
            yield finding(fault.path, fault.message, Severity.WARNING)
    if group != wire.GROUP or kind in _WRITTEN_BY_US:
        return
    schemas = _schemas().get(kind)
    if schemas is None:
        yield finding("kind", _unknown_kind(kind))
        return
    if version not in schemas:
        allowed = " or ".join(sorted(schemas, reverse=True))
        yield finding("apiVersion", f'found "{wire.GROUP}/{version}"; {kind} is known as {allowed}')
        return
    if document.ref.namespace != namespace:
        yield finding(
            "metadata.namespace",
            f'found "{document.ref.namespace}"; the programs read only their own namespace, {namespace}',
        )
    if not _NAME.fullmatch(document.ref.name):
        allowed = "lower case letters, digits, dashes and dots are allowed"
        yield finding("metadata.name", f'found "{document.ref.name}"; {allowed}')
    bare = {**document.raw, "metadata": {}, "status": None}
    faults = tuple(structure.faults(schemas[version], bare))
    for fault in faults:
        yield finding(fault.path, fault.message)
    if any(each.wanted for each in faults):
        yield from (finding(each.field, each.message) for each in _beyond(document, faults))
    if f"{group}/{version}" == conversion.OLD and kind == "BGPPeer":
        message = "v1beta1 is deprecated; use metallb.io/v1beta2, in which timers that are left out are FRR's and not 0"
        yield finding("apiVersion", message, Severity.WARNING)
    elif kind == "BGPPeer":
        yield from (finding(fault.path, fault.message) for fault in _connect_time(document.raw))


def _beyond(document: values.Document, faults: Iterable[structure.Fault]) -> Iterator[problem_values.Problem]:
    """What the decoder says of the rest, when fields of a wrong type keep it from reading the object."""
    known = {each.path for each in faults}
    bare = {**document.raw, "metadata": {"name": document.ref.name, "namespace": document.ref.namespace}}
    bare.pop("status", None)
    raw = current(dataclasses.replace(document, raw=structure.repaired(bare, faults))).raw
    read = decoders.DECODERS[document.ref.kind](msgspec.Raw(msgspec.json.encode(raw)))
    for problem in read.problems:
        if problem.field not in known and not problem.message.startswith(_FROM_DECODER):
            yield problem


def _metadata(raw: values.Json) -> Iterator[structure.Fault]:
    """Labels and annotations are texts; YAML makes numbers and booleans of what is not quoted."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict):
        yield structure.Fault("metadata", f"found {structure.shown(metadata)}; a map of fields is allowed")
        return
    for name in ("labels", "annotations"):
        if (found := metadata.get(name)) is not None:
            texts = {"type": "object", "additionalProperties": {"type": "string"}}
            yield from structure.faults(texts, found, f"metadata.{name}")


def _annotations(raw: values.Json) -> Iterator[structure.Fault]:
    annotations = raw["metadata"].get("annotations") if isinstance(raw.get("metadata"), dict) else None
    known = [f"{prefix}/{name}" for prefix in (service.PREFIX, service.DEPRECATED_PREFIX) for name in _ANNOTATIONS]
    known.append(service.ALLOCATED_FROM_ANNOTATION)
    known.append(f"{service.DEPRECATED_PREFIX}/ip-allocated-from-pool")
    for name in annotations if isinstance(annotations, dict) else ():
        if name.partition("/")[0] in (service.PREFIX, service.DEPRECATED_PREFIX) and name not in known:
            near = structure.nearest(name, known)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(known[:3])}"
            yield structure.Fault(f"metadata.annotations.{name}", f"nobody reads this annotation; {hint}")


def _connect_time(raw: values.Json) -> Iterator[structure.Fault]:
    """The rules of the definition, which are written in a language of their own there."""
    spec = raw.get("spec")
    text = spec.get("connectTime") if isinstance(spec, dict) else None
    if not isinstance(text, str) or not text:
        return
    try:
        seconds = peers.duration_seconds(text)
    except ValueError:
        return  # the decoder says so
    low, high = _CONNECT_TIME
    if not low <= seconds <= high or seconds != int(seconds):
        yield structure.Fault("spec.connectTime", f'found "{text}"; whole seconds from 1s to 65535s are allowed')


def _unknown_kind(kind: str) -> str:
    if kind == "AddressPool":
        return "AddressPool is gone since MetalLB 0.13; IPAddressPool and advertisements took its place: frr-adapter import"
    near = structure.nearest(kind, _schemas())
    return f'"{kind}" is no kind of {wire.GROUP}; {f"did you mean {near}?" if near else "known are " + ", ".join(_schemas())}'


@functools.cache
def _schemas() -> dict[str, dict[str, values.Json]]:
    """Kind -> version -> schema, of the kinds that people write."""
    found: dict[str, dict[str, values.Json]] = {}
    for document in crds.documents():
        spec = document["spec"]
        kind = spec["names"]["kind"]
        if kind not in _WRITTEN_BY_US:
            found[kind] = {each["name"]: each["schema"]["openAPIV3Schema"] for each in spec["versions"]}
    return found
