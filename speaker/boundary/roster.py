"""Who is known and when each was last heard of: the memory of `heartbeats`, without I/O. Time is an argument, in seconds.

Being alive is positive evidence with a time stamp: somebody answered a question that was asked at that moment. Stamps are times of
*asking*, so they err towards the past only, and news that go round in circles never grow younger. Nobody is ever declared dead
by word of mouth: every member counts the silence itself.
"""

import collections
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from frr_adapter import addresses
from speaker import settings
from speaker.boundary import gossip

NEVER = float("-inf")
MOST_MEMBERS = 1024

_AGE = struct.Struct("!6sH")
_FORMER = 4
_OLDEST = 0xFFFF
_BUMP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Member:
    """One speaker as this one knows it. `name` is the node's. What left in order, or was silent for too long, is not live."""

    name: str
    address: addresses.Address | None
    is_live: bool
    metadata: bytes = b""
    has_left: bool = False


@dataclass(frozen=True, slots=True)
class Hearing:
    """Evidence for the quorum, monotonic seconds.

    `expected` are the other speakers that should be seen: all known ones but those that left in order. `heard` says until when each
    surely lived, whoever said so; `confirmed` until when each surely knew that *we* live, from its own mouth. `resumed` is when
    this process started, or last came back from standing still.
    """

    expected: frozenset[str]
    heard: Mapping[str, float]
    confirmed: Mapping[str, float]
    resumed: float


@dataclass(slots=True)
class Peer:
    """One other speaker. Mutable, and seen by `Roster` and `heartbeats` only."""

    name: str
    address: str = ""
    configured: str = ""
    record: gossip.Record | None = None
    heard: float = NEVER
    lost: float = 0.0
    """What `Roster.lost` was when it was last heard of."""
    confirmed: float = NEVER
    introduced: float = NEVER
    is_live: bool = False
    session: bytes = b""
    newest_key: bytes = b""
    asked: float = NEVER
    strangers: collections.deque[float] = field(default_factory=lambda: collections.deque(maxlen=20))
    prints: collections.deque[bytes] = field(default_factory=lambda: collections.deque(maxlen=_FORMER))
    """Fingerprints of the records of its present process, the newest last."""

    @property
    def newest_print(self) -> bytes:
        """Stands for the record that we have of it; empty when there is none."""
        return self.prints[-1] if self.prints else b""

    @property
    def is_left(self) -> bool:
        """Whether it said goodbye."""
        return self.record is not None and self.record.is_left


class Roster:
    """Everybody, and this speaker itself. `version` grows with each change that others should hear of."""

    def __init__(self, own: gossip.Record, timing: settings.Timing, now: float) -> None:
        self.own = own
        self.timing = timing
        self.peers: dict[str, Peer] = {}
        self.version = 0
        self.lost = 0.0
        """Seconds in which this process did not run, and could have heard nobody."""
        self.started = self.resumed = now
        self.clashes = 0
        self._by_print: dict[bytes, Peer] = {}
        self._outdated: collections.deque[bytes] = collections.deque(maxlen=256)
        self._own_prints: collections.deque[bytes] = collections.deque([gossip.fingerprint(own)], maxlen=16)
        self._bumped = NEVER
        self._turn = 0

    # This speaker

    @property
    def own_print(self) -> bytes:
        """Stands for our newest record."""
        return self._own_prints[-1]

    def say(self, *, metadata: bytes, is_left: bool, generation: int = 0) -> None:
        """Replaces our record by a newer one."""
        self.own = msgspec.structs.replace(
            self.own, generation=max(generation, self.own.generation + 1), metadata=metadata, is_left=is_left
        )
        self._own_prints.append(gossip.fingerprint(self.own))
        self.version += 1

    # The others

    def configure(self, wanted: Mapping[str, str], now: float) -> None:
        """Exactly these are expected. Those that were only heard of stay until they fall silent for long."""
        for name, address in wanted.items():
            peer = self.introduce(name, address, now)
            if peer is not None and peer.configured != address:
                peer.configured = peer.address = address
        for name, peer in self.peers.items():
            if name not in wanted:
                peer.configured = ""

    def introduce(self, name: str, address: str, now: float) -> Peer | None:
        """The peer of that name, new or known; None when it is ourselves or there are too many."""
        peer = self.peers.get(name)
        if peer is None and name != self.own.name and len(self.peers) < MOST_MEMBERS:
            peer = self.peers[name] = Peer(name, address, introduced=now)
            self.version += 1
        if peer is not None and not peer.address:
            peer.address = address
        return peer

    def size(self) -> int:
        """How many speakers there should be, this one included."""
        return 1 + sum(not peer.is_left for peer in self.peers.values())

    def learn(self, record: gossip.Record, stamp: float, now: float) -> Peer | None:
        """Takes a record in, and that its member lived at `stamp`. None when it is about ourselves or there are too many."""
        if record.name == self.own.name:
            self._hear_of_ourselves(record, stamp, now)
            return None
        peer = self.introduce(record.name, record.address, now)
        if peer is None:
            return None
        known = peer.record
        if known is None or self._supersedes(record, peer, known, stamp):
            self._adopt(peer, record, stamp)
        elif known.origin != record.origin:
            self._outdated.append(gossip.fingerprint(record))
            return peer
        elif known.generation > record.generation:
            self._know_print(peer, gossip.fingerprint(record), is_newest=False)
        self._heard(peer, stamp, now)
        return peer

    @staticmethod
    def _supersedes(record: gossip.Record, peer: Peer, known: gossip.Record, stamp: float) -> bool:
        """A later process may come with a clock that went back; then the silence of the former one decides."""
        if record.origin != known.origin and not peer.is_live:
            return stamp > peer.heard or record.generation > known.generation
        return record.generation > known.generation

    def _adopt(self, peer: Peer, record: gossip.Record, stamp: float) -> None:
        if peer.record is None or peer.record.origin != record.origin:
            for former in peer.prints:
                self._by_print.pop(former, None)
            peer.prints.clear()
            peer.heard, peer.confirmed = stamp, NEVER
        peer.record = record
        self._know_print(peer, gossip.fingerprint(record), is_newest=True)
        if record.is_left:
            peer.is_live = False
        self.version += 1

    def _know_print(self, peer: Peer, print_: bytes, *, is_newest: bool) -> None:
        if print_ in peer.prints:
            return
        if len(peer.prints) == _FORMER:
            self._by_print.pop(peer.prints.popleft(), None)
        if is_newest:
            peer.prints.append(print_)
        else:
            peer.prints.appendleft(print_)
        self._by_print[print_] = peer

    def _heard(self, peer: Peer, stamp: float, now: float) -> None:
        if stamp > peer.heard:
            peer.heard, peer.lost = min(stamp, now), self.lost
        if not peer.is_live and not peer.is_left and peer.heard + self.timing.dead_after(self.size()) >= now:
            peer.is_live = True
            self.version += 1

    def _hear_of_ourselves(self, record: gossip.Record, stamp: float, now: float) -> None:
        """Our former process, which our records must outdo; or, if it lived after we started, somebody with our name."""
        if record.origin == self.own.origin:
            return
        if stamp > self.started:
            self.clashes += 1
        if record.generation >= self.own.generation and now - self._bumped > _BUMP_SECONDS:
            self._bumped = now
            self.say(metadata=self.own.metadata, is_left=self.own.is_left, generation=record.generation + 1)
        else:
            self._outdated.append(gossip.fingerprint(record))

    def refresh(self, now: float) -> None:
        """Counts the silence of everybody, less what this process slept, and forgets who was only heard of and is gone for long."""
        limit = self.timing.dead_after(self.size())
        for peer in tuple(self.peers.values()):
            if peer.is_live and now - peer.heard - (self.lost - peer.lost) > limit:
                peer.is_live = False
                self.version += 1
            if peer.configured or peer.is_live:
                continue
            if now - max(peer.heard, peer.introduced, self.resumed) > self.timing.forget_after:
                del self.peers[peer.name]
                for print_ in peer.prints:
                    self._by_print.pop(print_, None)
                self.version += 1

    # What is told

    def ages(self, asker: Peer, room: int, now: float) -> bytes:
        """When each live member was last heard of, as bytes, at most `room`; who asks comes first: it lives by that."""
        limit = self.timing.dead_after(self.size())
        told: list[bytes] = []
        others = [peer for peer in self.peers.values() if peer is not asker]
        self._turn += 1  # where not everybody fits, everybody has a turn
        start = self._turn % (len(others) or 1)
        others = [*others[start:], *others[:start]]
        for peer in (asker, *others):
            age = now - peer.heard
            if not peer.prints or age > limit:
                continue
            if (len(told) + 1) * _AGE.size > room:
                break
            told.append(_AGE.pack(peer.prints[-1], min(int(age * 1000) + 1, _OLDEST)))
        return b"".join(told)

    def details(self, wanted: tuple[bytes, ...], room: int) -> tuple[gossip.Record, ...]:
        """The records that somebody asks for, as many as there is room for."""
        chosen: list[gossip.Record] = []
        for print_ in wanted:
            peer = self._by_print.get(print_)
            if peer is None or peer.record is None:
                continue
            record = msgspec.structs.replace(peer.record, address=peer.address)
            room -= len(msgspec.msgpack.encode(record))
            if room < 0:
                break
            chosen.append(record)
        return tuple(chosen)

    def hear(self, stamps: Mapping[bytes, float], teller: Peer, now: float) -> tuple[bytes, ...]:
        """Takes in what a member told of the others. Gives the fingerprints that mean nothing to us."""
        unknown: list[bytes] = []
        for print_, stamp in stamps.items():
            peer = self._by_print.get(print_)
            if peer is not None:
                self._heard(peer, stamp, now)
            elif print_ in self._own_prints:
                teller.confirmed = max(teller.confirmed, stamp)
            elif print_ not in self._outdated:
                unknown.append(print_)
        return tuple(unknown)

    # What is shown

    def members(self) -> tuple[Member, ...]:
        """Everybody, ourselves included, by name."""
        left = self.own.is_left
        own = Member(self.own.name, _address(self.own.address), not left, self.own.metadata, left)
        others = (
            Member(
                peer.name,
                _address(peer.address),
                peer.is_live,
                peer.record.metadata if peer.record else b"",
                peer.is_left,
            )
            for peer in self.peers.values()
        )
        return tuple(sorted((own, *others), key=lambda member: member.name))

    def hearing(self) -> Hearing:
        """The evidence as it is now."""
        counted = [peer for peer in self.peers.values() if not peer.is_left]
        return Hearing(
            frozenset(peer.name for peer in counted),
            {peer.name: peer.heard for peer in counted},
            {peer.name: peer.confirmed for peer in counted},
            self.resumed,
        )


def stamps_of(ages: bytes, asked: float) -> dict[bytes, float]:
    """What `Roster.ages` told whoever asked at that moment, as times of the asker."""
    whole = len(ages) - len(ages) % _AGE.size
    return {print_: asked - age / 1000 for print_, age in _AGE.iter_unpack(ages[:whole])}


def _address(text: str) -> addresses.Address | None:
    try:
        return addresses.parse_address(text)
    except ValueError:
        return None
