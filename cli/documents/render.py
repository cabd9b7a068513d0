"""What `frr-adapter render` answers."""

from typing import Literal

import msgspec


class RefusedStatement(msgspec.Struct, frozen=True, rename="camel"):
    """A statement that cannot be used, with the blocks it stands in, and why."""

    statement: str
    words: str


class RenderDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The configuration that FRR on a node would get."""

    format: Literal["frr-adapter.render/v1"] = "frr-adapter.render/v1"
    node: str = ""
    frr_conf: str = ""
    """The file, with `***` for passwords."""
    checked_by: str = ""
    """The FRR that read it (--check); empty when none did."""
    refusals: tuple[RefusedStatement, ...] = ()
    problems: tuple[str, ...] = ()
    """What is left out, one line each."""
    gaps: tuple[str, ...] = ()
