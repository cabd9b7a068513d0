"""Answers: in which form a client wants them, and the bytes of that form.

`web` and `watching` call it. Must never read the store.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml

from lab.apiserver import conversion, objects, refusal, table
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json
from lab.apiserver.store import Entry

_MEDIA = ("application/json", "application/yaml")
_TABLE_VERSIONS = frozenset({"v1", "v1beta1"})


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an answer: `kind_as` is empty, `Table`, `PartialObjectMetadata` or `PartialObjectMetadataList`."""

    media: str = "application/json"
    kind_as: str = ""
    version: str = "v1"
    include_object: str = "Metadata"

    @property
    def is_table(self) -> bool:
        """Whether rows are wanted instead of objects."""
        return self.kind_as == "Table"


def negotiate(accept: str, include_object: str) -> Form:
    """The first form in an Accept header that we can give; raises the 406."""
    if not accept.strip():
        return Form(include_object=include_object)
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        options = dict(part.partition("=")[::2] for part in parameters)
        if media in {"*/*", "application/*"}:
            media = "application/json"
        if media not in _MEDIA:
            continue
        kind_as = options.get("as", "")
        if not kind_as:
            return Form(media, include_object=include_object)
        known = {"Table": _TABLE_VERSIONS, "PartialObjectMetadata": {"v1"}, "PartialObjectMetadataList": {"v1"}}
        if options.get("g") == "meta.k8s.io" and options.get("v") in known.get(kind_as, ()):
            return Form(media, kind_as, options["v"], include_object)
    raise refusal.not_acceptable((*_MEDIA, "application/vnd.kubernetes.protobuf"))


def encode(value: Json, form: Form) -> bytes:
    """The bytes of any JSON answer."""
    if form.media == "application/yaml":
        return yaml.safe_dump(value, sort_keys=False).encode()
    return objects.encode(value)


def served(kind: Kind, entry: Entry) -> Json:
    """A stored object in the form the client's API version has. Treat as read-only."""
    return conversion.to_served(kind, entry.document)


def one(kind: Kind, document: Json, form: Form) -> Json:
    """One served object in the wanted form."""
    if form.is_table:
        return as_table(kind, [document], form, {"resourceVersion": document["metadata"].get("resourceVersion", "")})
    if form.kind_as:
        return _metadata_only(document)
    return document


def as_table(kind: Kind, documents: Iterable[Json], form: Form, list_meta: Json) -> Json:
    """The rows of some served objects."""
    # The columns of Events are those of core/v1, whichever group asked.
    rows = [conversion.to_stored(kind, document) for document in documents] if not kind.custom else list(documents)
    built = table.table(
        table.TableKind(kind.kind, kind.custom.columns if kind.custom else None),
        rows,
        list_meta=list_meta,
        include_object=form.include_object,
        now=datetime.now(UTC),
    )
    built["apiVersion"] = f"meta.k8s.io/{form.version}"
    return built


def _metadata_only(document: Json) -> Json:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": document["metadata"]}


def listing(kind: Kind, entries: Iterable[Entry], list_meta: Json, form: Form) -> bytes:
    """The bytes of a list in the wanted form."""
    entries = tuple(entries)
    conversion.require(kind, (entry.document for entry in entries))
    if form.is_table:
        return encode(as_table(kind, (served(kind, entry) for entry in entries), form, list_meta), form)
    if form.kind_as:
        items = [_metadata_only(served(kind, entry)) for entry in entries]
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": list_meta}
        return encode({**head, "items": items}, form)
    head = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": list_meta}
    if form.media != "application/json" or not conversion.keeps_body(kind):
        items = [_without_type(kind, served(kind, entry)) for entry in entries]
        return encode({**head, "items": items}, form)
    # Built-in lists leave apiVersion and kind out of their items; lists of custom resources keep them.
    prefix = _prefix(kind) if kind.custom else b"{"
    joined = b",".join(prefix + entry.body[1:] for entry in entries)
    return objects.encode(head)[:-1] + b',"items":[' + joined + b"]}"


def _without_type(kind: Kind, document: Json) -> Json:
    if kind.custom:
        return document
    return {key: value for key, value in document.items() if key not in {"apiVersion", "kind"}}


def _prefix(kind: Kind) -> bytes:
    return objects.encode({"apiVersion": kind.api_version, "kind": kind.kind})[:-1] + b","


def entry_bytes(kind: Kind, entry: Entry, form: Form) -> bytes:
    """The bytes of one stored object in the wanted form."""
    if not form.kind_as and form.media == "application/json" and conversion.keeps_body(kind):
        return _prefix(kind) + entry.body[1:]
    return encode(one(kind, served(kind, entry), form), form)
