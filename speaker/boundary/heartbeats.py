"""The gossip of speakers as a machine without I/O: datagrams and time go in, datagrams come out. Driven by `membership` alone.

A round asks a few members, live ones in shuffled turns and one of the silent; what they answer tells how long ago each other
member was heard of. Whoever is suspected is asked directly. Only answers to our own open questions are believed, so nothing that
was recorded changes anything; a ping or a nudge merely makes us ask. Must never sleep, open anything or look at a clock.
"""

import collections
import random
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from speaker import settings
from speaker.boundary import gossip, roster

Endpoint = tuple[str, int]
"""Address in text form, and UDP port."""

Outgoing = tuple[bytes, Endpoint]

FANOUT = 4
PATIENCE_SECONDS = 1.0
"""An answer that comes later is not awaited any more."""

_MOST_PENDING = 4096
_MOST_WANTED = 40
_MOST_WAITING = 16
_MOST_DELIVERED = 256
_CONFIRMING_SECONDS = 1.0
_BACK_SECONDS = 0.02
_ROOM_FOR_ASKER = 16
_STRANGERS_PER_SECOND = 20
"""Pings of a session that is not the member's present one, as a new process has and a recording."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A member told us something; told once, however often it came."""

    sender: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The member has what was posted under that number."""

    number: int


@dataclass(frozen=True, slots=True)
class Clash:
    """Another speaker, last seen at that address, says it runs on our node."""

    address: str


Event = Delivered | Confirmed | Clash


@dataclass(slots=True)
class _Question:
    asked: float
    wanted: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Mail:
    """What waits for one member; what came from it of late, and until when that is confirmed with each question."""

    waiting: dict[int, gossip.Message] = field(default_factory=dict)
    delivered: collections.deque[int] = field(default_factory=lambda: collections.deque(maxlen=_MOST_DELIVERED))
    received: dict[int, float] = field(default_factory=dict)


class Heartbeats:
    """One speaker's part in the gossip. Not for two threads at once."""

    def __init__(
        self,
        node: str,
        endpoint: Endpoint,
        sealer: gossip.Sealer,
        timing: settings.Timing,
        dice: random.Random,
        now: float,
        generation: int,
    ) -> None:
        self.timing = timing
        self.sealer = sealer
        own = gossip.Record(node, secrets.randbits(63), generation, address=endpoint[0])
        self.roster = roster.Roster(own, timing, now)
        self.refusals: dict[gossip.Refusal, int] = dict.fromkeys(gossip.Refusal, 0)
        self.events: list[Event] = []
        self.owner_alive = now
        """When the program's event loop last showed that it runs."""
        self._port = endpoint[1]
        self._dice = dice
        self._questions: dict[int, _Question] = {}
        self._mail: dict[str, _Mail] = {}
        self._turn: list[str] = []
        self._silent_turn: list[str] = []
        self._next_round = now
        self._looked = now
        self._unaware: set[str] = set()
        self._clashes = 0

    # Orders of the program

    def set_peers(self, wanted: Mapping[str, str], now: float) -> None:
        """Expects these speakers at these addresses; the own node is left out."""
        self.roster.configure({name: at for name, at in wanted.items() if name != self.roster.own.name}, now)

    def set_metadata(self, metadata: bytes, now: float) -> list[Outgoing]:
        """Says something else about this speaker, and tells everybody to ask."""
        if metadata == self.roster.own.metadata:
            return []
        self.roster.say(metadata=metadata, is_left=self.roster.own.is_left)
        return self._nudges((peer for peer in self.roster.peers.values() if peer.is_live), now)

    def leave(self, now: float) -> list[Outgoing]:
        """Says goodbye, until everybody live knows it: see `has_left`."""
        if not self.roster.own.is_left:
            self.roster.say(metadata=self.roster.own.metadata, is_left=True)
            self._unaware = {peer.name for peer in self.roster.peers.values() if peer.is_live}
        peers = (self.roster.peers.get(name) for name in sorted(self._unaware))
        return self._nudges((peer for peer in peers if peer is not None), now)

    def has_left(self) -> bool:
        """Whether everybody who lives knows that we left."""
        self._unaware = {name for name in self._unaware if (peer := self.roster.peers.get(name)) and peer.is_live}
        return self.roster.own.is_left and not self._unaware

    def post(self, name: str, body: bytes, now: float) -> tuple[int, list[Outgoing]]:
        """Keeps a message for that member until it fetched it. Raises KeyError for an unknown member, ValueError for too much."""
        peer = self.roster.peers[name]
        mail = self._mail.setdefault(name, _Mail())
        if len(body) > gossip.LONGEST_BODY or len(mail.waiting) >= _MOST_WAITING:
            raise ValueError(f"{len(body)} bytes behind {len(mail.waiting)} messages")
        number = secrets.randbits(63)
        mail.waiting[number] = gossip.Message(number, body)
        return number, self._nudges((peer,), now)

    def withdraw(self, name: str, number: int) -> None:
        """Forgets a message that nobody waits for any more."""
        self._mail.get(name, _Mail()).waiting.pop(number, None)

    # Time

    def step(self, now: float) -> list[Outgoing]:
        """To be called every `timing.step`: counts silences, asks, repeats what is not confirmed."""
        self._resume(now)
        for nonce in [number for number, each in self._questions.items() if now - each.asked > PATIENCE_SECONDS]:
            del self._questions[nonce]
        self.roster.refresh(now)
        if self._is_mute(now):
            return []
        asked = [self._ask(peer, peer.address, now) for peer in self._due(now)]
        waiting = (self.roster.peers.get(name) for name, mail in self._mail.items() if mail.waiting)
        nudged = self._nudges((peer for peer in waiting if peer is not None), now)
        return [*asked, *nudged, *(self.leave(now) if self.roster.own.is_left else ())]

    def _is_mute(self, now: float) -> bool:
        return now - self.owner_alive > self.timing.stall_after

    def _resume(self, now: float) -> None:
        """Time in which the process stood still, or waited for a processor, counts against nobody."""
        gap = now - self._looked
        if gap > self.timing.fence_after(self.roster.size()):
            self.roster.resumed = now
        if gap > 2 * self.timing.step:
            self.roster.lost += gap - self.timing.step
        self._looked = now

    def _due(self, now: float) -> list[roster.Peer]:
        live = {peer.name: peer for peer in self.roster.peers.values() if peer.is_live}
        chosen: dict[str, roster.Peer] = {}
        if now >= self._next_round:
            self._next_round = now + self.timing.round * self._dice.uniform(0.9, 1.1)
            for name in self._drawn(self._turn, live.keys(), FANOUT):
                chosen[name] = live[name]
            silent = {each.name: each for each in self.roster.peers.values() if not each.is_live and each.address}
            for name in self._drawn(self._silent_turn, silent.keys(), max(1, FANOUT - len(chosen))):
                chosen[name] = silent[name]
        limit = self.timing.suspect_after(self.roster.size())
        is_large = len(live) > FANOUT  # then few are asked each round, and few of the confirmations are fresh
        suspects = [
            peer
            for name, peer in live.items()
            if name not in chosen
            and now - (peer.heard if is_large else min(peer.heard, peer.confirmed)) > limit
            and now - peer.asked >= self.timing.step / 2
        ]
        suspects.sort(key=lambda peer: peer.heard)
        return [*chosen.values(), *suspects[:FANOUT]]

    def _drawn(self, turn: list[str], names: Iterable[str], count: int) -> list[str]:
        """The next of a shuffled turn, each once before anybody is drawn again; newcomers come with the next shuffle."""
        present = set(names)
        drawn: list[str] = []
        while len(drawn) < min(count, len(present)):
            if not turn:
                turn.extend(sorted(present - set(drawn)))
                self._dice.shuffle(turn)
            name = turn.pop()
            if name in present and name not in drawn:
                drawn.append(name)
        return drawn

    # Datagrams

    def receive(self, datagram: bytes, source: Endpoint, now: float) -> list[Outgoing]:
        """What a datagram asks for. Never raises."""
        self._resume(now)
        opened = self.sealer.open(datagram, now)
        if isinstance(opened, gossip.Refusal):
            return self._refuse(opened)
        if self._is_mute(now):
            return []
        match opened.said:
            case gossip.Ack() as ack:
                return self._acknowledged(ack, opened.session, source, now)
            case gossip.Ping() as ping:
                return self._pinged(ping, opened, source, now)
            case gossip.Nudge() as nudge:
                return self._nudged(nudge, opened, source, now)

    def _refuse(self, refusal: gossip.Refusal) -> list[Outgoing]:
        self.refusals[refusal] += 1
        return []

    def _pinged(self, ping: gossip.Ping, opened: gossip.Opened, source: Endpoint, now: float) -> list[Outgoing]:
        peer = self._sender(ping.sender, opened.session, source, now)
        if peer is None:
            return []
        is_present = opened.session == peer.session
        mail = self._mail.get(peer.name)
        if mail is not None:
            for number in ping.received:
                if mail.waiting.pop(number, None) is not None:
                    self.events.append(Confirmed(number))
        if is_present:
            peer.newest_key = ping.newest_key
        if ping.seen == self.roster.own_print:
            self._unaware.discard(peer.name)
        answer = self.sealer.seal(self._answer(ping, peer, mail, now), opened.key)
        back = not peer.is_live or not is_present or peer.address != source[0]
        if back and now - peer.asked > _BACK_SECONDS:
            return [(answer, source), self._ask(peer, source[0], now)]
        return [(answer, source)]

    def _answer(self, ping: gossip.Ping, peer: roster.Peer, mail: _Mail | None, now: float) -> gossip.Ack:
        messages = tuple(mail.waiting.values())[:1] if mail is not None else ()
        own = self.roster.own
        room = gossip.LONGEST_PLAINTEXT - 80 - len(own.name) - len(own.metadata) - len(own.address)
        room -= sum(len(each.body) + 16 for each in messages)
        details = self.roster.details(ping.wanted, room - _ROOM_FOR_ASKER)
        ages = self.roster.ages(peer, room - sum(len(msgspec.msgpack.encode(each)) for each in details), now)
        return gossip.Ack(ping.nonce, self.sealer.newest, own, ages, details, messages)

    def _nudged(self, nudge: gossip.Nudge, opened: gossip.Opened, source: Endpoint, now: float) -> list[Outgoing]:
        peer = self._sender(nudge.sender, opened.session, source, now)
        return [self._ask(peer, source[0], now)] if peer is not None else []

    def _sender(self, name: str, session: bytes, source: Endpoint, now: float) -> roster.Peer | None:
        """Who says so. Sessions that are not the member's present one are heard a few times a second: they may be recordings."""
        if name == self.roster.own.name:
            self.roster.clashes += 1
            self._tell_clash(source[0])
            return None
        peer = self.roster.introduce(name, source[0], now)
        if peer is None:
            self._refuse(gossip.Refusal.TOO_MANY_MEMBERS)
            return None
        if session != peer.session:
            if len(peer.strangers) == _STRANGERS_PER_SECOND and now - peer.strangers[0] < 1:
                self._refuse(gossip.Refusal.TOO_OFTEN)
                return None
            peer.strangers.append(now)
        return peer

    def _acknowledged(self, ack: gossip.Ack, session: bytes, source: Endpoint, now: float) -> list[Outgoing]:
        question = self._questions.pop(ack.nonce, None)
        if question is None:
            return self._refuse(gossip.Refusal.UNASKED)
        known = self.roster.peers.get(ack.record.name)
        before = known.newest_print if known is not None else b""
        peer = self.roster.learn(ack.record, question.asked, now)
        self._note_clashes(source[0])
        if peer is None:
            return []
        if peer.newest_print == gossip.fingerprint(ack.record):
            peer.address, peer.session = source[0], session
        peer.newest_key = ack.newest_key
        stamps = roster.stamps_of(ack.ages, question.asked)
        for detail in ack.details:
            self.roster.learn(detail, stamps.get(gossip.fingerprint(detail), roster.NEVER), now)
            self._note_clashes(detail.address)
        unknown = self.roster.hear(stamps, peer, now)
        self._deliver(peer.name, ack.messages, now)
        wanted = unknown[:_MOST_WANTED]
        is_news = peer.newest_print != before or ack.messages or (wanted and wanted != question.wanted)
        return [self._ask(peer, peer.address, now, wanted)] if is_news else []

    def _deliver(self, name: str, messages: tuple[gossip.Message, ...], now: float) -> None:
        if not messages:
            return
        mail = self._mail.setdefault(name, _Mail())
        for message in messages:
            if message.number not in mail.delivered:
                self.events.append(Delivered(name, message.body))
                mail.delivered.append(message.number)
            mail.received[message.number] = now + _CONFIRMING_SECONDS

    def _to_confirm(self, name: str, now: float) -> tuple[int, ...]:
        mail = self._mail.get(name)
        if mail is None or not mail.received:
            return ()
        mail.received = {number: until for number, until in mail.received.items() if until > now}
        return tuple(mail.received)[-_MOST_WAITING:]

    def _note_clashes(self, address: str) -> None:
        if self.roster.clashes > self._clashes:
            self._tell_clash(address)

    def _tell_clash(self, address: str) -> None:
        self._clashes = self.roster.clashes
        self.events.append(Clash(address))

    def _ask(self, peer: roster.Peer, address: str, now: float, wanted: tuple[bytes, ...] = ()) -> Outgoing:
        nonce = secrets.randbits(63)
        if len(self._questions) >= _MOST_PENDING:
            self._questions.pop(next(iter(self._questions)))
        self._questions[nonce] = _Question(now, wanted)
        peer.asked = now
        ping = gossip.Ping(
            self.roster.own.name,
            nonce,
            self.sealer.newest,
            peer.newest_print,
            wanted,
            self._to_confirm(peer.name, now),
        )
        return self.sealer.seal(ping, self.sealer.key_for(peer.newest_key, now)), (address, self._port)

    def _nudges(self, peers: Iterable[roster.Peer], now: float) -> list[Outgoing]:
        nudge = gossip.Nudge(self.roster.own.name, self.sealer.newest)
        return [
            (self.sealer.seal(nudge, self.sealer.key_for(peer.newest_key, now)), (peer.address, self._port))
            for peer in peers
            if peer.address
        ]
