"""Mounts inside the lab's own mount namespace, so that FRR finds what it insists on. They vanish with the supervisor.

Called once by the supervisor before any daemon starts. Must never run in the machine's own mount namespace.
"""

import subprocess
from pathlib import Path

from lab.errors import LabError
from lab.frr_install import FrrInstall

_GROUPS = "root:x:0:\nfrrvty:x:0:root\nfrr:x:0:root\n"
"""Inside a user namespace only group 0 exists; FRR looks its groups up by name."""


def prepare(install: FrrInstall, state: Path, root: bool) -> None:
    """Make FRR's surroundings; `LabError` with the mount that failed."""
    if install.root != Path("/"):
        _mount("-t", "tmpfs", "lab", str(install.root / "run"))
        (install.root / "run/frr").mkdir()
        for name in ("proc", "sys", "dev"):
            _mount("--rbind", f"/{name}", str(install.root / name))
        top = install.root / state.parts[1]
        if top != install.root / "run":
            _mount("-t", "tmpfs", "lab", str(top))
        shown = install.root / state.relative_to("/")
        shown.mkdir(parents=True)
        _mount("--rbind", str(state), str(shown))
    if not root:
        groups = state / "group"
        groups.write_text(_GROUPS, encoding="ascii")
        _mount("--bind", str(groups), str(install.root / "etc/group"))
    # FRR's daemons keep crash logs below; those of another lab would carry the same process ids.
    crash_logs = install.root / "var/tmp"
    if not state.is_relative_to(crash_logs):
        _mount("-t", "tmpfs", "lab", str(crash_logs))
    if install.mgmtd and not (install.root / "run/frr").is_dir():
        raise LabError(
            f"{install.root / 'run/frr'} is missing, and FRR {install.version} needs it: create it once as root"
        )


def _mount(*arguments: str) -> None:
    """mount(8); `LabError` with what it said."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"mount {' '.join(arguments)}: {done.stderr.strip()}: is this kernel allowed to mount here?")
