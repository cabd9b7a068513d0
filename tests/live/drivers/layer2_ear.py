"""Runs on a station of a segment: asks for the addresses of its first line on stdin (JSON) again and again by raw
socket, and tells who answers, claims and asks.

One JSON line per frame on stdout: `[seconds, what, address, station, number]`. The clock is the machine's wall clock, as in the
programs' logs; what arrives is stamped by the kernel. Ends when stdin closes. Used by `tests.live.layer2_lab`.

* asked: our own question, with its number; the station is empty
* answer: an ARP reply or neighbor advertisement sent to us, with the number of the question
* claim: a gratuitous one, sent to everybody
* probe: somebody asks whether the address is free (ARP probe, duplicate address detection)
* gossip: a datagram between speakers that passes the switch, from `address` to `station`
"""

import argparse
import ipaddress
import json
import select
import socket
import struct
import sys
import time

from speaker import links
from speaker.core import arp, ndp

SO_TIMESTAMPNS, SO_RCVBUFFORCE, SOL_PACKET, PACKET_STATISTICS = 35, 33, 263, 6
ETH_P_ALL = 3
GOSSIP_PORT = 7946
_STAMP = struct.Struct("@qq")
_SENDERS = ipaddress.IPv4Address("198.18.0.0"), ipaddress.IPv6Address("fe80::c1:0:0:0")
"""We ask as one station with many addresses, one after the other: so each answer says which question it belongs to."""
_NUMBERS = 1 << 16
_AT_ONCE = 32
"""Questions before answers are looked at again."""


def question(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, mac: links.Mac, number: int) -> bytes:
    if isinstance(ip, ipaddress.IPv4Address):
        sender = _SENDERS[0] + number
        asked = arp.ArpFrame(links.BROADCAST, mac, arp.Operation.REQUEST, mac, sender, links.UNSPECIFIED, ip)
        return arp.encode(asked)
    group = ndp.solicited_node_group(ip)
    return ndp.encode(ndp.Solicitation(ndp.group_mac(group), mac, _SENDERS[1] + number, group, ip, mac))


class Names:
    """Addresses and stations as texts, from bytes; each is made once."""

    def __init__(self) -> None:
        self._known: dict[bytes, str] = {}

    def ip(self, packed: bytes) -> str:
        if packed not in self._known:
            self._known[packed] = str(ipaddress.ip_address(packed))
        return self._known[packed]

    def mac(self, packed: bytes) -> str:
        if packed not in self._known:
            self._known[packed] = packed.hex(":")
        return self._known[packed]


Told = tuple[str, str, str, int]


def told(frame: bytes, own: bytes, names: Names) -> Told | None:
    """What a frame says: kept cheap, thousands a second may come."""
    kind = frame[12:14]
    if kind == b"\x08\x06" and len(frame) >= arp.LENGTH:
        sender, station = frame[28:32], names.mac(frame[22:28])
        if sender == b"\0\0\0\0":
            return "probe", names.ip(frame[38:42]), station, 0
        if frame[20:22] == b"\0\2" and frame[:6] == own:
            return "answer", names.ip(sender), station, int.from_bytes(frame[40:42], "big")
        return ("claim", names.ip(sender), station, 0) if sender == frame[38:42] else None
    if kind == b"\x86\xdd" and frame[20] == 58 and len(frame) >= 78:
        station = names.mac(frame[6:12])
        if frame[54] == 136:
            what, number = ("answer", frame[52:54]) if frame[:6] == own else ("claim", b"")
            return what, names.ip(frame[62:78]), station, int.from_bytes(number, "big")
        if frame[54] == 135 and frame[22:38] == bytes(16):
            return "probe", names.ip(frame[62:78]), station, 0
    return None


def gossip(frame: bytes, names: Names) -> Told | None:
    """A datagram of the speakers' gossip, over IPv4."""
    if frame[12:14] != b"\x08\x00" or len(frame) < 38 or frame[23] != socket.IPPROTO_UDP:
        return None
    start = 14 + (frame[14] & 15) * 4
    if GOSSIP_PORT not in struct.unpack_from("!HH", frame[start : start + 4].ljust(4, b"\0")):
        return None
    return "gossip", names.ip(frame[26:30]), names.ip(frame[30:34]), 0


def tap(interface: str) -> socket.socket:
    """All frames of an interface with the kernel's time of each; of all interfaces when it has no name."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0 if interface else socket.htons(ETH_P_ALL))
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    if interface:
        opened.bind((interface, ETH_P_ALL))
    opened.setblocking(False)
    return opened


class Ear:
    """The station's sockets, and what was heard but not printed yet."""

    def __init__(self, interface: str, hears_gossip: bool) -> None:
        self._main = tap(interface)
        self.mac = links.Mac(self._main.getsockname()[4])
        self._gossip = tap("") if hears_gossip else None
        self._names = Names()
        self.lines: list[tuple[float, str, str, str, int]] = []
        self._number = 0

    @property
    def sockets(self) -> list[socket.socket]:
        return [self._main, *([self._gossip] if self._gossip is not None else [])]

    def ask(self, ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
        self._number = (self._number + 1) % _NUMBERS
        frame = question(ip, self.mac, self._number)
        self.lines.append((time.time(), "asked", str(ip), "", self._number))
        try:
            self._main.send(frame)
        except OSError as error:  # a full queue: the next question comes soon
            print(f"not asked: {error}", file=sys.stderr)

    def hear(self, opened: socket.socket) -> None:
        """Everything that waits in the socket."""
        while True:
            try:
                frame, extra, _, sender = opened.recvmsg(2048, 64)
            except BlockingIOError:
                return
            if sender[2] == socket.PACKET_OUTGOING:
                continue
            if opened is self._gossip:
                # Each datagram passes several devices of the switch: it counts where it enters.
                found = gossip(frame, self._names) if sender[0].startswith("p-") else None
            else:
                found = told(frame, self.mac, self._names)
            if found is not None:
                seconds, nanoseconds = _STAMP.unpack(extra[0][2][:16])
                self.lines.append((seconds + nanoseconds / 1e9, *found))

    def lost(self) -> int:
        """Frames that did not fit."""
        return sum(struct.unpack("@II", each.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1] for each in self.sockets)

    def flush(self) -> None:
        if self.lines:
            sys.stdout.write("".join(json.dumps(line) + "\n" for line in self.lines))
            sys.stdout.flush()
            self.lines.clear()


def run(ear: Ear, addresses: list[str], every: float) -> None:
    """Each address is asked for once in `every` seconds, one after the other; never, with 0."""
    questions = [ipaddress.ip_address(address) for address in addresses] if every else []
    pause = every / len(questions) if questions else 0.05
    turn, due = 0, time.monotonic()
    by_number = {opened.fileno(): opened for opened in ear.sockets}
    while True:
        ready, _, _ = select.select([*by_number, sys.stdin.fileno()], [], [], max(0.0, due - time.monotonic()))
        if sys.stdin.fileno() in ready:
            return
        for number in ready:
            ear.hear(by_number[number])
        if time.monotonic() < due:
            continue
        if not questions:
            due = time.monotonic() + pause
        for _ in range(_AT_ONCE):
            if not questions or time.monotonic() < due:
                break
            ear.ask(questions[turn])
            turn, due = (turn + 1) % len(questions), due + pause
        due = max(due, time.monotonic() - every)  # after a time in which this process did not run: no flood
        ear.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--every", type=float, default=0.01, help="seconds between two questions for one address")
    parser.add_argument("--gossip", action="store_true", help="hear the gossip that passes this machine, too")
    chosen = parser.parse_args()
    addresses = json.loads(sys.stdin.readline())
    ear = Ear(chosen.interface, chosen.gossip)
    print(json.dumps([time.time(), "ready", "", ear.mac.hex(":"), 0]), flush=True)
    run(ear, addresses, chosen.every)
    ear.flush()
    print(json.dumps([time.time(), "over", str(ear.lost()), "", 0]), flush=True)


if __name__ == "__main__":
    main()
