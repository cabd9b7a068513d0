"""FRR beside us dies, hangs, is late or is replaced: what the speaker notices, says and does, and what the router sees of it."""

import dataclasses
import os
import re
import signal
import subprocess
import sys

import pytest

from frr_adapter.frr import reloading
from tests.live import applied_node, frr_pair, living_node, raw_frr
from tests.live import segment_bgp as s

pytestmark = s.MARKS

PEERS = {
    "up-4": {"address": "10.99.0.1", "graceful_restart": True},
    "up-6": {"address": "fd00:99::1", "graceful_restart": True},
}
BOTH = ("10.99.0.1", "fd00:99::1")
WEB = {"web": ["192.0.2.1", "2001:db8::1"]}
MANY = {f"s{n}": [f"192.0.2.{n}", f"2001:db8::{n:x}"] for n in range(1, 201)}


def wanted(services=None):
    # bgpd is started with a log of its commands, and says so in its configuration: then it is part of what is wanted.
    made = applied_node.wanted(PEERS, WEB if services is None else services)
    return dataclasses.replace(made, extras=("log commands",))


def addresses(services):
    return {ip for ips in services.values() for ip in ips}


@pytest.fixture(scope="module")
def net():
    toward = [s.Toward("10.99.0.11"), s.Toward("fd00:99::11")]
    with s.Segment("n1", "up") as made:
        made.start("up").load(s.router(64512, "10.99.0.1", *toward, settings=["bgp graceful-restart"]))
        living_node.begin(made["n1"], *living_node.daemons(made["n1"]))
        yield made


@pytest.fixture
def n1(net):
    """With all daemons running, whatever the test before did."""
    machine = net["n1"]
    for daemon in living_node.daemons(machine):
        if daemon not in machine.processes or machine.processes[daemon].poll() is not None:
            living_node.begin(machine, daemon)
    return machine


@pytest.fixture
async def speaker(n1):
    async with living_node.Living(n1) as made:
        await made.runs(wanted())
        s.established(n1, *BOTH)
        yield made
        if made.applying.is_up:
            await made.runs(wanted())  # while it knows what runs: removals take frr-reload.py a process for each line


def routes(net):
    return set(net["up"].routes())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda each: each.name)
async def test_bgpd_dies_and_the_router_sees_no_change(net, n1, speaker, how):
    """Graceful restart (RFC 4724) holds what came before only if all of it is said again before the End-of-RIB."""
    await speaker.runs(wanted(MANY))
    await living_node.until(lambda: routes(net), addresses(MANY).__eq__)
    speaker.said.clear()
    with s.route_changes(net["up"]) as changes:
        living_node.end(n1, "bgpd", how)
        await living_node.until(lambda: speaker.said)
        assert (speaker.said[0], speaker.applying.is_up, speaker.applying.is_applied) == (
            "bgpd went away",
            False,
            False,
        )
        living_node.begin(n1, "bgpd")
        await living_node.until(lambda: speaker.applying.is_applied)
        await living_node.until(lambda: s.sessions(n1), lambda found: all(found[each].is_established for each in BOTH))
        # Later than anything else: a new prefix.
        await speaker.runs(wanted({**MANY, "late": ["192.0.2.250", "2001:db8::fa"]}))
        await living_node.until(lambda: routes(net), lambda found: {"192.0.2.250", "2001:db8::fa"} <= found)
    assert {change["dst"] for change in changes} == {"192.0.2.250", "2001:db8::fa"}
    texts = [text for _, text in raw_frr.commands(n1)]
    opened = [at for at, text in enumerate(texts) if re.fullmatch(r"no neighbor \S+ shutdown", text)]
    early = [text for text in texts[: opened[0]] if text.startswith("network ")]
    assert (len(opened), len(early)) == (2, 400)


async def test_a_daemon_that_hangs_is_noticed_and_nothing_piles_up(net, n1, speaker):
    process = n1.processes["bgpd"]
    os.kill(process.pid, signal.SIGSTOP)
    try:
        await living_node.until(lambda: speaker.applying.trouble, limit=5)
        assert speaker.applying.trouble == "bgpd hangs: no answer to `enable` within 2 s"
        attempts = len(speaker.outcomes)
        for n in range(2, 8):
            speaker.applying.want(wanted({**WEB, "more": [f"192.0.2.{n}"]}))
        with pytest.raises(AssertionError, match=r"not within 0\.5 s"):
            await living_node.until(lambda: len(speaker.outcomes) > attempts, limit=0.5)
        waiting = frr_pair.run("ss", "-xH", "src", n1.directory / "bgpd.vty").splitlines()
        assert len(waiting) < 5, waiting
    finally:
        os.kill(process.pid, signal.SIGCONT)
    await living_node.until(lambda: speaker.applying.is_applied)
    assert len(speaker.outcomes) == attempts + 1
    await living_node.until(lambda: routes(net), {"192.0.2.1", "2001:db8::1", "192.0.2.7"}.__eq__)


async def test_a_hang_in_the_middle_of_an_apply_ends_well(net, n1, speaker):
    process = n1.processes["bgpd"]
    os.kill(process.pid, signal.SIGSTOP)
    try:
        speaker.applying.want(wanted({**WEB, "more": ["192.0.2.2"]}))
        await living_node.until(
            lambda: speaker.outcomes[-1:], lambda found: not isinstance(found[0], reloading.ApplyReport)
        )
        assert "bgpd" in str(speaker.outcomes[-1])
        speaker.applying.want(wanted({**WEB, "more": ["192.0.2.3"]}))
    finally:
        os.kill(process.pid, signal.SIGCONT)
    await living_node.until(lambda: speaker.applying.is_applied)
    # The line for 192.0.2.2 waited at bgpd's door; it was taken back.
    await living_node.until(lambda: routes(net), {"192.0.2.1", "2001:db8::1", "192.0.2.3"}.__eq__)


async def test_a_daemon_that_is_back_at_once_is_given_everything(net, n1, speaker):
    speaker.said.clear()
    for _ in range(3):
        living_node.end(n1, "bgpd")
        living_node.begin(n1, "bgpd")
    await living_node.until(lambda: speaker.said[-1:] == [""] and speaker.applying.is_applied)
    assert speaker.said[0] == "bgpd went away"
    await living_node.until(lambda: routes(net), {"192.0.2.1", "2001:db8::1"}.__eq__)
    assert "network 192.0.2.1/32" in "\n".join(raw_frr.running(n1))


@pytest.mark.parametrize("daemon", ["zebra", "bfdd"])
async def test_any_other_daemon_dies_and_returns(net, n1, speaker, daemon):
    living_node.end(n1, daemon)
    await living_node.until(lambda: speaker.applying.trouble)
    assert speaker.said[-1].startswith(daemon)
    living_node.begin(n1, daemon)
    await living_node.until(lambda: speaker.applying.is_applied)
    await speaker.runs(wanted({**WEB, "more": ["192.0.2.9"]}))
    await living_node.until(lambda: routes(net), lambda found: "192.0.2.9" in found)


async def test_frr_is_late(net, n1):
    """The speaker is there first: one line says what it waits for, and the first daemon's start is enough for the next."""
    for daemon in living_node.daemons(n1):
        living_node.end(n1, daemon)
        (n1.directory / f"{daemon}.vty").unlink()
    async with living_node.Living(n1) as speaker:
        speaker.applying.want(wanted())
        await living_node.until(lambda: speaker.said)
        assert speaker.said == [f"zebra.vty: no connection: {n1.directory}/zebra.vty does not exist"]
        assert speaker.applying.trouble == speaker.said[0]
        living_node.begin(n1, *living_node.daemons(n1))
        await living_node.until(lambda: speaker.applying.is_applied)
        assert speaker.said[-1] == ""
        await living_node.until(lambda: routes(net), {"192.0.2.1", "2001:db8::1"}.__eq__)


ASK = """
import asyncio, pathlib, sys
from frr_adapter import errors
from frr_adapter.boundary import vty
async def ask():
    try:
        connection = await vty.Vty.connect(pathlib.Path(sys.argv[1]))
    except errors.ApplyError as problem:
        return problem
    return await connection.show("show version")
print(asyncio.run(ask()))
"""


@pytest.mark.skipif(not frr_pair.is_real_root(), reason="in a user namespace there is but one user")
def test_who_may_ask_frr(n1):
    """Any user, in FRR's group and with no privileges; whoever is not is told so in one line."""
    path = n1.directory / "bgpd.vty"
    group = path.stat().st_gid

    def asked(*groups):
        as_somebody = ["setpriv", "--reuid", "54321", "--regid", "54321", "--inh-caps=-all", "--no-new-privs", *groups]
        done = subprocess.run(
            [*as_somebody, sys.executable, "-c", ASK, path], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() or done.stderr

    assert asked("--groups", str(group)).startswith("FRRouting ")
    assert re.fullmatch(
        rf"bgpd\.vty: no connection: {path} is for user \d+ and group {group} only \(srwxrwx---\);"
        r" this program has user 54321, groups \[54321\]",
        asked("--clear-groups"),
    )


def changing(n1):
    """Commands that change or may change something; who only looks gives others."""
    return [text for block, text in raw_frr.commands(n1) if block.startswith("config") or text.startswith("clear")]


async def test_a_new_speaker_adopts_what_runs(net, n1, speaker):
    await speaker.runs(wanted(MANY))
    await living_node.until(lambda: routes(net), addresses(MANY).__eq__)
    before, lives, sent = raw_frr.running(n1), s.lives(n1), changing(n1)
    with s.route_changes(net["up"]) as changes:
        async with living_node.Living(n1) as other:
            await other.runs(wanted(MANY))
            (report,) = other.outcomes
            assert report.changed == reloading.Difference()
            assert raw_frr.running(n1) == before
            assert changing(n1) == sent
            assert s.lives(n1) == lives
            # And from there on it is as quick as the old one.
            await other.runs(wanted({**MANY, "one": ["192.0.2.240"]}))
            assert other.outcomes[-1].way is reloading.Way.HOT
            await living_node.until(lambda: routes(net), lambda found: "192.0.2.240" in found)
            counted = s.lives(n1)
            await other.runs(wanted(MANY))
    assert {change["dst"] for change in changes} == {"192.0.2.240"}
    assert counted == lives


async def test_a_new_speaker_meets_what_another_world_left(net, n1, speaker):
    """While no speaker ran, Services came and went: only that is sent."""
    await speaker.runs(wanted({**WEB, "old": ["192.0.2.2"]}))
    await living_node.until(lambda: routes(net), lambda found: "192.0.2.2" in found)
    lives = s.lives(n1)
    async with living_node.Living(n1) as other:
        await other.runs(wanted({**WEB, "new": ["192.0.2.3"]}))
        texts = " ".join((*other.outcomes[-1].changed.added, *other.outcomes[-1].changed.removed))
        assert ("192.0.2.2/32" in texts, "192.0.2.3/32" in texts, "192.0.2.1/32" in texts) == (True, True, False)
        await living_node.until(lambda: routes(net), {"192.0.2.1", "2001:db8::1", "192.0.2.3"}.__eq__)
    assert s.lives(n1) == lives


async def test_speaker_and_frr_are_both_down_and_the_speaker_is_first(net, n1):
    async with living_node.Living(n1) as speaker:
        await speaker.runs(wanted())
        await living_node.until(lambda: routes(net), {"192.0.2.1", "2001:db8::1"}.__eq__)
    for daemon in living_node.daemons(n1):
        living_node.end(n1, daemon)
    async with living_node.Living(n1) as speaker:
        speaker.applying.want(wanted({**WEB, "more": ["192.0.2.2"]}))
        await living_node.until(lambda: speaker.said)
        assert speaker.said[0].endswith("zebra.vty") or "nobody listens" in speaker.said[0]
        living_node.begin(n1, *living_node.daemons(n1))
        await living_node.until(lambda: speaker.applying.is_applied)
        await living_node.until(lambda: routes(net), {"192.0.2.1", "2001:db8::1", "192.0.2.2"}.__eq__)


def test_the_harness_sees_changes(n1):
    """Else "nothing was sent" would mean nothing."""
    before = changing(n1)
    raw_frr.configure(n1, "route-map control permit 10", "end")
    raw_frr.configure(n1, "no route-map control")
    assert changing(n1)[len(before) :] == ["route-map control permit 10", "end", "no route-map control"]
