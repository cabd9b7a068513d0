"""One Ethernet segment made of network namespaces: a switch, two nodes with the real announcer, and a client to look from.

Used by `test_layer2`. Everything is made with pyroute2 and removed again; names carry the process number.
"""

import contextlib
import dataclasses
import ipaddress
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyroute2
from pyroute2 import netns

from frr_adapter import errors
from speaker.core import arp, ndp

PREFIX = f"fra-l2-{os.getpid()}-"
ROOT = Path(__file__).parents[2]
Found = TypeVar("Found")


def until(what: str, look: Callable[[], Found | None], *, seconds: float = 8.0) -> Found:
    """Polls until `look` finds something true."""
    limit = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < limit, f"not within {seconds} s: {what}"
        time.sleep(0.002)


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Sockets made in the block belong to the namespace."""
    netns.pushns(namespace)
    try:
        yield
    finally:
        netns.popns()


@dataclasses.dataclass
class Station:
    """One namespace with eth0 on the switch."""

    namespace: str
    mac: str
    number: int

    def ip(self) -> Any:
        return pyroute2.IPRoute(netns=self.namespace)

    def neighbor(self, address: str) -> str | None:
        """The link-layer address in the kernel's neighbor table."""
        with self.ip() as ip:
            for entry in ip.get_neighbours(family=socket.AF_INET6 if ":" in address else socket.AF_INET, dst=address):
                mac = entry.get_attr("NDA_LLADDR")
                if mac and not entry["state"] & 0x21:  # neither incomplete nor failed
                    return str(mac)
        return None

    def knock(self, address: str) -> None:
        """Sends a datagram, so that the kernel resolves the address."""
        with inside(self.namespace):
            sender = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        with sender:
            sender.sendto(b"knock", (address, 9))


class Ear:
    """A raw socket of a station: hears every ARP and NDP message on the wire, and can say any."""

    def __init__(self, station: Station, interface: str = "eth0") -> None:
        with inside(station.namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket.bind((interface, 3))
        self._socket.setblocking(False)

    def say(self, frame: bytes) -> None:
        self._socket.send(frame)

    def heard(self) -> list[arp.ArpFrame | ndp.Solicitation | ndp.Advertisement]:
        """Messages that came in since the last call."""
        found: list[arp.ArpFrame | ndp.Solicitation | ndp.Advertisement] = []
        while True:
            try:
                frame, sender = self._socket.recvfrom(2048)
            except BlockingIOError:
                return found
            if sender[2] == socket.PACKET_OUTGOING:
                continue
            with contextlib.suppress(errors.FrameError):
                found.append(arp.decode(frame) if frame[12:14] == b"\x08\x06" else ndp.decode(frame))

    def about(self, address: str) -> list[arp.ArpFrame | ndp.Advertisement]:
        """Of these, what others say about where the address is."""
        ip = ipaddress.ip_address(address)
        return [
            message
            for message in self.heard()
            if (isinstance(message, arp.ArpFrame) and message.sender_address == ip)
            or (isinstance(message, ndp.Advertisement) and message.target == ip)
        ]

    def close(self) -> None:
        self._socket.close()


class Node(Station):
    """A station that runs the announcer."""

    process: subprocess.Popen[str]
    arguments: tuple[str, ...] = ()
    first_report: dict[str, Any]

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                self.namespace,
                sys.executable,
                "-m",
                "tests.live.drivers.announce",
                *self.arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.first_report = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def plan(self, *rows: str | tuple[str, list[str]]) -> dict[str, Any]:
        return self._ask({"plan": [(row, []) if isinstance(row, str) else row for row in rows]})

    def deafen(self, events: int) -> None:
        """The announcer misses netlink events."""
        self._ask({"deaf": events})

    def report(self) -> dict[str, Any]:
        return self._ask({"report": True})

    def stop(self) -> None:
        """Returns when the announcer has ended by itself."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        assert self.process.wait(10) == 0
        if self.process.stdout is not None:
            self.process.stdout.close()


@dataclasses.dataclass
class Segment:
    switch: str
    client: Station
    one: Node
    two: Node
    made: list[str]

    def plug(self, station: Station, interface: str, mac: str) -> None:
        """A cable from the switch to the station."""
        port = f"p{station.number}{interface}"
        with pyroute2.IPRoute(netns=self.switch) as ip:
            ip.link(
                "add",
                ifname=port,
                kind="veth",
                peer={"ifname": interface, "net_ns_fd": station.namespace, "address": mac},
            )
            (index,) = ip.link_lookup(ifname=port)
            (bridge,) = ip.link_lookup(ifname="br0")
            ip.link("set", index=index, master=bridge, state="up")
        with station.ip() as ip:
            (index,) = ip.link_lookup(ifname=interface)
            ip.link("set", index=index, state="up")

    def address(self, station: Station, interface: str = "eth0") -> None:
        with station.ip() as ip:
            (index,) = ip.link_lookup(ifname=interface)
            ip.addr("add", index=index, address=f"10.99.0.{station.number}", prefixlen=24)
            ip.addr("add", index=index, address=f"fd00:99::{station.number}", prefixlen=64, flags=2)  # nodad


def make() -> Segment:
    """Raises OSError when this process may not make namespaces."""
    switch = f"{PREFIX}sw"
    client = Station(f"{PREFIX}c", "02:00:00:00:00:c1", 1)
    one = Node(f"{PREFIX}n1", "02:00:00:00:00:11", 11)
    two = Node(f"{PREFIX}n2", "02:00:00:00:00:12", 12)
    segment = Segment(switch, client, one, two, [])
    for namespace in (switch, client.namespace, one.namespace, two.namespace):
        netns.create(namespace)
        segment.made.append(namespace)
    for namespace in segment.made:  # link-local addresses at once, without waiting for duplicate detection
        setting = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad"
        subprocess.run(["ip", "netns", "exec", namespace, "sh", "-c", setting], check=True)
    with pyroute2.IPRoute(netns=switch) as ip:
        ip.link("add", ifname="br0", kind="bridge")
        (bridge,) = ip.link_lookup(ifname="br0")
        ip.link("set", index=bridge, state="up")
    for station in (client, one, two):
        segment.plug(station, "eth0", station.mac)
        segment.address(station)
    return segment


def remove(segment: Segment) -> None:
    """Ends what was started and removes what was made."""
    for node in (segment.one, segment.two):
        if hasattr(node, "process") and node.process.poll() is None:
            node.process.kill()
            node.process.wait(10)
    for namespace in segment.made:
        netns.remove(namespace)
