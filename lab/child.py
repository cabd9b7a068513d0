"""One child process of the supervisor: started, watched, started again one second after it ends, as kubelet would.

Owned by `lab.supervisor`. Must never decide whether it is wanted: that is the supervisor's business.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_WHOLE = frozenset({signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT})

BACK_OFF = 1.0
"""Seconds between the end of a process and its next start."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run: `target` is its name in every command (`n1/speaker`), `netns` None is the machine's own network."""

    target: str
    argv: tuple[str, ...]
    log: Path
    netns: Path | None = None
    env: tuple[tuple[str, str], ...] = ()
    umask: int = 0o022

    def command(self) -> tuple[str, ...]:
        """The argument vector including the step into the network namespace."""
        if self.netns is None:
            return self.argv
        return ("nsenter", f"--net={self.netns}", "--", *self.argv)


class Child:
    """A process that should run. `on_change(child)` is called after every start and every end."""

    def __init__(self, spec: ChildSpec, on_change: Callable[["Child"], None]) -> None:
        self.spec = spec
        self.wanted = False
        self.starts = 0
        self.last_exit: int | None = None
        self.since = time.monotonic()
        self._on_change = on_change
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = asyncio.Event()
        self._retry: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process id as the machine sees it; None when it does not run."""
        return None if self._process is None else _outer_pid(self._process.pid)

    @property
    def inner_pid(self) -> int | None:
        """The process id inside the lab's process namespace."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Want it and start it, unless it runs."""
        self.wanted = True
        if self._process is None:
            self._spawn()

    def send(self, number: int) -> None:
        """Send it a signal; nothing when it does not run. What kills, freezes or thaws a container does so to all its processes."""
        if self._process is not None:
            children = _children(self._process.pid) if number in _WHOLE else ()
            for pid in (self._process.pid, *children):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    async def stop(self, grace: float = 5.0) -> None:
        """No longer want it; SIGTERM, then SIGKILL after `grace` seconds; returns when it has ended."""
        self.wanted = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._process is None:
            return
        self.send(signal.SIGCONT)  # a frozen process would ignore SIGTERM
        self.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._ended.wait(), grace)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self._ended.wait()

    def _spawn(self) -> None:
        self._retry = None
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        with self.spec.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.spec.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **dict(self.spec.env)},
                cwd="/",
                umask=self.spec.umask,
                start_new_session=True,
            )
        self.starts += 1
        self.since = time.monotonic()
        self._ended.clear()
        watch = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(watch, self._reap, watch)
        self._on_change(self)

    def _reap(self, watch: int) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(watch)
        os.close(watch)
        if self._process is not None:
            self.last_exit = self._process.wait()
        self._process = None
        self.since = time.monotonic()
        self._ended.set()
        if self.wanted:
            self._retry = loop.call_later(BACK_OFF, self._again)
        self._on_change(self)

    def _again(self) -> None:
        if self.wanted and self._process is None:
            self._spawn()


def _children(inner: int) -> tuple[int, ...]:
    """Processes that it started (these start none), by the ids of our process namespace; /proc shows the machine's."""
    found = []
    outer = _outer_pid(inner)
    with contextlib.suppress(OSError):  # it has ended meanwhile
        for child in Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="ascii").split():
            status = Path(f"/proc/{child}/status").read_text(encoding="utf-8")
            match = re.search(r"^NSpid:.*\s(\d+)$", status, re.MULTILINE)
            if match:
                found.append(int(match[1]))
    return tuple(found)


def _outer_pid(inner: int) -> int:
    """The machine's id of a process named by its id in our process namespace; /proc shows the machine's ids."""
    watch = os.pidfd_open(inner)
    try:
        text = Path(f"/proc/self/fdinfo/{watch}").read_text(encoding="ascii")
    finally:
        os.close(watch)
    match = re.search(r"^Pid:\s+(-?\d+)", text, re.MULTILINE)
    return int(match[1]) if match else inner
