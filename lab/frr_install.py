"""The FRR that this machine has: which version, which daemons, how each is started, and the wrappers around its tools.

The catalog of child processes and the bring-up ask here. Must never start a daemon itself. FRR may live in another root
directory (`FRR_ROOT`, say a tree made by debootstrap); then its programs run inside chroot of it.
"""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_DAEMONS = Path("usr/lib/frr")
_VERSION = re.compile(r"version (\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class FrrInstall:
    """An installed FRR; `mgmtd` tells whether it has the management daemon (FRR 9 and later)."""

    root: Path
    version: str
    mgmtd: bool

    @property
    def daemons(self) -> tuple[str, ...]:
        """In start order: mgmtd serves the others, the others need zebra."""
        usual = ("zebra", "bgpd", "bfdd", "staticd")
        return ("mgmtd", *usual) if self.mgmtd else usual

    @property
    def user(self) -> tuple[int, int]:
        """Numeric user and group `frr` as this FRR's own root knows them."""
        for line in (self.root / "etc/passwd").read_text(encoding="utf-8").splitlines():
            if line.startswith("frr:"):
                _, _, user, group, *_ = line.split(":")
                return int(user), int(group)
        raise LabError(f"user frr is missing in {self.root / 'etc/passwd'}: reinstall the package frr")

    def daemon_argv(self, daemon: str, directory: Path, root: bool) -> tuple[str, ...]:
        """The command that runs `daemon` in the foreground with its sockets in `directory`, starting empty.

        `root` is False inside a user namespace, where root is the only user there is.
        """
        argv = [f"/{_DAEMONS}/{daemon}"]
        # From FRR 10 mgmtd and staticd know no -f; the others need it, or they read /etc/frr.
        if not (self.mgmtd and daemon in {"mgmtd", "staticd"}):
            argv += ["-f", str(directory / "none.conf")]
        argv += ["--vty_socket", str(directory), "-i", str(directory / f"{daemon}.pid")]
        argv += ["-z", str(directory / "zserv.api"), "-P", "0", "--log", "stdout"]
        if daemon == "zebra":
            # Without it zebra replaces an IPv6 route by deleting it first: gone for a moment whenever a next hop comes or goes.
            argv += ["--v6-rr-semantics"]
        if daemon == "bfdd" and not self.mgmtd:
            # Its own control socket; later versions have none.
            argv += ["--bfdctl", str(directory / "bfdd.sock")]
        if not root:
            argv += ["-u", "root", "-g", "root"]
        if self.root != Path("/"):
            argv = ["chroot", str(self.root), *argv]
        if self.mgmtd:
            # mgmtd's own sockets always lie in /run/frr: each node gets its own there.
            bind = f'mount --bind {shlex.quote(str(directory))} {shlex.quote(str(self.root / "run/frr"))} && exec "$@"'
            argv = ["unshare", "--mount", "sh", "-c", bind, "sh", *argv]
        return tuple(argv)

    def wrapper(self, tool: str, directory: Path, netns: Path, supervisor: int) -> str:
        """Shell script that runs `vtysh` or `frr-reload` for one node, from inside or outside of the lab.

        It first enters the lab's mount (and user) namespace by the supervisor's process id, then the node's network
        namespace, each only when it is not there yet. With a foreign root, files given to it must lie in `directory`.
        """
        target = f"/proc/{supervisor}/ns"
        quoted = {name: shlex.quote(str(path)) for name, path in (("dir", directory), ("netns", netns))}
        # Inside a foreign root, relative file names still mean the caller's directory where that exists there too.
        inside = """/bin/sh -c 'cd "$0" 2>/dev/null; exec "$@"' "$PWD" """
        chroot = "" if self.root == Path("/") else f"chroot {shlex.quote(str(self.root))} {inside}"
        if tool == "vtysh":
            run = f'exec {chroot}/usr/bin/vtysh --vty_socket {quoted["dir"]} --config_dir {quoted["dir"]} "$@"'
        else:
            run = (
                f"exec {chroot}/{_DAEMONS}/frr-reload.py --stdout --bindir /usr/bin --confdir {quoted['dir']}"
                f' --rundir {quoted["dir"]} --vty_socket {quoted["dir"]} "$@"'
            )
        return _WRAPPER.format(
            tool=tool, target=target, pid=supervisor, netns=quoted["netns"], self=shlex.quote(str(directory / tool)),
            run=run,
        )  # fmt: skip


_WRAPPER = """\
#!/bin/sh
# {tool} for this node, with the right sockets and in the right namespaces.
if ! [ /proc/self/ns/mnt -ef {target}/mnt ]; then
  user=
  [ /proc/self/ns/user -ef {target}/user ] || user="-U --preserve-credentials"
  exec nsenter -t {pid} $user -m --wd="$PWD" -- {self} "$@"
fi
[ /proc/self/ns/net -ef {netns} ] || exec nsenter --net={netns} --wd="$PWD" -- {self} "$@"
{run}
"""


def find() -> FrrInstall:
    """The FRR of this machine or of `FRR_ROOT`; `LabError` saying what to install when there is none."""
    given = os.environ.get("FRR_ROOT")
    root = Path(given).resolve() if given else Path("/")
    zebra = root / _DAEMONS / "zebra"
    where = f"in FRR_ROOT={given}" if given else "on this machine"
    if not zebra.exists():
        raise LabError(
            f"FRR is not installed {where} ({zebra} is missing): install the packages frr and frr-pythontools"
        )
    if not (root / _DAEMONS / "frr-reload.py").exists():
        raise LabError(f"frr-reload.py is missing {where}: install the package frr-pythontools")
    return FrrInstall(root=root, version=_version(root, zebra), mgmtd=(root / _DAEMONS / "mgmtd").exists())


def _version(root: Path, zebra: Path) -> str:
    """Such as `8.4`. A foreign root's zebra cannot run before chroot, so its package list is read instead."""
    if root == Path("/"):
        text = subprocess.run([str(zebra), "--version"], capture_output=True, text=True, check=False).stdout
        if match := _VERSION.search(text):
            return f"{match[1]}.{match[2]}"
    else:
        status = root / "var/lib/dpkg/status"
        text = status.read_text(encoding="utf-8", errors="replace") if status.exists() else ""
        if match := re.search(r"^Package: frr\n(?:.+\n)*?Version: (\d+\.\d+)", text, re.MULTILINE):
            return match[1]
    return "unknown"
