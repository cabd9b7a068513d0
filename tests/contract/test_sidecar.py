"""The watcher of FRR's life over real sockets; the daemons are ours. tests/live kills and stops real ones."""

import asyncio
import time

import pytest

from speaker.boundary import sidecar
from tests.fakes.vty_daemon import Daemon

LIMITS = {"retry": 0.01, "period": 0.02, "patience": 0.2}


class Watched:
    """What the watcher said: a queue of `up` and of reasons."""

    def __init__(self, directory):
        self.daemons = {name: Daemon(directory / f"{name}.vty") for name in sidecar.DAEMONS}
        self.said = asyncio.Queue()
        watcher = sidecar.Sidecar(directory, **LIMITS)
        self.task = asyncio.create_task(watcher.watch(self.said.put_nowait, lambda: self.said.put_nowait("up")))

    async def next(self):
        return await asyncio.wait_for(self.said.get(), 5)

    async def until(self, wanted):
        seen = []
        while not seen or not (seen[-1] == wanted or seen[-1].endswith(wanted)):
            seen.append(await self.next())
        return seen

    async def start(self):
        for each in self.daemons.values():
            await each.start()
        assert (await self.until("up"))[-1] == "up"


@pytest.fixture
async def watched(tmp_path):
    made = Watched(tmp_path)
    yield made
    made.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await made.task
    for each in made.daemons.values():
        each.go_on()
        if each.server is not None:
            await each.stop()


async def test_every_daemon_that_goes_and_returns_is_told(watched):
    zebra, bgpd, bfdd = watched.daemons.values()
    assert "zebra.vty does not exist" in await watched.next()
    await zebra.start()
    assert "bgpd.vty does not exist" in await watched.next()
    await bgpd.start()
    assert "bfdd.vty does not exist" in await watched.next()
    await bfdd.start()
    assert await watched.next() == "up"
    for name, one in watched.daemons.items():
        await one.stop()
        assert await watched.next() == f"{name} went away"
        await one.start()
        assert await watched.until("up")
    assert watched.said.empty()


async def test_the_first_daemon_in_order_is_the_reason(watched):
    await watched.start()
    await watched.daemons["bfdd"].stop()
    assert await watched.next() == "bfdd went away"
    await watched.until("bfdd.vty does not exist")
    await watched.daemons["zebra"].stop()
    assert await watched.next() == "zebra went away"
    await watched.until("zebra.vty does not exist")
    await watched.daemons["bfdd"].start()
    await watched.daemons["zebra"].start()
    assert await watched.next() == "up"


async def test_a_daemon_that_hangs_is_asked_once_and_is_up_when_it_answers(watched):
    await watched.start()
    bgpd = watched.daemons["bgpd"]
    bgpd.hang()
    assert await watched.next() == "bgpd hangs: no answer to `enable` within 0.2 s"
    heard, connections = len(bgpd.heard), len(bgpd.writers)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watched.said.get(), 0.5)
    assert len(bgpd.writers) == connections, "nothing piles up at its door"
    bgpd.go_on()
    assert await watched.next() == "up"
    assert len(bgpd.heard) <= heard + 2


async def test_a_daemon_that_hangs_and_dies_is_gone(watched):
    await watched.start()
    bgpd = watched.daemons["bgpd"]
    bgpd.hang()
    assert "hangs" in await watched.next()
    await bgpd.stop()
    assert await watched.next() == "bgpd went away"
    bgpd.go_on()
    await bgpd.start()
    await watched.until("up")


async def test_a_busy_speaker_does_not_take_frr_for_hanging(watched):
    await watched.start()
    for _ in range(3):
        time.sleep(0.3)  # noqa: ASYNC251  # nobody in this program has time for anything
        await asyncio.sleep(0.1)
    assert watched.said.empty()


async def test_a_directory_that_cannot_be_searched_is_a_reason_and_no_end(tmp_path):
    # As closed to us as one without permission, also for the superuser.
    said = asyncio.Queue()
    watcher = sidecar.Sidecar(tmp_path / ("x" * 300), **LIMITS)
    task = asyncio.create_task(watcher.watch(said.put_nowait, lambda: said.put_nowait("up")))
    assert (await asyncio.wait_for(said.get(), 5)).startswith("zebra.vty: no connection")
    ended, _ = await asyncio.wait({task}, timeout=0.05)
    assert not ended
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_daemon_that_only_newer_versions_have(watched, tmp_path):
    await watched.start()
    mgmtd = Daemon(tmp_path / "mgmtd.vty")
    await mgmtd.start()
    while not mgmtd.heard:
        await asyncio.sleep(0.01)
    assert watched.said.empty()
    await mgmtd.stop()
    assert await watched.next() == "mgmtd went away"
    await watched.until("mgmtd.vty does not exist")
    await mgmtd.start()
    assert await watched.next() == "up"
    await mgmtd.stop()
