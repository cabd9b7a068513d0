"""A controller as a real process, for contract tests: started, asked and ended by its own pid."""

import asyncio
import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

import aiohttp

ROOT = pathlib.Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Replica:
    """One controller. `start` may be called again after it ended."""

    kubeconfig: pathlib.Path
    folder: pathlib.Path
    flags: tuple[str, ...]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "controller", f"--kubeconfig={self.kubeconfig}", "--port=0", *self.flags]
        with (self.folder / "out").open("ab") as out, (self.folder / "err").open("ab") as err:
            self.process = subprocess.Popen(
                [*command, f"--health-probe-port={self.port}"], cwd=ROOT, stdout=out, stderr=err
            )

    @property
    def log(self) -> list[dict]:
        return [json.loads(line) for line in (self.folder / "out").read_text().splitlines()]

    @property
    def errors(self) -> str:
        return (self.folder / "err").read_text()

    async def ready(self) -> str:
        """The body of /readyz; empty when it does not answer with 200."""
        with contextlib.suppress(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}/readyz") as answer,
            ):
                return await answer.text() if answer.status == 200 else ""
        return ""

    async def ended(self) -> int:
        await until(lambda: self.process.poll() is not None)
        return self.process.returncode


async def until(holds, seconds=30.0):
    ends = time.monotonic() + seconds
    while True:
        found = holds()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return time.monotonic()
        assert time.monotonic() < ends, "the expected state did not come"
        await asyncio.sleep(0.02)
