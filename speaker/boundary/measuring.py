"""Measures how long changes in the cluster take to reach FRR and its neighbors.

Told by `applying` after every change that FRR took. It asks bgpd about at most one new prefix at a time, on a connection of its
own and for a bounded time; nothing waits for it.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from frr_adapter import errors
from frr_adapter.boundary import bgp_metrics, vty
from frr_adapter.frr import advertised, config, reloading

LIMIT_SECONDS = 2.0
"""bgpd tells its neighbors after about 50 ms; what takes much longer goes to nobody (selectors) or waits for something else."""

_FINE_SECONDS = 0.01
_FINE_FOR = 0.25
_COARSE_SECONDS = 0.05


class Measuring:
    """`is_told` says whether anybody can be told: whether a session is up. `directory` holds bgpd's VTY socket."""

    def __init__(self, directory: Path, is_told: Callable[[], bool], seconds: bgp_metrics.EventMetrics) -> None:
        self._path = directory / "bgpd.vty"
        self._is_told = is_told
        self._seconds = seconds
        self._next: tuple[advertised.NewPrefix, float] | None = None
        self._news = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether no prefix is asked about just now."""
        return self._next is None

    def landed(self, report: reloading.ApplyReport, before: config.FrrConfig, since: float) -> None:
        """FRR took a change of `before`; `since` is when the oldest event of it came (clock of the event loop)."""
        self._seconds.applied(asyncio.get_running_loop().time() - since)
        if not self.is_idle or not self._is_told():
            return
        found = advertised.new_prefix(before, report.changed.added)
        if found is not None:
            self._next = (found, since)
            self._news.set()

    async def run(self) -> NoReturn:
        """Asks until cancelled. While one prefix is asked about, others are not measured."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._next is not None:
                try:
                    await self._follow(*self._next)
                except (errors.ApplyError, ValueError):
                    pass  # bgpd went away or speaks of something else: there is nothing to measure
                finally:
                    self._next = None

    async def _follow(self, item: advertised.NewPrefix, since: float) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        connection = await vty.Vty.connect(self._path)
        try:
            while clock() - started < LIMIT_SECONDS:
                if advertised.neighbors(await connection.show(item.question)):
                    self._seconds.advertised(clock() - since)
                    return
                await asyncio.sleep(_FINE_SECONDS if clock() - started < _FINE_FOR else _COARSE_SECONDS)
        finally:
            connection.close()
