"""What `frr-adapter import` answers."""

from typing import Any, Literal

import msgspec


class ImportedRow(msgspec.Struct, frozen=True, rename="camel"):
    """One line about an object of the setup, or about one field of it."""

    object: str
    outcome: Literal["same", "left alone", "converted", "differs", "mistake", "not supported"]
    text: str = ""
    field: str = ""
    where: str = ""
    """`file:line`; empty for what comes from a cluster."""


class ImportDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A MetalLB setup as frr-adapter reads it."""

    format: Literal["frr-adapter.import/v1"] = "frr-adapter.import/v1"
    source: str = "files"
    rows: tuple[ImportedRow, ...] = ()
    counts: dict[str, int] = {}
    """Outcome -> number of lines."""
    produced: tuple[dict[str, Any], ...] = ()
    """Objects that take the place of others; passwords are never among them."""
    helm_values: dict[str, Any] = {}
    """Values for the chart of frr-adapter."""
    written: tuple[str, ...] = ()
    """Files that were written."""
    gaps: tuple[str, ...] = ()
