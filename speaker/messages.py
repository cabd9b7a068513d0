"""What the two processes of a speaker tell each other: values as msgpack. `speaker.boundary.channel` carries them.

The planning process says what layer 2 is to be; the wire process, which answers, says what it is. Both come from one program of one
version, forked: what is read here was written here, so that nothing needs to be forgiven.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from frr_adapter import addresses
from speaker import links, values

LOT = 128
"""At most so many entries or addresses in one message: whoever takes it in answers requests before it takes the next one."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A `values.L2Entry`; `candidates` says which of the message's `candidates` these are."""

    address: bytes
    interfaces: tuple[str, ...]
    is_taken: bool
    candidates: int
    elected: bytes
    scores: tuple[tuple[str, int], ...]


class Change(msgspec.Struct, frozen=True, array_like=True, tag="change"):
    """To the wire: a `values.L2Change`, or a part of one."""

    gone: tuple[bytes, ...]
    come: tuple[Row, ...]
    candidates: tuple[tuple[str, ...], ...]


class Peers(msgspec.Struct, frozen=True, array_like=True, tag="peers"):
    """To the wire: the speakers that there should be, node -> address."""

    peers: dict[str, str]


class Alive(msgspec.Struct, frozen=True, array_like=True, tag="alive"):
    """In both directions: the process runs."""


class LogLevel(msgspec.Struct, frozen=True, array_like=True, tag="level"):
    """To the wire: from which level on to log."""

    level: str


class Stop(msgspec.Struct, frozen=True, array_like=True, tag="stop"):
    """To the wire: fall silent, hand over, and end. Answered by the end of the channel."""


ToWire = Change | Peers | Alive | LogLevel | Stop


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """From the wire: it cannot start, and why."""

    reason: str


class Ready(msgspec.Struct, frozen=True, array_like=True, tag="ready"):
    """From the wire: it answers and announces from now on. Comes after the first of everything else."""


class Holding(msgspec.Struct, frozen=True, array_like=True, tag="holding"):
    """From the wire: a `values.Held`."""

    gained: tuple[bytes, ...]
    lost: tuple[bytes, ...]


class Interfaces(msgspec.Struct, frozen=True, array_like=True, tag="interfaces"):
    """From the wire: names of all interfaces that are not excluded."""

    names: tuple[str, ...]


class Company(msgspec.Struct, frozen=True, array_like=True, tag="company"):
    """From the wire: live nodes with their interfaces (None: not known), and nodes known to be gone."""

    live: dict[str, tuple[str, ...] | None]
    gone: tuple[str, ...]


class Rivals(msgspec.Struct, frozen=True, array_like=True, tag="rivals"):
    """From the wire: address, link-layer address, claims, and whether it is there now, of each `links.Rival`."""

    rows: tuple[tuple[bytes, bytes, int, bool], ...]


class TookOver(msgspec.Struct, frozen=True, array_like=True, tag="took"):
    """From the wire: so many addresses were taken so many seconds after a speaker was last heard of."""

    addresses: int
    seconds: float


class Counted(msgspec.Struct, frozen=True, array_like=True, tag="counted"):
    """From the wire: frames about addresses whose counts have changed (all since start), and everything else that is counted."""

    rows: tuple[tuple[bytes, int, int, int], ...]
    refusals: dict[str, int]
    send_errors: int
    netlink_restarts: int


class Gossip(msgspec.Struct, frozen=True, array_like=True, tag="gossip"):
    """From the wire: `layer2_metrics` about the other speakers."""

    is_fenced: bool
    live: int
    expected: int
    sent: int = 0
    received: int = 0
    send_errors: int = 0
    clashes: int = 0
    refused: dict[str, int] = {}


FromWire = Alive | Failed | Ready | Holding | Interfaces | Company | Rivals | TookOver | Counted | Gossip

_TO_WIRE: msgspec.msgpack.Decoder[ToWire] = msgspec.msgpack.Decoder(ToWire)
_FROM_WIRE: msgspec.msgpack.Decoder[FromWire] = msgspec.msgpack.Decoder(FromWire)
_ENCODER = msgspec.msgpack.Encoder()


def encode(message: ToWire | FromWire) -> bytes:
    """A message to bytes."""
    return _ENCODER.encode(message)


def to_wire(data: bytes) -> ToWire:
    """Bytes to a message for the wire process."""
    return _TO_WIRE.decode(data)


def from_wire(data: bytes) -> FromWire:
    """Bytes to a message of the wire process."""
    return _FROM_WIRE.decode(data)


def changes(change: values.L2Change) -> Iterator[Change]:
    """A change in lots; what goes comes first."""
    for start in range(0, len(change.gone), LOT):
        yield Change(tuple(each.packed for each in change.gone[start : start + LOT]), (), ())
    for start in range(0, len(change.come), LOT):
        yield _lot(change.come[start : start + LOT])


def _lot(come: Iterable[values.L2Entry]) -> Change:
    numbers: dict[frozenset[str], int] = {}
    rows = tuple(
        Row(
            each.address.packed,
            tuple(sorted(each.interfaces)),
            each.wish is values.Wish.TAKE,
            numbers.setdefault(each.candidates, len(numbers)),
            b"" if each.elected is None else each.elected.packed,
            each.scores,
        )
        for each in come
    )
    return Change((), rows, tuple(tuple(sorted(each)) for each in numbers))


def l2_change(message: Change) -> values.L2Change:
    """A lot as the values that it stands for."""
    candidates = [frozenset(each) for each in message.candidates]
    return values.L2Change(
        unpacked(message.gone),
        tuple(
            values.L2Entry(
                ipaddress.ip_address(row.address),
                frozenset(row.interfaces),
                values.Wish.TAKE if row.is_taken else values.Wish.KEEP,
                candidates[row.candidates],
                ipaddress.ip_address(row.elected) if row.elected else None,
                row.scores,
            )
            for row in message.come
        ),
    )


def holding(held: values.Held) -> Holding:
    """What was gained and lost: as much as the lot that caused it, or everything when the fence closes."""
    return Holding(tuple(each.packed for each in held.gained), tuple(each.packed for each in held.lost))


def unpacked(packed: Iterable[bytes]) -> tuple[addresses.Address, ...]:
    """Addresses from their bytes."""
    return tuple(ipaddress.ip_address(each) for each in packed)


def rivals(found: Iterable[links.Rival]) -> Rivals:
    """Rivals as a message."""
    return Rivals(tuple((each.address.packed, bytes(each.mac), each.claims, each.is_present) for each in found))


def known_rivals(message: Rivals) -> tuple[links.Rival, ...]:
    """Rivals of a message."""
    return tuple(
        links.Rival(ipaddress.ip_address(address), links.Mac(mac), claims, is_present)
        for address, mac, claims, is_present in message.rows
    )


def company(live: values.Live, gone: Iterable[str]) -> Company:
    """Who lives, as a message."""
    said = {name: None if found is None else tuple(sorted(found)) for name, found in live.items()}
    return Company(said, tuple(sorted(gone)))


def known_live(message: Company) -> values.Live:
    """Who lives, of a message."""
    return {name: None if found is None else frozenset(found) for name, found in message.live.items()}


def counted(fresh: links.Counts) -> Counted:
    """Counts as a message, with rows of those addresses only that `fresh` has."""
    return Counted(
        tuple((r.address.packed, r.requests_received, r.responses_sent, r.gratuitous_sent) for r in fresh.addresses),
        {str(reason): number for reason, number in fresh.refusals},
        fresh.send_errors,
        fresh.netlink_restarts,
    )


def counts(rows: Mapping[addresses.Address, links.AddressCounts], message: Counted) -> links.Counts:
    """All counts: the rows known by now and what the last message says of everything else."""
    ordered = sorted(rows.values(), key=lambda row: (row.address.version, int(row.address)))
    refusals = tuple(sorted((links.Refusal(reason), number) for reason, number in message.refusals.items()))
    return links.Counts(tuple(ordered), refusals, message.send_errors, message.netlink_restarts)


def rows(message: Counted) -> tuple[links.AddressCounts, ...]:
    """The rows of a message."""
    return tuple(links.AddressCounts(ipaddress.ip_address(row[0]), *row[1:]) for row in message.rows)
