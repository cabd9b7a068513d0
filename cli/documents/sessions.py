"""What `frr-adapter sessions` answers: every BGP session that is wanted or runs. Made by `cli.core.sessions`."""

from typing import Literal

import msgspec

Verdict = Literal["ok", "down", "unknown"]


class Session(msgspec.Struct, frozen=True, rename="camel"):
    """One session of one node, in FRR's words."""

    node: str
    vrf: str
    """`default` for the one without a name."""
    neighbor: str
    """Address, or interface of an unnumbered session."""
    peers: tuple[str, ...] = ()
    """Names of the BGPPeers that want it; empty for one that is not ours."""
    state: str = "Unknown"
    verdict: Verdict = "unknown"
    """`ok`: established, and BFD is up where it is wanted. `unknown`: nobody who runs can tell."""
    note: str = ""
    """Why it is not `ok`, or why it is unknown; one line."""
    since: str = ""
    """RFC 3339; empty when not known."""
    bfd: str = ""
    """Up or Down; empty without BFD, or when not known."""
    sent_prefixes: int | None = None
    accepted_prefixes: int | None = None
    """Both only of nodes that were asked."""
    last_reset: str = ""
    source: Literal["report", "status", "plan"] = "plan"
    """Who says it: the node itself just now, its NodeBGPStatus, or only the objects that want it."""


class SessionsDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The whole answer."""

    format: Literal["frr-adapter.sessions/v1"] = "frr-adapter.sessions/v1"
    source: str = ""
    taken_at: str = ""
    established: int = 0
    down: int = 0
    unknown: int = 0
    sessions: tuple[Session, ...] = ()
    gaps: tuple[str, ...] = ()
