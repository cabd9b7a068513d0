"""FRR without our care, for tests that show why the care is taken: raw lines, the daemon's own log of commands, a recording router.

Used by the tests of hazards and of FRR's life only.
"""

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live import frr_pair

_RECORDER = Path(__file__).parent / "drivers/bgp_recorder.py"
_COMMAND = re.compile(r"(\S+?)(\([a-z0-9-]+\))?# (.*)$")


@dataclass(frozen=True)
class Told:
    """What a daemon answered to one line."""

    status: int
    text: str


def tell(machine: frr_pair.Machine, daemon: str, *lines: str) -> list[Told]:
    """Lines to one daemon as they are, one after another on one connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(machine.directory / f"{daemon}.vty"))
        found = []
        for line in ("enable", *lines):
            connection.sendall(line.encode() + b"\0")
            data = b""
            while len(data) < 4 or data[-4:-1] != b"\0\0\0":
                more = connection.recv(65536)
                assert more, f"{daemon} went away: {line}"
                data += more
            found.append(Told(data[-1], data[:-4].decode()))
        return found[1:]


def configure(machine: frr_pair.Machine, *lines: str) -> list[Told]:
    """Lines to bgpd in configuration mode, whatever it says to them."""
    return tell(machine, "bgpd", "configure terminal", *lines)[1:]


def running(machine: frr_pair.Machine, daemon: str = "bgpd") -> list[str]:
    """The running configuration of one daemon, line by line."""
    return tell(machine, daemon, "show running-config")[0].text.splitlines()


def start_logged(machine: frr_pair.Machine, daemon: str = "bgpd") -> None:
    """Starts a daemon that writes every command down; see `commands`."""
    log = machine.directory / f"{daemon}.commands"
    log.unlink(missing_ok=True)
    inside, argv = machine._inside(), machine.frr.daemon_argv(daemon, machine.directory, root=frr_pair.is_real_root())
    with log.open("wb") as out:
        machine.processes[daemon] = subprocess.Popen(
            [*inside, *argv, "--command-log-always"], stdout=out, stderr=subprocess.STDOUT
        )
    frr_pair.poll(lambda: _listens(machine.directory / f"{daemon}.vty"), bool)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def commands(machine: frr_pair.Machine, daemon: str = "bgpd") -> list[tuple[str, str]]:
    """Every command that the daemon was given since its start: in which block it ran (such as `config-router-af`), and its text."""
    lines = (machine.directory / f"{daemon}.commands").read_text(errors="replace").splitlines()
    return [((match[2] or "").strip("()"), match[3].strip()) for match in map(_COMMAND.search, lines) if match]


class Recorder:
    """What the recording router wrote down so far."""

    def __init__(self, process: subprocess.Popen[str], path: Path) -> None:
        self.process = process
        self._path = path

    def lines(self, *events: str) -> list[dict[str, Any]]:
        assert self.process.poll() is None, self._path.read_text()
        whole = self._path.read_text().rpartition("\n")[0].splitlines()
        return [line for line in map(json.loads, whole) if not events or line["event"] in events]

    def prefixes(self) -> set[str]:
        """What the router holds: a session that ends takes its prefixes along."""
        held: set[str] = set()
        for line in self.lines("update", "closed", "open"):
            held -= set(line["withdrawn"]) if line["event"] == "update" else held.copy()
            held |= set(line.get("announced", ()))
        return held

    def ever(self) -> set[str]:
        """Every prefix that was announced at any time."""
        return {prefix for line in self.lines("update") for prefix in line["announced"]}

    def is_settled(self) -> bool:
        """Whether the neighbor has said all that it had to say at first.

        FRR 8.4 forgets to withdraw a prefix that it told in the first second of a session and that goes in that same second.
        """
        life = [line["event"] for line in self.lines("open", "closed", "end-of-rib")]
        return life[-1:] == ["end-of-rib"]

    def until(self, prefixes: set[str], limit: float = 15.0) -> None:
        """Waits until the router holds exactly these, and the session is past its first second."""
        frr_pair.poll(
            lambda: (self.is_settled(), self.prefixes(), self.lines()[-9:]),
            lambda found: found[:2] == (True, prefixes),
            limit,
        )


@contextlib.contextmanager
def recorder(
    machine: frr_pair.Machine, neighbor: str = "10.99.0.11", own: str = "10.99.0.1", *, eager: bool = False
) -> Iterator[Recorder]:
    """A router on a machine without FRR that writes down what its neighbor says."""
    path = machine.directory / f"recorder-{time.monotonic_ns()}"
    command = ["ip", "netns", "exec", machine.namespace, sys.executable, _RECORDER, "64512", own, neighbor]
    with path.open("w") as out:
        process = subprocess.Popen([*command, *(["eager"] if eager else [])], stdout=out, stderr=out, text=True)
    made = Recorder(process, path)
    try:
        frr_pair.poll(made.lines, bool)
        yield made
    finally:
        process.kill()
        process.wait()
