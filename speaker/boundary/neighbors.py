"""The kernel's neighbor table, read as raw netlink messages (rtnetlink(7)): who is to be told of a takeover by unicast.

Used by `speaker.boundary.netlink`. Takes messages apart itself, because pyroute2 needs 0.1 s for a thousand stations, during which no
request would be answered. Changes nothing in the kernel and needs no capability.
"""

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Iterator

from frr_adapter import addresses
from speaker import links

# include/uapi/linux/netlink.h and rtnetlink.h
_HEADER = struct.Struct("=IHHII")
_ENTRY = struct.Struct("=BxxxiHBB")
_ATTRIBUTE = struct.Struct("=HH")
_GET_NEIGHBORS = 30
_NEW_NEIGHBOR = 28
_REQUEST_DUMP = 0x301
_ERROR, _DONE = 2, 3
# include/uapi/linux/neighbour.h: incomplete, failed, noarp and none name no station
_KNOWN_STATES = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
_INTERFACE = 8
_ADDRESS, _LINK_LAYER, _CACHE = 1, 2, 3
_USED = struct.Struct("=4xI")
_TICKS_PER_SECOND = 100  # USER_HZ, in which the kernel reports the age of neighbor entries

_READ = 8192
"""Bytes that are read at once; the kernel may cut off what does not fit into less."""

_DECODED = 32
"""So many stations at once; requests are answered before the next ones are decoded."""


async def known(interface: int) -> tuple[links.Neighbor, ...]:
    """The stations on the interface that are in use or were confirmed not long ago. Raises OSError when the kernel refuses it."""
    found: list[links.Neighbor] = []
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0) as query:
        query.send(request(interface))
        is_done = False
        while not is_done:
            entries, is_done = split(await loop.sock_recv(query, _READ))
            for at in range(0, len(entries), _DECODED):
                await asyncio.sleep(0)
                found += [
                    each for entry in entries[at : at + _DECODED] if (each := decode(entry, interface)) is not None
                ]
    return tuple(found)


def request(interface: int) -> bytes:
    """Asks for the entries of the interface. Old kernels list those of all."""
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + 4, _INTERFACE) + struct.pack("=I", interface)
    body = _ENTRY.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute
    return _HEADER.pack(_HEADER.size + len(body), _GET_NEIGHBORS, _REQUEST_DUMP, 1, 0) + body


def split(datagram: bytes) -> tuple[list[bytes], bool]:
    """The entries in what the kernel sent, and whether the list ends here. Raises OSError with the kernel's refusal."""
    found: list[bytes] = []
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, _, _, _ = _HEADER.unpack_from(datagram, at)
        body = datagram[at + _HEADER.size : at + length]
        if kind == _DONE:
            return found, True
        if kind == _ERROR:
            (code,) = struct.unpack_from("=i", body)
            raise OSError(-code, "neighbor table cannot be listed")
        if kind == _NEW_NEIGHBOR:
            found.append(body)
        at += _aligned(max(length, _HEADER.size))
    return found, not datagram


def decode(entry: bytes, interface: int) -> links.Neighbor | None:
    """One entry; None when it names no station on the interface."""
    _, index, state, _, _ = _ENTRY.unpack_from(entry)
    if index != interface or not state & _KNOWN_STATES:
        return None
    found = dict(_attributes(entry[_ENTRY.size :]))
    address, mac = _address(found.get(_ADDRESS, b"")), found.get(_LINK_LAYER, b"")
    if address is None or len(mac) != len(links.UNSPECIFIED):
        return None
    (used,) = _USED.unpack_from(found[_CACHE]) if _CACHE in found else (0,)
    return links.Neighbor(address, links.Mac(mac), used / _TICKS_PER_SECOND)


def _address(packed: bytes) -> addresses.Address | None:
    match len(packed):
        case 4:
            return ipaddress.IPv4Address(packed)
        case 16:
            return ipaddress.IPv6Address(packed)
        case _:
            return None


def _attributes(packed: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(packed):
        length, kind = _ATTRIBUTE.unpack_from(packed, at)
        yield kind, packed[at + _ATTRIBUTE.size : at + length]
        at += _aligned(max(length, _ATTRIBUTE.size))


def _aligned(length: int) -> int:
    """Messages and attributes begin at multiples of four."""
    return (length + 3) & ~3
