import asyncio
import datetime as dt
import ipaddress
import socket

from frr_adapter.api import node_report
from speaker import links, messages
from speaker.boundary import channel, forking, recent, wire_process
from tests.fakes import clock

A = ipaddress.ip_address("10.99.0.200")


def test_lines_have_their_times_and_the_oldest_go():
    time = clock.ManualClock()
    history = recent.Recent(time)
    for number in range(recent.LENGTH + 5):
        history.note(f"line {number}")
        time.advance(0.5)
    found = history.occurrences()
    assert len(found) == recent.LENGTH
    assert found[0] == node_report.Occurrence("2030-01-01T00:00:02.500Z", "line 5")
    assert found[-1].text == f"line {recent.LENGTH + 4}"


def test_what_is_said_again_at_once_is_said_once():
    history = recent.Recent(clock.ManualClock())
    history.note("a", "a", "b")
    history.note()
    history.note("b")
    history.note("a")
    assert [each.text for each in history.occurrences()] == ["a", "b", "a"]


def test_times_are_utc():
    east = dt.timezone(dt.timedelta(hours=2))
    assert recent.stamp(dt.datetime(2030, 1, 1, 2, 0, 0, 1234, tzinfo=east)) == "2030-01-01T00:00:00.001Z"


async def test_the_fence_and_rivals_are_told_when_they_come_and_go():
    ours, theirs = socket.socketpair()
    told: list[str] = []
    near = wire_process.WireProcess(
        forking.Forked(0, ours), has_membership=True, changed=lambda: None, happened=told.append
    )
    far = await channel.Channel.over(theirs)
    far.send(messages.encode(messages.Ready()))
    await near.start()
    hearing = asyncio.create_task(near.run())
    rival = links.Rival(A, links.parse_mac("02:00:00:00:00:77"), 1)
    gone = links.Rival(A, links.parse_mac("02:00:00:00:00:77"), 9, is_present=False)
    for message in (
        messages.Gossip(is_fenced=False, live=3, expected=3),
        messages.Gossip(is_fenced=False, live=2, expected=3),
        messages.rivals([rival]),
        messages.rivals([links.Rival(A, rival.mac, 5)]),
        messages.rivals([gone]),
        messages.Gossip(is_fenced=True, live=1, expected=3),
        messages.rivals([rival]),
        messages.rivals([]),
    ):
        far.send(messages.encode(message))
    async with asyncio.timeout(5):
        while len(told) < 6:
            await asyncio.sleep(0.001)
    assert told == [
        "not fenced: 3 of 3 speakers are heard",
        "rival: 02:00:00:00:00:77 claims 10.99.0.200",
        "rival gone: 02:00:00:00:00:77 no longer claims 10.99.0.200",
        "fenced: 1 of 3 speakers are heard, no layer-2 address is answered for",
        "rival: 02:00:00:00:00:77 claims 10.99.0.200",
        "rival gone: 02:00:00:00:00:77 no longer claims 10.99.0.200",
    ]
    assert near.is_fenced
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    far.close()
