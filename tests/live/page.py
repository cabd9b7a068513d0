"""Pages of docs/ whose commands are run as they stand: each block that is fenced as `sh` is a script.

Blocks are named by their heading and their number below it. `helm` is the engine's library (`tests.live.drivers.helm`), `kubectl` this
machine's, and the scripts run in a directory of the test with the repository's `charts` and `manifests` in it. Used by tests of pages.
"""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Page:
    """The blocks of a page. `ran` names those that were run."""

    def __init__(self, name: str, directory: Path, kubeconfig: Path) -> None:
        self.blocks: dict[tuple[str, int], str] = {}
        heading, numbers = "", itertools.count(1)
        fence: list[str] | None = None
        for line in (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines():
            if fence is not None:
                if line == "```":
                    self.blocks[heading, next(numbers)] = "\n".join(fence)
                    fence = None
                else:
                    fence.append(line)
            elif line == "```sh":
                fence = []
            elif match := _HEADING.match(line):
                heading, numbers = match[1], itertools.count(1)
        self.ran: set[tuple[str, int]] = set()
        self._preface = ""
        self._directory = directory
        tools = directory / "bin"
        tools.mkdir()
        helm = tools / "helm"
        helm.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/live/drivers/helm.py" "$@"\n', encoding="utf-8"
        )
        helm.chmod(0o755)
        for each in ("charts", "manifests"):
            (directory / each).symlink_to(ROOT / each)
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": f"{tools}:{os.environ['PATH']}"}

    def always(self, heading: str, number: int = 1) -> None:
        """This block's settings hold for all later ones, as in the shell of somebody who reads on."""
        self._preface = self.blocks[heading, number]
        self.run(heading, number)

    def run(self, heading: str, number: int = 1, **variables: str) -> str:
        """What the block prints; it must succeed, each of its commands."""
        script = f"set -euo pipefail\n{self._preface}\n{self.blocks[heading, number]}\n"
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, check=False, timeout=120,
            cwd=self._directory, env={**self._environment, **variables},
        )  # fmt: skip
        assert done.returncode == 0, f"{heading}, block {number}: {done.returncode}\n{done.stdout}{done.stderr}"
        self.ran.add((heading, number))
        return done.stdout
