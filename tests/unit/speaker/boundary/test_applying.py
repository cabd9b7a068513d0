"""One apply at a time, the newest configuration wins, and nothing counts that an earlier life of FRR was given."""

import asyncio
import contextlib
import ipaddress

import pytest

from frr_adapter import errors
from frr_adapter.frr import config, reloading
from speaker.boundary import applying


class Applier:
    """Waits for `go` in every apply."""

    def __init__(self):
        self.begun = []
        self.forgot = 0
        self.go = asyncio.Semaphore(0)
        self.fails = False
        self.bug = False
        self.errors = []
        self.ended = []

    def forget(self):
        self.forgot += 1

    async def apply(self, wanted):
        self.begun.append(wanted.hostname)
        await self.go.acquire()
        if self.bug:
            raise KeyError("of our own making")
        if self.fails:
            raise errors.ApplyError("no")
        self.ended.append(wanted.hostname)
        return reloading.ApplyReport(way=reloading.Way.HOT, resets=("a: b",))


@pytest.fixture
async def world():
    applier = Applier()
    made = applying.Applying(applier, applier.errors.append)
    task = asyncio.create_task(made.run())
    yield made, applier
    task.cancel()
    applier.go.release()  # for an apply that is under way
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def begun(applier, *names):
    async with asyncio.timeout(5):
        while applier.begun != list(names):
            await asyncio.sleep(0)


async def test_changes_during_an_apply_become_one(world):
    made, applier = world
    made.up()
    made.want(config.FrrConfig("a"))
    await begun(applier, "a")
    for name in "bcd":
        made.want(config.FrrConfig(name))
    applier.go.release()
    await begun(applier, "a", "d")
    applier.go.release()
    async with asyncio.timeout(5):
        while not made.is_applied:
            await asyncio.sleep(0)
    assert applier.begun == ["a", "d"]


async def test_a_daemon_that_restarted_during_an_apply_is_given_everything_again(world):
    made, applier = world
    made.up()
    assert applier.forgot == 1
    made.want(config.FrrConfig("a"))
    await begun(applier, "a")
    made.down()
    made.up()
    assert applier.forgot == 3
    applier.go.release()
    await begun(applier, "a", "a")


async def test_what_is_wanted_while_frr_is_down_waits(world):
    made, applier = world
    made.want(config.FrrConfig("a"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert applier.begun == []
    made.up()
    await begun(applier, "a")


def with_prefix(address, host="a"):
    origination = config.Origination(ipaddress.ip_network(address), "class-1")
    return config.FrrConfig(
        host, routers=(config.Router(64600, families=(config.AddressFamily("ipv4", (origination,)),)),)
    )


async def test_what_was_refused_is_not_tried_again_with_every_other_prefix(world, monkeypatch):
    monkeypatch.setattr(applying, "_FIRST_RETRY", 0.2)
    made, applier = world
    made.up()
    applier.fails = True
    clock = asyncio.get_running_loop().time
    started, number = clock(), 0
    applier.go = asyncio.Semaphore(1000)
    while len(applier.begun) < 3:
        number += 1
        made.want(with_prefix(f"192.0.{number // 250}.{number % 250}"))
        await asyncio.sleep(0.001)
    # The pauses are 0.2 and 0.4 s: many changes, three attempts.
    assert clock() - started >= 0.55
    assert number > 20
    made.want(with_prefix("192.0.2.1", host="b"))
    async with asyncio.timeout(0.6):
        while applier.begun[-1] != "b":
            await asyncio.sleep(0)
    made.down()
    applier.fails = False
    made.up()
    async with asyncio.timeout(0.6):
        while not made.is_applied:
            await asyncio.sleep(0)


async def test_a_mistake_of_ours_is_told_and_everything_is_compared_anew(world):
    made, applier = world
    made.up()
    applier.bug = True
    made.want(config.FrrConfig("a"))
    applier.go.release()
    async with asyncio.timeout(5):
        while not applier.errors:
            await asyncio.sleep(0)
    assert [str(each) for each in applier.errors] == ["unexpected KeyError; the log says more"]
    assert applier.forgot == 2
    applier.bug = False
    applier.go.release()
    async with asyncio.timeout(5):
        while not made.is_applied:
            await asyncio.sleep(0.01)
    assert applier.begun == ["a", "a"]


# ---- The end of the program ----


class Shielded:
    """As the real ones: whoever asked may go away, the apply goes on, as long as there is an event loop."""

    def __init__(self, inner):
        self.inner = inner
        self.forget = inner.forget

    async def apply(self, wanted):
        return await asyncio.shield(self.inner.apply(wanted))


def test_an_apply_that_has_begun_is_finished_before_the_program_ends():
    applier = Applier()

    async def program():
        made = applying.Applying(Shielded(applier), applier.errors.append)
        made.up()
        made.want(config.FrrConfig("a"))
        task = asyncio.create_task(made.run())
        await begun(applier, "a")
        task.cancel()
        asyncio.get_running_loop().call_later(0.02, applier.go.release)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(program())
    assert applier.ended == ["a"]


def test_the_program_ends_although_an_apply_does_not(monkeypatch):
    monkeypatch.setattr(applying, "FAREWELL_SECONDS", 0.01)
    applier = Applier()

    async def program():
        made = applying.Applying(Shielded(applier), applier.errors.append)
        made.up()
        made.want(config.FrrConfig("a"))
        task = asyncio.create_task(made.run())
        await begun(applier, "a")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    assert applier.ended == []


# ---- How long changes take ----


@pytest.fixture
async def measured():
    """As `world`; the third are the changes that landed, as (host name before, since)."""
    applier, landed = Applier(), []
    made = applying.Applying(
        applier, lambda _: None, lambda _report, before, since: landed.append((before.hostname, since))
    )
    task = asyncio.create_task(made.run())
    yield made, applier, landed
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def applied(made, applier):
    applier.go.release()
    async with asyncio.timeout(5):
        while not made.is_applied:
            await asyncio.sleep(0)


async def test_changes_that_go_together_count_from_the_oldest(measured):
    made, applier, landed = measured
    made.up()
    made.want(config.FrrConfig("a"), 1.0)
    await applied(made, applier)
    assert landed == []  # what FRR is given at its start is no change of a running one
    made.want(config.FrrConfig("b"), 2.0)
    await begun(applier, "a", "b")
    for name, since in (("c", 3.0), ("d", 4.0), ("e", None)):
        made.want(config.FrrConfig(name), since)
    applier.go.release()
    await begun(applier, "a", "b", "e")
    await applied(made, applier)
    assert landed == [("a", 2.0), ("b", 3.0)]


async def test_a_change_that_was_refused_at_first_counts_from_its_beginning(measured):
    made, applier, landed = measured
    made.up()
    made.want(config.FrrConfig("a"))
    await applied(made, applier)
    applier.fails = True
    made.want(config.FrrConfig("b"), 2.0)
    applier.go.release()
    await begun(applier, "a", "b")
    applier.fails = False
    made.want(config.FrrConfig("c"), 5.0)
    await begun(applier, "a", "b", "c")
    await applied(made, applier)
    assert landed == [("a", 2.0)]


async def test_what_changes_nothing_is_not_measured(measured):
    made, applier, landed = measured
    made.up()
    made.want(config.FrrConfig("a"))
    await applied(made, applier)
    made.want(config.FrrConfig("a"), 1.0)
    made.want(config.FrrConfig("b"))
    await applied(made, applier)
    assert landed == []


async def test_what_came_and_went_during_an_apply_is_not_measured_with_a_later_change(measured):
    made, applier, landed = measured
    made.up()
    made.want(config.FrrConfig("a"))
    await applied(made, applier)
    made.want(config.FrrConfig("b"), 2.0)
    await begun(applier, "a", "b")
    made.want(config.FrrConfig("c"), 3.0)
    made.want(config.FrrConfig("b"), 4.0)
    await applied(made, applier)
    for _ in range(5):
        await asyncio.sleep(0)
    made.want(config.FrrConfig("d"), 5000.0)
    await applied(made, applier)
    assert applier.begun == ["a", "b", "d"]
    assert landed == [("a", 2.0), ("b", 5000.0)]


async def test_the_same_again_when_more_of_it_can_be_done(world):
    made, applier = world
    made.up()
    made.want(config.FrrConfig("a"))
    await applied(made, applier)
    made.again()
    assert made.is_applied
    await begun(applier, "a", "a")
    # Refused, it is due again, although what is wanted counts as applied.
    applier.fails = True
    applier.go.release()
    await begun(applier, "a", "a", "a")
    applier.fails = False
    applier.go.release()
    async with asyncio.timeout(5):
        while len(applier.errors) < 3:
            await asyncio.sleep(0)
    assert applier.begun == ["a", "a", "a"]
