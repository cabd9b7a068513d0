"""Runs on a node: answers ARP and neighbor solicitations for addresses as MetalLB's speaker does, which neither asks before it takes an
address nor listens to others.

Each line on stdin is a JSON list: the addresses that are held from now on. New ones are announced after 0, 1.1, 2.2, 3.3 and 4.4 s. Ends
when stdin closes. Used by `tests.live.upstream_node`.
"""

import argparse
import ipaddress
import json
import select
import socket
import sys
import time

from frr_adapter import errors
from speaker import links
from speaker.core import arp, gratuitous, ndp

_ETH_P_ALL = 3
_PERIOD, _BURSTS = 1.1, 5
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def answer(frame: bytes, own: links.Interface, held: set[Address]) -> bytes | None:
    """The answer to a question for what is held; questions without a link-layer address (duplicate address detection) get none."""
    mac = own.mac
    assert mac is not None
    try:
        if frame[12:14] == b"\x08\x06":
            asked = arp.decode(frame)
            if asked.operation != arp.Operation.REQUEST or asked.target_address not in held:
                return None
            return arp.encode(
                arp.ArpFrame(
                    asked.sender_mac, mac, arp.Operation.REPLY, mac, asked.target_address,
                    asked.sender_mac, asked.sender_address,
                )
            )  # fmt: skip
        if frame[12:14] != b"\x86\xdd" or frame[20] != 58 or frame[54] != 135:
            return None
        question = ndp.decode(frame)
    except (errors.FrameError, IndexError):
        return None
    if not isinstance(question, ndp.Solicitation) or question.source_link_layer is None or question.target not in held:
        return None
    assert own.link_local is not None
    return ndp.encode(
        ndp.Advertisement(
            question.source_link_layer, mac, own.link_local, question.sender, question.target,
            is_solicited=True, target_link_layer=mac,
        )
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--link-local", required=True)
    chosen = parser.parse_args()
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    opened.bind((chosen.interface, _ETH_P_ALL))
    mac = links.Mac(opened.getsockname()[4])
    own = links.Interface(1, chosen.interface, mac=mac, link_local=ipaddress.IPv6Address(chosen.link_local))
    held: set[Address] = set()
    due: list[tuple[float, Address]] = []
    print("ready", flush=True)
    while True:
        pause = max(0.0, min((when for when, _ in due), default=time.monotonic() + 60) - time.monotonic())
        ready, _, _ = select.select([opened, sys.stdin], [], [], pause)
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                return
            wanted = {ipaddress.ip_address(text) for text in json.loads(line)}
            due += [(time.monotonic() + number * _PERIOD, each) for each in wanted - held for number in range(_BURSTS)]
            held = wanted
        if opened in ready:
            frame, sender = opened.recvfrom(2048)
            found = None if sender[2] == socket.PACKET_OUTGOING else answer(frame, own, held)
            if found is not None:
                opened.send(found)
        now = time.monotonic()
        for _, address in [each for each in due if each[0] <= now and each[1] in held]:
            for frame in gratuitous.burst(address, own):
                opened.send(frame)
        due = [each for each in due if each[0] > now]


if __name__ == "__main__":
    main()
