"""Interfaces, link-layer addresses and what happened to a frame, as values: the words that the pure layer-2 rules and the
sockets share. Made by `speaker.boundary.netlink`, read by `speaker.core` and `speaker.boundary.layer2`. Opens nothing.
"""

import enum
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType

from frr_adapter import addresses
from speaker import values

Mac = NewType("Mac", bytes)
"""A link-layer address of Ethernet: six bytes."""

BROADCAST = Mac(b"\xff" * 6)
UNSPECIFIED = Mac(b"\x00" * 6)


def parse_mac(text: str) -> Mac:
    """`aa:bb:cc:dd:ee:ff` to six bytes. Raises ValueError with the text found."""
    try:
        found = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        found = b""
    if len(found) != 6:
        raise ValueError(f'"{text}" is not a link-layer address; six bytes such as 02:00:00:00:00:01 are allowed')
    return Mac(found)


def format_mac(mac: Mac) -> str:
    """Six bytes to `aa:bb:cc:dd:ee:ff`."""
    return mac.hex(":")


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface as the kernel describes it now.

    `mac` is None when it has no Ethernet address; `master` is the index of its bridge, bond or VRF; `link_local` a usable
    (not tentative) IPv6 link-local address; `is_up` the administrative flag, `has_carrier` what the cable says.
    """

    index: int
    name: str
    mac: Mac | None = None
    is_up: bool = True
    has_carrier: bool = True
    has_broadcast: bool = True
    is_noarp: bool = False
    master: int | None = None
    link_local: ipaddress.IPv6Address | None = None

    @property
    def is_served(self) -> bool:
        """Up, with neighbors to resolve, and nobody's slave: the master answers for its slaves."""
        return self.is_up and not self.is_noarp and self.master is None and self.mac is not None

    @property
    def answers_arp(self) -> bool:
        """Whether IPv4 addresses are announced here."""
        return self.is_served and self.has_broadcast

    @property
    def answers_ndp(self) -> bool:
        """Whether IPv6 addresses are announced here: a neighbor advertisement needs a source address."""
        return self.is_served and self.link_local is not None

    def answers(self, family: addresses.Family) -> bool:
        """Whether addresses of the family are announced here."""
        return self.answers_arp if family is addresses.Family.IPV4 else self.answers_ndp


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A station that the kernel's neighbor table knows; `age` is seconds since the kernel last used the entry."""

    address: addresses.Address
    mac: Mac
    age: float = 0.0


Table = Mapping[addresses.Address, values.L2Entry]
"""What is answered for: entries by address. Who is given one only reads it; it changes under its owner's hands."""


@dataclass(frozen=True, slots=True)
class Target:
    """One address on one interface (by index): the unit in which gratuitous frames are due."""

    interface: int
    address: addresses.Address


@dataclass(frozen=True, slots=True)
class Answering:
    """What decides whether the kernel answers on one interface for addresses of its proxy entries, as the node's sysctls say.

    The delays are the longest that the kernel waits before it answers, in hundredths of a second; None where that is not known.
    """

    forwards_ipv4: bool = False
    delay_ipv4: int | None = None
    forwards_ipv6: bool = False
    proxies_ipv6: bool = False
    delay_ipv6: int | None = None
    takes_direct_ipv6: bool = False
    """Whether solicitations that are sent to the address itself are answered too."""


@dataclass(frozen=True, slots=True)
class RawBecause:
    """Why the raw responder answers on an interface though the kernel was asked to; no name and family mean everywhere."""

    interface: str
    family: addresses.Family | None
    why: str


@dataclass(frozen=True, slots=True)
class Delegated:
    """What the kernel is to answer for, and why not for the rest."""

    kernel: frozenset[Target] = frozenset()
    raw: frozenset[RawBecause] = frozenset()


@dataclass(frozen=True, slots=True)
class Membership:
    """One multicast group on one interface (by index)."""

    interface: int
    group: ipaddress.IPv6Address


class Refusal(enum.StrEnum):
    """Why a received frame got no answer. Each is counted under its word."""

    MALFORMED = "malformed"
    OTHER_PROTOCOL = "otherProtocol"
    NOT_A_REQUEST = "notARequest"
    NOT_FOR_US = "notForUs"
    NOT_ANNOUNCED = "notAnnounced"
    OTHER_INTERFACE = "otherInterface"
    CLAIMED_BY_OTHER = "claimedByOther"
    NO_SOURCE_LINK_LAYER = "noSourceLinkLayer"
    NOT_SERVED = "interfaceNotServed"
    BY_KERNEL = "answeredByKernel"


@dataclass(frozen=True, slots=True)
class Answer:
    """The frame to send back on the same interface, and the address it is about."""

    address: addresses.Address
    frame: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """No answer, and why."""

    reason: Refusal


class Claim(enum.Enum):
    """What another station said about an address."""

    ANSWER = enum.auto()
    """It answered a question, or announced the address: it holds it."""

    PROBE = enum.auto()
    """It asks for the address without having one: it is about to take it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Another station spoke about an address."""

    address: addresses.Address
    claim: Claim
    mac: Mac


class Standing(enum.Enum):
    """What another station is to this node, where one address is concerned."""

    UNKNOWN = enum.auto()
    """Nobody watches who lives: it may be another speaker."""

    STRANGER = enum.auto()
    """No speaker that lives has its link-layer address."""

    BEHIND_US = enum.auto()
    """A speaker that comes after this node: of two that hold the address, this node keeps it."""

    BEFORE_US = enum.auto()
    """A speaker that comes before this node."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A station that is no speaker and claims an address that this node has or wants. `is_present`: people shall know about it now."""

    address: addresses.Address
    mac: Mac
    claims: int
    is_present: bool = True


@dataclass(frozen=True, slots=True)
class Loss:
    """An address that this node held and lost to another station."""

    address: addresses.Address
    rival: Mac


@dataclass(frozen=True, slots=True)
class Actions:
    """What is to be done now. `ask` are addresses to probe for, `taken` to announce, `defended` to announce once more because another
    station claimed them, `dropped` to be silent about from now on; `lost` says which of these went to another station.
    """

    ask: tuple[addresses.Address, ...] = ()
    taken: tuple[addresses.Address, ...] = ()
    defended: tuple[addresses.Address, ...] = ()
    dropped: tuple[addresses.Address, ...] = ()
    lost: tuple[Loss, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ask or self.taken or self.defended or self.dropped)


NO_ACTIONS = Actions()


@dataclass(frozen=True, slots=True)
class AddressCounts:
    """Frames about one address since start: requests answered for, answers sent, gratuitous frames sent."""

    address: addresses.Address
    requests_received: int = 0
    responses_sent: int = 0
    gratuitous_sent: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything counted on layer 2 since start; addresses sorted by family and value, reasons and errors by word."""

    addresses: tuple[AddressCounts, ...] = ()
    refusals: tuple[tuple[Refusal, int], ...] = ()
    send_errors: int = 0
    netlink_restarts: int = 0
