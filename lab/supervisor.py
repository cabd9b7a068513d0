"""The set of child processes and the unix socket through which commands start, stop and ask about them.

`lab.supervise` fills and runs it, `lab.control` talks to it. One JSON object per line each way. Must never know what a
child does.
"""

import asyncio
import fnmatch
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from lab.child import Child, ChildSpec
from lab.errors import LabError


class Step(msgspec.Struct):
    """One line of progress; `status` is waiting, working, done or failed; times in seconds since the start."""

    name: str
    status: str = "waiting"
    detail: str = ""
    seconds: float = 0.0


class Supervisor:
    """Owns every child; `on_change` is called after each start and end."""

    def __init__(self, socket_path: Path) -> None:
        self.children: dict[str, Child] = {}
        self.steps: dict[str, Step] = {}
        self.facts: dict[str, Any] = {}
        self.finished = asyncio.Event()
        self._socket_path = socket_path
        self.on_change: Callable[[Child], None] = lambda _child: None
        self._began = time.monotonic()
        self._news = asyncio.Condition()

    def add(self, spec: ChildSpec) -> Child:
        """Know a child and start it."""
        child = Child(spec, self.on_change)
        self.children[spec.target] = child
        child.start()
        return child

    def matching(self, pattern: str) -> tuple[Child, ...]:
        """Children named by a target, a node (`n1` is `n1/*`) or a shell pattern; `LabError` when there is none."""
        names = [name for name in self.children if name == pattern or name.startswith(f"{pattern}/")]
        names = names or fnmatch.filter(self.children, pattern)
        if not names:
            raise LabError(f"target {pattern!r} does not exist; targets of this lab: {' '.join(sorted(self.children))}")
        return tuple(self.children[name] for name in names)

    async def step(self, name: str, status: str, detail: str = "") -> None:
        """Tell everybody who watches the progress."""
        self.steps[name] = Step(name, status, detail, round(time.monotonic() - self._began, 2))
        async with self._news:
            self._news.notify_all()

    async def stop_all(self, grace: float) -> None:
        """End every child, all at once."""
        await asyncio.gather(*(child.stop(grace) for child in self.children.values()))

    async def serve(self) -> asyncio.Server:
        """Listen on the control socket."""
        self._socket_path.unlink(missing_ok=True)
        return await asyncio.start_unix_server(self._talk, str(self._socket_path))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                request = msgspec.json.decode(line)
                if request.get("op") == "progress":
                    await self._stream(writer)
                    continue
                try:
                    answer = await self._answer(request)
                except LabError as error:
                    answer = {"error": str(error)}
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()
        except (ConnectionError, msgspec.DecodeError):
            pass
        finally:
            writer.close()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        """Send the steps after every change until all are done or one has failed."""
        while True:
            steps = [msgspec.to_builtins(step) for step in self.steps.values()]
            statuses = {step.status for step in self.steps.values()}
            over = "failed" in statuses or statuses == {"done"}
            writer.write(msgspec.json.encode({"steps": steps, "over": over}) + b"\n")
            await writer.drain()
            if over:
                return
            async with self._news:
                await self._news.wait()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request:
            case {"op": "status"}:
                return {
                    "children": [_describe(child) for _, child in sorted(self.children.items())],
                    "steps": [msgspec.to_builtins(step) for step in self.steps.values()],
                    "facts": self.facts,
                }
            case {"op": "start", "target": str(pattern)}:
                children = self.matching(pattern)
                for child in children:
                    child.start()
                return _names(children)
            case {"op": "stop", "target": str(pattern)}:
                children = self.matching(pattern)
                await asyncio.gather(*(child.stop() for child in children))
                return _names(children)
            case {"op": "restart", "target": str(pattern)}:
                children = self.matching(pattern)
                await asyncio.gather(*(child.stop() for child in children))
                for child in children:
                    child.start()
                return _names(children)
            case {"op": "signal", "target": str(pattern), "signal": str(name)}:
                children = self.matching(pattern)
                number = getattr(signal, f"SIG{name.upper().removeprefix('SIG')}", None)
                if number is None:
                    raise LabError(f"signal {name!r} does not exist; use a name such as TERM, KILL, STOP or CONT")
                for child in children:
                    child.send(number)
                return _names(children)
            case {"op": "down"}:
                self.finished.set()
                return {"ok": True}
            case _:
                raise LabError(f"request {request!r} is not understood")


def _names(children: Iterable[Child]) -> dict[str, Any]:
    return {"targets": [child.spec.target for child in children]}


def _describe(child: Child) -> dict[str, Any]:
    return {
        "target": child.spec.target,
        "running": child.running,
        "wanted": child.wanted,
        "pid": child.pid,
        "starts": child.starts,
        "last_exit": child.last_exit,
        "seconds": round(time.monotonic() - child.since, 1),
        "log": str(child.spec.log),
    }
