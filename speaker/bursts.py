"""When gratuitous frames are due: five bursts after each takeover. Time is an argument, in seconds.

`speaker.boundary.announcing` keeps one `Bursts` and its timer; nothing here reads a clock. What one target costs must not
depend on how many others are under way.
"""

import heapq
import itertools
from collections.abc import Iterable

from speaker import links

OFFSETS = (0.0, 1.1, 2.2, 3.3, 4.4)
"""Seconds after a takeover at which a burst is sent."""


class Bursts:
    """All targets under way, each once: a new takeover starts its five bursts again."""

    def __init__(self, offsets: tuple[float, ...] = OFFSETS) -> None:
        self._offsets = offsets
        self._tickets = itertools.count()
        self._current: dict[links.Target, int] = {}
        self._due: list[tuple[float, int, links.Target, float]] = []
        """A heap by time; what was started anew since stays in it until its time comes, and is then passed over."""

    def start(self, targets: Iterable[links.Target], now: float) -> None:
        """Their first burst is due now."""
        for target in targets:
            ticket = self._current[target] = next(self._tickets)
            heapq.heappush(self._due, (now + self._offsets[0], ticket, target, now))

    def next(self, now: float) -> links.Target | None:
        """A target whose next burst is due, which counts as sent then; None when there is none.

        A late caller gets each target once, not as often as its bursts were missed.
        """
        while self._due and self._due[0][0] <= now:
            _, ticket, target, started = heapq.heappop(self._due)
            if self._current.get(target) != ticket:
                continue
            passed = sum(1 for offset in self._offsets if started + offset <= now)
            if passed < len(self._offsets):
                heapq.heappush(self._due, (started + self._offsets[passed], ticket, target, started))
            else:
                del self._current[target]
            return target
        return None

    @property
    def next_at(self) -> float | None:
        """When to look again; None when nothing is under way."""
        return self._due[0][0] if self._due else None
