"""Talks to one FRR daemon over its VTY socket: the wire behind `vtysh`, without starting a process.

Called by the sidecar watcher, by `hot` and `completing` to configure, and by everything that shows or observes FRR. FRR has no lock:
whoever configures must see to it that nobody else here does at the same time.

The wire (lib/vty.c:vtysh_read): a command ends with NUL; the answer is text, three NULs and one status byte. Every question has a
time limit, and every failure is an `errors.ApplyError` that names the daemon and the question, without passwords.
"""

import asyncio
import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from frr_adapter import errors

SUCCESS = 0
QUESTION = "enable"
"""What costs a daemon nothing and changes nothing."""

_END = b"\0\0\0"
_LARGEST_ANSWER = 256 * 1024 * 1024  # a full table in JSON
_LONGEST_COMMAND = 3583
"""lib/vty.c:vtysh_read takes 512 bytes at a time, and drops what it has when 4096 would be reached: the start of a command whose
rest then counts as another one, or whole commands among many, which get no answer.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a daemon said: its text and its status (lib/command.h: 0 success, 1 warning, 2 unknown, 13 refused)."""

    text: str
    status: int

    @property
    def is_success(self) -> bool:
        """True when the daemon took the command without complaint."""
        return self.status == SUCCESS


class Vty:
    """One connection. Commands are sent one after another; `wait_closed` needs a connection of its own, or a pause between two."""

    def __init__(self, path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, path: Path, timeout: float = 5.0) -> Self:
        """Connects to `<daemon>.vty` and enters the privileged mode. Raises `errors.ApplyError` when nobody answers in time."""
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_unix_connection(path, limit=_LARGEST_ANSWER)
        except (OSError, TimeoutError) as problem:
            raise errors.ApplyError(f"{path.name}: no connection: {_why_not(path, problem, timeout)}") from problem
        self = cls(path, reader, writer)
        try:
            await self.execute(QUESTION, timeout)
        except BaseException:
            self.close()
            raise
        return self

    async def execute(self, command: str, timeout: float | None = 30.0) -> Answer:
        """Sends one command and returns the answer. Raises `errors.ApplyError` when the daemon goes away or stays silent for
        `timeout` seconds (None: for ever).

        After an error the connection is of no more use: the answer may still come, and would be taken for that to another command.
        """
        (answer,) = await self._ask((command,), timeout, 1)
        return answer

    async def execute_all(
        self, commands: Sequence[str], timeout: float | None = 30.0, window: int = 64
    ) -> tuple[Answer, ...]:
        """Sends commands without waiting for each answer; at most `window` answers are outstanding. Errors as `execute`.

        Every command runs, whatever became of those before it. Only for daemons that answer in turn: mgmtd drops what is sent
        to it before it has answered (window 1). `timeout` is the time for each answer.
        """
        return await self._ask(commands, timeout, window)

    async def show(self, command: str, timeout: float | None = 30.0) -> str:
        """The text of a `show` command. Raises `errors.ApplyError` also when the daemon does not know the command."""
        answer = await self.execute(command, timeout)
        if not answer.is_success:
            raise errors.ApplyError(f"{self._path.name}: {command}: {answer.text.strip() or answer.status}")
        return answer.text

    async def _ask(self, commands: Sequence[str], timeout: float | None, window: int) -> tuple[Answer, ...]:
        wires = [self._wire(command) for command in commands]
        answers: list[Answer] = []
        sent = 0
        while len(answers) < len(wires):
            # Filled up by halves: one write for many commands, and yet the daemon never waits for us.
            ahead = wires[sent : len(answers) + window] if sent - len(answers) <= window // 2 else []
            sent += len(ahead)
            with self._named(commands[len(answers)], timeout):
                # Both sides would wait for ever if each only wrote: the window keeps what is unread small.
                self._writer.write(b"".join(ahead))
                async with asyncio.timeout(timeout):
                    text, status = await self._answer()
            answers.append(Answer(text.decode(errors="replace"), status))
        return tuple(answers)

    def _wire(self, command: str) -> bytes:
        encoded = command.encode()
        if b"\0" in encoded or len(encoded) > _LONGEST_COMMAND:
            raise errors.ApplyError(
                f"{self._path.name}: `{_told(command)}`: found {len(encoded)} bytes; allowed are at most {_LONGEST_COMMAND}, no NUL"
            )
        return encoded + b"\0"

    @contextlib.contextmanager
    def _named(self, command: str, timeout: float | None) -> Iterator[None]:
        """Whatever goes wrong inside names the daemon and the command that was not answered."""
        try:
            yield
        except TimeoutError as problem:
            why = f"nothing complete within {timeout:g} s" if timeout is not None else str(problem)
        except asyncio.LimitOverrunError:
            why = f"more than {_LARGEST_ANSWER} bytes"
        except asyncio.IncompleteReadError as problem:
            why = f"the daemon went away after {len(problem.partial)} bytes"
        except (OSError, EOFError) as problem:
            why = f"the daemon went away ({problem})"
        else:
            return
        raise errors.ApplyError(f"{self._path.name}: no answer: `{_told(command)}`: {why}")

    async def _answer(self) -> tuple[bytes, int]:
        await self._writer.drain()
        text = await self._reader.readuntil(_END)  # text never holds a NUL
        status = await self._reader.readexactly(1)
        return text[: -len(_END)], status[0]

    async def wait_closed(self) -> None:
        """Returns when the daemon ends, however it ends: within milliseconds, and without asking it anything."""
        try:
            while await self._reader.read(1024):
                pass
        except OSError:
            return

    def close(self) -> None:
        """Ends the connection."""
        self._writer.close()


def _told(command: str) -> str:
    """The command as it may be shown: what follows `password` is nobody's business."""
    before, found, _ = command.partition(" password ")
    return (before + found + "***" if found else command)[:200]


def _why_not(path: Path, problem: Exception, timeout: float) -> str:
    """One line for people: what is in the way, and what would be right."""
    if isinstance(problem, FileNotFoundError):
        return f"{path} does not exist" if path.parent.is_dir() else f"{path.parent}: no such directory"
    if isinstance(problem, PermissionError):
        return (
            f"{_access(path)}; this program has user {os.geteuid()}, groups {sorted({os.getegid(), *os.getgroups()})}"
        )
    if isinstance(problem, ConnectionRefusedError):
        return f"nobody listens at {path}"
    return f"{path}: {problem}" if str(problem) else f"nobody took it within {timeout:g} s"


def _access(path: Path) -> str:
    """Who may use the first thing in the way: the directory, or the socket in it."""
    for place in (path, path.parent):
        try:
            found = place.stat()
        except OSError:
            continue
        return f"{place} is for user {found.st_uid} and group {found.st_gid} only ({stat.filemode(found.st_mode)})"
    return f"{path} cannot be reached"
