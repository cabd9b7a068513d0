"""Keeps FRR at the newest wanted configuration: the first change goes at once, later ones coalesce behind the one in flight.

Driven by the loop, which hands over a `FrrConfig` per cycle. It must never decide what is wanted.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from frr_adapter import errors
from frr_adapter.boundary import logs, ports
from frr_adapter.frr import config, reloading, statements

_log = logs.get_logger()

_FIRST_RETRY = 0.5
_LONGEST_RETRY = 30.0

FAREWELL_SECONDS = 20.0
"""So long the end of the program waits for an apply that has begun; kubelet waits 30."""

Outcome = reloading.ApplyReport | errors.ApplyError
"""How an attempt ended."""

Landed = Callable[[reloading.ApplyReport, config.FrrConfig, float], None]
"""FRR took a change: how, of which configuration, and when the oldest event of it came (clock of the event loop)."""


def _ignore(_report: reloading.ApplyReport, _before: config.FrrConfig, _since: float) -> None:
    """Nobody measures."""


class Applying:
    """Single flight over an `Applier`. `told` is called after every attempt, with how it ended; `landed` after every change that
    FRR took, unless it was the first one of its life.
    """

    def __init__(self, applier: ports.Applier, told: Callable[[Outcome], None], landed: Landed = _ignore) -> None:
        self._applier = applier
        self._told = told
        self._landed = landed
        self._since: float | None = None  # the oldest event that FRR does not run yet
        self._is_unfinished = False
        self._wanted: config.FrrConfig | None = None
        self._applied: config.FrrConfig | None = None
        self._is_up = False
        self._trouble = ""
        self._lives = 0  # of FRR: what was applied to an earlier one does not count
        self._starts = 0
        self._news = asyncio.Event()

    @property
    def is_applied(self) -> bool:
        """Whether FRR runs what is wanted."""
        return self._wanted is not None and self._applied == self._wanted

    @property
    def wanted(self) -> config.FrrConfig | None:
        """What FRR shall run; None before anybody said so."""
        return self._wanted

    @property
    def applied(self) -> config.FrrConfig | None:
        """What FRR took last; None when nothing is known to run."""
        return self._applied

    @property
    def is_up(self) -> bool:
        """Whether FRR's daemons answer."""
        return self._is_up

    @property
    def trouble(self) -> str:
        """Why FRR counts as down, in one line; empty while it is up or nobody has asked it yet."""
        return self._trouble

    def want(self, wanted: config.FrrConfig, since: float | None = None) -> None:
        """Replaces what is wanted; an equal configuration does nothing. `since` is when the oldest event came that led to it."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._since = since if self._since is None else self._since
            self._news.set()

    def again(self) -> None:
        """The applier can do more of the same configuration than it could the last time."""
        self._is_unfinished = True
        self._news.set()

    def down(self, reason: str = "") -> None:
        """A daemon is gone or hangs: nothing counts as applied, and nothing is tried until `up`.

        Called again when the reason changes.
        """
        self._is_up, self._trouble = False, reason
        self._forget()
        _log.warning("FRR is down", reason=reason)

    def up(self) -> None:
        """All daemons answer; whatever they run is compared with what is wanted."""
        self._is_up, self._trouble = True, ""
        self._starts += 1
        self._forget()
        self._news.set()
        _log.info("FRR is up")

    async def run(self) -> NoReturn:
        """Applies until cancelled, which waits for an apply that has begun.

        A failed attempt is repeated with growing pauses, or at once when something changed that may help: other prefixes do not, and
        services change all the time, while each attempt is a reload and the way back.
        """
        pause = _FIRST_RETRY
        while True:
            await self._news.wait()
            self._news.clear()
            target = self._wanted
            if target is None or not self._is_up:
                continue
            if target == self._applied and not self._is_unfinished:
                self._since = None  # what was wanted in between is not any more, and no later change waits for it
                continue
            starts = self._starts
            if await self._attempt(target):
                pause = _FIRST_RETRY
                continue
            try:
                async with asyncio.timeout(pause):
                    await self._something_else(target, starts)
            except TimeoutError:
                pause = min(pause * 2, _LONGEST_RETRY)
            self._news.set()

    async def _something_else(self, failed: config.FrrConfig, starts: int) -> None:
        rest = statements.without_prefixes(failed)
        while True:
            await self._news.wait()
            if starts != self._starts or (self._wanted and statements.without_prefixes(self._wanted) != rest):
                return
            self._news.clear()

    def _forget(self) -> None:
        self._applied = None
        self._lives += 1
        self._applier.forget()

    @staticmethod
    async def _finished(attempt: Coroutine[Any, Any, reloading.ApplyReport]) -> reloading.ApplyReport:
        task = asyncio.create_task(attempt)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # A shield is not enough: `asyncio.run` ends whatever still runs when the program is done.
            await asyncio.wait({task}, timeout=FAREWELL_SECONDS)
            if task.done() and not task.cancelled() and (problem := task.exception()):
                _log.error("the last configuration was not taken", error=str(problem))
            task.cancel()
            raise

    async def _attempt(self, target: config.FrrConfig) -> bool:
        clock = asyncio.get_running_loop().time
        started, lives = clock(), self._lives
        since, before, unfinished = self._since, self._applied, self._is_unfinished
        self._since, self._is_unfinished = None, False
        try:
            report = await self._finished(self._applier.apply(target))
        except errors.ApplyError as error:
            _log.error("FRR did not take the configuration", error=str(error))
            self._since = self._since if since is None else since
            self._is_unfinished |= unfinished
            self._told(error)
            return False
        except Exception as problem:
            # A mistake of ours: FRR goes on with what it has, and layer 2 on this node must not end for it. What runs is not known.
            _log.exception("applying failed")
            self._since = self._since if since is None else since
            self._forget()
            self._told(errors.ApplyError(f"unexpected {type(problem).__name__}; the log says more"))
            return False
        if lives == self._lives:  # a daemon that died meanwhile, back or not, has forgotten everything
            self._applied = target
        _log.info(
            "configuration applied",
            lines=len(report.changed.added) + len(report.changed.removed),
            way=str(report.way),
            milliseconds=round((clock() - started) * 1000, 1),
            **({"resets": list(report.resets)} if report.resets else {}),
            **({"reason": report.reason} if report.reason else {}),
        )
        self._told(report)
        if since is not None and before is not None:
            self._landed(report, before, since)
        return True
