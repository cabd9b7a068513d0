"""What `frr-adapter owners` answers: who answers for each layer-2 address, and who announces each Service over BGP. Made by `cli.core.owners`."""

from typing import Literal

import msgspec

Verdict = Literal["ok", "idle", "bad", "unknown"]
"""`idle`: nobody is to answer for it, and nobody does."""


class Rival(msgspec.Struct, frozen=True, rename="camel"):
    """A station that is no speaker and claims the address, and the node that saw it."""

    address: str
    mac: str
    node: str


class Owner(msgspec.Struct, frozen=True, rename="camel"):
    """The layer-2 addresses of one Service."""

    service: str
    addresses: tuple[str, ...]
    holders: tuple[str, ...] = ()
    """Nodes that say that they answer for them: one, when all is well."""
    elected: str = ""
    candidates: tuple[str, ...] = ()
    """In the order of the election."""
    is_kept: bool = False
    """The holder keeps them, although another node comes first."""
    interfaces: tuple[str, ...] = ()
    """On which they are answered for; empty: all."""
    rivals: tuple[Rival, ...] = ()
    verdict: Verdict = "ok"
    note: str = ""
    """Why it is not `ok`; one line."""


class Announcer(msgspec.Struct, frozen=True, rename="camel"):
    """One Service over BGP."""

    service: str
    addresses: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    """Nodes that say that they announce it."""
    wanted: tuple[str, ...] = ()
    """Nodes that are to announce it, as the objects say."""
    peers: tuple[str, ...] = ()
    """BGPPeers that are told of it."""
    verdict: Verdict = "ok"
    note: str = ""


class OwnersDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The whole answer."""

    format: Literal["frr-adapter.owners/v1"] = "frr-adapter.owners/v1"
    source: str = ""
    taken_at: str = ""
    owners: tuple[Owner, ...] = ()
    announcers: tuple[Announcer, ...] = ()
    gaps: tuple[str, ...] = ()
