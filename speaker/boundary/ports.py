"""What the speaker's loop and its boundary expect of each other: small protocols, each with an in-memory twin in tests.

`Announcer` is what the loop drives; `Links`, `Wire` and `Layer2Rules` are what the announcer itself stands on.
"""

import ipaddress
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Protocol

from frr_adapter import addresses
from speaker import links, values
from speaker.boundary import membership


class Announcer(Protocol):
    """Answers for the addresses of the plan on layer 2."""

    async def start(self) -> None:
        """Answers from now on; raises LinkError with the reason when it cannot, as where raw sockets or netlink are not allowed."""

    def set_plan(self, plan: values.L2Plan) -> None:
        """Takes effect soon, in the process that answers. An equal plan does nothing."""

    def held(self) -> frozenset[addresses.Address]:
        """The addresses that are answered for now; those of the plan that somebody else answers for are not among them."""

    def rivals(self) -> tuple[links.Rival, ...]:
        """Stations that are no speakers and claim addresses of the plan, sorted by address and link-layer address."""

    def known_interfaces(self) -> frozenset[str]:
        """Names of all interfaces that are not excluded, in any state: what `spec.interfaces` may name."""

    def counts(self) -> links.Counts:
        """Everything counted since start."""

    async def stop(self) -> None:
        """Closes everything and sends nothing: the next owner's announcements do the takeover."""


class Holder(Protocol):
    """Which wanted addresses are held; see `speaker.core.holding`. Each method takes the time and says what is to be done."""

    @property
    def held(self) -> frozenset[addresses.Address]:
        """What is answered for; takes the longer the more that is."""

    @property
    def next_at(self) -> float | None:
        """When `tick` is due."""

    def is_held(self, address: addresses.Address) -> bool:
        """Whether it is answered for."""

    def is_wanted(self, address: addresses.Address) -> bool:
        """Whether claims about the address matter."""

    def change(
        self, gone: Iterable[addresses.Address], come: Mapping[addresses.Address, values.Wish], now: float
    ) -> links.Actions:
        """Wishes that are no more, and those that are new or other ones."""

    def take(self, given: Iterable[addresses.Address], now: float) -> links.Actions:
        """Takes over from a holder that says so."""

    def look_again(self, now: float, among: Iterable[addresses.Address] | None = None) -> links.Actions:
        """The cluster changed, for these addresses or for all."""

    def heard(
        self, address: addresses.Address, claim: links.Claim, rival: links.Mac, now: float, standing: links.Standing
    ) -> links.Actions:
        """Another station spoke."""

    def fence(self, now: float) -> links.Actions:
        """Holds nothing from now on."""

    def unfence(self, now: float) -> links.Actions:
        """May hold again."""

    def tick(self, now: float) -> links.Actions:
        """The time has come."""


class Rivals(Protocol):
    """The memory of claims by strangers; see `speaker.core.rivals`. Takes the time where it matters."""

    def heard(
        self, address: addresses.Address, mac: links.Mac, standing: links.Standing, now: float, *, is_held: bool
    ) -> bool:
        """Counts a claim; whether people are to be told of it from now on."""

    def keep(self, wanted: Container[addresses.Address]) -> None:
        """Forgets what is about other addresses."""

    def found(self, now: float) -> tuple[links.Rival, ...]:
        """All that are remembered."""


class Members(Protocol):
    """The other speakers; see `speaker.boundary.membership`, whose thread calls `Callbacks.heard`."""

    async def start(self, callbacks: membership.Callbacks) -> None:
        """Talks and listens. Raises OSError when the address cannot be bound."""

    def set_peers(self, peers: Mapping[str, addresses.Address]) -> None:
        """The speakers that there should be."""

    def set_metadata(self, metadata: bytes) -> None:
        """Says something about this speaker to all."""

    def members(self) -> tuple[membership.Member, ...]:
        """Everybody that is known, this speaker included, by name."""

    def hearing(self) -> membership.Hearing:
        """The evidence for the quorum."""

    def counts(self) -> membership.Counts:
        """Everything counted since start."""

    async def send(self, name: str, body: bytes, seconds: float) -> None:
        """Tells one member something; TimeoutError when it did not confirm in time, KeyError for an unknown member."""

    async def leave(self) -> bool:
        """Says goodbye; whether all know."""

    async def stop(self) -> None:
        """Falls silent."""


class Links(Protocol):
    """The interfaces of this machine, followed by events."""

    restarts: int
    """How often events were lost and everything was listed anew."""

    async def start(self, changed: Callable[[], None]) -> None:
        """Lists everything, then calls `changed` after each change. Raises OSError when there is no netlink."""

    def interfaces(self) -> Mapping[int, links.Interface]:
        """All interfaces that are not excluded, by index, as known now."""

    async def neighbors(self, interface: int) -> tuple[links.Neighbor, ...]:
        """The stations that the kernel's neighbor table knows on the interface; empty when it cannot be read."""

    async def stop(self) -> None:
        """Ends following."""


class Tap(Protocol):
    """Raw frames of one interface and one family."""

    def send(self, frame: bytes) -> bool:
        """Sends a whole Ethernet frame. False when the device takes nothing now; raises OSError when it is gone."""

    def close(self) -> None:
        """Stops receiving. May be called twice."""


Received = Callable[[bytes, bool], None]
"""Called with each frame and whether it is for this interface: neither tagged for another VLAN nor for another station."""


class Wire(Protocol):
    """Opens taps and joins groups."""

    def open(self, interface: links.Interface, family: addresses.Family, received: Received) -> Tap:
        """ARP requests (IPv4) or neighbor solicitations (IPv6) of the interface. Raises OSError when it is gone."""

    def join(self, membership: links.Membership) -> None:
        """Listens in the group from now on; does nothing where it does so already. Raises OSError when the interface is gone."""

    def leave(self, membership: links.Membership) -> None:
        """Listens no longer; does nothing where it did not."""

    def close(self) -> None:
        """Leaves every group."""


class Proxies(Protocol):
    """Neighbor proxy entries of the kernel. Ours carry a mark; entries of others are never touched."""

    def keep(self, wanted: frozenset[links.Target]) -> frozenset[links.Target]:
        """Ours are exactly these afterwards; gives those from which the kernel answers, be it from an entry of somebody else.

        What is not wanted goes first. Interfaces that are gone take their entries with them, which is no error. Raises OSError when
        the kernel refuses something; then the rest was done all the same.
        """

    def stands(self, target: links.Target) -> bool:
        """Whether there is an entry, whoever made it."""

    def answering(self, interface: links.Interface) -> links.Answering:
        """What the node's settings say about the interface."""

    def leaves_by(self, address: ipaddress.IPv4Address) -> int | None:
        """Through which interface packets to the address would leave; None when the address is local or unreachable."""


class Layer2Rules(Protocol):
    """The pure decisions of `speaker.core.layer2`; see there."""

    def answer(self, frame: bytes, interface: links.Interface, table: links.Table) -> links.Answer | links.Refused:
        """Decides one frame; never raises."""

    def burst(self, address: addresses.Address, interface: links.Interface) -> tuple[bytes, ...]:
        """Frames of one gratuitous burst."""

    def receivers(
        self, count: int, interface: links.Interface, neighbors: Iterable[links.Neighbor]
    ) -> Mapping[addresses.Family, tuple[links.Neighbor, ...]]:
        """Who is told about each of so many addresses by unicast."""

    def directed(
        self, address: addresses.Address, interface: links.Interface, neighbor: links.Neighbor
    ) -> tuple[bytes, ...]:
        """The frames for one of them."""

    def gained_by_plan(
        self, old: links.Table, new: links.Table, interfaces: Iterable[links.Interface]
    ) -> frozenset[links.Target]:
        """What a new table must announce; parts of tables will do."""

    def gained_by_interface(
        self, old: links.Interface | None, new: links.Interface, table: links.Table
    ) -> frozenset[links.Target]:
        """What a changed interface must announce."""

    def memberships(self, table: links.Table, interfaces: Iterable[links.Interface]) -> frozenset[links.Membership]:
        """Groups to listen in."""

    def holder(self, *, is_fenced: bool) -> Holder:
        """Nothing is wanted or held yet."""

    def rivals(self) -> Rivals:
        """Nobody was heard yet."""

    def probe(self, address: addresses.Address, interface: links.Interface) -> tuple[bytes, ...]:
        """Frames of one question who holds the address."""

    def heard(self, frame: bytes, own: Container[links.Mac]) -> links.Heard | None:
        """What another station claims about an address."""

    def delegated(
        self,
        table: links.Table,
        interfaces: Iterable[links.Interface],
        answering: Mapping[int, links.Answering],
        routes: Mapping[addresses.Address, int | None],
    ) -> links.Delegated:
        """What the kernel is to answer for."""

    def is_left_to_us(self, question: bytes, answering: links.Answering) -> bool:
        """Whether the kernel leaves this question unanswered although it answers for the address."""
