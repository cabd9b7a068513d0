"""Random histories over a connection that fails at random: in the end the store knows exactly what there is."""

import asyncio
import random

import pytest

from frr_adapter import errors, refs
from frr_adapter.boundary import ports, retry, store, watch
from frr_adapter.decode import core
from tests.fakes import cluster
from tests.unit.boundary import samples

MAPS = watch.Resource("ConfigMap", "metallb-system")
PACE = watch.Pace(page=3, period=2, stall=0.3, brief=0.0, waits=retry.Pace(first=0.0005, longest=0.005))


class Flaky(cluster.Cluster):
    """Answers every third request or line with some failure, while `is_flaky`."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice
        self.is_flaky = True
        self.failures = 0

    async def get(self, path, query=ports.NO_QUERY):
        await self._maybe()
        return await super().get(path, query)

    async def stream(self, path, query=ports.NO_QUERY):
        await self._maybe()
        async for line in super().stream(path, query):
            await self._maybe()
            if self.is_flaky and self._dice.random() < 0.05:
                self.failures += 1
                yield line[: len(line) // 2]
                return
            yield line

    async def _maybe(self) -> None:
        await asyncio.sleep(0)
        if not self.is_flaky or self._dice.random() < 0.7:
            return
        self.failures += 1
        if self._dice.random() < 0.3:
            self.forget_history()
        status = self._dice.choice([0, 410, 429, 500])
        raise errors.KubernetesError(status, "Chaos", "on purpose")


def known(things: store.Store) -> dict[str, str]:
    return {one.ref.name: dict(one.data)["text"] for one in things.objects("ConfigMap")}


def present(world: cluster.Cluster) -> dict[str, str]:
    return {one["metadata"]["name"]: one["data"]["text"] for one in world.all("ConfigMap")}


@pytest.mark.parametrize("seed", range(12))
async def test_the_store_knows_what_there_is(seed):
    dice = random.Random(seed)
    world = Flaky(dice)
    things = store.Store(("ConfigMap",))
    told: list[watch.WatchEvent] = []

    def sink(event: watch.WatchEvent) -> None:
        told.append(event)
        things.apply(event)

    task = asyncio.create_task(watch.follow(world, MAPS, core.decode_config_map, sink, PACE))
    for step in range(60):
        name = f"m{dice.randrange(8)}"
        if name in present(world) and dice.random() < 0.4:
            world.remove(refs.ObjectRef("ConfigMap", "metallb-system", name))
        else:
            world.put(samples.config_map(name, str(step)))
        await asyncio.sleep(dice.choice([0, 0, 0.001]))
    async with asyncio.timeout(5):
        while world.failures < 5:
            world.put(samples.config_map("more", str(world.failures)))
            await asyncio.sleep(0.001)
        world.is_flaky = False
        while not things.all_listed or known(things) != present(world):
            await asyncio.sleep(0.002)
    assert not task.done()
    task.cancel()
    versions = [
        (event.decoded.ref, event.decoded.resource_version) for event in told if isinstance(event, watch.Upserted)
    ]
    assert len(versions) == len(set(versions)), "an unchanged object was told twice"
