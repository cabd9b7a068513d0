"""Talks to one FRR daemon over its VTY socket: the wire behind `vtysh`, without starting a process.

Called by the sidecar watcher, by `hot` and `completing` to configure, and by everything that shows or observes FRR. FRR has no lock:
whoever configures must see to it that nobody else here does at the same time.

The wire (lib/vty.c:vtysh_read): a command ends with NUL; the answer is text, three NULs and one status byte.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from frr_adapter import errors

SUCCESS = 0
_END = b"\0\0\0"
_LARGEST_ANSWER = 256 * 1024 * 1024  # a full table in JSON


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
    """One connection. Commands are sent one after another; `wait_closed` needs a connection of its own."""

    def __init__(self, path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, path: Path, timeout: float = 5.0) -> Self:
        """Connects to `<daemon>.vty` and enters the privileged mode. Raises `errors.ApplyError` when nobody answers in time."""
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(path, limit=_LARGEST_ANSWER), timeout)
        except (OSError, TimeoutError) as problem:
            raise errors.ApplyError(f"{path.name}: no connection: {problem or 'no answer in time'}") from problem
        self = cls(path, reader, writer)
        try:
            await self.execute("enable", timeout)
        except BaseException:
            self.close()
            raise
        return self

    async def execute(self, command: str, timeout: float = 30.0) -> Answer:
        """Sends one command and returns the answer. Raises `errors.ApplyError` when the daemon goes away or stays silent.

        After an error the connection is of no more use.
        """
        try:
            self._writer.write(command.encode() + b"\0")
            text, status = await asyncio.wait_for(self._answer(), timeout)
        except (OSError, EOFError, TimeoutError) as problem:
            raise errors.ApplyError(f"{self._path.name}: no answer: {problem or 'too slow'}") from problem
        return Answer(text.decode(errors="replace"), status)

    async def execute_all(self, commands: Sequence[str], timeout: float = 30.0, window: int = 64) -> tuple[Answer, ...]:
        """Sends commands without waiting for each answer; at most `window` answers are outstanding. Errors as `execute`.

        Every command runs, whatever became of those before it. Only for daemons that answer in turn: mgmtd drops what is sent
        to it before it has answered (window 1). `timeout` is the time for each answer.
        """
        answers: list[Answer] = []
        sent = 0
        try:
            while len(answers) < len(commands):
                ahead = commands[sent : len(answers) + window]
                # Both sides would wait for ever if each only wrote: the window keeps what is unread small.
                self._writer.write(b"".join(command.encode() + b"\0" for command in ahead))
                sent += len(ahead)
                text, status = await asyncio.wait_for(self._answer(), timeout)
                answers.append(Answer(text.decode(errors="replace"), status))
        except (OSError, EOFError, TimeoutError) as problem:
            raise errors.ApplyError(f"{self._path.name}: no answer: {problem or 'too slow'}") from problem
        return tuple(answers)

    async def show(self, command: str, timeout: float = 30.0) -> str:
        """The text of a `show` command. Raises `errors.ApplyError` also when the daemon does not know the command."""
        answer = await self.execute(command, timeout)
        if not answer.is_success:
            raise errors.ApplyError(f"{self._path.name}: {command}: {answer.text.strip() or answer.status}")
        return answer.text

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
