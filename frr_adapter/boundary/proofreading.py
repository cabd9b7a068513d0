"""Lets FRR read a file without telling any daemon: `vtysh -C` knows the commands of all of them and sends nothing.

Called by `reload` before a file is loaded: what FRR cannot even read never reaches running daemons. It finds unknown commands and bad
values; what a daemon refuses for what else it runs (a neighbor with the node's own address), only the daemon finds.
"""

import asyncio
import contextlib
from pathlib import Path

from frr_adapter.boundary import logs
from frr_adapter.frr import refusal, reloading

_log = logs.get_logger()

_USUAL = Path("/usr/bin/vtysh")


class Proofreader:
    """`vtysh` is the program beside the daemons that are meant: versions differ in what they know. Seconds."""

    def __init__(self, vtysh: Path, *, timeout: float = 30.0) -> None:
        self._vtysh = vtysh
        self._timeout = timeout

    async def refusals(self, path: Path, text: str) -> tuple[refusal.Refusal, ...]:
        """What FRR objects to in the file at `path`, whose text this is; empty when the program cannot be asked."""
        try:
            process = await asyncio.create_subprocess_exec(
                self._vtysh,
                "-C",
                "-f",
                path,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError as problem:
            _log.warning("cannot proof-read for FRR", program=str(self._vtysh), problem=problem.strerror)
            return ()
        try:
            # Not wait_for: before Python 3.12 it forgets that it was cancelled when what it waits for is done at that moment.
            async with asyncio.timeout(self._timeout):
                output, _ = await process.communicate()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            _log.warning("proof-reading for FRR took too long", program=str(self._vtysh))
            return ()
        return reloading.located_refusals(text, output.decode(errors="replace"))


def beside(frr_reload: Path) -> Proofreader | None:
    """With the `vtysh` that lies beside frr-reload.py, else the usual one; None when there is none."""
    found = [path for path in (frr_reload.with_name("vtysh"), _USUAL) if path.exists()]
    return Proofreader(found[0]) if found else None
