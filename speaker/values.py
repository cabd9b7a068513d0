"""What the speaker decides, as frozen values: made by `speaker.core`, carried out by `speaker.boundary`."""

import enum
import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from frr_adapter import addresses
from frr_adapter.frr import show
from frr_adapter.model import community, peer


class Protocol(enum.StrEnum):
    """How an address is announced; the values appear in metrics and events."""

    BGP = "bgp"
    LAYER2 = "layer2"


class Reason(enum.StrEnum):
    """Why this node does not announce a service. Compatible words, seen in logs."""

    SERVICE_DELETED = "serviceDeleted"
    NOT_LOAD_BALANCER = "notLoadBalancer"
    NO_IP_ALLOCATED = "noIPAllocated"
    INVALID_IP = "invalidIP"
    IP_NOT_ALLOWED = "ipNotAllowed"
    NOT_OWNER = "notOwner"
    NO_MATCHING_ADVERTISEMENT = "noMatchingAdvertisement"
    CONFLICTING_ADVERTISEMENTS = "conflictingAdvertisements"
    NODE_NETWORK_UNAVAILABLE = "nodeNetworkUnavailable"
    NODE_EXCLUDED = "nodeLabeledExcludeBalancers"
    NO_LOCAL_ENDPOINTS = "noLocalEndpoints"
    NO_ENDPOINTS = "noEndpoints"
    SHARED_IP_WITH_SERVICE_SELECTOR = "sharedIPWithServiceSelector"


@dataclass(frozen=True, slots=True)
class Announce:
    """The node announces the service."""


@dataclass(frozen=True, slots=True)
class Abstain:
    """The node keeps silent about the service, for the reason given."""

    reason: Reason


Verdict = Announce | Abstain


@dataclass(frozen=True, slots=True)
class Offer:
    """What one peer is told about a prefix. `local_pref` 0 leaves it unset; communities are sorted."""

    peer: str
    local_pref: int = 0
    communities: tuple[community.Community, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One prefix and its offers, sorted by peer name.

    Prefixes that come from the same advertisements form one class in FRR: whatever one peer is offered for one of them it
    is offered for all, so that an edit of an advertisement touches its class and no prefix. Both name tuples are sorted;
    `services` are keys and only explain the prefix to people.
    """

    prefix: addresses.Network
    offers: tuple[Offer, ...]
    advertisements: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BgpPlan:
    """Everything that BGP on this node should be: sessions, BFD profiles and routes; routes sorted by family and prefix.

    A route whose prefix has a family that a peer's session does not carry has no offer for that peer.
    """

    node: str = ""
    peers: tuple[peer.Peer, ...] = ()
    bfd_profiles: tuple[peer.BfdProfile, ...] = ()
    routes: tuple[Route, ...] = ()
    extras: str = ""


def is_named(interface: str, patterns: Iterable[str]) -> bool:
    """Whether one of the names or patterns is meant for the interface."""
    return any(fnmatch.fnmatchcase(interface, pattern) for pattern in patterns)


class Wish(enum.Enum):
    """What the plan wants of an address on this node."""

    TAKE = enum.auto()
    """This node comes first: it shall have the address as soon as nobody else answers for it."""

    KEEP = enum.auto()
    """Another node comes first, but this one may keep the address while it holds it."""


@dataclass(frozen=True, slots=True)
class L2Entry:
    """One address that this node may answer for. `interfaces` are names, or patterns as shells know them (`eth*`, `bond[01]`); empty
    means all of them.
    """

    address: addresses.Address
    interfaces: frozenset[str] = frozenset()
    wish: Wish = Wish.TAKE
    candidates: frozenset[str] = frozenset()
    """Nodes that could have it. When they change, who waits for the address asks again."""
    elected: addresses.Address | None = None
    """The address that orders the candidates, where it is another one: the first one of the Service."""
    scores: tuple[tuple[str, int], ...] = ()
    """How much single nodes are preferred, sorted by name."""

    def is_on(self, interface: str) -> bool:
        """Whether the address is answered for on that interface."""
        return not self.interfaces or interface in self.interfaces or is_named(interface, self.interfaces)


@dataclass(frozen=True, slots=True)
class L2Plan:
    """All addresses that this node is to have, or may keep, on layer 2, sorted by family and address, each once."""

    entries: tuple[L2Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class L2Change:
    """What differs from one plan to the next. `come` are new or changed entries."""

    gone: tuple[addresses.Address, ...] = ()
    come: tuple[L2Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """Addresses that are answered for from now on, and those that are no longer."""

    gained: tuple[addresses.Address, ...] = ()
    lost: tuple[addresses.Address, ...] = ()


Live = Mapping[str, frozenset[str] | None]
"""Nodes whose speaker lives, with the names of the interfaces on which each can serve; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What this node decided for one service: the verdict per protocol and, with it, the addresses concerned."""

    service: str
    protocol: Protocol
    addresses: tuple[addresses.Address, ...]
    verdict: Verdict
    wish: Wish | None = None
    """On layer 2, what is wanted of the addresses; they are announced once they are held."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What FRR last said about its sessions; both sorted, empty while FRR does not answer."""

    bgp: tuple[show.Session, ...] = ()
    bfd: tuple[show.BfdSession, ...] = ()


NOTHING_OBSERVED = Observation()
