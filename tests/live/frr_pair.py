"""Two machines made of network namespaces, each with its own FRR: the node under test `n1` and the router `up`.

Two links: `eth0` with addresses (10.99.0.11 and 10.99.0.1, fd00:99::11 and fd00:99::1), `eth1` without, for unnumbered sessions.
FRR is this machine's, or the one whose root file system FRR_ROOT names. Used by live tests only. Everything it starts it ends, by
its own process ids.
"""

import itertools
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from lab import frr_install
from lab.errors import LabError

_NUMBERS = itertools.count()

INSIDE = """\
hostname {name}
if [ {root} != / ]; then
  mkdir -p {root}{directory} {root}/run/frr
  mount --bind {directory} {root}{directory}
  mount --bind {directory} {root}/run/frr
fi
exec "$@"
"""


def is_real_root() -> bool:
    """False for the root of a user namespace, who is the only user there is (user_namespaces(7): the length of the map)."""
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split()[2] != "1"


def missing() -> str:
    """Why these tests cannot run here; empty when they can."""
    if os.geteuid() != 0:
        return "needs root"
    try:
        frr_install.find()
    except LabError as problem:
        return str(problem)
    return ""


def run(*command: Any) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def poll(probe: Callable[[], Any], wanted: Callable[[Any], bool], limit: float = 15.0, pause: float = 0.05) -> Any:
    """Asks until the answer is the wanted one. On time-out the last answer is the message."""
    end = time.monotonic() + limit
    while True:
        found = probe()
        if wanted(found):
            return found
        assert time.monotonic() < end, f"not within {limit} s; last seen: {found}"
        time.sleep(pause)


class Machine:
    """One namespace with FRR in it. `directory` holds its files, sockets and the two wrapper programs."""

    def __init__(self, name: str, directory: Path, frr: frr_install.FrrInstall) -> None:
        self.name = name
        self.frr = frr
        self.namespace = f"fa{os.getpid()}-{next(_NUMBERS)}-{name}"
        self.directory = directory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def frr_conf(self) -> Path:
        return self.directory / "frr.conf"

    @property
    def frr_reload(self) -> Path:
        return self.directory / "frr-reload"

    def make(self) -> None:
        self.directory.mkdir()
        if is_real_root():
            os.chown(self.directory, *self.frr.user)
        (self.directory / "none.conf").touch()
        (self.directory / "vtysh.conf").write_text("service integrated-vtysh-config\n")
        run("ip", "netns", "add", self.namespace)
        self.ip("link", "set", "lo", "up")
        where = f"--vty_socket {self.directory}"
        self._script("vtysh", f"/usr/bin/vtysh {where} --config_dir {self.directory}")
        reload = f"/usr/lib/frr/frr-reload.py {where} --confdir {self.directory} --rundir {self.directory}"
        self._script("frr-reload", reload)

    def _inside(self) -> tuple[str, ...]:
        """How to start something on this machine. FRR prints the host name of the machine it runs on, so each has its own."""
        prepare = INSIDE.format(name=self.name, root=self.frr.root, directory=self.directory)
        return ("ip", "netns", "exec", self.namespace, "unshare", "--uts", "--mount", "sh", "-ec", prepare, "-")

    def _script(self, name: str, body: str) -> None:
        path = self.directory / name
        enter = shlex.join((*self._inside(), "chroot", str(self.frr.root)))
        path.write_text(f'#!/bin/sh\nexec {enter} {body} "$@"\n')
        path.chmod(0o755)

    def ip(self, *words: Any) -> str:
        return run("ip", "-n", self.namespace, *words)

    def start(self, daemon: str) -> None:
        command = (*self._inside(), *self.frr.daemon_argv(daemon, self.directory, root=is_real_root()))
        self.processes[daemon] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        poll((self.directory / f"{daemon}.vty").exists, bool)

    def start_all(self) -> None:
        for daemon in self.frr.daemons:
            self.start(daemon)

    def kill(self, daemon: str) -> None:
        process = self.processes.pop(daemon)
        process.kill()
        process.wait()
        (self.directory / f"{daemon}.vty").unlink()

    def vtysh(self, *commands: str) -> str:
        return run(self.directory / "vtysh", *(word for command in commands for word in ("-c", command)))

    def show(self, command: str) -> Any:
        return json.loads(self.vtysh(command))

    def load(self, text: str) -> None:
        path = self.directory / "load.conf"
        path.write_text(text)
        run(self.directory / "vtysh", "-f", path)

    def routes(self) -> dict[str, dict[str, Any]]:
        """The kernel's BGP routes of both families: prefix -> route."""
        found = json.loads(self.ip("-j", "route", "show", "proto", "bgp") or "[]")
        found += json.loads(self.ip("-j", "-6", "route", "show", "proto", "bgp") or "[]")
        return {route["dst"]: route for route in found}

    def remove(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        subprocess.run(["ip", "netns", "del", self.namespace], check=False, capture_output=True)


class Pair:
    """`with Pair() as pair:` gives both machines, linked and with running daemons, and removes them at the end."""

    def __init__(self) -> None:
        # Not pytest's directory: the daemons run as user frr, who may not enter it.
        self.root = Path(tempfile.mkdtemp(prefix="frr-pair-"))
        self.root.chmod(0o755)
        self.frr = frr_install.find()
        self.n1, self.up = (Machine(name, self.root / name, self.frr) for name in ("n1", "up"))

    def __enter__(self) -> Self:
        try:
            for machine in (self.n1, self.up):
                machine.make()
            for link in ("eth0", "eth1"):
                run(
                    *("ip", "link", "add", link, "netns", self.n1.namespace, "type", "veth"),
                    *("peer", "name", link, "netns", self.up.namespace),
                )
                for machine in (self.n1, self.up):
                    machine.ip("link", "set", link, "up")
            for machine, host in ((self.n1, "11"), (self.up, "1")):
                machine.ip("addr", "add", f"10.99.0.{host}/24", "dev", "eth0")
                machine.ip("addr", "add", f"fd00:99::{host}/64", "dev", "eth0", "nodad")
                machine.start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for machine in (self.n1, self.up):
            machine.remove()
        shutil.rmtree(self.root, ignore_errors=True)
        if self.frr.root != Path("/"):
            shutil.rmtree(f"{self.frr.root}{self.root}", ignore_errors=True)
