"""What the operator's command works on: objects as written, where they come from, and what could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from frr_adapter import refs
from frr_adapter.api import node_report

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in a file; `lines` has the line of every field by its path as problems write it (`spec.addresses[0]`)."""

    file: str
    line: int
    lines: Mapping[str, int] = field(default_factory=dict)

    def at(self, path: str) -> str:
        """`file:line` of that field, or of the nearest field around it that is in the file."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return f"{self.file}:{self.lines.get(path, self.line)}"


def part(raw: object, *path: str) -> Json:
    """The map at that path below `raw`; an empty one where there is none, or something else."""
    for key in path:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw if isinstance(raw, dict) else {}


@dataclass(frozen=True, slots=True)
class Document:
    """One object as JSON, as the API would give it; `ref` has a namespace only for kinds that have one."""

    ref: refs.ObjectRef
    raw: Json
    origin: Origin | None = None

    def part(self, *path: str) -> Json:
        """The map at that path; an empty one where there is none, or something else: nobody has checked what people wrote."""
        return part(self.raw, *path)


@dataclass(frozen=True, slots=True)
class Programs:
    """How controller and speakers are started, as far as decisions depend on it; the defaults are those of the chart."""

    namespace: str = "metallb-system"
    lb_class: str = ""
    ignore_exclude_lb: bool = False
    l2_owner: str = "keep"
    has_bgp: bool = True
    log_level: str = "info"
    frr_log_level: str = ""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything that one source knows.

    `documents` sorted by reference, one each; `reports` by node, only of nodes that were asked and answered; `gaps` one line for
    each thing that could not be read, with the reason (no right, no such kind, no answer).
    """

    documents: tuple[Document, ...] = ()
    reports: Mapping[str, node_report.NodeReport] = field(default_factory=dict)
    programs: Programs = Programs()
    source: str = "files"
    taken_at: str = ""
    gaps: tuple[str, ...] = ()
    events: tuple[Json, ...] = ()
    """Events about Services and our objects, newest last."""
    unread: tuple[str, ...] = ()
    """Kinds of which the source says nothing, sorted: that there is no object of them proves nothing."""
