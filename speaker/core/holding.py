"""Which of the wanted addresses this node holds: takeover only when the wire agrees, no move without need. Time is an argument.

Driven by `speaker.boundary.layer2`. The plan says which addresses this node may have (`values.Wish`); the wire says whether somebody else
still answers for them. An address is asked for three times on the segment before it is taken (after RFC 5227, with much shorter
pauses); who answers keeps it. So nodes that see the cluster differently for a moment never hold the same address, as long as
they hear each other on the wire. Decides only; sends, listens and reads no clock.
"""

import enum
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from frr_adapter import addresses
from speaker import links, values

PROBES = 3
"""Questions asked before an address is taken."""

PROBE_PAUSE = 0.05
"""Seconds from one question to the next, and from the last one to taking the address."""

TAKEOVER_SECONDS = PROBES * PROBE_PAUSE
"""From the first question until an address that nobody answers for is taken."""

LATE_SECONDS = 0.25
"""A decision that comes later than this is not taken: this process did not run meanwhile and may have missed the answer."""

ASKED_AT_ONCE = 512
"""At most so many questions leave at one moment; the others wait for `TURN_SECONDS`."""

TURN_SECONDS = 0.005
"""Seconds between two lots of questions, so that requests are answered in between."""

GRANT_SECONDS = 1.0
"""So long an address that was handed over may be taken without questions, should this node want it only a moment later."""

DEFENCE_PAUSES: Mapping[links.Standing, float] = MappingProxyType(
    {links.Standing.UNKNOWN: 10.0, links.Standing.STRANGER: 10.0, links.Standing.BEHIND_US: 0.25}
)
"""An address is defended once in so many seconds, whoever claims it how often: DEFEND_INTERVAL of RFC 5227 section 2.4 (c). Another
speaker yields when it hears us; should both think that they come first for a moment, they must not shout at each other."""

PATIENT_PROBES = 10
"""Questions before an address is taken that somebody has answered for again and again, when nothing is known to have changed: the
owner may just be slow."""

IMPATIENT_REFUSALS = 2
"""So often an answer is taken for one that was on its way when something changed."""

STANDBY_PAUSES = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds until an address that somebody else answers for is asked for again; the last one repeats."""


class _State(enum.Enum):
    PROBING = enum.auto()
    STANDBY = enum.auto()
    HELD = enum.auto()


@dataclass(slots=True)
class _Entry:
    wish: values.Wish
    state: _State
    due: float
    asked: int = 0
    refused: int = 0
    defended: float = float("-inf")


@dataclass(slots=True)
class _Found:
    """Actions under construction."""

    ask: list[addresses.Address] = field(default_factory=list)
    taken: list[addresses.Address] = field(default_factory=list)
    defended: list[addresses.Address] = field(default_factory=list)
    dropped: list[addresses.Address] = field(default_factory=list)
    lost: list[links.Loss] = field(default_factory=list)

    def done(self) -> links.Actions:
        return links.Actions(
            tuple(self.ask), tuple(self.taken), tuple(self.defended), tuple(self.dropped), tuple(self.lost)
        )


class Holder:
    """The addresses of one node. Every method takes the time in seconds of one clock that never goes back, and says what to do.

    While the fence is closed nothing is held and nothing is asked for: the node does not know enough about the others.
    """

    def __init__(self, *, is_fenced: bool = False) -> None:
        self._entries: dict[addresses.Address, _Entry] = {}
        self._wishes: Mapping[addresses.Address, values.Wish] = {}
        self._grants: dict[addresses.Address, float] = {}
        self._is_fenced = is_fenced
        self._next_at: float | None = None

    @property
    def held(self) -> frozenset[addresses.Address]:
        """What this node answers for now."""
        return frozenset(address for address, entry in self._entries.items() if entry.state is _State.HELD)

    @property
    def next_at(self) -> float | None:
        """When `tick` has something to do; None while nothing is under way."""
        return None if self._is_fenced else self._next_at

    def is_held(self, address: addresses.Address) -> bool:
        """Whether this node answers for the address now."""
        entry = self._entries.get(address)
        return entry is not None and entry.state is _State.HELD

    def is_wanted(self, address: addresses.Address) -> bool:
        """Whether what other stations say about the address matters here."""
        return address in self._entries

    def want(self, wishes: Mapping[addresses.Address, values.Wish], now: float) -> links.Actions:
        """Makes these the wishes. An address that is held stays so; what is no longer wished for is dropped at once."""
        found = _Found()
        self._wishes = wishes
        for address in [address for address in self._entries if address not in wishes]:
            if self._entries.pop(address).state is _State.HELD:
                found.dropped.append(address)
        for address, wish in wishes.items():
            entry = self._entries.get(address)
            if entry is None:
                if wish is values.Wish.TAKE:
                    entry = self._entries[address] = _Entry(wish, _State.PROBING, now)
                    if self._is_granted(address, now):
                        self._hold(address, entry, found)
            elif entry.wish is not wish:
                entry.wish = wish
                if entry.state is _State.HELD:
                    continue
                if wish is values.Wish.KEEP:  # it is not held, so there is nothing to keep
                    del self._entries[address]
                else:
                    self._probe(entry, now)
        return self._advance(found, now)

    def take(self, given: Iterable[addresses.Address], now: float) -> links.Actions:
        """Takes over from a holder that has fallen silent by itself and says so: nobody needs to be asked.

        What is not wanted yet is taken should it be wanted within `GRANT_SECONDS`: others learn at the same time who left.
        """
        found = _Found()
        self._grants = {address: ends for address, ends in self._grants.items() if now < ends}
        for address in given:
            wish = self._wishes.get(address)
            if wish is None or self._is_fenced:
                self._grants[address] = now + GRANT_SECONDS
                continue
            entry = self._entries.setdefault(address, _Entry(wish, _State.PROBING, now))
            if entry.state is not _State.HELD:
                self._hold(address, entry, found)
        return self._advance(found, now)

    def look_again(self, now: float, among: Container[addresses.Address] | None = None) -> links.Actions:
        """The cluster changed: what somebody else held, of these or of all, may be free now, and is asked for at once."""
        for address, entry in self._entries.items():
            if entry.state is _State.STANDBY and (among is None or address in among):
                entry.refused = 0
                self._probe(entry, now)
        return self._advance(_Found(), now)

    def heard(
        self, address: addresses.Address, claim: links.Claim, rival: links.Mac, now: float, standing: links.Standing
    ) -> links.Actions:
        """Another station spoke about the address. Only to a speaker that comes before us it is left without a fight."""
        if claim is links.Claim.ANSWER:
            self._grants.pop(address, None)  # it was handed to somebody else, too, who was faster
        entry = self._entries.get(address)
        if entry is None:
            return links.NO_ACTIONS
        found = _Found()
        is_before_us = standing is links.Standing.BEFORE_US
        match entry.state, claim:
            case _State.HELD, links.Claim.ANSWER if is_before_us:
                found.dropped.append(address)
                found.lost.append(links.Loss(address, rival))
                self._stand_by(address, entry, now)
            case _State.HELD, links.Claim.ANSWER:
                if now - entry.defended >= DEFENCE_PAUSES[standing]:
                    entry.defended = now
                    found.defended.append(address)
            case _State.PROBING, links.Claim.ANSWER:
                self._stand_by(address, entry, now)
            case _State.PROBING, links.Claim.PROBE if is_before_us:
                self._stand_by(address, entry, now)
            case _:
                pass  # a question about an address that is held gets its ordinary answer
        return self._advance(found, now)

    def fence(self, now: float) -> links.Actions:
        """Nothing is held from now on. What was held must be asked for again, whoever came first."""
        if self._is_fenced:
            return links.NO_ACTIONS
        self._is_fenced = True
        found = _Found(dropped=sorted(self.held, key=_order))
        for entry in self._entries.values():
            self._probe(entry, now)
        return found.done()

    def unfence(self, now: float) -> links.Actions:
        """Asks for everything that is wanted; an address that was held before counts as free when nobody answers for it."""
        if not self._is_fenced:
            return links.NO_ACTIONS
        self._is_fenced = False
        for entry in self._entries.values():
            self._probe(entry, now)
        return self._advance(_Found(), now)

    def tick(self, now: float) -> links.Actions:
        """Asks, and takes what nobody answered for. To be called at `next_at`."""
        return self._advance(_Found(), now)

    # ---- States ----

    def _is_granted(self, address: addresses.Address, now: float) -> bool:
        ends = self._grants.pop(address, None)
        return ends is not None and now < ends and not self._is_fenced

    def _advance(self, found: _Found, now: float) -> links.Actions:
        self._next_at = None
        if self._is_fenced:
            return found.done()
        for address, entry in self._entries.items():
            if entry.state is _State.HELD:
                continue
            if entry.due <= now:
                if entry.state is _State.STANDBY:
                    self._probe(entry, now)
                if now - entry.due > LATE_SECONDS:
                    entry.asked = 0
                needed = PROBES if entry.refused <= IMPATIENT_REFUSALS else PATIENT_PROBES
                if entry.asked < needed and len(found.ask) >= ASKED_AT_ONCE:
                    entry.due = now + TURN_SECONDS
                elif entry.asked < needed:
                    entry.asked += 1
                    entry.due = (
                        now + PROBE_PAUSE
                    )  # counted from when it was really asked: a late timer shortens no pause
                    found.ask.append(address)
                else:
                    self._hold(address, entry, found)
                    continue
            if self._next_at is None or entry.due < self._next_at:
                self._next_at = entry.due
        return found.done()

    def _probe(self, entry: _Entry, now: float) -> None:
        if entry.state is _State.PROBING and entry.asked and not self._is_fenced:
            return  # questions are under way
        entry.state, entry.due, entry.asked = _State.PROBING, now, 0

    def _hold(self, address: addresses.Address, entry: _Entry, found: _Found) -> None:
        entry.state, entry.asked, entry.refused = _State.HELD, 0, 0
        found.taken.append(address)

    def _stand_by(self, address: addresses.Address, entry: _Entry, now: float) -> None:
        """Somebody else has it. Who may only keep it has lost it."""
        if entry.wish is values.Wish.KEEP:
            del self._entries[address]
            return
        pause = STANDBY_PAUSES[min(entry.refused, len(STANDBY_PAUSES) - 1)]
        entry.state, entry.due, entry.asked, entry.refused = _State.STANDBY, now + pause, 0, entry.refused + 1


def _order(address: addresses.Address) -> tuple[int, int]:
    return (address.version, int(address))
