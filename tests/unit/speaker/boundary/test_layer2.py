"""The announcer on in-memory links and wires: what it opens, joins, answers, announces and counts."""

import asyncio
import collections
import dataclasses
import ipaddress
import time
from collections.abc import AsyncIterator, Callable

import pytest

from frr_adapter import addresses
from speaker import links, values
from speaker.boundary import announcing, layer2, turns
from speaker.core import arp, gratuitous, ndp
from speaker.core import layer2 as rules
from tests.fakes import frames
from tests.fakes import links as memory

V4, V6 = ipaddress.IPv4Address, ipaddress.IPv6Address
FOUR, SIX = addresses.Family.IPV4, addresses.Family.IPV6
CLIENT = links.parse_mac("02:00:00:00:00:c1")
ETH0 = links.Interface(2, "eth0", mac=links.parse_mac("02:00:00:00:00:01"), link_local=V6("fe80::1"))
ETH1 = links.Interface(3, "eth1", mac=links.parse_mac("02:00:00:00:00:02"), link_local=V6("fe80::2"))
A, B, C6 = V4("10.99.0.200"), V4("10.99.0.201"), V6("fd00:99::200")


def plan(*entries: tuple[addresses.Address, tuple[str, ...]] | addresses.Address) -> tuple[values.L2Entry, ...]:
    pairs = [entry if isinstance(entry, tuple) else (entry, ()) for entry in entries]
    return tuple(values.L2Entry(address, frozenset(names)) for address, names in pairs)


def request(target: V4) -> bytes:
    return arp.encode(
        arp.ArpFrame(links.BROADCAST, CLIENT, arp.Operation.REQUEST, CLIENT, V4("10.99.0.1"), links.UNSPECIFIED, target)
    )


def addresses_sent(wire: frames.MemoryWire) -> list[tuple[int, str]]:
    """Interface and announced address of every frame sent since the last call."""
    found = []
    for index, frame in wire.take():
        is_arp = frame[12:14] == b"\x08\x06"
        found.append((index, str(arp.decode(frame).sender_address if is_arp else ndp.decode(frame).target)))
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


@dataclasses.dataclass
class Bench:
    links: memory.MemoryLinks
    wire: frames.MemoryWire
    turns: turns.Turns
    announcer: layer2.Layer2Announcer
    held: tuple[values.L2Entry, ...] = ()

    def say(self, wanted: tuple[values.L2Entry, ...]) -> None:
        """Exactly this is held from now on."""
        before, self.held = self.held, wanted
        kept = {entry.address for entry in wanted}
        gone = [entry.address for entry in before if entry.address not in kept]
        self.announcer.drop(gone)
        for address in gone:
            self.announcer.forget(address)
        for entry in wanted:
            self.announcer.listen(entry)
        self.announcer.hold(entry for entry in wanted if entry not in before)
        self.turns.go()


def announcer_on(followed: memory.MemoryLinks, wire: frames.MemoryWire, turn: turns.Turns) -> layer2.Layer2Announcer:
    return layer2.Layer2Announcer(followed, wire, rules.Rules(), turn, lambda _frame: None)


@pytest.fixture(autouse=True)
def whole_turns(monkeypatch):
    """However busy the machine is, what a test does takes effect at once."""
    monkeypatch.setattr(turns, "SECONDS", 60.0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    followed, wire, turn = memory.MemoryLinks([ETH0]), frames.MemoryWire(), turns.Turns()
    made = Bench(followed, wire, turn, announcer_on(followed, wire, turn))
    await made.announcer.start()
    yield made
    await made.announcer.stop()


async def test_a_new_address_is_answered_and_announced_at_once(bench):
    bench.say(plan(A, C6))
    assert addresses_sent(bench.wire) == [(2, str(A)), (2, str(A)), (2, str(C6))]
    assert bench.wire.joined == {links.Membership(2, V6("ff02::1:ff00:200"))}
    bench.wire.deliver(2, FOUR, request(A))
    ((index, frame),) = bench.wire.take()
    assert (index, arp.decode(frame).sender_mac) == (2, ETH0.mac)


async def test_the_same_again_and_a_withdrawal_send_nothing(bench):
    bench.say(plan(A, B))
    bench.wire.take()
    bench.announcer.hold(plan(A, B))
    bench.say(plan(A))
    assert bench.wire.take() == []
    bench.wire.deliver(2, FOUR, request(B))
    assert bench.wire.take() == []
    assert bench.announcer.counts().refusals == ((links.Refusal.NOT_ANNOUNCED, 1),)


async def test_only_what_is_new_is_announced(bench):
    bench.say(plan(A))
    bench.wire.take()
    bench.say(plan(A, B))
    assert addresses_sent(bench.wire) == [(2, str(B)), (2, str(B))]


async def test_the_second_burst_follows_and_skips_what_was_withdrawn(bench):
    started = time.monotonic()
    bench.say(plan(A, B))
    bench.say(plan(B))
    bench.wire.take()
    await until(lambda: bool(bench.wire.sent))
    assert 0.9 < time.monotonic() - started < 3
    assert addresses_sent(bench.wire) == [(2, str(B)), (2, str(B))]


async def test_what_is_held_before_start_is_announced_at_start():
    wire = frames.MemoryWire()
    announcer = announcer_on(memory.MemoryLinks([ETH0]), wire, turns.Turns())
    announcer.hold(plan(A))
    assert wire.sent == []
    await announcer.start()
    assert addresses_sent(wire) == [(2, str(A)), (2, str(A))]
    await announcer.stop()


async def test_an_interface_that_appears_later_is_served(bench):
    bench.say(plan(A, (B, ("eth0",)), C6))
    bench.wire.take()
    bench.links.set(ETH0, ETH1)
    assert sorted(addresses_sent(bench.wire)) == [(3, str(A)), (3, str(A)), (3, str(C6))]
    assert {membership.interface for membership in bench.wire.joined} == {2, 3}
    bench.wire.deliver(3, FOUR, request(A))
    ((index, frame),) = bench.wire.take()
    assert (index, arp.decode(frame).sender_mac) == (3, ETH1.mac)


async def test_an_interface_that_goes_closes_its_taps(bench):
    bench.say(plan(A, C6))
    assert set(bench.wire.taps) == {(2, FOUR), (2, SIX)}
    bench.links.set()
    assert bench.wire.taps == {}
    assert bench.wire.joined == set()
    bench.wire.take()
    bench.links.set(dataclasses.replace(ETH0, is_up=False))
    assert bench.wire.taps == {}


async def test_a_new_mac_is_announced_and_answered_with(bench):
    bench.say(plan(A))
    bench.wire.take()
    bench.links.set(dataclasses.replace(ETH0, mac=ETH1.mac))
    assert {arp.decode(frame).sender_mac for _, frame in bench.wire.take()} == {ETH1.mac}
    bench.wire.deliver(2, FOUR, request(A))
    assert arp.decode(bench.wire.take()[0][1]).sender_mac == ETH1.mac


async def test_neighbors_that_the_kernel_knows_are_told_by_unicast(bench):
    bench.links.know(2, links.Neighbor(V4("10.99.0.1"), CLIENT), links.Neighbor(V6("fd00:99::1"), CLIENT))
    bench.say(plan(A, C6))
    await until(lambda: len(bench.wire.sent) == 5)
    unicast = [frame for _, frame in bench.wire.take() if frame[:6] == CLIENT]
    assert arp.decode(unicast[0]).sender_address == A
    assert ndp.decode(unicast[1]).target == C6


async def test_counts(bench):
    bench.say(plan(A, C6))
    bench.wire.deliver(2, FOUR, request(A))
    bench.wire.deliver(2, FOUR, request(A))
    bench.wire.deliver(2, FOUR, request(B))
    bench.wire.deliver(2, FOUR, request(A), is_for_us=False)
    bench.wire.gone.add(2)
    bench.wire.deliver(2, FOUR, request(A))
    assert bench.announcer.counts() == links.Counts(
        addresses=(links.AddressCounts(A, 3, 2, 2), links.AddressCounts(C6, 0, 0, 1)),
        refusals=((links.Refusal.NOT_ANNOUNCED, 1), (links.Refusal.NOT_FOR_US, 1)),
        send_errors=1,
    )


async def test_a_busy_device_delays_frames_and_loses_none(bench):
    bench.wire.busy = 3
    bench.say(plan(A, B))
    assert bench.wire.sent == []
    await until(lambda: len(bench.wire.sent) == 4)
    assert [row.gratuitous_sent for row in bench.announcer.counts().addresses] == [2, 2]


async def test_a_mass_takeover_leaves_turns_to_the_loop(bench, monkeypatch):
    monkeypatch.setattr(turns, "SECONDS", 0.0)
    many = [V4(0x0A630000 + n) for n in range(1000)]
    bench.say(plan(*many))
    first = len(bench.wire.sent)
    assert 0 < first <= turns.SURE
    bench.wire.deliver(2, FOUR, request(many[999]))
    assert bench.wire.sent[first][1][:6] == CLIENT
    await until(lambda: len(bench.wire.sent) == 2001)


async def test_silence_about_everything_is_at_once_and_for_what_waited_too(bench, monkeypatch):
    monkeypatch.setattr(turns, "SECONDS", 0.0)
    many = [V4(0x0A630000 + n) for n in range(1000)]
    bench.say(plan(*many))
    bench.wire.take()
    bench.announcer.clear()
    bench.wire.deliver(2, FOUR, request(many[0]))
    bench.announcer.hold(plan(A))
    await until(lambda: len(bench.wire.sent) == 2)
    assert addresses_sent(bench.wire) == [(2, str(A)), (2, str(A))]


async def test_an_address_that_is_defended_comes_before_everything_that_waits(bench, monkeypatch):
    monkeypatch.setattr(turns, "SECONDS", 0.0)
    many = [V4(0x0A630000 + n) for n in range(1000)]
    bench.say(plan(*many))
    await until(lambda: len(bench.wire.sent) == 2000)
    bench.announcer.hold(plan(A))
    bench.links.set(ETH0, ETH1)
    bench.wire.take()
    bench.announcer.insist([A, B])
    await until(lambda: len(bench.wire.sent) > 1000)
    assert str(A) in [address for _, address in addresses_sent(bench.wire)][: turns.SURE]


async def test_one_address_more_is_looked_at_alone_however_many_are_held(bench):
    many = [V4(0x0A630000 + n) for n in range(2000)]
    bench.say(plan(*many))
    await until(lambda: len(bench.wire.sent) >= 4000)
    looked_at = CountedRules(bench.announcer)
    bench.wire.take()
    bench.announcer.hold(plan(C6))
    bench.announcer.drop([many[7]])
    bench.turns.go()
    await until(lambda: (2, str(C6)) in addresses_sent(bench.wire))
    assert looked_at.entries <= 4


class CountedRules:
    """How many entries the announcer shows to its rules."""

    def __init__(self, announcer: layer2.Layer2Announcer) -> None:
        self.entries = 0
        counted = rules.Rules()
        for name in ("gained_by_plan", "gained_by_interface", "memberships"):
            setattr(counted, name, self._counting(getattr(counted, name)))
        announcer._rules = announcer._groups._rules = counted

    def _counting(self, rule):
        def counted(*arguments):
            self.entries += sum(len(each) for each in arguments if isinstance(each, dict))
            return rule(*arguments)

        return counted


async def test_unicast_announcements_come_in_rounds_each_of_them_bounded(bench, monkeypatch):
    """However many addresses are taken one after the other."""
    monkeypatch.setattr(announcing, "_DIRECTED_PAUSE", 0.05)
    crowd = [links.Mac(b"\x06" + number.to_bytes(5, "big")) for number in range(100)]
    bench.links.know(2, *(links.Neighbor(V4(0x0A700000 + n), mac) for n, mac in enumerate(crowd)))
    clock = asyncio.get_running_loop().time
    started, unicast, many = clock(), collections.Counter(), [V4(0x0A630000 + n) for n in range(1500)]

    def are_told() -> bool:
        unicast.update(arp.decode(frame).sender_address for _, frame in bench.wire.take() if not frame[0] & 1)
        return {many[0], many[-1]} <= unicast.keys()

    for number in (1, 2, 700, 1500):
        bench.say(plan(*many[:number]))
        await until(lambda: bool(bench.wire.sent))
    await until(are_told)
    assert unicast.total() <= gratuitous.DIRECTED_FRAMES * (2 + (clock() - started) / 0.05)
    assert max(unicast.values()) <= gratuitous.DIRECTED_NEIGHBORS


async def test_a_tap_that_cannot_be_opened_is_tried_again(bench):
    bench.say(plan(A))
    bench.wire.take()
    bench.wire.gone.add(3)
    bench.links.set(ETH0, ETH1)
    assert bench.wire.taps.keys() == {(2, FOUR), (2, SIX)}
    bench.wire.gone.clear()
    await until(lambda: (3, FOUR) in bench.wire.taps)
    assert (3, str(A)) in addresses_sent(bench.wire)


async def test_stop_sends_nothing_and_closes_everything(bench):
    bench.say(plan(A, C6))
    bench.wire.take()
    await bench.announcer.stop()
    bench.say(plan(B))
    assert bench.wire.sent == []
    assert bench.wire.taps == {}
    assert bench.wire.joined == set()
