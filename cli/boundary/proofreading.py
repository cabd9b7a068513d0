"""FRR itself reads a configuration and says what it objects to; no daemon is told. Called by render and validate.

Everything is done by `frr_adapter.boundary.proofreading`; here is only a file of our own for it, gone when it has been read.
"""

import asyncio
import re
import subprocess
import tempfile
from pathlib import Path

from cli import errors
from frr_adapter.boundary import proofreading
from frr_adapter.frr import refusal

VTYSH = Path("/usr/bin/vtysh")
_VERSION_SECONDS = 5.0
_VERSION = re.compile(r"FRR \(version (?P<version>[^)]+)\)")
"""It has no option for its version; its help begins with it."""


def version(vtysh: Path) -> str:
    """FRR's version as its vtysh says it. Raises `errors.NoAnswerError` when there is no such program, or it does not run."""
    try:
        told = subprocess.run([vtysh, "--help"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        why = error.strerror if isinstance(error, OSError) else "it gives no answer"
        raise errors.NoAnswerError(f"no FRR to ask: {vtysh} (--vtysh): {why}") from error
    found = _VERSION.search(told.stdout)
    if found is None:
        raise errors.NoAnswerError(f"no FRR to ask: {vtysh} (--vtysh): this is no vtysh that runs here")
    return found["version"]


def refusals(vtysh: Path, text: str) -> tuple[refusal.Refusal, ...]:
    """What FRR objects to in the configuration; call `version` first, silence of a program that is not there means nothing."""
    with tempfile.TemporaryDirectory(prefix="frr-adapter-") as directory:
        path = Path(directory) / "frr.conf"
        path.write_text(text, encoding="utf-8")
        return asyncio.run(proofreading.Proofreader(vtysh).refusals(path, text))
