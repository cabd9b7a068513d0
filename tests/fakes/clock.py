"""A clock that moves only when told: the in-memory twin of `ports.Clock`."""

import datetime as dt


class ManualClock:
    """Starts at a fixed moment."""

    def __init__(self) -> None:
        self._now = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
        self._monotonic = 1000.0

    def now(self) -> dt.datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += dt.timedelta(seconds=seconds)
        self._monotonic += seconds
