"""Runs pytest inside a user namespace that `unshare -Urnm` made, for tests that need root over a network of their own.

    unshare -Urnm python -m tests.live.rootless tests/live/test_layer2.py ...

Prepares what the tests expect of a machine: a writable /run with a place for named namespaces, and FRR's surroundings.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lab import frr_install, mounts
from lab.errors import LabError


def main(arguments: list[str]) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "run", "/run"], check=True)
    for name in ("netns", "frr"):
        Path("/run", name).mkdir()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    state = Path(tempfile.mkdtemp(prefix="rootless-", dir="/run"))
    try:
        mounts.prepare(frr_install.find(), state, root=False)
    except LabError as problem:
        print(f"FRR will not start here: {problem}", file=sys.stderr)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments])  # noqa: S606  # our own interpreter


if __name__ == "__main__":
    main(sys.argv[1:])
