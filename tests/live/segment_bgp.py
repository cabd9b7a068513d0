"""Any number of machines on one Ethernet segment, for BGP: `with Segment("n1", "up") as net:`, then `net["up"]`.

Every machine hangs with `eth0` on a bridge that stands in a namespace of its own, so that a cable can be cut there and nobody
but its owner sees the carrier go. Addresses: 10.99.0.<number>/24 and fd00:99::<number>/64 of `NUMBERS`. Machines come without
daemons. Also here: what a router with FRR is told (`router`), and what it received (`Path`). Used by live tests only.
"""

import contextlib
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, Self

import pytest

from frr_adapter.frr import show
from lab import frr_install
from tests.live import frr_pair

NUMBERS = {"up": 1, "tor": 2, "spine": 3, "hop": 4, "leaf": 5, "edge": 6, "n1": 11, "n2": 12}
BGP = ("zebra", "bgpd")
BGP_AND_BFD = (*BGP, "bfdd")
MARKS = [
    pytest.mark.live,
    pytest.mark.frr,
    pytest.mark.skipif(bool(frr_pair.missing()), reason=frr_pair.missing() or "-"),
]
_WATCH = FilePath(__file__).parents[1] / "bench/route_watch.py"
_LIKE_ROUTERS = """
for each in all default; do
  echo 0 > /proc/sys/net/ipv6/conf/$each/accept_dad
  echo 0 > /proc/sys/net/ipv6/conf/$each/accept_ra
done
"""
"""Link-local addresses at once, and none from router advertisements, which FRR sends for next hops of the other family."""


class Segment:
    """Made on entering, removed on leaving, with every program in it."""

    def __init__(self, *names: str) -> None:
        # Not pytest's directory: the daemons run as user frr, who may not enter it.
        self.root = FilePath(tempfile.mkdtemp(prefix="segment-bgp-"))
        self.root.chmod(0o755)
        self.frr = frr_install.find()
        self._switch = frr_pair.Machine("sw", self.root / "sw", self.frr)
        self._machines = {name: frr_pair.Machine(name, self.root / name, self.frr) for name in names}

    def __getitem__(self, name: str) -> frr_pair.Machine:
        return self._machines[name]

    def __enter__(self) -> Self:
        try:
            self._switch.make()
            self._switch.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
            self._switch.ip("link", "set", "br0", "up")
            for name, machine in self._machines.items():
                machine.make()
                frr_pair.run("ip", "netns", "exec", machine.namespace, "sh", "-c", _LIKE_ROUTERS)
                self._plug(name, machine)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _plug(self, name: str, machine: frr_pair.Machine) -> None:
        frr_pair.run(
            *("ip", "link", "add", "eth0", "netns", machine.namespace, "type", "veth"),
            *("peer", "name", f"to-{name}", "netns", self._switch.namespace),
        )
        self._switch.ip("link", "set", f"to-{name}", "master", "br0", "up")
        machine.ip("link", "set", "eth0", "up")
        machine.ip("addr", "add", f"10.99.0.{NUMBERS[name]}/24", "dev", "eth0")
        machine.ip("addr", "add", f"fd00:99::{NUMBERS[name]}/64", "dev", "eth0", "nodad")

    def start(self, name: str, daemons: Sequence[str] = BGP) -> frr_pair.Machine:
        """FRR on a machine: these daemons, with the management daemon where this FRR has one."""
        machine = self[name]
        for daemon in (*(("mgmtd",) if self.frr.mgmtd else ()), *daemons):
            machine.start(daemon)
        return machine

    def wire(self, one: str, other: str, interface: str = "eth1") -> None:
        """A cable between two machines, under the same interface name on both, without addresses."""
        frr_pair.run(
            *("ip", "link", "add", interface, "netns", self[one].namespace, "type", "veth"),
            *("peer", "name", interface, "netns", self[other].namespace),
        )
        for name in (one, other):
            self[name].ip("link", "set", interface, "up")

    def cut(self, name: str) -> float:
        """Takes the bridge's port to the machine down: only that machine loses its carrier. Gives the monotonic time."""
        before = time.monotonic()
        self._switch.ip("link", "set", f"to-{name}", "down")
        return before

    def mend(self, name: str) -> None:
        """Undoes `cut`."""
        self._switch.ip("link", "set", f"to-{name}", "up")

    def __exit__(self, *_: object) -> None:
        for machine in (*self._machines.values(), self._switch):
            machine.remove()
        shutil.rmtree(self.root, ignore_errors=True)
        if self.frr.root != FilePath("/"):
            shutil.rmtree(f"{self.frr.root}{self.root}", ignore_errors=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Toward:
    """What a router is told about one neighbor; an interface or both `families` make the session carry both."""

    neighbor: str
    settings: tuple[str, ...] = ()
    remote_as: int | str = 64600
    families: tuple[str, ...] = ()

    @property
    def is_interface(self) -> bool:
        return not set(self.neighbor) & set(".:")

    @property
    def carries(self) -> tuple[str, ...]:
        """The address families, in FRR's words."""
        by_name = ("ipv4", "ipv6") if self.is_interface else ("ipv6",) if ":" in self.neighbor else ("ipv4",)
        return self.families or by_name


def router(asn: int, router_id: str, *neighbors: Toward, settings: Sequence[str] = ()) -> str:
    """The configuration of a router with FRR: connects every second, takes every path, and tells nothing."""
    lines = [
        f"router bgp {asn}",
        f" bgp router-id {router_id}",
        " no bgp ebgp-requires-policy",
        " no bgp default ipv4-unicast",
        " bgp bestpath as-path multipath-relax",
        *(f" {each}" for each in settings),
    ]
    for each in neighbors:
        via = "interface " if each.is_interface else ""
        lines.append(f" neighbor {each.neighbor} {via}remote-as {each.remote_as}")
        lines += [f" neighbor {each.neighbor} {words}" for words in ("timers connect 1", *each.settings)]
    for family in ("ipv4", "ipv6"):
        lines.append(f" address-family {family} unicast")
        lines += [f"  neighbor {each.neighbor} activate" for each in neighbors if family in each.carries]
        lines.append(" exit-address-family")
    return "\n".join((*lines, "exit", ""))


@dataclasses.dataclass(frozen=True, slots=True)
class Path:
    """One path to a prefix as a router received it; communities in FRR's words. None: the attribute was not there."""

    peer: str
    as_path: str
    hops: frozenset[str]
    communities: frozenset[str] = frozenset()
    large: frozenset[str] = frozenset()
    local_preference: int | None = None


def paths(machine: frr_pair.Machine, prefix: str) -> tuple[Path, ...]:
    """All paths that the router has to the prefix, sorted by who told them."""
    family = "ipv6" if ":" in prefix else "ipv4"
    found = machine.show(f"show bgp {family} unicast {prefix} json").get("paths", [])
    return tuple(sorted(map(_path, found), key=lambda path: path.peer))


def _path(found: dict[str, Any]) -> Path:
    return Path(
        peer=found["peer"].get("interface") or found["peer"]["peerId"],
        as_path=found["aspath"]["string"],
        hops=frozenset(hop["ip"] for hop in found["nexthops"]),
        communities=frozenset(found.get("community", {}).get("string", "").split()),
        large=frozenset(found.get("largeCommunity", {}).get("string", "").split()),
        local_preference=found.get("locPrf"),
    )


def hops(route: dict[str, Any]) -> frozenset[str]:
    """The next hops of a route as `ip -j route` writes it."""
    legs = route.get("nexthops", [route])
    return frozenset(leg.get("gateway") or leg["via"]["host"] for leg in legs)


def legs(machine: frr_pair.Machine) -> dict[str, frozenset[str]]:
    """The kernel's BGP routes of both families: prefix -> next hops."""
    return {prefix: hops(route) for prefix, route in machine.routes().items()}


def link_local(machine: frr_pair.Machine, interface: str = "eth0") -> str:
    """The machine's link-local address there."""
    (found,) = json.loads(machine.ip("-j", "-6", "addr", "show", "dev", interface, "scope", "link"))
    (own,) = (each["local"] for each in found["addr_info"] if each)
    return str(own)


def sessions(machine: frr_pair.Machine) -> dict[str, show.Session]:
    """The machine's BGP sessions by neighbor."""
    return {item.neighbor: item for item in show.sessions(machine.vtysh(show.BGP_NEIGHBORS))}


def established(machine: frr_pair.Machine, *names: str, limit: float = 15.0) -> dict[str, show.Session]:
    """Waits until the sessions with these neighbors are up; all of them when none is named."""

    def up(found: dict[str, show.Session]) -> bool:
        return bool(found) and all(name in found and found[name].is_established for name in names or found)

    found: dict[str, show.Session] = frr_pair.poll(lambda: sessions(machine), up, limit)
    return found


def lives(machine: frr_pair.Machine) -> dict[str, tuple[int, int]]:
    """How often each session came up and went down: equal means untouched."""
    return {name: (item.connections_established, item.connections_dropped) for name, item in sessions(machine).items()}


def is_bfd_up(machine: frr_pair.Machine) -> bool:
    """Whether the machine has BFD sessions and all are up."""
    found = show.bfd_sessions(machine.vtysh(show.bfd_peers_command()))
    return bool(found) and all(item.is_up for item in found)


@contextlib.contextmanager
def route_changes(machine: frr_pair.Machine) -> Iterator[list[dict[str, Any]]]:
    """Every change of a route in the machine's kernel while the block runs: the list is complete after it."""
    command = ["ip", "netns", "exec", machine.namespace, sys.executable, str(_WATCH)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": True}
        seen: list[dict[str, Any]] = []
        try:
            yield seen
        finally:
            process.terminate()
            seen += [json.loads(line) for line in process.stdout]
