"""The other speakers as layer 2 sees them: who counts as alive, when this node may answer, and what is handed over."""

import asyncio
import ipaddress
from collections.abc import Callable

import pytest

from speaker import company, links, messages, settings
from speaker.boundary import gossip
from speaker.core import presence
from tests.fakes import members

A, B, C6 = (ipaddress.ip_address(text) for text in ("10.99.0.200", "10.99.0.201", "fd00:99::200"))
ETH0 = links.Interface(2, "eth0", mac=links.parse_mac("02:00:00:00:00:02"))
SAID = presence.encode([ETH0], gossip.LONGEST_METADATA)
LAN = settings.LAN


class Bench:
    def __init__(self) -> None:
        self.now = 1000.0
        self.members = members.MemoryMembers("n1")
        self.company = company.Company(self.members, LAN, lambda: self.now)
        self.changes = 0
        self.given: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
        self.company.connect(self._changed, self.given.extend)

    def _changed(self) -> None:
        self.changes += 1

    def peers(self, *names: str) -> None:
        """These speakers there should be."""
        self.company.set_peers({name: ipaddress.ip_address(f"10.0.0.{name.removeprefix('n')}") for name in names})

    def passes(self, seconds: float, *heard: str) -> None:
        """Time in which these are heard all along."""
        ends = self.now + seconds
        while self.now < ends:
            self.now = min(ends, self.now + LAN.step)
            self.members.hears(self.now, **dict.fromkeys(heard, self.now))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.company.start()
    return made


@pytest.fixture
async def three(bench) -> Bench:
    """n1 has known n2 and n3 for a while."""
    bench.peers("n1", "n2", "n3")
    for name in ("n2", "n3"):
        bench.members.finds(name, SAID)
    bench.passes(3, "n2", "n3")
    return bench


async def test_without_membership_nobody_is_watched_and_nothing_is_fenced():
    alone = company.Company(None, LAN)
    await alone.start()
    alone.say_interfaces([ETH0])
    alone.set_peers({})
    await alone.hand_over({"n2": (A,)})
    assert alone.measured() == messages.Gossip(is_fenced=False, live=0, expected=0)
    await alone.stop()
    assert not alone.is_watching
    assert not alone.is_fenced()
    assert alone.node_of(ETH0.mac) is None
    assert alone.since_loss(10) is None


async def test_who_was_lost_or_left_is_gone(bench):
    bench.peers("n1", "n2", "n3", "n4")
    for name in ("n2", "n3", "n4"):
        bench.members.finds(name)
    bench.members.loses("n2", bench.now)
    bench.members.sees_off("n3")
    assert bench.company.live().keys() == {"n1", "n4"}
    assert bench.company.gone() == {"n2", "n3"}
    bench.members.finds("n2")
    assert bench.company.gone() == {"n3"}


async def test_a_speaker_that_never_heard_anybody_lives_all_the_same(bench):
    """One node, or two of which the other one is dead: nobody's change is ever told."""
    bench.peers("n1")
    bench.passes(3 + LAN.unfence_after)
    assert bench.company.live() == {"n1": None}
    assert not bench.company.is_fenced()


async def test_the_fence_is_not_open_before_it_is_known_who_should_be_there(bench):
    bench.members.finds("n2")
    bench.passes(2 * LAN.unfence_after, "n2")
    assert bench.company.is_fenced()
    bench.peers("n1", "n2")
    assert not bench.company.is_fenced()
    assert bench.changes == 2  # somebody was found, the fence was opened


async def test_the_fence_opens_and_closes_with_the_majority_and_says_so(three):
    await asyncio.sleep(0)
    assert not three.company.is_fenced()
    before = three.changes
    three.passes(LAN.fence_after(3), "n2")
    assert not three.company.is_fenced()  # two of three
    three.passes(LAN.fence_after(3))
    assert three.company.is_fenced()
    await three.until(lambda: three.changes == before + 1)
    three.passes(LAN.unfence_after + 2 * LAN.step, "n2")
    assert not three.company.is_fenced()
    await three.until(lambda: three.changes == before + 2)


async def test_time_alone_closes_the_fence(three):
    three.now += LAN.fence_after(3)  # the process did not run, nobody told anything
    assert three.company.is_fenced()


async def test_a_loss_is_remembered_until_the_speaker_is_back(three, capsys):
    before = three.changes
    three.members.loses("n2", three.now - 0.4)
    assert three.changes == before + 1
    assert three.company.live().keys() == {"n1", "n3"}
    assert three.company.since_loss(10) == pytest.approx(0.4)
    three.now += 1
    assert three.company.since_loss(10) == pytest.approx(1.4)
    assert three.company.since_loss(1) is None
    three.members.finds("n2")
    assert three.company.since_loss(10) is None
    said = capsys.readouterr().out
    assert said.count("speaker lost") == 1
    assert "speaker left" not in said


async def test_who_leaves_in_order_was_not_lost(three, capsys):
    three.members.sees_off("n2")
    assert three.company.live().keys() == {"n1", "n3"}
    assert three.company.since_loss(10) is None
    said = capsys.readouterr().out
    assert said.count("speaker left") == 1
    assert "speaker lost" not in said


async def test_who_says_goodbye_after_it_was_lost_was_only_slow(three):
    three.members.loses("n2", three.now)
    three.members.sees_off("n2")
    assert three.company.since_loss(10) is None


async def test_the_node_behind_a_link_layer_address(three):
    assert three.company.node_of(ETH0.mac) == "n2"
    assert three.company.node_of(links.parse_mac("02:00:00:00:00:77")) is None
    three.members.loses("n2", three.now)
    assert three.company.node_of(ETH0.mac) == "n3"  # the first by name of those that say so
    three.members.loses("n3", three.now)
    assert three.company.node_of(ETH0.mac) is None


async def test_interfaces_are_told_in_few_bytes(bench):
    bench.company.say_interfaces([ETH0])
    assert presence.decode(bench.members.metadata) == presence.Presence(frozenset({"eth0"}), frozenset({ETH0.mac}))


async def test_addresses_are_handed_over_and_then_the_speaker_leaves(three, capsys):
    three.members.confirms = {"n2", "n3"}
    await three.company.hand_over({"n2": (A, C6), "n3": (B,)})
    received = {}
    for name, body in three.members.sent:
        received.setdefault(name, []).extend(presence.decode_handover(body))
    assert received == {"n2": [A, C6], "n3": [B]}
    assert three.members.did == ["send", "send", "send", "leave"]
    assert "unconfirmed=0" in capsys.readouterr().out


async def test_an_heir_that_does_not_confirm_holds_nobody_up(three, capsys):
    three.members.confirms = {"n3"}
    began = asyncio.get_running_loop().time()
    await three.company.hand_over({"n2": (A,), "n3": (B,)})
    assert asyncio.get_running_loop().time() - began < 10 * company.HANDOVER_SECONDS
    assert three.members.did[-1] == "leave"
    assert "unconfirmed=1" in capsys.readouterr().out


async def test_what_is_handed_over_to_us_is_given_on(three):
    (message,) = presence.encode_handover([A, B], gossip.LONGEST_BODY)
    three.members.brings("n2", message)
    assert three.given == [A, B]


async def test_what_the_metrics_say(three):
    three.members.loses("n3", three.now)
    assert three.company.measured() == messages.Gossip(False, 2, 3, 7, 5, 1, 0, {"stranger": 2})
