"""What `frr-adapter status` answers: the installation at a glance. Made by `cli.core.status`."""

from typing import Literal

import msgspec

Verdict = Literal["ok", "bad", "unknown"]


class Programs(msgspec.Struct, frozen=True, rename="camel"):
    """Pods that are ready, of those that there are; None when they cannot be seen."""

    leader: str = ""
    """The controller that leads; empty when none does, or when that cannot be seen."""
    controllers_ready: int | None = None
    controllers: int | None = None
    speakers_ready: int | None = None
    speakers: int | None = None


class Pool(msgspec.Struct, frozen=True, rename="camel"):
    """A pool as the controller counts it; counts stop at 2^63-1."""

    name: str
    addresses: tuple[str, ...] = ()
    auto_assign: bool = True
    used_ipv4: int = 0
    total_ipv4: int = 0
    used_ipv6: int = 0
    total_ipv6: int = 0
    is_broken: bool = False
    """Some of its addresses cannot be used as written."""


class Peer(msgspec.Struct, frozen=True, rename="camel"):
    """A BGPPeer over all nodes."""

    name: str
    neighbors: tuple[str, ...] = ()
    established: int = 0
    down: int = 0
    unknown: int = 0
    bfd_up: int = 0
    bfd_down: int = 0


class Node(msgspec.Struct, frozen=True, rename="camel"):
    """A node in numbers, and what is wrong there, one line each."""

    name: str
    established: int = 0
    sessions: int = 0
    owns: int = 0
    """Services whose layer-2 addresses it answers for, as it says itself."""
    verdict: Verdict = "ok"
    troubles: tuple[str, ...] = ()


class Pending(msgspec.Struct, frozen=True, rename="camel"):
    """A Service that has not what it wants, and why."""

    service: str
    reason: str


class Services(msgspec.Struct, frozen=True, rename="camel"):
    """Services of type LoadBalancer that are ours."""

    total: int = 0
    with_address: int = 0
    on_layer2: int = 0
    """With an address that some node answers for, or is to, on layer 2."""
    pending: tuple[Pending, ...] = ()
    """All of them; the table shows the first."""
    troubled: tuple[Pending, ...] = ()
    """Have addresses, but they are not announced as they should be."""
    idle: tuple[Pending, ...] = ()
    """Have addresses and no ready endpoint, so there is nothing to announce."""


class Problem(msgspec.Struct, frozen=True, rename="camel"):
    """One thing that is wrong; `reporters` are the programs that say so, empty when it follows from the objects alone."""

    text: str
    object: str = ""
    """`Kind namespace/name`, where it is about one."""
    reporters: tuple[str, ...] = ()


class StatusDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The whole answer."""

    format: Literal["frr-adapter.status/v1"] = "frr-adapter.status/v1"
    source: str = ""
    taken_at: str = ""
    verdict: Verdict = "unknown"
    """`bad`: something is wrong. `unknown`: nothing is known to be wrong, but not everything is known."""
    programs: Programs = Programs()
    pools: tuple[Pool, ...] = ()
    peers: tuple[Peer, ...] = ()
    nodes: tuple[Node, ...] = ()
    services: Services = Services()
    problems: tuple[Problem, ...] = ()
    gaps: tuple[str, ...] = ()
