"""Follows the life of FRR beside us: says when a daemon went down or hangs, and when all of them answer again.

Started by the loop, which then forgets what it applied and applies everything anew. Never configures FRR and never starts or stops it.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from frr_adapter import errors
from frr_adapter.boundary import vty

DAEMONS = ("zebra", "bgpd", "bfdd")
OPTIONAL = ("mgmtd",)
"""Counts from the moment on that it is there; FRR before 10 has none."""

Down = Callable[[str], None]
Up = Callable[[], None]

_LONGEST_RETRY = 1.0


class Sidecar:
    """Watches the daemons whose VTY sockets lie in `directory`.

    In seconds: `retry` is the first pause between two attempts to connect, `period` that between two questions, and a daemon
    that leaves one without an answer for `patience` hangs. Nobody is asked a second time while one answer is outstanding.
    """

    def __init__(
        self,
        directory: Path,
        daemons: tuple[str, ...] = DAEMONS,
        retry: float = 0.1,
        *,
        period: float = 2.0,
        patience: float = 5.0,
    ) -> None:
        self._directory = directory
        self._daemons = daemons
        self._retry = retry
        self._period = period
        self._patience = patience
        self._troubles: dict[str, str | None] = {}  # per daemon, in order; empty: it answers, None: not known yet
        self._told: str | None = None

    async def watch(self, on_down: Down, on_up: Up) -> None:
        """Runs until cancelled. `on_up` once all daemons answer; `on_down` as soon as one of them does not, with the reason in one
        line, and again whenever the reason changes.

        A daemon that restarts between two calls is never missed: its connection ends, and that is what is waited for.
        """
        self._troubles = {**dict.fromkeys(self._daemons), **dict.fromkeys(OPTIONAL, "")}
        self._told = None

        def tell(daemon: str, trouble: str) -> None:
            self._troubles[daemon] = trouble
            # The first in order is the root: bgpd and bfdd need zebra.
            now = next((each for each in self._troubles.values() if each != ""), "")
            if now is None or now == self._told:
                return
            self._told = now
            if now:
                on_down(now)
            else:
                on_up()

        async with asyncio.TaskGroup() as tasks:
            for daemon in self._troubles:
                tasks.create_task(self._follow(daemon, functools.partial(tell, daemon)))

    async def _follow(self, daemon: str, tell: Callable[[str], None]) -> None:
        if daemon in OPTIONAL:
            while not self._is_there(daemon):
                await asyncio.sleep(self._period)
        while True:
            async with self._connected(daemon, tell) as connection:
                tell("")
                tell(await self._until_gone(daemon, connection, tell))

    @contextlib.asynccontextmanager
    async def _connected(self, daemon: str, tell: Callable[[str], None]) -> AsyncIterator[vty.Vty]:
        pause = self._retry
        while True:
            try:
                connection = await vty.Vty.connect(self._path(daemon), self._patience)
            except errors.ApplyError as problem:
                tell(str(problem))
                await asyncio.sleep(pause)
                pause = min(pause * 1.2, _LONGEST_RETRY)
            else:
                break
        with contextlib.closing(connection):
            yield connection

    async def _until_gone(self, daemon: str, connection: vty.Vty, tell: Callable[[str], None]) -> str:
        """Why the connection is of no more use."""
        while True:
            with contextlib.suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it forgets that it was cancelled when what it waits for is done at that moment.
                async with asyncio.timeout(self._period):
                    await connection.wait_closed()
                return f"{daemon} went away"
            question = asyncio.create_task(connection.execute(vty.QUESTION, None))
            try:
                # In two halves: when it was this program that had no time for a while, the answer is there at the second look.
                for _ in range(2):
                    await asyncio.wait({question}, timeout=self._patience / 2)
                if not question.done():
                    tell(f"{daemon} hangs: no answer to `{vty.QUESTION}` within {self._patience:g} s")
                await question
            except errors.ApplyError:
                return f"{daemon} went away"
            finally:
                question.cancel()
            tell("")

    def _is_there(self, daemon: str) -> bool:
        try:
            return self._path(daemon).exists()
        except OSError:  # such as a directory that is closed to us: what is in the way is told of the other daemons
            return False

    def _path(self, daemon: str) -> Path:
        return self._directory / f"{daemon}.vty"
