"""What `frr-adapter plan` answers: everything that applying manifests would change. Plain values; made by `cli.core.planning`."""

from typing import Literal

import msgspec


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    """The first line of the answer in numbers."""

    problems: int = 0
    """Mistakes that are there afterwards and are no mere warnings, those that were there before among them."""
    new_problems: int = 0
    addresses_gained: int = 0
    addresses_lost: int = 0
    addresses_changed: int = 0
    addresses_pending: int = 0
    """Services that want an address and get none, for a reason that is new."""
    session_resets: int = 0
    sessions_gained: int = 0
    sessions_lost: int = 0
    nodes: int = 0
    nodes_changed: int = 0
    """Nodes whose FRR gets another configuration; comments do not count."""
    nodes_reset: int = 0
    owners_moved: int = 0
    owners_lost: int = 0
    owners_gained: int = 0


class ObjectChange(msgspec.Struct, frozen=True, rename="camel"):
    """One object that the manifests name, or that goes."""

    kind: str
    namespace: str
    name: str
    change: Literal["created", "changed", "deleted", "unchanged"]
    fields: tuple[str, ...] = ()
    where: str = ""


class Problem(msgspec.Struct, frozen=True, rename="camel"):
    """A mistake in an object: what was found and what is allowed; `where` is `file:line`, empty for what is in no file."""

    kind: str
    namespace: str
    name: str
    field: str
    message: str
    where: str = ""
    severity: Literal["error", "warning"] = "error"
    is_new: bool = True
    """Whether it was not there before."""


class AddressChange(msgspec.Struct, frozen=True, rename="camel"):
    """A Service whose addresses are others than before, or that waits for one for another reason."""

    service: str
    change: Literal["gained", "lost", "changed", "pending"]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    pool: str = ""
    """The pool that the addresses after come from."""
    reason: str = ""
    verdicts: tuple[str, ...] = ()
    """Why each pool gives nothing, where the Service gets none."""


class Reset(msgspec.Struct, frozen=True, rename="camel"):
    """A session that ends and comes back on each of the nodes."""

    neighbor: str
    reason: str
    vrf: str = ""
    since_frr: int = 0
    """The major version of FRR from which on it does; 0: all."""
    statement: str = ""
    """The line of `frr.conf` that causes it, without passwords."""
    peers: tuple[str, ...] = ()
    """BGPPeers behind the session, as `namespace/name`."""
    field: str = ""
    """The field of the BGPPeer that changed, where it is one of the manifests."""
    where: str = ""


class Session(msgspec.Struct, frozen=True, rename="camel"):
    """A session that comes for the first time, or goes for good."""

    neighbor: str
    vrf: str = ""
    peers: tuple[str, ...] = ()


class NodeChange(msgspec.Struct, frozen=True, rename="camel"):
    """Nodes whose `frr.conf` changes in the same way; the text is that of the first."""

    nodes: tuple[str, ...]
    change: Literal["changed", "added", "removed"] = "changed"
    way: Literal["hot", "reload", "comments", "start", "stop"] = "hot"
    """`hot`: single lines to running daemons; `reload`: frr-reload.py; `comments`: only the file changes."""
    lines: int = 0
    """How many lines the daemons are told when the way is `hot`."""
    reason: str = ""
    """Why it is a reload."""
    resets: tuple[Reset, ...] = ()
    sessions_gained: tuple[Session, ...] = ()
    sessions_lost: tuple[Session, ...] = ()
    diff: str = ""
    """Unified, without passwords."""


class OwnerChange(msgspec.Struct, frozen=True, rename="camel"):
    """Addresses on layer 2 that another node will answer for."""

    service: str
    addresses: tuple[str, ...]
    change: Literal["moved", "gained", "lost"]
    before: str = ""
    after: str = ""
    reason: str = ""


class PlanDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The whole answer."""

    format: Literal["frr-adapter.plan/v1"] = "frr-adapter.plan/v1"
    source: str = ""
    """What the manifests are compared with; empty: nothing."""
    taken_at: str = ""
    gaps: tuple[str, ...] = ()
    """What could not be read, so that the answer may be wrong about it."""
    assumptions: tuple[str, ...] = ()
    summary: Summary = Summary()
    objects: tuple[ObjectChange, ...] = ()
    problems: tuple[Problem, ...] = ()
    addresses: tuple[AddressChange, ...] = ()
    nodes: tuple[NodeChange, ...] = ()
    owners: tuple[OwnerChange, ...] = ()
    warnings: tuple[str, ...] = ()
