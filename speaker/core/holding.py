"""Which of the wanted addresses this node holds: takeover only when the wire agrees, no move without need. Time is an argument.

Driven by `speaker.boundary.claimant`. The plan says which addresses this node may have (`values.Wish`); the wire says whether somebody else
still answers for them. An address is asked for three times on the segment before it is taken (after RFC 5227, with much shorter
pauses); who answers keeps it. So nodes that see the cluster differently for a moment never hold the same address, as long as
they hear each other on the wire. Decides only; sends, listens and reads no clock. No call may cost more the more addresses there are,
but for copying a list.
"""

import collections
import enum
import heapq
import itertools
from collections.abc import Iterable, Mapping
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

ASKED_AT_ONCE = 24
"""At most so many questions are asked and addresses taken at one moment; the others wait for `TURN_SECONDS`."""

TURN_SECONDS = 0.001
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

_LOOKED_AT = 512
"""At most so much of what is queued is looked at in one call, most of which may no longer matter."""

_QUEUED_BY_FENCE, _NOT_QUEUED, _GONE = 0, -1, -2
"""Tickets that no queue gives out."""


class _State(enum.Enum):
    PROBING = enum.auto()
    STANDBY = enum.auto()
    HELD = enum.auto()


@dataclass(slots=True)
class _Entry:
    address: addresses.Address
    wish: values.Wish
    epoch: int
    state: _State = _State.PROBING
    ticket: int = _NOT_QUEUED
    """The one place in the queues that counts; all others are left over."""
    asked: int = 0
    refused: int = 0
    defended: float = float("-inf")


_Queued = tuple[float, int, _Entry]
"""When it is due, its ticket, and who."""


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

    While the fence is closed nothing is held and nothing is asked for: the node does not know enough about the others. Closing and
    opening it only begins an epoch; an entry of an earlier one is put right when it is next looked at.
    """

    def __init__(self, *, is_fenced: bool = False) -> None:
        self._wishes: dict[addresses.Address, values.Wish] = {}
        self._entries: dict[addresses.Address, _Entry] = {}
        self._held: dict[addresses.Address, None] = {}
        self._grants: collections.OrderedDict[addresses.Address, float] = collections.OrderedDict()
        self._is_fenced = is_fenced
        self._epoch = 0
        self._tickets = itertools.count(1)
        self._under_way: list[_Queued] = []  # a heap: asked for at least once
        self._waiting: collections.deque[_Queued] = collections.deque()  # to be asked for as soon as possible
        self._reopened: collections.deque[_Entry] = collections.deque()  # the same, without tickets: after the fence
        self._standby: list[_Queued] = []  # a heap
        self._turn_began = float("-inf")
        self._left = ASKED_AT_ONCE
        self._resumed = float("-inf")  # when we last stood still: what was asked before is asked anew
        self._recalled = float("-inf")  # when something changed last that may have freed any address
        self._next_at: float | None = None

    @property
    def held(self) -> frozenset[addresses.Address]:
        """What this node answers for now."""
        return frozenset(self._held)

    @property
    def next_at(self) -> float | None:
        """When `tick` has something to do; None while nothing is under way."""
        return None if self._is_fenced else self._next_at

    def is_held(self, address: addresses.Address) -> bool:
        """Whether this node answers for the address now."""
        return address in self._held

    def is_wanted(self, address: addresses.Address) -> bool:
        """Whether what other stations say about the address matters here."""
        return address in self._entries

    def change(
        self, gone: Iterable[addresses.Address], come: Mapping[addresses.Address, values.Wish], now: float
    ) -> links.Actions:
        """Wishes that are no more, and those that are new or other ones. What is held stays so as long as it is wished for; what is
        no longer wished for is dropped at once.
        """
        found = _Found()
        for address in gone:
            self._wishes.pop(address, None)
            entry = self._entries.get(address)
            if entry is not None:
                self._forget(entry, found)
        for address, wish in come.items():
            self._wishes[address] = wish
            self._wish(address, wish, found, now)
        return self._advance(found, now)

    def take(self, given: Iterable[addresses.Address], now: float) -> links.Actions:
        """Takes over from a holder that has fallen silent by itself and says so: nobody needs to be asked.

        What is not wanted yet is taken should it be wanted within `GRANT_SECONDS`: others learn at the same time who left.
        """
        found = _Found()
        while self._grants and next(iter(self._grants.values())) <= now:
            self._grants.popitem(last=False)
        for address in given:
            wish = self._wishes.get(address)
            if wish is None or self._is_fenced:
                self._grants[address] = now + GRANT_SECONDS
                self._grants.move_to_end(address)
                continue
            entry = self._entry(address) or self._new(address, wish)
            if entry.state is not _State.HELD:
                self._hold(entry, found)
        return self._advance(found, now)

    def look_again(self, now: float, among: Iterable[addresses.Address] | None = None) -> links.Actions:
        """The cluster changed: what somebody else held, of these or of all, may be free now, and is asked for at once."""
        if among is None:
            self._waiting.extend(self._standby)
            self._standby = []
            self._recalled = now
        for address in among or ():
            entry = self._entry(address)
            if entry is not None and entry.state is _State.STANDBY:
                entry.refused = 0
                self._ask(entry, now)
            elif entry is not None and entry.refused > IMPATIENT_REFUSALS:
                entry.asked = entry.refused = 0
        return self._advance(_Found(), now)

    def heard(
        self, address: addresses.Address, claim: links.Claim, rival: links.Mac, now: float, standing: links.Standing
    ) -> links.Actions:
        """Another station spoke about the address. Only to a speaker that comes before us it is left without a fight."""
        if claim is links.Claim.ANSWER:
            self._grants.pop(address, None)  # it was handed to somebody else, too, who was faster
        entry = self._entry(address)
        if entry is None:
            return links.NO_ACTIONS
        found = _Found()
        is_before_us = standing is links.Standing.BEFORE_US
        match entry.state, claim:
            case _State.HELD, links.Claim.ANSWER if is_before_us:
                found.lost.append(links.Loss(address, rival))
                self._stand_by(entry, found, now)
            case _State.HELD, links.Claim.ANSWER:
                if now - entry.defended >= DEFENCE_PAUSES[standing]:
                    entry.defended = now
                    found.defended.append(address)
            case _State.PROBING, links.Claim.ANSWER:
                self._stand_by(entry, found, now)
            case _State.PROBING, links.Claim.PROBE if is_before_us:
                self._stand_by(entry, found, now)
            case _:
                pass  # a question about an address that is held gets its ordinary answer
        return self._advance(found, now)

    def fence(self, _now: float) -> links.Actions:
        """Nothing is held from now on. What was held must be asked for again, whoever came first."""
        if self._is_fenced:
            return links.NO_ACTIONS
        self._is_fenced = True
        dropped, self._held = tuple(self._held), {}
        self._begin_epoch()
        return links.Actions(dropped=dropped)

    def unfence(self, now: float) -> links.Actions:
        """Asks for everything that is wanted; an address that was held before counts as free when nobody answers for it."""
        if not self._is_fenced:
            return links.NO_ACTIONS
        self._is_fenced = False
        self._begin_epoch()
        self._reopened.extend(self._entries.values())
        return self._advance(_Found(), now)

    def tick(self, now: float) -> links.Actions:
        """Asks, and takes what nobody answered for. To be called at `next_at`."""
        return self._advance(_Found(), now)

    # ---- Wishes ----

    def _wish(self, address: addresses.Address, wish: values.Wish, found: _Found, now: float) -> None:
        entry = self._entry(address)
        if entry is None:
            if wish is values.Wish.TAKE:
                entry = self._new(address, wish)
                if self._is_granted(address, now):
                    self._hold(entry, found)
                else:
                    self._ask(entry, now)
        elif entry.wish is not wish:
            entry.wish = wish
            if entry.state is _State.HELD:
                return
            if wish is values.Wish.KEEP:  # it is not held, so there is nothing to keep
                self._forget(entry, found)
            elif not entry.asked:  # else questions are under way
                self._ask(entry, now)

    def _is_granted(self, address: addresses.Address, now: float) -> bool:
        ends = self._grants.pop(address, None)
        return ends is not None and now < ends and not self._is_fenced

    # ---- Entries ----

    def _new(self, address: addresses.Address, wish: values.Wish) -> _Entry:
        entry = self._entries[address] = _Entry(address, wish, self._epoch)
        return entry

    def _entry(self, address: addresses.Address) -> _Entry | None:
        entry = self._entries.get(address)
        return None if entry is None else self._of_this_epoch(entry)

    def _of_this_epoch(self, entry: _Entry) -> _Entry:
        if entry.epoch != self._epoch and entry.ticket != _GONE:
            entry.epoch, entry.state, entry.ticket, entry.asked = self._epoch, _State.PROBING, _QUEUED_BY_FENCE, 0
        return entry

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._under_way, self._standby = [], []
        self._waiting, self._reopened = collections.deque(), collections.deque()

    def _hold(self, entry: _Entry, found: _Found) -> None:
        entry.state, entry.ticket, entry.asked, entry.refused = _State.HELD, _NOT_QUEUED, 0, 0
        self._held[entry.address] = None
        found.taken.append(entry.address)

    def _release(self, entry: _Entry, found: _Found) -> None:
        if entry.address in self._held:
            del self._held[entry.address]
            found.dropped.append(entry.address)

    def _forget(self, entry: _Entry, found: _Found) -> None:
        self._release(entry, found)
        entry.ticket = _GONE
        del self._entries[entry.address]

    def _stand_by(self, entry: _Entry, found: _Found, now: float) -> None:
        """Somebody else has it. Who may only keep it has lost it."""
        if entry.wish is values.Wish.KEEP:
            self._forget(entry, found)
            return
        self._release(entry, found)
        due = now + STANDBY_PAUSES[min(entry.refused, len(STANDBY_PAUSES) - 1)]
        entry.state, entry.ticket, entry.asked, entry.refused = (
            _State.STANDBY, next(self._tickets), 0, entry.refused + 1,
        )  # fmt: skip
        heapq.heappush(self._standby, (due, entry.ticket, entry))

    # ---- Questions ----

    def _ask(self, entry: _Entry, now: float) -> None:
        """From the first question on, as soon as it is its turn; behind the fence the opening will do it."""
        entry.state, entry.asked = _State.PROBING, 0
        if self._is_fenced:
            entry.ticket = _QUEUED_BY_FENCE
            return
        entry.ticket = next(self._tickets)
        self._waiting.append((now, entry.ticket, entry))

    def _advance(self, found: _Found, now: float) -> links.Actions:
        if self._is_fenced:
            return found.done()
        if self._next_at is not None and now - self._next_at > LATE_SECONDS:
            self._resumed = now
        if now >= self._turn_began + TURN_SECONDS:
            self._turn_began, self._left = now, ASKED_AT_ONCE
        for _ in range(_LOOKED_AT):
            queued = self._pull(now) if self._left else None
            if queued is None:
                break
            if self._counts(queued):
                self._left -= 1
                self._go_on(queued[2], queued[0], found, now)
        self._next_at = self._when_next(now)
        return found.done()

    def _pull(self, now: float) -> _Queued | None:
        """Who was asked for before comes first: what was begun is brought to an end, however many wait."""
        if self._under_way and self._under_way[0][0] <= now:
            return heapq.heappop(self._under_way)
        if self._waiting:
            queued = self._waiting.popleft()
            if queued[2].state is _State.STANDBY and queued[2].ticket == queued[1]:
                queued[2].refused = 0  # it was recalled: something changed
            return queued
        if self._reopened:
            return (now, _QUEUED_BY_FENCE, self._reopened.popleft())
        if self._standby and self._standby[0][0] <= now:
            return heapq.heappop(self._standby)
        return None

    def _go_on(self, entry: _Entry, due: float, found: _Found, now: float) -> None:
        if entry.state is _State.STANDBY or due < self._resumed:
            entry.state, entry.asked = _State.PROBING, 0
        if entry.refused > IMPATIENT_REFUSALS and due - PROBE_PAUSE < self._recalled:
            entry.asked = entry.refused = (
                0  # its patient questions were under way when something changed: three new ones do
            )
        needed = PROBES if entry.refused <= IMPATIENT_REFUSALS else PATIENT_PROBES
        if entry.asked >= needed:
            self._hold(entry, found)
            return
        entry.asked, entry.ticket = entry.asked + 1, next(self._tickets)
        # Counted from when it is really asked: a late timer shortens no pause.
        heapq.heappush(self._under_way, (now + PROBE_PAUSE, entry.ticket, entry))
        found.ask.append(entry.address)

    def _when_next(self, now: float) -> float | None:
        for _ in range(_LOOKED_AT):
            if not self._waiting or self._counts(self._waiting[0]):
                break
            self._waiting.popleft()
        if self._waiting or self._reopened:
            return self._turn_began + TURN_SECONDS
        earliest: float | None = None
        for queue in (self._under_way, self._standby):
            for _ in range(_LOOKED_AT):
                if not queue or self._counts(queue[0]):
                    break
                heapq.heappop(queue)
            if queue and (earliest is None or queue[0][0] < earliest):
                earliest = queue[0][0]
        if earliest is None or earliest > now:
            return earliest
        return self._turn_began + TURN_SECONDS

    def _counts(self, queued: _Queued) -> bool:
        """Whether it is not a left-over."""
        return self._of_this_epoch(queued[2]).ticket == queued[1]
