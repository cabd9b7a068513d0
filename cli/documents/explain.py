"""What `explain service` answers: the chain from a Service to the wire, hop by hop. Made by `cli.core.explain`, drawn by `cli.view.explain`."""

from typing import Literal

import msgspec

Status = Literal["ok", "failed", "unknown", "notApplicable", "follows"]
"""`unknown`: nobody who was asked can tell. `follows`: it cannot work, but only because an earlier hop failed."""

HopName = Literal[
    "type",
    "pools",
    "address",
    "endpoints",
    "advertisements",
    "nodes",
    "owner",
    "intent",
    "applied",
    "sessions",
    "advertised",
    "wire",
]


class Edit(msgspec.Struct, frozen=True, rename="camel"):
    """What to mend: `object` is `Kind/namespace/name` (`Kind/name` for kinds without namespaces), `field` a JSON path."""

    object: str
    field: str = ""


class Hop(msgspec.Struct, frozen=True, rename="camel"):
    """One step of the chain: what is so, in one line; more lines in `details`; when it failed, what to edit and what to do."""

    name: HopName
    status: Status
    text: str
    details: tuple[str, ...] = ()
    edit: Edit | None = None
    do: str = ""
    is_cause: bool = False
    """The first hop that failed: what is to be mended first."""


class ExplainDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The answer. `node` and `peer` are empty when not asked about one alone; `hops` are always all, in the order of the chain."""

    format: Literal["frr-adapter.explain/v1"] = "frr-adapter.explain/v1"
    service: str = ""
    node: str = ""
    peer: str = ""
    source: str = ""
    taken_at: str = ""
    addresses: tuple[str, ...] = ()
    pool: str = ""
    works: bool = False
    """No hop failed. Hops may still be unknown."""
    summary: str = ""
    hops: tuple[Hop, ...] = ()
    gaps: tuple[str, ...] = ()
