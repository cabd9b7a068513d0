"""The ports of layer 2: the in-memory twins and the kernel keep the same contract. Everything happens on the loopback."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from frr_adapter import addresses
from speaker import exclusion, links
from speaker.boundary import netlink, sockets
from speaker.core import arp
from tests.fakes import frames
from tests.fakes import links as memory

pytestmark = pytest.mark.contract

LOOPBACK = links.Interface(1, "lo", mac=None, has_broadcast=False)
CLIENT = links.parse_mac("02:00:00:00:00:c1")
REQUEST = arp.encode(
    arp.ArpFrame(
        links.BROADCAST,
        CLIENT,
        arp.Operation.REQUEST,
        CLIENT,
        ipaddress.IPv4Address("0.0.0.0"),
        links.UNSPECIFIED,
        ipaddress.IPv4Address("192.0.2.77"),
    )
)
GROUP = ipaddress.IPv6Address("ff02::1:ff77:7777")


class LoopingWire(frames.MemoryWire):
    """What one tap of the loopback sends, it receives."""

    def open(self, interface, family, received):
        tap = super().open(interface, family, received)
        send = tap.send

        def looping(frame: bytes) -> bool:
            is_sent = send(frame)
            asyncio.get_running_loop().call_soon(lambda: tap.is_open and received(frame, True))
            return is_sent

        tap.send = looping
        return tap


def raw_wire() -> sockets.RawWire:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        pytest.skip("raw sockets need CAP_NET_RAW")
    return sockets.RawWire()


def looping_wire() -> LoopingWire:
    wire = LoopingWire()
    wire.gone.add(4242)
    return wire


@pytest.fixture(params=[looping_wire, raw_wire], ids=["memory", "kernel"])
def wire(request):
    made = request.param()
    yield made
    made.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_tap_receives_requests_and_nothing_after_close(wire):
    found = []
    tap = wire.open(LOOPBACK, addresses.Family.IPV4, lambda frame, is_for_us: found.append((frame, is_for_us)))
    other = []
    second = wire.open(LOOPBACK, addresses.Family.IPV4, lambda *received: other.append(received))
    assert tap.send(REQUEST)
    await until(lambda: (REQUEST, True) in found)
    tap.close()
    tap.close()
    found.clear()
    assert second.send(REQUEST)
    await until(lambda: (REQUEST, True) in other)
    assert found == []
    second.close()


async def test_a_tap_on_an_interface_that_is_gone_raises(wire):
    with pytest.raises(OSError, match="evice"):
        wire.open(links.Interface(4242, "gone0"), addresses.Family.IPV4, lambda *_: None)


async def test_a_group_is_joined_until_it_is_left(wire):
    membership = links.Membership(1, GROUP)
    wire.leave(membership)
    wire.join(membership)
    wire.join(membership)
    assert joined(wire) == {membership}
    wire.leave(membership)
    wire.leave(membership)
    assert joined(wire) == set()
    wire.join(membership)
    wire.close()
    assert joined(wire) == set()


async def test_a_group_of_an_interface_that_is_gone_cannot_be_joined_and_is_no_member(wire):
    gone = links.Membership(4242, GROUP)
    with pytest.raises(OSError, match="evice"):
        wire.join(gone)
    wire.leave(gone)
    wire.join(links.Membership(1, GROUP))
    assert joined(wire) == {links.Membership(1, GROUP)}


def joined(wire) -> set[links.Membership]:
    if isinstance(wire, frames.MemoryWire):
        return wire.joined
    lines = [line.split() for line in Path("/proc/net/igmp6").read_text(encoding="ascii").splitlines()]
    is_member = any(line[0] == "1" and line[2] == GROUP.packed.hex() for line in lines)
    return {links.Membership(1, GROUP)} if is_member else set()


@pytest.fixture(params=[lambda: memory.MemoryLinks([LOOPBACK]), lambda: netlink.KernelLinks(exclusion.Exclusion())])
async def followed(request):
    made = request.param()
    yield made
    await made.stop()


async def test_the_loopback_is_listed_and_never_served(followed):
    changes = []
    await followed.start(lambda: changes.append(1))
    loopback = followed.interfaces()[1]
    assert (loopback.name, loopback.mac) == ("lo", None)
    assert not loopback.answers_arp
    assert not loopback.answers_ndp
    assert changes == []
    assert followed.restarts == 0


async def test_neighbors_of_an_unknown_interface_are_none(followed):
    await followed.start(lambda: None)
    assert await followed.neighbors(4242) == ()


async def test_stop_may_come_without_start_and_twice(followed):
    await followed.stop()
    await followed.start(lambda: None)
    await followed.stop()
    await followed.stop()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_nothing_stays_open():
    before = open_files()
    made = netlink.KernelLinks(exclusion.DEFAULT)
    await made.start(lambda: None)
    await made.neighbors(1)
    assert "lo" not in {found.name for found in made.interfaces().values()}
    await made.stop()
    await until(lambda: open_files() <= before)
