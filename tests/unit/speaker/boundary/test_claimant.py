"""Claiming addresses on in-memory links and wires: what is asked, when it is answered, who yields."""

import asyncio
import dataclasses
import ipaddress
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frr_adapter import addresses
from speaker import links, values
from speaker.boundary import claimant, turns
from speaker.core import arp, gratuitous, holding, ndp, probing
from speaker.core import layer2 as rules
from tests.fakes import frames
from tests.fakes import links as memory

A, B, C6 = (ipaddress.ip_address(text) for text in ("10.99.0.200", "10.99.0.201", "fd00:99::200"))
CLIENT = links.parse_mac("02:00:00:00:00:c1")
ETH0 = links.Interface(2, "eth0", mac=links.parse_mac("02:00:00:00:00:01"), link_local=ipaddress.IPv6Address("fe80::1"))
OTHER = dataclasses.replace(ETH0, mac=links.parse_mac("02:00:00:00:00:02"), link_local=ipaddress.IPv6Address("fe80::2"))


def plan(*wanted, wish=values.Wish.TAKE):
    return tuple(values.L2Entry(address, frozenset(), wish) for address in wanted)


@dataclasses.dataclass
class Bench:
    wire: frames.MemoryWire
    links: memory.MemoryLinks
    is_fenced: bool = False
    standing: links.Standing = links.Standing.BEHIND_US
    rivals: int = 0
    told: set[addresses.Address] = dataclasses.field(default_factory=set)
    wanted: tuple[values.L2Entry, ...] = ()
    taken: list[addresses.Address] = dataclasses.field(default_factory=list)
    node: claimant.Claimant | None = None

    def want(self, wanted: tuple[values.L2Entry, ...]) -> None:
        """Exactly this is wanted from now on."""
        before, self.wanted = {entry.address for entry in self.wanted}, wanted
        gone = tuple(before - {entry.address for entry in wanted})
        self.node.change(values.L2Change(gone, wanted))

    def hear_of(self, held: values.Held) -> None:
        assert self.told.isdisjoint(held.gained)
        self.told |= set(held.gained)
        assert self.told >= set(held.lost)
        self.told -= set(held.lost)

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
        await self.until(lambda: self.node.held() == self.told == frozenset(wanted))


@pytest.fixture(autouse=True)
def whole_turns(monkeypatch):
    """However busy the machine is, what a test does takes effect at once."""
    monkeypatch.setattr(turns, "SECONDS", 60.0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench(frames.MemoryWire(), memory.MemoryLinks([ETH0]))

    def changed():
        made.rivals += 1

    made.node = claimant.Claimant(
        made.links,
        made.wire,
        rules.Rules(),
        is_fenced=lambda: made.is_fenced,
        standing=lambda _address, _mac: made.standing,
        changed=changed,
        changed_held=made.hear_of,
        taken=made.taken.extend,
    )
    await made.node.start()
    yield made
    await made.node.stop()


async def test_an_address_is_asked_for_three_times_before_it_is_answered_and_announced(bench):
    clock = asyncio.get_running_loop().time
    started = clock()
    bench.want(plan(A, C6))
    assert bench.asked() == [str(A), str(C6)]
    assert bench.wire.joined == {links.Membership(2, ndp.solicited_node_group(C6))}
    assert not bench.says(A)
    asked = []
    while bench.node.held() != {A, C6}:
        assert not bench.node.held() or clock() - started >= holding.TAKEOVER_SECONDS
        asked += bench.asked()
        await asyncio.sleep(0.001)
    assert clock() - started >= holding.TAKEOVER_SECONDS
    assert asked == [str(A), str(C6)] * 2
    announced = [arp.decode(f).sender_address for _, f in bench.wire.take() if f[12:14] == b"\x08\x06"]
    assert announced == [A, A]
    assert bench.says(A)
    assert bench.told == {A, C6}
    assert bench.rivals == 0


async def test_who_answers_keeps_it(bench):
    bench.want(plan(A, B))
    bench.hear(gratuitous.burst(A, OTHER)[0])
    await bench.until(bench.node.held)
    assert bench.node.held() == {B}
    assert not bench.says(A)
    assert bench.says(B)
    assert bench.node.rivals() == ()
    await bench.holds(A, B)  # it is asked for again, and nobody answers any more


async def test_a_withdrawn_address_is_silent_at_once(bench):
    bench.want(plan(A))
    await bench.holds(A)
    bench.want(plan())
    assert not bench.says(A)
    assert bench.node.held() == frozenset()


async def test_a_keeper_keeps_and_takes_nothing(bench):
    bench.want(plan(A))
    await bench.holds(A)
    bench.want(plan(A, B, wish=values.Wish.KEEP))
    assert bench.says(A)
    assert bench.asked() == []
    assert bench.node.held() == {A}


async def test_behind_the_fence_nothing_is_answered_not_even_what_waited(bench):
    bench.want(plan(A))
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
    made.change(values.L2Change(come=plan(A, C6)))
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
    made.change(values.L2Change(come=plan(A)))
    await made.start()
    made.members_changed()
    assert wire.take() == []
    await made.stop()


async def test_of_two_holders_the_later_one_yields_and_the_first_one_insists(bench):
    bench.want(plan(A))
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
    bench.want(plan(A))
    await bench.holds(A)
    assert bench.taken == [A]
    bench.wire.take()
    for _ in range(5):
        bench.hear(gratuitous.burst(A, OTHER)[0])
    assert [arp.decode(frame).sender_mac for _, frame in bench.wire.take()] == [ETH0.mac, ETH0.mac]
    assert bench.says(A)
    assert bench.rivals == 1
    assert bench.node.rivals() == (links.Rival(A, OTHER.mac, 5),)
    assert capsys.readouterr().out.count("another station claims an address") == 1
    bench.want(plan(B))
    assert bench.node.rivals() == ()


async def test_a_stranger_that_keeps_answering_for_what_we_want_is_told_of(bench):
    bench.standing = links.Standing.STRANGER
    bench.want(plan(A))

    def is_told() -> bool:
        if bench.asked():
            bench.hear(gratuitous.burst(A, OTHER)[1])
        return any(each.is_present for each in bench.node.rivals())

    await bench.until(is_told)
    assert bench.node.held() == frozenset()
    assert bench.rivals == 1


async def test_without_membership_the_holder_of_what_we_want_may_be_a_speaker(bench):
    bench.standing = links.Standing.UNKNOWN
    bench.want(plan(A, B))
    bench.hear(gratuitous.burst(A, OTHER)[0])
    await bench.holds(B)
    bench.hear(gratuitous.burst(B, OTHER)[0])
    assert [each.address for each in bench.node.rivals()] == [B]


async def test_addresses_are_handed_over_without_questions(bench):
    bench.want(plan(A, B))
    assert bench.node.take([A, C6]) == {A}
    assert bench.says(A)
    assert not bench.says(B)


async def test_what_was_handed_over_to_somebody_else_too_is_asked_for(bench):
    """Our plan is late; another heir has announced it meanwhile."""
    assert bench.node.take([A, B]) == frozenset()
    bench.hear(gratuitous.burst(A, OTHER)[0])
    bench.want(plan(A, B))
    assert bench.node.held() == {B}
    assert bench.asked() == [str(A)]


async def test_a_failure_in_the_middle_stops_no_claim(bench, monkeypatch):
    monkeypatch.setattr(turns, "FAILED_SECONDS", 0.01)
    bench.want(plan(A, C6))
    faults = [ValueError("a mistake of ours")]
    count = bench.wire.taps[2, addresses.Family.IPV4].send

    def send(frame: bytes) -> bool:
        if faults:
            raise faults.pop()
        return count(frame)

    monkeypatch.setattr(bench.wire.taps[2, addresses.Family.IPV4], "send", send)
    told: list[BaseException | None] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, said: told.append(said.get("exception")))
    await bench.holds(A, C6)
    assert [type(each) for each in told] == [ValueError]


async def test_a_release_gives_what_was_held_and_is_final(bench):
    bench.want(plan(A, B))
    await bench.holds(A, B)
    assert bench.node.release() == {A, B}
    assert not bench.says(A)
    bench.want(plan(A))
    bench.node.members_changed()
    assert bench.asked() == []
    assert bench.node.held() == frozenset()


async def test_many_addresses_are_asked_for_in_lots(bench, monkeypatch):
    monkeypatch.setattr(turns, "SECONDS", 0.0)
    many = [ipaddress.IPv4Address(0x0A630000 + number) for number in range(2000)]
    bench.want(plan(*many))
    assert 0 < len(bench.asked()) <= turns.SURE + holding.ASKED_AT_ONCE
    await bench.holds(*many)


async def test_when_the_candidates_change_a_waiting_node_asks_at_once(bench):
    """As when the endpoints leave the owner's node: nobody died, and the owner falls silent by itself."""
    bench.want(plan(A, B))
    for _ in range(3):
        for each in (A, B):
            bench.hear(gratuitous.burst(each, OTHER)[0])
    bench.asked()
    first, second = plan(A, B)
    bench.want((dataclasses.replace(first, candidates=frozenset({"n1"})), second))
    assert bench.asked() == [str(A)]


async def test_an_entry_that_changes_in_nothing_that_is_seen_is_neither_announced_nor_asked_for(bench):
    bench.want(plan(A, C6))
    await bench.holds(A, C6)
    bench.wire.take()
    changed = tuple(dataclasses.replace(each, elected=B, scores=(("n1", 3),)) for each in plan(A, C6))
    bench.want(changed)
    assert bench.wire.take() == []
    assert [bench.node.entry(each.address) for each in changed] == list(changed)
    assert bench.node.entry(B) is None
    assert bench.told == {A, C6}


async def test_an_entry_may_move_to_another_interface(bench):
    eth1 = dataclasses.replace(ETH0, index=3, name="eth1", mac=OTHER.mac)
    bench.links.set(ETH0, eth1)
    bench.want((values.L2Entry(C6, frozenset({"eth0"})),))
    await bench.holds(C6)
    assert {each.interface for each in bench.wire.joined} == {2}
    bench.wire.take()
    bench.want((values.L2Entry(C6, frozenset({"eth1"})),))
    assert {each.interface for each in bench.wire.joined} == {3}
    assert {index for index, _ in bench.wire.take()} == {3}


async def test_what_one_may_only_keep_is_listened_for_as_long_as_it_is_held(bench):
    bench.want(plan(C6, wish=values.Wish.KEEP))
    assert bench.wire.joined == set()
    bench.node.take([C6])
    await bench.holds(C6)
    assert bench.wire.joined == {links.Membership(2, ndp.solicited_node_group(C6))}
    bench.standing = links.Standing.BEFORE_US
    bench.hear(gratuitous.burst(C6, OTHER)[0])
    assert bench.node.held() == frozenset()
    assert bench.wire.joined == set()


async def test_what_was_kept_is_asked_for_after_the_fence_like_everything_else(bench):
    bench.want(plan(A))
    await bench.holds(A)
    bench.want(plan(A, wish=values.Wish.KEEP))
    bench.is_fenced = True
    bench.node.members_changed()
    bench.wire.take()
    bench.is_fenced = False
    bench.node.members_changed()
    assert bench.asked() == [str(A)]


async def test_counts_come_whole_or_as_news(bench):
    bench.want(plan(A, B))
    await bench.holds(A, B)
    assert bench.says(A)
    assert [row.requests_received for row in bench.node.counts().addresses] == [1, 0]
    news = [bench.node.fresh_counts(1).addresses for _ in range(3)]
    assert sorted(row.address for rows in news for row in rows) == [A, B]
    assert news[2] == ()
    assert bench.says(B)
    assert [row.address for row in bench.node.fresh_counts(9).addresses] == [B]


MANY = 5000


async def test_one_change_beside_thousands_of_held_addresses_is_small_work(bench, monkeypatch):
    """Counted in hashes of addresses: whatever walks over all of them cannot do so without."""
    monkeypatch.setattr(turns, "SECONDS", 0.0)
    many = [CountedAddress(0x0A630000 + number) for number in range(MANY)]
    extra = CountedAddress(0x0B000000)
    for at in range(0, MANY, 256):
        bench.node.change(values.L2Change(come=plan(*many[at : at + 256])))
    async with asyncio.timeout(60):
        while len(bench.told) < MANY:
            await asyncio.sleep(0.01)
    monkeypatch.setattr(CountedAddress, "hashes", 0)
    bench.node.change(values.L2Change(come=plan(extra)))
    bench.node.change(values.L2Change(gone=(many[5],)))
    bench.hear(gratuitous.burst(many[6], OTHER)[0])
    bench.hear(gratuitous.burst(many[7], OTHER)[0])
    assert bench.says(many[4])
    assert not bench.says(many[5])
    assert CountedAddress.hashes < MANY / 5  # a turn of what was under way is among them
    bench.is_fenced = True
    monkeypatch.setattr(CountedAddress, "hashes", 0)
    assert not bench.says(many[8])
    assert CountedAddress.hashes < MANY / 5


class CountedAddress(ipaddress.IPv4Address):
    """Knows how often one was hashed."""

    hashes = 0

    def __hash__(self) -> int:
        CountedAddress.hashes += 1
        return super().__hash__()


POOL = (A, B, C6, ipaddress.ip_address("fd00:99::1:200"), ipaddress.ip_address("10.99.0.202"))
"""The third and the fourth share a group."""

wanted = st.dictionaries(
    st.sampled_from(POOL),
    st.tuples(st.sampled_from(list(values.Wish)), st.sampled_from([(), ("eth0",), ("eth1",)])),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(wanted, min_size=1, max_size=6))
def test_changes_one_after_the_other_lead_to_what_the_last_one_asks_for(plans):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(turns, "SECONDS", 60.0)
        asyncio.run(change_by_change(plans))


async def change_by_change(plans) -> None:
    """Oracle: what a table and memberships made from scratch would be, whatever came before."""
    bench = Bench(frames.MemoryWire(), memory.MemoryLinks([ETH0]))
    bench.node = claimant.Claimant(bench.links, bench.wire, rules.Rules(), changed_held=bench.hear_of)
    await bench.node.start()
    for number, each in enumerate(plans):
        entries = tuple(values.L2Entry(ip, frozenset(on), wish) for ip, (wish, on) in each.items())
        held = bench.node.held()
        bench.want(entries)
        if number % 2:
            await asyncio.sleep(0)
        else:
            taken = bench.node.take(entry.address for entry in entries if entry.wish is values.Wish.TAKE)
            assert taken == {entry.address for entry in entries if entry.wish is values.Wish.TAKE}
        held = (held | bench.node.held()) & each.keys()
    takes = {entry.address for entry in entries if entry.wish is values.Wish.TAKE}
    await bench.holds(*takes, *(held & each.keys()))
    listened = {entry.address: entry for entry in entries if entry.address in takes | held}
    assert bench.wire.joined == gratuitous.memberships(listened, [ETH0])
    for address in POOL:
        if address.version == 4:
            is_here = address in listened and listened[address].is_on("eth0")
            assert bench.says(address) is is_here
    bench.node.release()
    assert bench.told == set()
    await bench.node.stop()
    assert bench.wire.joined == set()
