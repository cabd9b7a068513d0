"""Effects on their way out: performed one batch after another while cycles go on. Both loops put, one task sends.

It must never decide: what failed is handed back, and the loop's next cycle wants it again or does not.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NoReturn

from frr_adapter import effects
from frr_adapter.boundary import logs, perform

_log = logs.get_logger()

Failed = Callable[[tuple[perform.Failure, ...]], None]


class Outbox:
    """Effects in the order they were put; those of one object are never in flight twice."""

    def __init__(self, performer: perform.Performer, failed: Failed) -> None:
        self._performer = performer
        self._failed = failed
        self._waiting: list[effects.Effect] = []
        self._filled = asyncio.Event()
        self._is_sending = False

    @property
    def is_empty(self) -> bool:
        """Whether everything put so far was performed."""
        return not self._waiting and not self._is_sending

    def put(self, wanted: Iterable[effects.Effect]) -> None:
        """Takes effects; never waits."""
        self._waiting += wanted
        if self._waiting:
            self._filled.set()

    async def run(self) -> NoReturn:
        """Performs until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            batch, self._waiting = self._waiting, []
            self._is_sending = True
            try:
                failures = await self._performer.perform(batch)
            finally:
                self._is_sending = False
            for failure in failures:
                level = _log.debug if failure.is_ordinary else _log.warning
                level("effect failed", object=str(failure.effect.ref), error=str(failure.error))
            if failures:
                self._failed(failures)
