"""What the speaker runs beside FRR, in this process: the applier, one apply at a time, and the watcher of the daemons' life.

`async with Living(machine) as node:` starts it, as the program does; leaving it is the end of a speaker. Used by live tests only.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any, Self

from frr_adapter.frr import config
from speaker.boundary import applying, sidecar
from tests.live import applied_node, frr_pair, raw_frr


async def until(probe: Callable[[], Any], wanted: Callable[[Any], bool] = bool, limit: float = 15.0) -> Any:
    """Like `frr_pair.poll`, while this process goes on with its own work."""
    end = time.monotonic() + limit
    while not wanted(found := probe()):
        assert time.monotonic() < end, f"not within {limit} s; last seen: {found}"
        await asyncio.sleep(0.02)
    return found


class Living:
    """`outcomes` are how attempts to apply ended, `said` what the watcher told: reasons, and empty words for up."""

    def __init__(self, machine: frr_pair.Machine, *, period: float = 0.1, patience: float = 2.0) -> None:
        self.outcomes: list[applying.Outcome] = []
        self.said: list[str] = []
        self.node = applied_node.Node(machine)
        self.applying = applying.Applying(self.node, self.outcomes.append)
        self._watcher = sidecar.Sidecar(machine.directory, period=period, patience=patience)

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self.applying.run()),
            asyncio.create_task(self._watcher.watch(self._down, self._up)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
        self.node.forget()

    def _down(self, reason: str) -> None:
        self.said.append(reason)
        self.applying.down(reason)

    def _up(self) -> None:
        self.said.append("")
        self.applying.up()

    async def runs(self, wanted: config.FrrConfig, limit: float = 15.0) -> None:
        """Wants it and waits until FRR runs it."""
        self.applying.want(wanted)
        await until(lambda: (self.applying.is_applied, self.outcomes[-1:]), lambda found: found[0], limit)


def end(machine: frr_pair.Machine, daemon: str, number: signal.Signals = signal.SIGKILL) -> None:
    """A daemon dies as in real life: its socket stays behind."""
    process = machine.processes.pop(daemon)
    os.kill(process.pid, number)
    process.wait(20)


def begin(machine: frr_pair.Machine, *daemons: str) -> None:
    """Daemons start, bgpd with a log of its commands; does not wait for their sockets to listen."""
    for daemon in daemons:
        socket = machine.directory / f"{daemon}.vty"
        socket.unlink(missing_ok=True)  # FRR does the same a moment later
        if daemon == "bgpd":
            raw_frr.start_logged(machine)
        else:
            machine.start(daemon)


def daemons(machine: frr_pair.Machine) -> tuple[str, ...]:
    """All that a speaker needs, in the order of their start."""
    return (*(("mgmtd",) if machine.frr.mgmtd else ()), "zebra", "bgpd", "bfdd", "staticd")
