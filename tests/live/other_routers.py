"""Routers that are not FRR: BIRD and GoBGP, on a machine of a segment, as the other side of live tests.

Each is started by its own program with its files in the machine's directory, ends with the machine, and tells what it received.
"""

import json
import re
import shutil
import subprocess
from typing import Any

from tests.live import frr_pair

Answer = dict[str, Any]
_ESTABLISHED = 6  # api.PeerState of GoBGP


def missing(program: str, package: str) -> str:
    """Why there is none; empty when there is."""
    return "" if shutil.which(program) else f"{program} is missing: install the Debian package {package}"


def _inside(machine: frr_pair.Machine, *words: str) -> list[str]:
    return ["ip", "netns", "exec", machine.namespace, *words]


class _Router:
    def __init__(self, machine: frr_pair.Machine, name: str, *command: str) -> None:
        self.machine = machine
        self._log = machine.directory / f"{name}.log"
        with self._log.open("ab") as log:
            machine.processes[name] = subprocess.Popen(_inside(machine, *command), stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """All that it said."""
        return self._log.read_text()


class Bird(_Router):
    """BIRD 2 with this configuration; a log, the devices and the kernel's tables are added."""

    _COMMON = """
log stderr all;
router id {router_id};
protocol device {{ }}
protocol kernel {{ merge paths on; ipv4 {{ import none; export all; }}; }}
protocol kernel {{ merge paths on; ipv6 {{ import none; export all; }}; }}
"""

    def __init__(self, machine: frr_pair.Machine, router_id: str, text: str) -> None:
        file = machine.directory / "bird.conf"
        file.write_text(self._COMMON.format(router_id=router_id) + text)
        self._socket = str(machine.directory / "bird.ctl")
        pid = str(machine.directory / "bird.pid")
        super().__init__(machine, "bird", "bird", "-f", "-c", str(file), "-s", self._socket, "-P", pid)
        frr_pair.poll((machine.directory / "bird.ctl").exists, bool)

    def ask(self, *words: str) -> str:
        """The answer of `birdc`."""
        return frr_pair.run(*_inside(self.machine, "birdc", "-s", self._socket, *words))

    def is_established(self, session: str) -> bool:
        """Whether the session is up."""
        return "BGP state:          Established" in self.ask("show", "protocols", "all", session)

    def is_bfd_up(self, neighbor: str) -> bool:
        """Whether the BFD session with the neighbor is up."""
        return (
            re.search(rf"^{re.escape(neighbor)}\s+\S+\s+Up\s", self.ask("show", "bfd", "sessions"), re.MULTILINE)
            is not None
        )

    def attributes(self, prefix: str) -> dict[str, str]:
        """What came with the route: such as "BGP.community" -> "(64600,1)". Empty when there is none."""
        found = self.ask("show", "route", "all", "for", prefix)
        return {name: value.strip() for name, value in re.findall(r"^\s+(BGP\.\w+):(.*)$", found, re.MULTILINE)}

    def routes(self) -> dict[str, frozenset[str]]:
        """What it gave the kernel: prefix -> next hops."""
        found = [
            route
            for family in ("-4", "-6")
            for route in json.loads(self.machine.ip("-j", family, "route", "show", "proto", "bird") or "[]")
        ]
        return {each["dst"]: frozenset(leg["gateway"] for leg in each.get("nexthops", [each])) for each in found}


class GoBgp(_Router):
    """GoBGP with this configuration. It gives the kernel nothing."""

    def __init__(self, machine: frr_pair.Machine, configuration: Answer) -> None:
        file = machine.directory / "gobgpd.json"
        file.write_text(json.dumps(configuration))
        words = ("-f", str(file), "-t", "json", "--api-hosts", "127.0.0.1:50051", "--pprof-disable", "-l", "info")
        super().__init__(machine, "gobgpd", "gobgpd", *words)
        frr_pair.poll(
            lambda: subprocess.run(self._command("neighbor"), capture_output=True, check=False).returncode, (0).__eq__
        )

    def _command(self, *words: str) -> list[str]:
        return _inside(self.machine, "gobgp", "-u", "127.0.0.1", "-p", "50051", *words)

    def ask(self, *words: str) -> Any:
        """The answer of `gobgp -j`."""
        return json.loads(frr_pair.run(*self._command(*words, "-j")))

    def is_established(self, neighbor: str) -> bool:
        """Whether the session is up."""
        return bool(self.ask("neighbor", neighbor)["state"].get("session_state") == _ESTABLISHED)

    def routes(self) -> dict[str, list[Answer]]:
        """Prefix -> the attributes of its only path, as GoBGP writes them."""
        return {
            prefix: path["attrs"]
            for family in ("ipv4", "ipv6")
            for prefix, (path,) in (self.ask("global", "rib", "-a", family) or {}).items()
        }
