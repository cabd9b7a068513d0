"""Follows the life of FRR beside us: says when a daemon went down, and when all of them answer again.

Started by the loop, which then forgets what it applied and applies everything anew. Never configures FRR and never starts or stops it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from frr_adapter import errors
from frr_adapter.boundary import vty

DAEMONS = ("zebra", "bgpd", "bfdd")


class Sidecar:
    """Watches the daemons whose VTY sockets lie in `directory`; `retry` is the pause between two attempts in seconds."""

    def __init__(self, directory: Path, daemons: tuple[str, ...] = DAEMONS, retry: float = 0.1) -> None:
        self._directory = directory
        self._daemons = daemons
        self._retry = retry

    async def watch(self, on_down: Callable[[], None], on_up: Callable[[], None]) -> None:
        """Runs until cancelled. `on_up` once all daemons answer, `on_down` as soon as one of them is gone; they alternate.

        A daemon that restarts between two calls is never missed: its connection ends, and that is what is waited for.
        """
        while True:
            connections = await self._connect()
            try:
                on_up()
                await _first_to_close(connections)
                on_down()
            finally:
                for connection in connections:
                    connection.close()

    async def _connect(self) -> tuple[vty.Vty, ...]:
        while True:
            with contextlib.suppress(errors.ApplyError), contextlib.ExitStack() as opened:
                connections = [
                    opened.enter_context(contextlib.closing(await vty.Vty.connect(self._directory / f"{daemon}.vty")))
                    for daemon in self._daemons
                ]
                opened.pop_all()
                return tuple(connections)
            await asyncio.sleep(self._retry)


async def _first_to_close(connections: tuple[vty.Vty, ...]) -> None:
    tasks = [asyncio.create_task(connection.wait_closed()) for connection in connections]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
