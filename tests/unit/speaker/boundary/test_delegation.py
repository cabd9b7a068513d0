"""Kernel proxies beside the raw responder: who answers, what is in place when, and what happens when the kernel does not play along."""

import asyncio
import dataclasses
import ipaddress
from collections.abc import AsyncIterator, Callable

import pytest

from speaker import links, values
from speaker.boundary import claimant, delegation, turns
from speaker.core import arp, ndp
from speaker.core import layer2 as rules
from tests.fakes import frames, proxies
from tests.fakes import links as memory

V4, V6 = ipaddress.IPv4Address, ipaddress.IPv6Address
CLIENT = links.parse_mac("02:00:00:00:00:c1")
ETH0 = links.Interface(2, "eth0", mac=links.parse_mac("02:00:00:00:00:01"), link_local=V6("fe80::1"))
ETH1 = links.Interface(3, "eth1", mac=links.parse_mac("02:00:00:00:00:02"), link_local=V6("fe80::2"))
RIGHT = links.Answering(forwards_ipv4=True, delay_ipv4=0, forwards_ipv6=True, proxies_ipv6=True, delay_ipv6=0)
A, C6, D6 = V4("10.99.0.200"), V6("fd00:99::200"), V6("fd00:99::201")
ON0, ON1 = links.Target(2, C6), links.Target(3, C6)


def plan(*wanted) -> tuple[values.L2Entry, ...]:
    return tuple(values.L2Entry(address) for address in wanted)


class OrderedProxies(proxies.MemoryProxies):
    """Knows what had been sent when entries changed."""

    def __init__(self, wire: frames.MemoryWire) -> None:
        super().__init__()
        self.sent_before: list[int] = []
        self._wire = wire

    def keep(self, wanted):
        before = self.ours
        found = super().keep(wanted)
        if self.ours != before:
            self.sent_before.append(sum(is_claim(frame) for _, frame in self._wire.sent))
        return found


def is_claim(frame: bytes) -> bool:
    if frame[12:14] == b"\x08\x06":
        return arp.decode(frame).sender_address != V4(0)
    return isinstance(ndp.decode(frame), ndp.Advertisement)


@dataclasses.dataclass
class Bench:
    wire: frames.MemoryWire
    links: memory.MemoryLinks
    kernel: OrderedProxies
    is_fenced: bool = False
    node: claimant.Claimant = None
    wanted: tuple[values.L2Entry, ...] = ()

    def want(self, wanted: tuple[values.L2Entry, ...]) -> None:
        before, self.wanted = self.wanted, wanted
        gone = tuple(entry.address for entry in before if entry not in wanted)
        self.node.change(values.L2Change(gone, wanted))

    async def hold(self, *wanted) -> None:
        self.want(plan(*wanted))
        await until(lambda: self.node.held() == frozenset(wanted))
        assert self.wire.sent

    def ask(self, address, *, index=2, sender=None, **changes) -> int:
        """How many answers the raw responder gave to a question."""
        self.wire.take()
        if address.version == 4:
            fields = (links.BROADCAST, CLIENT, arp.Operation.REQUEST, CLIENT, V4(sender or "10.99.0.1"))
            frame = arp.encode(arp.ArpFrame(*fields, links.UNSPECIFIED, address))
        else:
            group = ndp.solicited_node_group(address)
            frame = ndp.encode(
                ndp.Solicitation(
                    **{
                        "destination": ndp.group_mac(group),
                        "source": CLIENT,
                        "sender": V6("fd00:99::1"),
                        "receiver": group,
                        "target": address,
                        "source_link_layer": CLIENT,
                        **changes,
                    }
                )
            )
        self.wire.deliver(index, address.version, frame)
        return len([sent for _, sent in self.wire.take() if is_claim(sent) and sent[:6] == CLIENT])

    def by_kernel(self) -> int:
        return dict(self.node.counts().refusals).get(links.Refusal.BY_KERNEL, 0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def whole_turns(monkeypatch):
    """However busy the machine is, what a test does takes effect at once."""
    monkeypatch.setattr(turns, "SECONDS", 60.0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    wire = frames.MemoryWire()
    made = Bench(wire, memory.MemoryLinks([ETH0, ETH1]), OrderedProxies(wire))
    made.kernel.settings = {2: RIGHT}
    made.node = claimant.Claimant(
        made.links, wire, rules.Rules(), is_fenced=lambda: made.is_fenced, proxies=made.kernel
    )
    await made.node.start()
    yield made
    await made.node.stop()


async def test_the_kernel_answers_where_it_can_and_raw_sockets_elsewhere(bench):
    await bench.hold(A, C6)
    assert bench.kernel.ours == {ON0}
    assert bench.ask(C6) == 0
    assert bench.ask(C6, index=3) == 1
    assert bench.ask(A) == 1  # no route through another interface
    assert bench.by_kernel() == 1
    assert {row.address: row.requests_received for row in bench.node.counts().addresses} == {A: 1, C6: 2}


async def test_an_entry_is_there_before_the_address_is_announced_and_only_once_it_is_held(bench):
    bench.want(plan(C6))
    assert bench.kernel.ours == frozenset()
    await bench.hold(C6)
    assert bench.kernel.sent_before == [0]


async def test_a_withdrawn_address_has_no_entry_at_once(bench):
    await bench.hold(C6, D6)
    bench.want(plan(D6))
    assert bench.kernel.ours == {links.Target(2, D6)}
    assert bench.ask(C6) == 0


async def test_a_fence_and_a_handover_remove_everything_at_once(bench):
    await bench.hold(C6)
    bench.is_fenced = True
    bench.node.members_changed()
    assert bench.kernel.ours == frozenset()
    bench.is_fenced = False
    bench.node.members_changed()
    await until(lambda: bench.kernel.ours == {ON0})
    assert bench.node.release() == {C6}
    assert bench.kernel.ours == frozenset()


async def test_a_stop_leaves_nothing(bench):
    await bench.hold(C6)
    await bench.node.stop()
    assert bench.kernel.ours == frozenset()


async def test_what_an_earlier_speaker_left_goes_at_the_start_and_foreign_entries_stay():
    kernel = proxies.MemoryProxies()
    kernel.ours = frozenset({ON0})
    kernel.foreign = {ON1}
    node = claimant.Claimant(memory.MemoryLinks([ETH0]), frames.MemoryWire(), rules.Rules(), proxies=kernel)
    await node.start()
    assert kernel.ours == frozenset()
    assert kernel.foreign == {ON1}
    await node.stop()


async def test_clearing_that_is_refused_is_no_end(capsys):
    kernel = proxies.MemoryProxies()
    kernel.ours = frozenset({ON0})
    kernel.refusal = PermissionError(1, "Operation not permitted")
    delegation.clear(kernel)
    assert "Operation not permitted" in capsys.readouterr().out
    kernel.refusal = None
    delegation.clear(kernel)
    assert kernel.ours == frozenset()


async def test_probes_of_other_speakers_and_direct_solicitations_are_answered_by_us(bench):
    bench.kernel.routes = {A: 9}
    await bench.hold(A, C6)
    assert bench.kernel.ours == {ON0, links.Target(2, A)}
    assert bench.ask(A) == 0
    assert bench.ask(A, sender="0.0.0.0") == 1
    assert bench.ask(C6, destination=ETH0.mac, receiver=C6) == 1


async def test_interfaces_that_come_and_go_are_followed(bench):
    await bench.hold(C6)
    bench.links.set(ETH1)
    assert bench.kernel.ours == frozenset()
    bench.kernel.settings[3] = RIGHT
    bench.links.set(ETH0, ETH1)
    assert bench.kernel.ours == {ON0, ON1}
    bench.links.set(dataclasses.replace(ETH0, is_up=False), ETH1)
    assert bench.kernel.ours == {ON1}


async def test_an_entry_that_somebody_removed_comes_back_with_the_next_question(bench):
    await bench.hold(C6)
    bench.kernel.ours = frozenset()
    assert bench.ask(C6) == 1
    assert bench.kernel.ours == {ON0}


async def test_a_setting_that_changed_is_noticed_with_the_next_question(bench):
    await bench.hold(C6)
    bench.kernel.settings[2] = dataclasses.replace(RIGHT, proxies_ipv6=False)
    assert bench.ask(C6) == 1
    assert bench.kernel.ours == frozenset()
    assert bench.ask(C6) == 1


async def test_a_route_that_changed_is_noticed_with_the_next_question(bench):
    bench.kernel.routes = {A: 9}
    await bench.hold(A)
    assert bench.ask(A) == 0
    bench.kernel.routes = {A: 2}
    await until(lambda: bench.ask(A) == 1)
    assert bench.kernel.ours == frozenset()


async def test_a_flood_of_questions_does_not_make_us_look_each_time(bench):
    await bench.hold(C6)
    for _ in range(50):
        assert bench.ask(C6) == 0
    assert bench.kernel.looks == 1


async def test_a_refused_change_is_tried_again_and_raw_sockets_answer_meanwhile(bench, monkeypatch):
    monkeypatch.setattr(delegation, "_RETRY_SECONDS", 0.01)
    bench.kernel.refusal = PermissionError(1, "Operation not permitted")
    await bench.hold(C6)
    assert bench.ask(C6) == 1
    bench.kernel.refusal = None
    await until(lambda: bench.kernel.ours == {ON0})
    assert bench.ask(C6) == 0


async def test_a_removal_that_was_refused_is_tried_again(bench, monkeypatch):
    monkeypatch.setattr(delegation, "_RETRY_SECONDS", 0.01)
    await bench.hold(C6)
    bench.kernel.refusal = OSError(105, "No buffer space available")
    bench.want(plan())
    assert bench.kernel.ours == {ON0}
    bench.kernel.refusal = None
    await until(lambda: bench.kernel.ours == frozenset())


async def test_reasons_for_raw_sockets_are_told_once(bench, capsys):
    await bench.hold(C6)
    bench.want(plan(C6, D6))
    await until(lambda: len(bench.node.held()) == 2)
    told = [line for line in capsys.readouterr().out.splitlines() if "net.ipv6.conf.eth1.forwarding is not 1" in line]
    assert len(told) == 1
