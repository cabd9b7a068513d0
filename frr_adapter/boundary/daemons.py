"""Runs FRR's daemons in the foreground, beside the speaker: starts them, gives them the file, starts again those that end or hang.

Called by the program of FRR's container. FRR's own watchfrr is not used: when zebra ends it restarts all the others too, which ends
sessions that live on without it. Must never change a configuration: what a daemon gets at its start is `frr.conf` as it is.
"""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from frr_adapter import errors
from frr_adapter.boundary import logs, vty

_log = logs.get_logger()

Load = Callable[[Path, str], Awaitable[None]]
"""Loads the file into one daemon, or into all (the empty name), whose sockets lie in the directory."""

HIDDEN = ".starting"


@dataclass(frozen=True, slots=True)
class Daemon:
    """A program of FRR; the option `--vty_socket` is added."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """All in seconds. `start`: until a daemon's socket is there. A daemon that was up for `steady` is started again at once; one that
    was not waits, first `pause`, twice as long each time, at most `longest_pause`. Every `period` each is asked something that costs
    nothing, and ended when `patience` passes without an answer (watchfrr's own 90 s). `stop`: until it is killed.
    """

    start: float = 20.0
    steady: float = 10.0
    pause: float = 0.5
    longest_pause: float = 10.0
    period: float = 10.0
    patience: float = 90.0
    stop: float = 5.0


class Supervisor:
    """The daemons, in start order; they are stopped in the order `leaving`, then the rest in reverse.

    A daemon makes its socket in a directory of its own and gets the file there; only then the socket moves to `directory`, where others
    look for it. So nobody meets a daemon that has half of its configuration, and nobody configures it at the same time.
    """

    def __init__(
        self,
        daemons: Sequence[Daemon],
        directory: Path,
        load: Load,
        *,
        leaving: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self._daemons = tuple(daemons)
        self._directory = directory
        self._hidden = directory / HIDDEN
        self._load = load
        self._leaving = tuple(leaving)
        self._limits = limits or Limits()
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def run(self, stopped: asyncio.Event) -> None:
        """Until `stopped`; then all daemons have ended. Raises `errors.DutyError` when one of them cannot start at all."""
        try:
            async with _until(stopped):
                await self._start_all()
                async with asyncio.TaskGroup() as tasks:
                    for daemon in self._daemons:
                        tasks.create_task(self._keep(daemon))
        finally:
            await self._stop()

    async def _start_all(self) -> None:
        self._clean()
        for daemon in self._daemons:
            await self._start(daemon)
        await self._load(self._hidden, "")
        for daemon in self._daemons:
            self._publish(daemon)
        _log.info("FRR runs", daemons=[daemon.name for daemon in self._daemons])

    def _clean(self) -> None:
        """Removes what an earlier container left in the volume."""
        for socket in (*self._directory.glob("*.vty"), *self._hidden.glob("*.vty")):
            socket.unlink(missing_ok=True)
        self._hidden.mkdir(exist_ok=True)
        # Daemons that were started by the superuser run as another user, who shares the group of the volume.
        self._hidden.chmod(0o2770)

    async def _start(self, daemon: Daemon) -> None:
        socket = self._hidden / f"{daemon.name}.vty"
        socket.unlink(missing_ok=True)
        try:
            # Not in a session of its own: when this program is killed, its container ends, and all of them with it.
            process = await asyncio.create_subprocess_exec(
                *daemon.argv, "--vty_socket", self._hidden, stdin=subprocess.DEVNULL
            )
        except OSError as problem:
            raise errors.DutyError(f"{daemon.name}: cannot start {daemon.argv[0]}: {problem.strerror}") from problem
        self._processes[daemon.name] = process
        end = time.monotonic() + self._limits.start
        while not socket.exists():
            if process.returncode is not None:
                raise errors.DutyError(f"{daemon.name} ended at its start: {_ending(process.returncode)}")
            if time.monotonic() > end:
                await self._end(daemon.name)
                raise errors.DutyError(f"{daemon.name} made no socket within {self._limits.start:g} s")
            await asyncio.sleep(0.01)

    def _publish(self, daemon: Daemon) -> None:
        name = f"{daemon.name}.vty"
        (self._hidden / name).replace(self._directory / name)

    async def _keep(self, daemon: Daemon) -> None:
        """Never returns: watches the daemon, and starts it again whenever it is gone."""
        pause = self._limits.pause
        while True:
            since = time.monotonic()
            _log.error("daemon ended", daemon=daemon.name, reason=await self._until_gone(daemon))
            (self._directory / f"{daemon.name}.vty").unlink(missing_ok=True)
            if time.monotonic() - since >= self._limits.steady:
                pause = self._limits.pause
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, self._limits.longest_pause)
            try:
                await self._start(daemon)
            except errors.DutyError as problem:
                _log.error("daemon not started", reason=str(problem))
                continue
            await self._load(self._hidden, daemon.name)
            self._publish(daemon)
            _log.info("daemon started again", daemon=daemon.name)

    async def _until_gone(self, daemon: Daemon) -> str:
        """Why it is gone."""
        process = self._processes[daemon.name]
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.period):
                    return _ending(await process.wait())
            try:
                connection = await vty.Vty.connect(self._directory / f"{daemon.name}.vty", self._limits.patience)
            except errors.ApplyError as problem:
                if process.returncode is None:
                    await self._end(daemon.name)
                    return f"it hung: {problem}"
            else:
                connection.close()

    async def _stop(self) -> None:
        reverse = [daemon.name for daemon in reversed(self._daemons) if daemon.name not in self._leaving]
        for name in (*self._leaving, *reverse):
            if name in self._processes:
                await self._end(name, self._limits.stop)

    async def _end(self, name: str, patience: float = 0.0) -> None:
        """It has ended afterwards: asked to when there is patience, else killed."""
        process = self._processes[name]
        with contextlib.suppress(ProcessLookupError):
            if patience:
                process.terminate()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await process.wait()
                        return
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def _until(stopped: asyncio.Event) -> AsyncIterator[None]:
    """Cancels what is inside as soon as the event is set, and leaves quietly then."""
    inside = asyncio.current_task()

    async def watch() -> None:
        await stopped.wait()
        if inside is not None:
            inside.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not stopped.is_set() or inside is None:
            raise
        inside.uncancel()
    finally:
        watching.cancel()


def _ending(status: int) -> str:
    """How a process ended, for people."""
    return f"signal {-status}" if status < 0 else f"exit status {status}"
