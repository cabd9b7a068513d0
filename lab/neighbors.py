"""Who answers for an address on the wire: asks once by ARP or NDP and lists every MAC that answers.

Used by the survey inside the router's network namespace. A kernel's own neighbor entry would show one answer only;
two answers are the fault that this must be able to see.
"""

import select
import socket
import struct
import time
from ipaddress import IPv4Address, IPv6Address

_ARP = 0x0806
_REQUEST, _REPLY = 1, 2
_SOLICITATION, _ADVERTISEMENT = 135, 136
_SOURCE_OPTION, _TARGET_OPTION = 1, 2


def who_answers(
    address: IPv4Address | IPv6Address, source: IPv4Address, interface: str, seconds: float = 0.25
) -> tuple[str, ...]:
    """The MACs that answered for `address` on `interface` within `seconds`, sorted; RFC 826 and RFC 4861 4.3.

    `source` is our own IPv4 address there; it lets owners answer ARP without learning a wrong entry.
    """
    if isinstance(address, IPv4Address):
        return _by_arp(address, source, interface, seconds)
    return _by_ndp(address, interface, seconds)


def _by_arp(address: IPv4Address, source: IPv4Address, interface: str, seconds: float) -> tuple[str, ...]:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP)) as wire:
        wire.bind((interface, _ARP))
        own = wire.getsockname()[4]
        head = b"\xff" * 6 + own + struct.pack("!H", _ARP)
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, _REQUEST) + own + source.packed + bytes(6) + address.packed
        wire.send(head + body)
        found = set()
        for frame in _frames(wire, seconds):
            arp = frame[14:42]
            if len(arp) == 28 and arp[6:8] == struct.pack("!H", _REPLY) and arp[14:18] == address.packed:
                found.add(arp[8:14].hex(":"))
        return tuple(sorted(found))


def _by_ndp(address: IPv6Address, interface: str, seconds: float) -> tuple[str, ...]:
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        own = wire.getsockname()[4]
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as wire:
        wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        group = bytes.fromhex("ff0200000000000000000001ff") + address.packed[13:]
        option = struct.pack("!BB", _SOURCE_OPTION, 1) + own
        # The kernel fills in the checksum of raw ICMPv6 sockets, RFC 3542 3.1.
        wire.sendto(
            struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + address.packed + option,
            (str(IPv6Address(group)), 0, 0, index),
        )
        found = set()
        for message in _frames(wire, seconds):
            if (
                message[0] == _ADVERTISEMENT
                and message[8:24] == address.packed
                and message[24:25] == bytes([_TARGET_OPTION])
            ):
                found.add(message[26:32].hex(":"))
        return tuple(sorted(found))


def _frames(wire: socket.socket, seconds: float) -> list[bytes]:
    """Everything that arrives within `seconds`."""
    end = time.monotonic() + seconds
    frames = []
    while (left := end - time.monotonic()) > 0:
        if select.select([wire], [], [], left)[0]:
            frames.append(wire.recv(2048))
    return frames
