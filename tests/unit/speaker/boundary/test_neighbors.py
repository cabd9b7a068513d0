"""Taking apart what the kernel says about its neighbor table."""

import errno
import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker import links
from speaker.boundary import neighbors

MAC = links.parse_mac("02:00:00:00:00:c1")
FOUR, SIX = ipaddress.IPv4Address("10.99.0.1"), ipaddress.IPv6Address("fd00:99::1")


def attribute(kind: int, value: bytes) -> bytes:
    padding = bytes(-len(value) % 4)
    return struct.pack("=HH", 4 + len(value), kind) + value + padding


def entry(address=FOUR, *, mac: bytes | None = MAC, state: int = 0x02, index: int = 2, used: int | None = 250) -> bytes:
    body = struct.pack("=BxxxiHBB", socket.AF_INET, index, state, 0, 1)
    body += attribute(1, address.packed) if address is not None else b""
    body += attribute(2, mac) if mac is not None else b""
    return body + (attribute(3, struct.pack("=4I", 7, used, 8, 9)) if used is not None else b"")


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body + bytes(-len(body) % 4)


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_a_station_and_its_age(address):
    assert neighbors.decode(entry(address), 2) == links.Neighbor(address, MAC, 2.5)
    assert neighbors.decode(entry(address, used=None), 2) == links.Neighbor(address, MAC)


@pytest.mark.parametrize(
    "found",
    [
        entry(state=0x01),
        entry(state=0x20),
        entry(state=0x40),
        entry(mac=None),
        entry(mac=b"longer than Ethernet"),
        entry(None),
        entry(index=3),
    ],
    ids=["incomplete", "failed", "noarp", "no station", "no Ethernet", "no address", "elsewhere"],
)
def test_entries_that_name_no_station(found):
    assert neighbors.decode(found, 2) is None


def test_a_list_in_two_datagrams():
    assert neighbors.split(message(28, entry()) + message(28, entry(SIX))) == ([entry(), entry(SIX)], False)
    assert neighbors.split(message(28, entry()) + message(3, bytes(4))) == ([entry()], True)


def test_a_refusal_of_the_kernel_is_an_error():
    with pytest.raises(PermissionError):
        neighbors.split(message(2, struct.pack("=i", -errno.EPERM) + bytes(16)))


@given(st.binary(max_size=200))
def test_whatever_comes_it_ends(datagram):
    try:
        entries, _ = neighbors.split(datagram)
    except (OSError, struct.error):
        return
    assert sum(map(len, entries)) <= len(datagram)


async def test_the_loopback_has_no_stations():
    assert await neighbors.known(1) == ()
