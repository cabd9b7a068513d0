"""The rules of the lease: tables, and a simulation of candidates whose clocks and networks do what they like."""

import heapq
import itertools
import random
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import values
from controller.core import leadership

TERMS = leadership.Terms(duration=10, deadline=7.0, pause=1.0)
ME = leadership.Rules("me", TERMS)
TODAY = "2030-01-01T00:00:00.000000Z"


def lease(holder: str, duration: int = 10, transitions: int = 3) -> values.Lease:
    return values.Lease(holder, duration, "then", "then", transitions)


def held(holder: str, transitions: int, acquired: str = TODAY) -> values.Lease:
    return values.Lease(holder, 10, acquired, TODAY, transitions)


YOURS = values.Sight(lease("you"), "5", 110.0)
MINE = values.Sight(lease("me"), "5", 110.0)
FREE = values.Sight(lease("", 1), "5", 100.0)
ABSENT = values.Sight(None, "", 100.0)


@pytest.mark.parametrize(
    ("sight", "leads_until", "now", "expected"),
    [
        # nobody knows yet
        (None, None, 100.0, values.Look()),
        (None, 105.0, 100.0, values.Look()),
        # a candidate
        (ABSENT, None, 100.0, values.Take(held("me", 0), "")),
        (values.Sight(None, "", 103.0), None, 102.9, values.Stand("")),
        (FREE, None, 100.0, values.Take(held("me", 4), "5")),
        (YOURS, None, 109.9, values.Stand("you")),
        (YOURS, None, 110.0, values.Take(held("me", 4), "5")),
        (MINE, None, 100.0, values.Take(held("me", 3, "then"), "5")),
        # a leader
        (MINE, 105.0, 104.9, values.Take(held("me", 3, "then"), "5")),
        (MINE, 105.0, 105.0, values.Lost("could not be renewed for 7 s")),
        (None, 105.0, 105.0, values.Lost("could not be renewed for 7 s")),
        (YOURS, 105.0, 101.0, values.Lost('is held by "you"')),
        (ABSENT, 105.0, 101.0, values.Take(held("me", 0), "")),
        (values.Sight(None, "", 200.0), 105.0, 101.0, values.Take(held("me", 0), "")),
        (FREE, 105.0, 101.0, values.Take(held("me", 4), "5")),
    ],
)
def test_what_to_do(sight, leads_until, now, expected):
    assert ME.step(sight, leads_until, now, TODAY) == expected


@pytest.mark.parametrize(
    ("before", "found", "version", "expected"),
    [
        # a version counts from when it was first seen, by the duration that its holder promised
        (None, lease("you"), "5", values.Sight(lease("you"), "5", 110.0)),
        (None, lease("you", 40), "5", values.Sight(lease("you", 40), "5", 140.0)),
        (values.Sight(lease("you"), "5", 104.0), lease("you"), "5", values.Sight(lease("you"), "5", 104.0)),
        (values.Sight(lease("you"), "5", 104.0), lease("you"), "6", values.Sight(lease("you"), "6", 110.0)),
        # a lease written by hand without a duration is not free for that
        (None, lease("you", 0), "5", values.Sight(lease("you", 0), "5", 110.0)),
        (values.Sight(lease("you"), "5", 104.0), lease(""), "6", values.Sight(lease(""), "6", 100.0)),
        # deleted is not released
        (None, None, "", values.Sight(None, "", 100.0)),
        (values.Sight(lease("you"), "5", 104.0), None, "", values.Sight(None, "", 104.0)),
        (values.Sight(None, "", 104.0), None, "", values.Sight(None, "", 104.0)),
    ],
)
def test_what_was_seen(before, found, version, expected):
    assert ME.see(before, found, version, 100.0) == expected


@pytest.mark.parametrize(
    ("sight", "expected"),
    [
        (MINE, values.Take(values.Lease("", 1, TODAY, TODAY, 3), "5")),
        (YOURS, None),
        (FREE, None),
        (ABSENT, None),
        (None, None),
    ],
)
def test_release(sight, expected):
    assert ME.release(sight, TODAY) == expected


def test_pauses_and_patience():
    assert [ME.pause(None, 100.0, draw) for draw in (0.0, 0.5, 1.0)] == [1.0, 1.6, 2.2]
    assert [ME.pause(until, 100.0, 1.0) for until in (105.0, 100.4, 99.0)] == [1.0, pytest.approx(0.4), 0.0]
    assert [ME.patience(until, 100.0) for until in (None, 105.0, 99.0)] == [7.0, 5.0, 0.0]


# The simulation. Real time is known to nobody; every candidate has a clock of its own offset and speed, requests and answers
# take any time or get lost, processes stand still. Only a leader that writes releases, and it stops writing first.

Life = Generator["_Pause | _Ask", "_Answer | None", None]


@dataclass
class _Pause:
    seconds: float


@dataclass
class _Ask:
    """A request; None reads."""

    take: values.Take | None = None


@dataclass
class _Answer:
    came: bool = True
    accepted: bool = True
    lease: values.Lease | None = None
    version: str = ""


@dataclass
class _Candidate:
    number: int
    offset: float
    speed: float
    terms: leadership.Terms
    leads_until: float | None = None
    life: int = 0
    terms_of_office: int = 0
    now: float = 0.0

    def clock(self, real: float) -> float:
        return self.offset + real * self.speed

    def leads(self, real: float) -> bool:
        return self.leads_until is not None and self.clock(real) < self.leads_until

    def live(self, chance: random.Random) -> Life:
        """As `boundary.lease` does it; a process that lost starts again under a new name."""
        while True:
            self.life += 1
            rules = leadership.Rules(f"{self.number}-{self.life}", self.terms)
            yield from self._term(rules, chance)
            self.leads_until = None
            yield _Pause(chance.uniform(0, 3))

    def _term(self, rules: leadership.Rules, chance: random.Random) -> Life:
        sight: values.Sight | None = None
        outdated = True
        while True:
            outdated = outdated or self.leads_until is None
            for _ in range(3):
                step = rules.step(None if outdated else sight, self.leads_until, self.now, str(self.now))
                if isinstance(step, values.Lost):
                    return
                if isinstance(step, values.Stand):
                    break
                sent_at, patience = self.now, rules.patience(self.leads_until, self.now)
                answer = yield _Ask(step if isinstance(step, values.Take) else None)
                if not answer.came or self.now - sent_at > patience:
                    outdated = True
                    break
                if not answer.accepted:
                    outdated = True
                    continue
                sight, outdated = rules.see(sight, answer.lease, answer.version, self.now), False
                if isinstance(step, values.Take):
                    until = rules.leads_until(sent_at)
                    if self.leads_until is None and self.now >= until:
                        outdated = True
                        break
                    self.terms_of_office += self.leads_until is None
                    self.leads_until = until
                    break
            if self.leads_until is not None and chance.random() < 0.05:
                self.leads_until = None
                if (last := rules.release(sight, str(self.now))) is not None:
                    yield _Ask(last)
                return
            yield _Pause(rules.pause(self.leads_until, self.now, chance.random()))


@dataclass
class _World:
    chance: random.Random
    candidates: list[_Candidate]
    lease: values.Lease | None = None
    version: int = 0
    queue: list = field(default_factory=list)
    order: itertools.count = field(default_factory=itertools.count)

    def at(self, real: float, *what: object) -> None:
        heapq.heappush(self.queue, (real, next(self.order), what))

    def delay(self) -> float:
        return self.chance.choice((0.0, 0.01, self.chance.uniform(0, 1), self.chance.expovariate(0.3)))

    def serve(self, take: values.Take | None) -> _Answer:
        if take is not None:
            if take.version != (str(self.version) if self.lease is not None else ""):
                return _Answer(accepted=False)
            self.lease, self.version = take.lease, self.version + 1
        return _Answer(lease=self.lease, version=str(self.version) if self.lease is not None else "")

    def run(self, until: float) -> bool:
        """Whether there was never more than one leader."""
        lives = [candidate.live(self.chance) for candidate in self.candidates]
        for candidate in self.candidates:
            self.at(self.chance.uniform(0, 5), "go", candidate, None)
        while self.queue[0][0] < until:
            real, _, (what, *rest) = heapq.heappop(self.queue)
            if what == "serve":
                candidate, ask, is_lost = rest
                answer = self.serve(ask.take)
                self.at(real + self.delay(), "go", candidate, _Answer(came=False) if is_lost else answer)
                continue
            candidate, answer = rest
            candidate.now = candidate.clock(real)
            ask = lives[candidate.number].send(answer)
            if isinstance(ask, _Pause):
                suspended = self.delay() if self.chance.random() < 0.1 else 0.0
                self.at(real + ask.seconds / candidate.speed + suspended, "go", candidate, None)
            elif self.chance.random() < 0.1:
                self.at(real + self.delay() + 1.0, "go", candidate, _Answer(came=False))  # the request got lost
            else:
                self.at(real + self.delay(), "serve", candidate, ask, self.chance.random() < 0.1)
            if sum(each.leads(real) for each in self.candidates) > 1:
                return False
        return True


def world(seed: int, terms: leadership.Terms, skew: float) -> _World:
    chance = random.Random(seed)
    candidates = [
        _Candidate(number, chance.uniform(-1e6, 1e6), 1 + chance.uniform(-skew, skew), terms)
        for number in range(chance.choice((2, 2, 3)))
    ]
    return _World(chance, candidates)


@settings(deadline=None, max_examples=200)
@given(st.integers(min_value=0))
def test_two_never_lead_at_once(seed):
    # 7 s of the slowest clock are 8.2 s, 10 s of the fastest 8.7 s
    assert world(seed, TERMS, 0.15).run(150.0)


def test_the_simulation_has_leaders_that_change_and_finds_rules_that_are_too_short():
    ran = [world(seed, TERMS, 0.15) for seed in range(40)]
    assert all(each.run(150.0) for each in ran)
    assert all(sum(candidate.terms_of_office for candidate in each.candidates) > 1 for each in ran)
    careless = leadership.Terms(duration=10, deadline=14.0, pause=1.0)
    assert not all(world(seed, careless, 0.0).run(150.0) for seed in range(40))
    too_crooked = [world(seed, leadership.Terms(10, 9.9, 1.0), 0.45).run(150.0) for seed in range(40)]
    assert not all(too_crooked)
