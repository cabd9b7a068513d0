"""Two machines made of network namespaces, each with its own FRR: the node under test `n1` and the router `up`.

Two links: `eth0` with addresses (10.99.0.11 and 10.99.0.1, fd00:99::11 and fd00:99::1), `eth1` without, for unnumbered sessions.
Used by live tests only. Everything it starts it ends, by its own process ids.
"""

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DAEMON_DIRECTORY = Path("/usr/lib/frr")
DAEMONS = ("zebra", "bgpd", "bfdd")


def missing() -> str:
    """Why these tests cannot run here; empty when they can."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [name for name in (*DAEMONS, "frr-reload.py") if not (DAEMON_DIRECTORY / name).exists()]
    return f"FRR is not installed: no {', '.join(absent)}" if absent else ""


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

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.namespace = f"fa{os.getpid()}-{name}"
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
        shutil.chown(self.directory, "frr", "frr")
        for name in ("none.conf", "vtysh.conf"):
            (self.directory / name).touch()
        run("ip", "netns", "add", self.namespace)
        self.ip("link", "set", "lo", "up")
        inside = f"exec {shlex.join(self._inside())}"
        where = f"--vty_socket {self.directory}"
        self._script("vtysh", f'{inside} vtysh {where} --config_dir {self.directory} "$@"')
        self._script(
            "frr-reload",
            f"{inside} {DAEMON_DIRECTORY}/frr-reload.py {where} --confdir {self.directory} --rundir {self.directory} "
            '"$@"',
        )

    def _inside(self) -> tuple[str, ...]:
        """How to start something on this machine. FRR prints the host name of the machine it runs on, so each has its own."""
        rename = f'hostname {self.name} && exec "$@"'
        return ("ip", "netns", "exec", self.namespace, "unshare", "--uts", "sh", "-c", rename, "-")

    def _script(self, name: str, body: str) -> None:
        path = self.directory / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def ip(self, *words: Any) -> str:
        return run("ip", "-n", self.namespace, *words)

    def start(self, daemon: str) -> None:
        options = ["--bfdctl", self.directory / "bfdd.sock"] if daemon == "bfdd" else []
        command = [
            *(*self._inside(), DAEMON_DIRECTORY / daemon),
            *("-f", self.directory / "none.conf", "-P", "0", "--log", f"file:{self.directory / daemon}.log"),
            *("--vty_socket", self.directory, "-i", f"{self.directory / daemon}.pid"),
            *("-z", self.directory / "zserv.api"),
            *options,
        ]
        self.processes[daemon] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        poll(lambda: (self.directory / f"{daemon}.vty").exists(), bool)

    def start_all(self) -> None:
        for daemon in DAEMONS:
            self.start(daemon)

    def kill(self, daemon: str) -> None:
        process = self.processes.pop(daemon)
        process.kill()
        process.wait()
        (self.directory / f"{daemon}.vty").unlink()

    def vtysh(self, command: str) -> str:
        return run(self.directory / "vtysh", "-c", command)

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
        self.n1 = Machine("n1", self.root / "n1")
        self.up = Machine("up", self.root / "up")

    def __enter__(self) -> "Pair":
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
