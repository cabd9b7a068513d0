"""Work in small steps, as many per turn of the event loop as leave it free for questions that arrive meanwhile.

Shared by `speaker.boundary.claimant` and what it stands on, so that together they keep within one turn's time. It must never
run two turns' work between two looks at the sockets.
"""

import asyncio
from collections.abc import Callable

SURE = 20
"""Steps that are always done in a turn, so that a few addresses take effect at once whatever else the machine does."""

SECONDS = 0.0005
"""Further steps only as long as a turn has not lasted longer than this."""

FAILED_SECONDS = 0.1
"""Wait before the next turn when a step has failed: the others have work, too, and nothing else may come to start one."""

Source = Callable[[], int]
"""Does one step of its work. Says how many ordinary steps it was worth, 0 when there was nothing to do."""


class Turns:
    """Asks all sources in turn until none has anything to do. All methods belong to one event loop."""

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._next = 0
        self._waiting: asyncio.Handle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._is_under_way = False
        self._has_news = False

    def add(self, source: Source) -> None:
        """One source more."""
        self._sources.append(source)

    def go(self) -> None:
        """There may be work: does it now, or leaves it to the turn that is under way or waits already."""
        self._has_news = True  # sources that had nothing to do in this turn are asked again
        if self._waiting is None and not self._is_under_way:
            self._turn()

    def stop(self) -> None:
        """No further turn, until the next `go`."""
        for pending in (self._waiting, self._retry):
            if pending is not None:
                pending.cancel()
        self._waiting = self._retry = None

    def _turn(self) -> None:
        self._waiting = None
        self._is_under_way = True
        try:
            is_done = self._work()
        except Exception:
            if self._retry is not None:
                self._retry.cancel()
            self._retry = asyncio.get_running_loop().call_later(FAILED_SECONDS, self.go)
            raise
        finally:
            self._is_under_way = False
        if not is_done:
            self._waiting = asyncio.get_running_loop().call_soon(self._turn)

    def _work(self) -> bool:
        """One turn; whether nothing is left."""
        clock = asyncio.get_running_loop().time
        started, steps, idle = clock(), 0, 0
        while idle < len(self._sources):
            self._has_news = False
            source = self._sources[self._next]
            self._next = (self._next + 1) % len(self._sources)
            worth = source()
            steps += worth
            idle = 0 if worth or self._has_news else idle + 1
            if steps >= SURE and worth and clock() - started >= SECONDS:
                return False
        return True
