"""The controller on an in-memory cluster that fails at random: nothing is lost and nothing is given twice."""

import asyncio
import contextlib
import json

import pytest

from controller import loop, settings
from frr_adapter import refs
from frr_adapter.boundary import decoders, metrics, outbox, perform, retry, store, watch
from frr_adapter.decode import core
from tests import histories
from tests.cycle import objects, world
from tests.fakes import clock, faults
from tests.fakes.cluster import Cluster

HASTY = retry.Pace(first=0.01, longest=0.05, attempts=3)


@contextlib.asynccontextmanager
async def controller(cluster: Cluster, plan: faults.Plan):
    port = faults.FaultyPort(cluster, plan)
    registry = metrics.Metrics()
    known = store.Store(loop.KINDS)
    the_loop = loop.Loop(settings.parse((), {}), known, registry)
    performer = perform.Performer(port, clock.ManualClock(), perform.Author("metallb-controller", "c"), HASTY)
    out = outbox.Outbox(performer, the_loop.failed, the_loop.performed)
    the_loop.connect(out)
    the_loop.lead()
    pace = watch.Pace(page=50, brief=0.0, waits=HASTY)
    tasks = [
        asyncio.create_task(watch.follow(port, each, decoders.DECODERS[each.kind], the_loop.take, pace))
        for each in decoders.resources(loop.KINDS, world.NAMESPACE)
    ]
    tasks += [asyncio.create_task(the_loop.run()), asyncio.create_task(out.run())]
    try:
        yield out
        assert not [task for task in tasks if task.done()], "a task of the program ended"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def services(cluster: Cluster):
    found = [core.decode_service(json.dumps(each).encode()).value for each in cluster.all("Service")]
    return tuple(sorted(found, key=lambda each: each.ref))


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 30))])
async def test_nothing_is_lost_and_nothing_given_twice(seed):
    cluster = Cluster()
    cluster.put(objects.pool("default", histories.POOL))
    plan = faults.Plan(seed)

    async def make(name: str) -> None:
        cluster.put(objects.service(name))
        await asyncio.sleep(0)

    async def remove(name: str) -> None:
        cluster.remove(refs.ObjectRef("Service", "default", name))

    async with controller(cluster, plan) as out:
        standing = await histories.live(make, remove, total=300, seed=seed)
        plan.is_calm = True

        def is_done() -> bool:
            return out.is_empty and not histories.faults_of(services(cluster), standing, "")

        with contextlib.suppress(AssertionError):
            await world.eventually(is_done, 15)
        assert histories.faults_of(services(cluster), standing, "") == []
    pool = cluster.read(refs.ObjectRef("IPAddressPool", world.NAMESPACE, "default"))
    assert pool["status"]["assignedIPv4"] == len(standing)
    assert len(plan.injected) >= 7, plan.injected
