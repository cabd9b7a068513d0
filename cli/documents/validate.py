"""What `frr-adapter validate` answers."""

from typing import Literal

import msgspec


class FoundMistake(msgspec.Struct, frozen=True, rename="camel"):
    """One mistake: which object and field, what was found and what is allowed."""

    severity: Literal["error", "warning"]
    object: str
    field: str
    message: str
    where: str = ""
    """`file:line`."""


class ValidateDocument(msgspec.Struct, frozen=True, rename="camel"):
    """All mistakes of a set of manifests, errors first."""

    format: Literal["frr-adapter.validate/v1"] = "frr-adapter.validate/v1"
    objects: int = 0
    """How many objects the files hold."""
    errors: int = 0
    warnings: int = 0
    findings: tuple[FoundMistake, ...] = ()
    frr_version: str = ""
    """The FRR that read the configuration; empty when none did."""
    gaps: tuple[str, ...] = ()
