"""Hazards of FRR's language and of its policies: each is shown on this FRR, and then that our way is free of it."""

import asyncio
import re
import time

import pytest

from frr_adapter import errors
from frr_adapter.boundary import vty
from frr_adapter.frr import reloading
from tests.live import applied_node, frr_pair, hazard_segment, raw_frr
from tests.live import segment_bgp as s

pytestmark = s.MARKS
net, stage = hazard_segment.net, hazard_segment.stage

UP = {"up": {"address": "10.99.0.1"}}
WEB = {"web": ["192.0.2.1"]}
BLOCKS = {
    r"network |neighbor \S+ (activate|route-map)|no neighbor \S+ (activate|route-map)": "config-router-af",
    r"match |set ": "config-route-map",
    r"neighbor \S+ (remote-as|shutdown|timers|password)|no neighbor \S+ shutdown|address-family|no bgp default": "config-router",
    r"route-map \S+ (permit|deny)|router bgp": "config",
}


async def test_a_line_in_the_wrong_block_moves_those_after_it(stage):
    """FRR retries a line that it does not know in the block around, and stays there when that takes it."""
    told = stage.raw(*hazard_segment.ACTIVE, "neighbor 10.99.0.77 remote-as 5", "network 198.18.0.5/32")
    assert [each.text for each in told[-2:]] == ["", ""], "not a word about it"
    assert raw_frr.commands(stage.n1)[-1] == ("config-router", "network 198.18.0.5/32")
    assert " neighbor 10.99.0.77 remote-as 5" in raw_frr.running(stage.n1)

    stage.anew()
    await stage.node.apply(applied_node.wanted({}, {}))
    both = {**UP, "other": {"address": "10.99.0.2", "dual_stack_address_family": True, "password": "s3cret"}}
    for services in (WEB, {**WEB, "more": ["192.0.2.2", "2001:db8::2"]}):
        await stage.node.apply(applied_node.wanted(both, services, {"all": {"communities": ["64600:1"]}}))
    assert (await stage.node.apply(applied_node.wanted(UP, WEB))).way is reloading.Way.HOT
    ran = [(block, text) for block, text in raw_frr.commands(stage.n1) if text not in ("exit", "end")]
    for pattern, wanted in BLOCKS.items():
        blocks = {block for block, text in ran if re.match(pattern, text) and not text.startswith("show")}
        assert blocks == {wanted}, pattern


async def test_a_new_entry_lets_everything_out_until_its_match_is_there(stage):
    """192.0.2.2 is not for this router."""
    with raw_frr.recorder(stage.up) as router:
        stage.raw(
            *("route-map one permit 10", "set tag 1", "route-map two permit 10", "set tag 2"),
            *("route-map out permit 10", "match tag 1", "exit"),
            *hazard_segment.ACTIVE,
            *("neighbor 10.99.0.1 route-map out out", "network 192.0.2.1/32 route-map one"),
            "network 192.0.2.2/32 route-map two",
        )
        router.until({"192.0.2.1/32"})
        stage.raw("route-map out permit 20")
        router.until({"192.0.2.1/32", "192.0.2.2/32"})
        stage.raw("route-map out permit 20", "match tag 3")
        router.until({"192.0.2.1/32"})

    stage.anew()
    both = {**UP, "other": {"address": "10.99.0.2"}}
    services = {"red": ["192.0.2.1"], "blue": ["192.0.2.2"]}
    ads = {
        color: {"peers": [peer], "selectors": [{"color": color}]} for color, peer in (("red", "up"), ("blue", "other"))
    }

    def wanted(count):
        for_up = {f"g{n}": [f"192.0.2.{128 + n}"] for n in range(count)}
        more = {
            f"g{n}": {"peers": ["up"], "selectors": [{"color": f"g{n}"}], "communities": [f"64600:{n}"]}
            for n in range(count)
        }
        colors = {name: name for name in (*services, *for_up)}
        return applied_node.wanted(both, {**services, **for_up}, {**ads, **more}, labels=colors)

    with raw_frr.recorder(stage.up) as router:
        await stage.node.apply(wanted(0))
        router.until({"192.0.2.1/32"})
        for count in (1, 2, 3, 4, 0):
            assert (await stage.node.apply(wanted(count))).way is reloading.Way.HOT
            router.until({"192.0.2.1/32", *(f"192.0.2.{128 + n}/32" for n in range(count))})
        assert "192.0.2.2/32" not in router.ever()
    assert any(" 192.0.2.2/32" in line for line in stage.commands()), "it was there all the time"


async def test_an_edited_policy_waits_for_a_timer(stage):
    def seen(router, communities):
        """When the prefix came with these."""
        return [
            line["t"] for line in router.lines("update") if line["announced"] and line["communities"] == communities
        ]

    with raw_frr.recorder(stage.up) as router:
        stage.raw(
            *("route-map out permit 10", "set community 64600:1", "exit"),
            *(*hazard_segment.ACTIVE, "neighbor 10.99.0.1 route-map out out", "network 192.0.2.1/32"),
        )
        router.until({"192.0.2.1/32"})
        started = time.monotonic()
        stage.raw("route-map out permit 10", "set community 64600:2")
        by_itself = frr_pair.poll(lambda: seen(router, ["64600:2"]), bool)[0] - started
        assert by_itself > 0.9

    stage.anew()
    with raw_frr.recorder(stage.up) as router:
        await stage.node.apply(applied_node.wanted(UP, WEB, {"all": {"communities": ["64600:1"]}}))
        router.until({"192.0.2.1/32"})
        started = time.monotonic()
        await stage.node.apply(applied_node.wanted(UP, WEB, {"all": {"communities": ["64600:2"]}}))
        assert frr_pair.poll(lambda: seen(router, ["64600:2"]), bool)[0] - started < by_itself
        assert stage.commands().count("clear bgp ipv4 unicast * soft out") == 1
        assert not router.lines("closed")


async def test_a_policy_that_is_not_there_is_no_mistake_to_frr(stage):
    """A prefix with an undefined route-map is not originated, a neighbor with one is told nothing; FRR mentions it at most."""
    with raw_frr.recorder(stage.up) as router:
        told = stage.raw(*hazard_segment.ACTIVE, "network 192.0.2.1/32 route-map nowhere", "network 192.0.2.2/32")
        assert told[-2].status == 0
        router.until({"192.0.2.2/32"})
        assert router.ever() == {"192.0.2.2/32"}
        told = stage.raw("router bgp 64600", "address-family ipv4 unicast", "neighbor 10.99.0.1 route-map nowhere out")
        assert told[-1].status == 0
        router.until(set())

    stage.anew()
    with raw_frr.recorder(stage.up) as router:
        await stage.node.apply(applied_node.wanted(UP, {}))
        assert (await stage.node.apply(applied_node.wanted(UP, WEB))).way is reloading.Way.HOT
        router.until({"192.0.2.1/32"})
        await stage.node.apply(applied_node.wanted(UP, WEB, {"all": {}, "more": {"communities": ["64600:1"]}}))
        router.until({"192.0.2.1/32"})
        await stage.node.apply(applied_node.wanted(UP, {}))
        router.until(set())
    commands = stage.commands()
    used = [
        (at, *re.match(r"network (\S+) route-map (\S+)$", text).groups())
        for at, text in enumerate(commands)
        if text.startswith("network 192.0.2.1/32 ")
    ]
    assert len({policy for _, _, policy in used}) == 2
    for at, _, policy in used:
        assert f"route-map {policy} permit 10" in commands[:at]
        assert f"no route-map {policy}" not in commands[:at]
    gone = commands.index("no network 192.0.2.1/32")
    assert f"no route-map {used[-1][2]}" in commands[gone:]


async def test_what_is_gone_already_cannot_be_removed_again(stage):
    assert stage.raw(*hazard_segment.ACTIVE)
    (told,) = raw_frr.configure(stage.n1, "router bgp 64600", "address-family ipv4 unicast", "no network 192.0.2.1/32")[
        2:
    ]
    assert (told.status, "Can't find" in told.text) == (13, True)

    stage.anew()
    await stage.node.apply(applied_node.wanted(UP, {**WEB, "more": ["192.0.2.2"]}))
    await stage.node.apply(applied_node.wanted(UP, {**WEB, "more": ["192.0.2.2"], "third": ["192.0.2.3"]}))
    stage.raw("router bgp 64600", "address-family ipv4 unicast", "no network 192.0.2.2/32")
    assert (await stage.node.apply(applied_node.wanted(UP, WEB))).way is reloading.Way.HOT


async def test_a_line_that_is_too_long_is_lost_without_a_word(stage, monkeypatch):
    """FRR drops what does not fit: it answers for the rest, or not at all."""
    tail = "route-map tail permit 10"
    told = raw_frr.configure(stage.n1, "x" * 4096 + tail)
    assert (told[0].status, told[0].text[:23]) == (0, "% Command is too long.\n")
    assert tail in raw_frr.running(stage.n1), "what was cut off was a command of its own"
    path, fits = stage.n1.directory / "bgpd.vty", "! " + "x" * 3581
    connection = await vty.Vty.connect(path)
    monkeypatch.setattr(vty, "_LONGEST_COMMAND", 10_000)
    await connection.execute("configure terminal")
    with pytest.raises(errors.ApplyError, match=r"no answer: `! "):
        await connection.execute_all([*[f"{fits}x"] * 64, "! end"], timeout=0.5)
    connection.close()
    monkeypatch.undo()

    connection = await vty.Vty.connect(path)
    for line in (f"{fits}x", "x" * 4096 + tail):
        with pytest.raises(errors.ApplyError, match=r"found \d+ bytes; allowed are at most 3583"):
            await connection.execute(line)
    await connection.execute("configure terminal")
    answers = await connection.execute_all([*[fits] * 64, "! end"] * 3)
    assert {(answer.status, answer.text) for answer in answers} == {(0, "")}
    connection.close()


async def test_two_people_may_configure_at_once(stage):
    """No lock: the other one's block is not ours, and what they do to our part is found and put right."""
    assert stage.raw(*hazard_segment.ACTIVE, "network 192.0.2.1/32")
    one, other = [await vty.Vty.connect(stage.n1.directory / "bgpd.vty") for _ in range(2)]
    for each in (one, other):
        assert (await each.execute("configure terminal")).is_success
    one.close()
    other.close()

    stage.anew()
    await stage.node.apply(applied_node.wanted(UP, WEB))
    stop = asyncio.Event()

    async def somebody():
        connection = await vty.Vty.connect(stage.n1.directory / "bgpd.vty")
        while not stop.is_set():
            for line in ("configure terminal", "route-map theirs permit 10", "set metric 5", "end"):
                await connection.execute(line)  # refused where a repair removed their block under their feet
        connection.close()

    task = asyncio.create_task(somebody())
    for n in range(2, 30):
        await stage.node.apply(applied_node.wanted(UP, {"web": [f"192.0.2.{n}"]}))
    stop.set()
    await task
    running = raw_frr.running(stage.n1)
    assert [line.split()[1] for line in running if line.startswith("  network ")] == ["192.0.2.29/32"]
