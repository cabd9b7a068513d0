"""Claiming addresses on in-memory links and wires: what is asked, when it is answered, who yields."""

import asyncio
import dataclasses
import ipaddress
from collections.abc import AsyncIterator

import pytest

from frr_adapter import addresses
from speaker import links, values
from speaker.boundary import claimant
from speaker.core import arp, gratuitous, holding, ndp, probing
from speaker.core import layer2 as rules
from tests.fakes import frames
from tests.fakes import links as memory

A, B, C6 = (ipaddress.ip_address(text) for text in ("10.99.0.200", "10.99.0.201", "fd00:99::200"))
CLIENT = links.parse_mac("02:00:00:00:00:c1")
ETH0 = links.Interface(2, "eth0", mac=links.parse_mac("02:00:00:00:00:01"), link_local=ipaddress.IPv6Address("fe80::1"))
OTHER = dataclasses.replace(ETH0, mac=links.parse_mac("02:00:00:00:00:02"), link_local=ipaddress.IPv6Address("fe80::2"))


def plan(*wanted, wish=values.Wish.TAKE):
    return values.L2Plan(tuple(values.L2Entry(address, frozenset(), wish) for address in wanted))


@dataclasses.dataclass
class Bench:
    wire: frames.MemoryWire
    is_fenced: bool = False
    standing: links.Standing = links.Standing.BEHIND_US
    changes: int = 0
    taken: list[addresses.Address] = dataclasses.field(default_factory=list)
    node: claimant.Claimant | None = None

    def hear(self, frame: bytes) -> None:
        family = addresses.Family.IPV4 if frame[12:14] == b"\x08\x06" else addresses.Family.IPV6
        self.wire.deliver(2, family, frame)

    def says(self, address: addresses.Address) -> bool:
        """Whether a client's question is answered."""
        self.wire.take()
        request = arp.ArpFrame(
            links.BROADCAST, CLIENT, arp.Operation.REQUEST, CLIENT, ipaddress.IPv4Address("10.99.0.1"),
            links.UNSPECIFIED, address,
        )  # fmt: skip
        self.hear(arp.encode(request))
        return any(frame[:6] == CLIENT for _, frame in self.wire.take())

    def asked(self) -> list[str]:
        """Addresses asked about since the last call."""
        found = []
        for _, frame in self.wire.take():
            heard = probing.heard(frame, ())
            if heard is not None and heard.claim is links.Claim.PROBE:
                found.append(str(heard.address))
        return found

    async def until(self, condition) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)

    async def holds(self, *wanted) -> None:
        await self.until(lambda: self.node.held() == frozenset(wanted))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench(frames.MemoryWire())

    def changed():
        made.changes += 1

    made.node = claimant.Claimant(
        memory.MemoryLinks([ETH0]),
        made.wire,
        rules.Rules(),
        is_fenced=lambda: made.is_fenced,
        standing=lambda _address, _mac: made.standing,
        changed=changed,
        taken=made.taken.extend,
    )
    await made.node.start()
    yield made
    await made.node.stop()


async def test_an_address_is_asked_for_three_times_before_it_is_answered_and_announced(bench):
    clock = asyncio.get_running_loop().time
    started = clock()
    bench.node.set_plan(plan(A, C6))
    assert bench.asked() == [str(A), str(C6)]
    assert bench.wire.joined == {links.Membership(2, ndp.solicited_node_group(C6))}
    assert not bench.says(A)
    asked = []
    while not bench.node.held():
        asked += bench.asked()
        await asyncio.sleep(0.001)
    assert clock() - started >= holding.TAKEOVER_SECONDS
    assert asked == [str(A), str(C6)] * 2
    assert bench.node.held() == {A, C6}
    announced = [arp.decode(f).sender_address for _, f in bench.wire.take() if f[12:14] == b"\x08\x06"]
    assert announced == [A, A]
    assert bench.says(A)
    assert bench.changes == 1


async def test_who_answers_keeps_it(bench):
    bench.node.set_plan(plan(A, B))
    bench.hear(gratuitous.burst(A, OTHER)[0])
    await bench.until(bench.node.held)
    assert bench.node.held() == {B}
    assert not bench.says(A)
    assert bench.says(B)
    assert bench.node.rivals() == ()
    await bench.holds(A, B)  # it is asked for again, and nobody answers any more


async def test_a_withdrawn_address_is_silent_at_once(bench):
    bench.node.set_plan(plan(A))
    await bench.holds(A)
    bench.node.set_plan(plan())
    assert not bench.says(A)
    assert bench.node.held() == frozenset()


async def test_a_keeper_keeps_and_takes_nothing(bench):
    bench.node.set_plan(plan(A))
    await bench.holds(A)
    bench.node.set_plan(plan(A, B, wish=values.Wish.KEEP))
    assert bench.says(A)
    assert bench.asked() == []
    assert bench.node.held() == {A}


async def test_behind_the_fence_nothing_is_answered_not_even_what_waited(bench):
    bench.node.set_plan(plan(A))
    await bench.holds(A)
    bench.is_fenced = True  # nobody has said so; the next frame is the first to notice
    assert not bench.says(A)
    assert bench.node.held() == frozenset()
    bench.is_fenced = False
    bench.node.members_changed()
    assert bench.asked() == [str(A)]
    await bench.holds(A)


async def test_behind_the_fence_nothing_is_announced_not_even_what_was_due():
    """As after a stop of the process: a timer or a link event comes before any frame does."""
    state = {"is_fenced": False}
    wire, followed = frames.MemoryWire(), memory.MemoryLinks([ETH0])
    made = claimant.Claimant(followed, wire, rules.Rules(), is_fenced=lambda: state["is_fenced"])
    await made.start()
    made.set_plan(plan(A, C6))
    async with asyncio.timeout(5):
        while not made.held():
            await asyncio.sleep(0.001)
    wire.take()
    state["is_fenced"] = True
    followed.set(dataclasses.replace(ETH0, mac=OTHER.mac))
    assert wire.take() == []
    assert made.held() == frozenset()
    await made.stop()


async def test_a_claimant_that_starts_fenced_waits():
    wire = frames.MemoryWire()
    made = claimant.Claimant(memory.MemoryLinks([ETH0]), wire, rules.Rules(), is_fenced=lambda: True)
    made.set_plan(plan(A))
    await made.start()
    made.members_changed()
    assert wire.take() == []
    await made.stop()


async def test_of_two_holders_the_later_one_yields_and_the_first_one_insists(bench):
    bench.node.set_plan(plan(A))
    await bench.holds(A)
    bench.wire.take()
    bench.hear(gratuitous.burst(A, OTHER)[0])
    assert [arp.decode(frame).sender_mac for _, frame in bench.wire.take()] == [ETH0.mac, ETH0.mac]
    assert bench.says(A)
    bench.standing = links.Standing.BEFORE_US
    bench.hear(gratuitous.burst(A, OTHER)[1])
    assert not bench.says(A)
    assert bench.node.rivals() == ()  # speakers settle it among themselves


async def test_a_stranger_is_told_of_once_and_defended_against_once(bench, capsys):
    bench.standing = links.Standing.STRANGER
    bench.node.set_plan(plan(A))
    await bench.holds(A)
    assert bench.taken == [A]
    bench.wire.take()
    changes = bench.changes
    for _ in range(5):
        bench.hear(gratuitous.burst(A, OTHER)[0])
    assert [arp.decode(frame).sender_mac for _, frame in bench.wire.take()] == [ETH0.mac, ETH0.mac]
    assert bench.says(A)
    assert bench.changes == changes + 1
    assert bench.node.rivals() == (links.Rival(A, OTHER.mac, 5),)
    assert capsys.readouterr().out.count("another station claims an address") == 1
    bench.node.set_plan(plan(B))
    assert bench.node.rivals() == ()


async def test_a_stranger_that_keeps_answering_for_what_we_want_is_told_of(bench):
    bench.standing = links.Standing.STRANGER
    bench.node.set_plan(plan(A))

    def is_told() -> bool:
        if bench.asked():
            bench.hear(gratuitous.burst(A, OTHER)[1])
        return any(each.is_present for each in bench.node.rivals())

    await bench.until(is_told)
    assert bench.node.held() == frozenset()
    assert bench.changes == 1


async def test_without_membership_the_holder_of_what_we_want_may_be_a_speaker(bench):
    bench.standing = links.Standing.UNKNOWN
    bench.node.set_plan(plan(A, B))
    bench.hear(gratuitous.burst(A, OTHER)[0])
    await bench.holds(B)
    bench.hear(gratuitous.burst(B, OTHER)[0])
    assert [each.address for each in bench.node.rivals()] == [B]


async def test_addresses_are_handed_over_without_questions(bench):
    bench.node.set_plan(plan(A, B))
    assert bench.node.take([A, C6]) == {A}
    assert bench.says(A)
    assert not bench.says(B)


async def test_a_release_gives_what_was_held_and_is_final(bench):
    bench.node.set_plan(plan(A, B))
    await bench.holds(A, B)
    assert bench.node.release() == {A, B}
    assert not bench.says(A)
    bench.node.set_plan(plan(A))
    bench.node.members_changed()
    assert bench.asked() == []
    assert bench.node.held() == frozenset()


async def test_many_addresses_are_asked_for_in_lots(bench):
    many = [ipaddress.IPv4Address(0x0A630000 + number) for number in range(2000)]
    bench.node.set_plan(plan(*many))
    assert len(bench.asked()) == holding.ASKED_AT_ONCE
    await bench.holds(*many)


async def test_when_the_candidates_change_a_waiting_node_asks_at_once(bench):
    """As when the endpoints leave the owner's node: nobody died, and the owner falls silent by itself."""
    bench.node.set_plan(plan(A, B))
    for _ in range(3):
        for each in (A, B):
            bench.hear(gratuitous.burst(each, OTHER)[0])
    bench.asked()
    entries = plan(A, B).entries
    bench.node.set_plan(values.L2Plan((dataclasses.replace(entries[0], candidates=frozenset({"n1"})), entries[1])))
    assert bench.asked() == [str(A)]
