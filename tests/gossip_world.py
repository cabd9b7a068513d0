"""Many speakers' gossip in one process, in time that only the test moves: datagrams take a while, get lost, or are held back."""

import heapq
import itertools
import random
from collections.abc import Callable

from frr_adapter import secret
from speaker import settings
from speaker.boundary import gossip, heartbeats
from speaker.core import membership

SECRET = secret.Secret("0123456789abcdefghijkl")
PORT = 7946


def address(name: str) -> str:
    return f"10.0.0.{int(name.removeprefix('n'))}"


class Speaker:
    """One machine, its quorum, and what it saw."""

    def __init__(self, world: "World", name: str, shared: secret.Secret, generation: int, at: str) -> None:
        self.name = name
        self.address = at
        self.sealer = gossip.Sealer(shared)
        self.beats = heartbeats.Heartbeats(
            name, (at, PORT), self.sealer, world.timing, world.dice, world.now, generation
        )
        self.quorum = membership.Quorum(world.timing)
        self.frozen_until = 0.0
        self.backlog: list[tuple[bytes, heartbeats.Endpoint]] = []
        self.is_stalled = False
        self.sent = 0
        self.sent_bytes = 0
        self.live: frozenset[str] = frozenset()
        self.version = -1

    def is_fenced(self, now: float) -> bool:
        return self.quorum.is_fenced(now)

    def metadata(self, name: str) -> bytes:
        return next(each.metadata for each in self.beats.roster.members() if each.name == name)


class World:
    """A segment with speakers on it. Seconds, starting at 1000."""

    def __init__(self, seed: int = 1, loss: float = 0.0, timing: settings.Timing = settings.LAN) -> None:
        self.dice = random.Random(seed)
        self.loss = loss
        self.timing = timing
        self.now = 1000.0
        self.speakers: dict[str, Speaker] = {}
        self.seen: list[tuple[float, str, str, bool]] = []
        """When, who, about whom, live or not: every change of mind."""
        self.recorded: list[tuple[bytes, heartbeats.Endpoint, heartbeats.Endpoint]] | None = None
        self.passes: Callable[[str, str], bool] = lambda _source, _target: True
        self.watch: Callable[[], None] = lambda: None
        self._order = itertools.count()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []

    def add(self, *names: str, shared: secret.Secret = SECRET, generation: int = 1, at: str = "") -> None:
        for name in names:
            speaker = Speaker(self, name, shared, generation, at or address(name))
            self.speakers[speaker.address] = speaker
            self._at(self.now + self.dice.uniform(0, self.timing.step), lambda it=speaker: self._step(it))

    def __getitem__(self, name: str) -> Speaker:
        return self.speakers[address(name)]

    def introduce(self, *names: str) -> None:
        """Everybody is told everybody's address, as by the Kubernetes API."""
        wanted = names or tuple(each.name for each in self.speakers.values())
        for speaker in self.speakers.values():
            speaker.beats.set_peers({name: address(name) for name in wanted}, self.now)

    def kill(self, name: str) -> None:
        del self.speakers[address(name)]

    def freeze(self, name: str, seconds: float) -> None:
        self[name].frozen_until = self.now + seconds

    def run(self, seconds: float) -> None:
        ends = self.now + seconds
        while self._queue and self._queue[0][0] <= ends:
            self.now, _, act = heapq.heappop(self._queue)
            act()
            self.watch()
        self.now = ends

    def run_until(self, condition: Callable[[], bool], seconds: float) -> float:
        """How long it took. Fails when it takes longer."""
        began = self.now
        while not condition():
            assert self.now - began < seconds, "did not happen"
            self.run(0.001)
        return self.now - began

    def send(self, speaker: Speaker, outgoing: list[heartbeats.Outgoing]) -> None:
        for datagram, target in outgoing:
            assert len(datagram) <= gossip.LONGEST_DATAGRAM
            speaker.sent += 1
            speaker.sent_bytes += len(datagram)
            self.inject(datagram, (speaker.address, PORT), target)

    def inject(self, datagram: bytes, source: heartbeats.Endpoint, target: heartbeats.Endpoint) -> None:
        if self.recorded is not None:
            self.recorded.append((datagram, source, target))
        if self.dice.random() < self.loss or not self.passes(source[0], target[0]):
            return
        self._at(self.now + self.dice.uniform(0.0002, 0.002), lambda: self._arrive(datagram, source, target))

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._order), act))

    def _arrive(self, datagram: bytes, source: heartbeats.Endpoint, target: heartbeats.Endpoint) -> None:
        speaker = self.speakers.get(target[0])
        if speaker is None:
            return
        if self.now < speaker.frozen_until:
            speaker.backlog.append((datagram, source))
            return
        self.send(speaker, speaker.beats.receive(datagram, source, self.now))
        if speaker.version != speaker.beats.roster.version:
            self._look(speaker)

    def _step(self, speaker: Speaker) -> None:
        if self.speakers.get(speaker.address) is not speaker:
            return
        if self.now < speaker.frozen_until:
            self._at(speaker.frozen_until, lambda: self._step(speaker))
            return
        if not speaker.is_stalled:
            speaker.beats.owner_alive = self.now
        backlog, speaker.backlog = speaker.backlog, []
        for datagram, source in backlog:
            self.send(speaker, speaker.beats.receive(datagram, source, self.now))
        self.send(speaker, speaker.beats.step(self.now))
        self._look(speaker)
        self._at(self.now + self.timing.step, lambda: self._step(speaker))

    def _look(self, speaker: Speaker) -> None:
        live = frozenset(each.name for each in speaker.beats.roster.members() if each.is_live)
        for name in sorted(live ^ speaker.live):
            self.seen.append((self.now, speaker.name, name, name in live))
        speaker.live, speaker.version = live, speaker.beats.roster.version
        speaker.quorum = speaker.quorum.observed(speaker.beats.roster.hearing(), self.now)

    # What is asked of it

    def agrees(self, *names: str) -> bool:
        """Whether all of these hold exactly these for live."""
        return all(self[name].live == frozenset(names) for name in names)

    def deaths(self, since: float) -> list[tuple[float, str, str]]:
        return [(when, who, whom) for when, who, whom, is_live in self.seen if when >= since and not is_live]


def cluster(count: int, **more) -> World:
    """So many speakers who know each other."""
    world = World(**more)
    names = [f"n{number}" for number in range(1, count + 1)]
    world.add(*names)
    world.introduce()
    world.run_until(lambda: world.agrees(*names), 5)
    world.run(1)
    return world
