"""Both processes of a speaker in one event loop, over a real channel: plans go in, what is held, heard and counted comes out."""

import asyncio
import contextlib
import dataclasses
import ipaddress
import socket
from collections.abc import AsyncIterator

import pytest

from frr_adapter import addresses, errors
from frr_adapter.boundary import layer2_metrics, logs, metrics
from speaker import company, links, messages, settings, values, wire
from speaker.boundary import channel, forking, wire_process
from speaker.core import arp, gratuitous, presence
from tests.fakes import frames, members
from tests.fakes import links as memory

A, B, C6 = (ipaddress.ip_address(text) for text in ("10.99.0.200", "10.99.0.201", "fd00:99::200"))
CLIENT = links.parse_mac("02:00:00:00:00:c1")
ETH0 = links.Interface(2, "eth0", mac=links.parse_mac("02:00:00:00:00:01"), link_local=ipaddress.IPv6Address("fe80::1"))
OTHER = dataclasses.replace(ETH0, mac=links.parse_mac("02:00:00:00:00:02"), link_local=ipaddress.IPv6Address("fe80::2"))
STRANGER = dataclasses.replace(ETH0, mac=links.parse_mac("02:00:00:00:00:77"))
ALL = frozenset({"n1", "n2", "n3"})
PEERS = {f"n{number}": ipaddress.ip_address(f"10.0.0.{number}") for number in (1, 2, 3)}
PATIENCE = 5


@dataclasses.dataclass
class Twofold:
    """`near` plans, `far` answers."""

    near: wire_process.WireProcess
    far: wire.WireSide
    members: members.MemoryMembers
    links: memory.MemoryLinks
    frames: frames.MemoryWire
    changes: list[None]
    took_over: list[float]
    work: list[asyncio.Task[object]] = dataclasses.field(default_factory=list)

    async def until(self, condition) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)

    def hear(self, frame: bytes) -> None:
        self.frames.deliver(2, addresses.Family.IPV4, frame)

    def says(self, address: addresses.Address) -> bool:
        self.frames.take()
        self.hear(
            arp.encode(
                arp.ArpFrame(
                    links.BROADCAST,
                    CLIENT,
                    arp.Operation.REQUEST,
                    CLIENT,
                    ipaddress.IPv4Address("10.99.0.1"),
                    links.UNSPECIFIED,
                    address,
                )
            )
        )
        return any(frame[:6] == CLIENT for _, frame in self.frames.take())


def plan(*entries: values.L2Entry | addresses.Address) -> values.L2Plan:
    return values.L2Plan(
        tuple(each if isinstance(each, values.L2Entry) else values.L2Entry(each, candidates=ALL) for each in entries)
    )


@contextlib.asynccontextmanager
async def twofold(*, has_membership: bool = False, patience: float = PATIENCE) -> AsyncIterator[Twofold]:
    ours, theirs = socket.socketpair()
    others = members.MemoryMembers("n1")
    others.confirms = {"n2", "n3"}
    followed, ether = memory.MemoryLinks([ETH0]), frames.MemoryWire()
    changes: list[None] = []
    took_over: list[float] = []
    near = wire_process.WireProcess(
        forking.Forked(0, ours),
        has_membership=has_membership,
        changed=lambda: changes.append(None),
        took_over=took_over.append,
    )
    far = wire.WireSide(
        "n1",
        await channel.Channel.over(theirs),
        company.Company(others if has_membership else None, settings.LAN),
        followed,
        ether,
        None,
        patience,
    )
    made = Twofold(near, far, others, followed, ether, changes, took_over)

    async def serve() -> None:
        await far.start()  # the program waits for the first sign of life; here it may come later
        await far.run()
        await far.stop()

    made.work.append(asyncio.create_task(serve()))
    await near.start()
    made.work.append(asyncio.create_task(near.run()))
    try:
        yield made
    finally:
        for task in made.work[1:]:
            task.cancel()
        await asyncio.gather(*made.work[1:], return_exceptions=True)
        await near.stop()
        await asyncio.gather(*made.work, return_exceptions=True)


@pytest.fixture
async def pair(monkeypatch) -> AsyncIterator[Twofold]:
    monkeypatch.setattr(wire, "TELL_SECONDS", 0.01)
    async with twofold() as made:
        yield made


@pytest.fixture
async def watched(monkeypatch) -> AsyncIterator[Twofold]:
    """n1 among n2 and n3, all of whom are heard."""
    monkeypatch.setattr(wire, "TELL_SECONDS", 0.01)
    async with twofold(has_membership=True) as made:
        made.near.set_peers(PEERS)
        for name, each in (("n2", OTHER), ("n3", dataclasses.replace(OTHER, mac=links.parse_mac("02:00:00:00:00:03")))):
            made.members.finds(name, presence.encode([each], 500))

        async def gossip() -> None:
            while True:
                now = far_clock()
                made.members.hears(now, n2=now, n3=now)
                await asyncio.sleep(settings.LAN.step)

        made.work.append(asyncio.create_task(gossip()))
        yield made


def far_clock() -> float:
    return asyncio.get_running_loop().time()


async def test_a_plan_is_carried_out_and_what_is_held_is_known(pair):
    assert pair.near.known_interfaces() == {"eth0"}
    assert pair.near.live() is None
    before = len(pair.changes)
    pair.near.set_plan(plan(A, C6))
    await pair.until(lambda: pair.near.held() == {A, C6})
    assert len(pair.changes) > before
    assert pair.near.held() is pair.near.held()
    assert pair.says(A)
    pair.near.set_plan(plan(C6, B))
    await pair.until(lambda: pair.near.held() == {B, C6})
    assert not pair.says(A)
    pair.near.set_plan(plan())
    await pair.until(lambda: not pair.near.held())


async def test_an_equal_plan_tells_nothing(pair, monkeypatch):
    pair.near.set_plan(plan(A))
    await pair.until(pair.near.held)
    before = len(pair.changes)
    sent: list[bytes] = []
    with monkeypatch.context() as patched:
        patched.setattr(channel.Channel, "send", lambda _self, message: sent.append(message))
        pair.near.set_plan(plan(A))
    assert sent == []
    pair.near.set_plan(plan(A, B))
    await pair.until(lambda: len(pair.near.held()) == 2)
    assert len(pair.changes) == before + 1


async def test_thousands_of_addresses_arrive(pair):
    many = [ipaddress.ip_address("10.20.0.0") + number for number in range(1000)]
    pair.near.set_plan(plan(*many))
    await pair.until(lambda: len(pair.near.held()) == len(many))
    pair.near.set_plan(plan(*many[500:]))
    await pair.until(lambda: pair.near.held() == frozenset(many[500:]))


async def test_counts_interfaces_and_rivals_are_told(pair):
    pair.near.set_plan(plan(A))
    await pair.until(pair.near.held)
    assert pair.says(A)
    await pair.until(lambda: any(row.responses_sent == 1 for row in pair.near.counts().addresses))
    (row,) = pair.near.counts().addresses
    assert (row.address, row.requests_received) == (A, 1)
    pair.links.set(ETH0, dataclasses.replace(ETH0, index=3, name="eth1"))
    await pair.until(lambda: pair.near.known_interfaces() == {"eth0", "eth1"})
    pair.links.set(dataclasses.replace(ETH0, is_up=False))  # in any state
    await pair.until(lambda: pair.near.known_interfaces() == {"eth0"})
    pair.links.set(ETH0)
    before = len(pair.changes)
    pair.hear(gratuitous.burst(A, STRANGER)[0])
    await pair.until(lambda: [each.mac for each in pair.near.rivals()] == [STRANGER.mac])
    assert len(pair.changes) == before + 1
    assert pair.near.rivals()[0].is_present


async def test_the_log_level_of_the_program_is_that_of_both_processes(pair, monkeypatch):
    """One process here, so what is told is looked at where it arrives."""
    told = []
    monkeypatch.setattr(logs, "set_level", told.append)
    pair.near.set_log_level(logs.Level.DEBUG)
    await pair.until(lambda: told == [logs.Level.DEBUG])


async def test_who_lives_is_told_and_the_fence_is_measured(watched):
    assert watched.near.live().keys() == {"n1", "n2", "n3"}  # in the time of grace
    await watched.until(lambda: watched.near.live().get("n2") == frozenset({"eth0"}))
    watched.near.set_plan(plan(A))
    await watched.until(watched.near.held)
    registry = metrics.Metrics()
    counted = layer2_metrics.Layer2Metrics(registry)

    def measured(line: str) -> bool:
        watched.near.measure(counted)
        return line in registry.render().decode()

    await watched.until(lambda: measured("frr_adapter_members 3.0"))
    await watched.until(lambda: measured("frr_adapter_layer2_fenced 0.0"))
    watched.members.loses("n2", far_clock() - 0.4)
    await watched.until(lambda: "n2" not in watched.near.live())
    watched.near.set_plan(plan(A, B))
    await watched.until(lambda: len(watched.near.held()) == 2)
    await watched.until(lambda: len(watched.took_over) == 1)
    assert 0.4 <= watched.took_over[0] < 5


async def test_of_two_that_hold_an_address_the_first_by_the_order_keeps_it(watched):
    preferred = {node: values.L2Entry(B, candidates=ALL, scores=((node, 5),)) for node in ("n1", "n2")}
    for node, is_kept in (("n1", True), ("n2", False)):
        watched.near.set_plan(plan())
        await watched.until(lambda: not watched.near.held())
        watched.near.set_plan(plan(preferred[node]))
        await watched.until(watched.near.held)
        watched.hear(gratuitous.burst(B, OTHER)[0])
        await watched.until(lambda kept=is_kept: bool(watched.near.held()) is kept)
        assert watched.says(B) is is_kept


async def test_who_stops_falls_silent_and_hands_over(watched):
    watched.near.set_plan(plan(values.L2Entry(A, candidates=ALL, scores=(("n3", 5),))))
    await watched.until(watched.near.held)
    watched.work[1].cancel()
    await asyncio.gather(watched.work[1], return_exceptions=True)
    await watched.near.stop()
    assert watched.members.did == ["send", "leave", "stop"]
    ((heir, message),) = watched.members.sent
    assert (heir, presence.decode_handover(message)) == ("n3", (A,))
    assert not watched.frames.taps


async def test_who_left_a_moment_ago_inherits_nothing(watched):
    """Two stop at once; the plan does not know of it yet."""
    watched.near.set_plan(plan(values.L2Entry(A, candidates=ALL, scores=(("n3", 5),))))
    await watched.until(watched.near.held)
    watched.members.sees_off("n3")
    watched.near.let_go()
    await watched.until(lambda: "stop" in watched.members.did)
    assert [name for name, _ in watched.members.sent] == ["n2"]


async def test_addresses_are_answered_for_while_their_heirs_are_found(watched, monkeypatch):
    many = [A, B, *(ipaddress.ip_address("10.20.0.0") + number for number in range(2 * messages.LOT))]
    watched.near.set_plan(plan(*many))
    await watched.until(lambda: len(watched.near.held()) == len(many))
    was_answered: list[bool] = []

    def heirs(given, own, gone):
        was_answered.append(watched.says(A))
        if len(was_answered) == 1:
            watched.far._claimant.change(values.L2Change(gone=(B,)))
        return {"n2": tuple(each.address for each in given)}

    monkeypatch.setattr(wire.precedence, "heirs", heirs)
    watched.near.let_go()
    await watched.until(lambda: "stop" in watched.members.did)
    assert was_answered == [True] * 3
    handed = [address for _, message in watched.members.sent for address in presence.decode_handover(message)]
    assert sorted(handed) == sorted(each for each in many if each != B)


async def test_who_is_to_let_go_hands_over_before_everything_else_has_ended(watched):
    watched.near.set_plan(plan(values.L2Entry(A, candidates=ALL, scores=(("n3", 5),))))
    await watched.until(watched.near.held)
    watched.work[1].cancel()
    watched.near.let_go()
    await watched.until(lambda: watched.members.did == ["send", "leave", "stop"])
    assert not watched.frames.taps
    await watched.near.stop()


async def test_a_change_that_cannot_be_told_is_told_with_the_next_plan(pair):
    wrong = values.L2Entry(A, candidates=ALL, scores=(("n1", 1 << 70),))
    with pytest.raises(OverflowError):
        pair.near.set_plan(failed := plan(B, wrong))
    with pytest.raises(OverflowError):
        pair.near.set_plan(failed)
    pair.near.set_plan(plan(A, B))
    await pair.until(lambda: pair.near.held() == {A, B})


async def test_a_planner_that_hangs_and_reads_nothing_loses_its_addresses_too(monkeypatch):
    """What is told to it fills the channel, and would wait for ever."""
    monkeypatch.setattr(wire, "SECOND", 0.01)
    monkeypatch.setattr(wire_process, "ALIVE_SECONDS", 1000.0)
    async with twofold(has_membership=True, patience=1000) as made:
        made.near.set_peers({"n1": PEERS["n1"]})
        made.members.hears(far_clock())
        made.near.set_plan(plan(A))
        await made.until(made.near.held)
        made.work[1].cancel()
        await asyncio.gather(made.work[1], return_exceptions=True)
        told = messages.encode(messages.Failed("x" * (1 << 20)))
        for _ in range(8):
            made.far._talk.send(told)
        assert made.says(A)
        made.far._patience = 0
        await made.until(lambda: not made.frames.taps)
        await made.until(made.work[0].done)


async def test_what_a_planner_does_not_read_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(channel, "FLUSH_SECONDS", 0.02)
    ours, theirs = socket.socketpair()
    talk = await channel.Channel.over(theirs)
    talk.send(bytes(1 << 23))
    async with asyncio.timeout(5):
        await talk.flushed()
    talk.abort()
    assert await talk.receive() is None
    ours.close()


async def test_a_wire_process_that_hangs_ends_the_speaker(monkeypatch):
    monkeypatch.setattr(wire, "SECOND", 0.01)
    monkeypatch.setattr(wire_process, "ALIVE_SECONDS", 0.01)
    monkeypatch.setattr(wire_process, "PATIENCE", 20)
    async with twofold() as made:
        await asyncio.sleep(0.01 * 3 * wire_process.PATIENCE)  # it lives, and says so although nothing happens
        assert not made.work[1].done()
        made.far._talk.send = lambda _message: None
        with pytest.raises(errors.LinkError, match="the process that answers hangs"):
            await made.work[1]


async def test_a_wire_process_that_is_never_ready_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(wire_process, "_START_SECONDS", 0.02)
    ours, theirs = socket.socketpair()
    near = wire_process.WireProcess(forking.Forked(0, ours), has_membership=False, changed=lambda: None)
    with pytest.raises(errors.LinkError, match="is not ready after"):
        await near.start()
    theirs.close()


async def test_a_planner_that_hangs_loses_its_addresses_to_others(monkeypatch):
    monkeypatch.setattr(wire, "SECOND", 0.01)
    monkeypatch.setattr(wire_process, "ALIVE_SECONDS", 0.005)
    async with twofold(has_membership=True) as made:
        made.near.set_peers({"n1": PEERS["n1"]})
        made.members.hears(far_clock())
        made.near.set_plan(plan(A))
        await made.until(made.near.held)
        await asyncio.sleep(0.01 * 3 * PATIENCE)  # it lives, and that is enough
        assert made.says(A)
        monkeypatch.setattr(wire_process, "ALIVE_SECONDS", 1000.0)
        await made.until(lambda: not made.frames.taps)
        with pytest.raises(errors.LinkError, match="has ended"):
            await made.work[1]


async def test_where_nobody_watches_a_planner_that_hangs_keeps_its_addresses(monkeypatch):
    """Nobody else would answer for them; but nothing piles up that it does not read."""
    monkeypatch.setattr(wire, "SECOND", 0.005)
    monkeypatch.setattr(wire, "TELL_SECONDS", 0.005)
    monkeypatch.setattr(wire_process, "ALIVE_SECONDS", 1000.0)
    async with twofold() as made:
        made.near.set_plan(plan(A))
        await made.until(made.near.held)
        await made.until(lambda: made.far._unheard > 3 * PATIENCE)
        before = made.near.counts()
        assert made.says(A)
        await made.until(lambda: made.far._unheard > 6 * PATIENCE)
        assert made.near.counts() == before
        made.near.set_plan(plan(A, B))
        await made.until(lambda: made.near.counts() != before)
        assert made.says(A)


async def test_a_wire_process_that_cannot_start_says_why():
    ours, theirs = socket.socketpair()
    near = wire_process.WireProcess(forking.Forked(0, ours), has_membership=False, changed=lambda: None)
    talk = await channel.Channel.over(theirs)

    async def fail() -> None:
        assert isinstance(messages.to_wire(await talk.receive() or b""), messages.Alive)
        talk.send(messages.encode(messages.Failed("Operation not permitted")))
        await talk.flushed()
        talk.close()

    failing = asyncio.create_task(fail())
    with pytest.raises(errors.LinkError, match="layer 2: Operation not permitted"):
        await near.start()
    await failing
