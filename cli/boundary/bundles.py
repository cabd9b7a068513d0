"""A bundle: everything that one moment of a cluster told us, in one file that may be given away. Written and read here, for `sources`.

A gzipped tar of `manifest.json` (first), `objects/KIND.json`, `nodes/NODE.json` and `events.json`; the same content gives the same bytes.
No password goes in, and no stand-in that could be compared. Whoever made a bundle that we read is not trusted: nothing is written to
disk, paths are only names, and sizes are bounded.
"""

import contextlib
import gzip
import io
import os
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

import frr_adapter
from cli import errors, values
from cli.boundary import naming, redaction
from frr_adapter.api import node_report

FORMAT = "frr-adapter.bundle-file/v1"
MAGIC = b"\x1f\x8b"
"""How a gzipped file begins."""

_MANIFEST, _EVENTS = "manifest.json", "events.json"
_OBJECTS = re.compile(r"objects/([A-Za-z][A-Za-z0-9]*)\.json")
_NODES = re.compile(r"nodes/([a-z0-9]([-a-z0-9.]*[a-z0-9])?)\.json")
_VERSION = re.compile(r"frr-adapter\.bundle-file/v(\d+)")
_MOST_BYTES = 512 << 20
_MOST_MEMBERS = 20_000


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What the bundle says of itself; `version` is that of the frr-adapter that made it."""

    format: str
    version: str = ""
    taken_at: str = ""
    source: str = ""
    programs: values.Programs = values.Programs()
    gaps: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def packed(gathered: values.Gathered, version: str = "") -> bytes:
    """The bundle; `version` is that of this frr-adapter unless given."""
    manifest = Manifest(
        format=FORMAT,
        version=version or frr_adapter.__version__,
        taken_at=gathered.taken_at,
        source=gathered.source,
        programs=gathered.programs,
        gaps=gathered.gaps,
        unread=gathered.unread,
    )
    objects: dict[str, list[values.Json]] = {}
    for each in sorted(gathered.documents, key=lambda each: each.ref):
        objects.setdefault(each.ref.kind, []).append(redaction.forget(each.raw))
    members = {_MANIFEST: _json(manifest)}
    members |= {f"objects/{kind}.json": _json(_list(items)) for kind, items in sorted(objects.items())}
    members |= {f"nodes/{node}.json": _json(_masked(report)) for node, report in sorted(gathered.reports.items())}
    members[_EVENTS] = _json(_list([redaction.forget(event) for event in gathered.events]))
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(content), 0o600
            tar.addfile(about, io.BytesIO(content))
    return out.getvalue()


def write(path: Path, content: bytes, *, force: bool) -> None:
    """For its owner only. Raises `errors.NoAnswerError` when it cannot be written, or is there already and not to be replaced."""
    try:
        if not force:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123  a descriptor
                file.write(content)
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(handle, "wb") as file:  # noqa: PTH123  a descriptor
                file.write(content)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except FileExistsError:
        raise errors.NoAnswerError(f"{path}: is there already; --force replaces it") from None
    except OSError as error:
        raise errors.NoAnswerError(f"{path}: cannot be written: {error.strerror or error}") from None


def is_one(path: Path) -> bool:
    """Whether the file may be a bundle, by its first bytes."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC
    return False


def read(path: Path) -> values.Gathered:
    """What was gathered then. Raises `errors.NoAnswerError` for what is no bundle, or one that we cannot read."""
    try:
        with path.open("rb") as file, gzip.GzipFile(fileobj=file) as zipped:
            bounded: Any = _Bounded(zipped)
            with tarfile.open(fileobj=bounded, mode="r|") as tar:
                return _gathered(_members(tar))
    except FileNotFoundError:
        raise errors.NoAnswerError(f"{path}: no such file") from None
    except (tarfile.TarError, EOFError, zlib.error, OSError, msgspec.DecodeError, _UnusableError) as error:
        raise errors.NoAnswerError(f"{path}: is no bundle that can be read: {error}") from None


class _UnusableError(Exception):
    """Says what is wrong with a bundle."""


class _Bounded:
    """A stream that ends with an error where it gets larger than any honest bundle."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = _MOST_BYTES

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        found = self._stream.read(size)
        self._left -= len(found)
        if self._left < 0:
            raise _UnusableError(f"more than {_MOST_BYTES >> 20} MiB inside")
        return found


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for member in tar:
        if not member.isreg() or member.name in seen or len(seen) >= _MOST_MEMBERS:
            raise _UnusableError(f"{member.name!r} does not belong there")
        seen.add(member.name)
        content = tar.extractfile(member)
        yield member.name, b"" if content is None else content.read()


def _gathered(members: Iterator[tuple[str, bytes]]) -> values.Gathered:
    name, content = next(members, ("", b""))
    if name != _MANIFEST:
        raise _UnusableError(f"it does not begin with {_MANIFEST}")
    manifest = _manifest(content)
    documents: dict[Any, values.Document] = {}
    reports: dict[str, node_report.NodeReport] = {}
    events: tuple[values.Json, ...] = ()
    for name, content in members:
        if _OBJECTS.fullmatch(name):
            for raw in _items(content):
                document = _document(raw, manifest.programs.namespace, name)
                documents[document.ref] = document
        elif found := _NODES.fullmatch(name):
            reports[found[1]] = msgspec.json.decode(content, type=node_report.NodeReport)
        elif name == _EVENTS:
            events = tuple(redaction.hide(each) for each in _items(content))
        # Anything else is of a later release that the format still allows.
    return values.Gathered(
        documents=tuple(documents[ref] for ref in sorted(documents)),
        reports=dict(sorted(reports.items())),
        programs=manifest.programs,
        source=f"bundle of {manifest.source}",
        taken_at=manifest.taken_at,
        gaps=manifest.gaps,
        events=events,
        unread=manifest.unread,
    )


def _manifest(content: bytes) -> Manifest:
    found = msgspec.json.decode(content, type=_Format)
    version = _VERSION.fullmatch(found.format)
    if version is None:
        raise _UnusableError(f'found format "{found.format}"; {FORMAT} is allowed')
    if found.format != FORMAT:
        raise _UnusableError(
            f"frr-adapter {found.version} made it in format v{version[1]}; this release reads {FORMAT}"
        )
    return msgspec.json.decode(content, type=Manifest)


class _Format(msgspec.Struct, frozen=True):
    """The part of a manifest that stays as it is in all formats."""

    format: str
    version: str = ""


def _document(raw: values.Json, namespace: str, name: str) -> values.Document:
    try:
        return naming.document(raw, namespace)
    except naming.NotOursError as error:
        raise _UnusableError(f"{name}: {error}") from None


def _items(content: bytes) -> list[values.Json]:
    return msgspec.json.decode(content, type=_List).items


class _List(msgspec.Struct, frozen=True):
    items: list[dict[str, Any]]


def _list(items: list[values.Json]) -> values.Json:
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def _masked(report: node_report.NodeReport) -> Mapping[str, Any]:
    """Masked by the speaker already; here once more, because a bundle goes to others."""
    found: values.Json = redaction.forget(msgspec.to_builtins(report))
    speaker = found["speaker"]
    for key in ("wanted", "applied"):
        speaker[key] = redaction.forget_text(speaker[key])
    found["running"] = {daemon: redaction.forget_text(text) for daemon, text in found["running"].items()}
    return found
