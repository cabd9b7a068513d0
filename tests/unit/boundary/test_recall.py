import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from frr_adapter import errors, refs
from frr_adapter.boundary import retry, store, watch
from frr_adapter.decode import core
from tests.unit.boundary import samples

MAPS = watch.Resource("ConfigMap", "metallb-system")
PACE = watch.Pace(page=1, period=60, stall=60, waits=retry.Pace(first=30, longest=30))


class Scene:
    """A follower on a cluster, and the store it fills."""

    def __init__(self, world) -> None:
        self.world = world
        self.recall = watch.Recall()
        self.store = store.Store(["ConfigMap"])

    @property
    def names(self) -> list[str]:
        return [each.ref.name for each in self.store.objects("ConfigMap")]

    def ask(self) -> None:
        self.store.expect_listings()
        self.recall.ask()

    @asynccontextmanager
    async def following(self, port=None):
        sink = self.store.apply
        task = asyncio.create_task(
            watch.follow(port or self.world, MAPS, core.decode_config_map, sink, PACE, self.recall)
        )
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def listed(self) -> None:
        async with asyncio.timeout(5):
            while not self.store.all_listed:
                await asyncio.sleep(0.001)


@pytest.fixture
def scene(world):
    return Scene(world)


class Halting:
    """Lists stop at every page until let go; watches say nothing."""

    def __init__(self, world) -> None:
        self._world = world
        self.pages: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def get(self, path, query):
        answer = await self._world.get(path, query)
        gate = asyncio.Event()
        self.pages.put_nowait(gate)
        await gate.wait()
        return answer

    async def stream(self, _path, _query):
        await asyncio.Event().wait()
        yield b""


async def test_what_a_silent_watch_missed_is_listed(scene, world):
    halting = Halting(world)
    world.put(samples.config_map("a"))
    async with scene.following(halting):
        (await halting.pages.get()).set()
        await scene.listed()
        world.remove(refs.ObjectRef("ConfigMap", "metallb-system", "a"))
        world.put(samples.config_map("b"))
        scene.ask()
        assert not scene.store.all_listed
        (await halting.pages.get()).set()
        await scene.listed()
        assert scene.names == ["b"]


async def test_a_listing_begun_before_does_not_count(scene, world):
    halting = Halting(world)
    world.put(samples.config_map("a"))
    world.put(samples.config_map("c"))
    async with scene.following(halting):
        (await halting.pages.get()).set()
        last = await halting.pages.get()
        world.put(samples.config_map("b"))
        last.set()  # answered in the very moment of asking
        scene.ask()
        async with asyncio.timeout(5):
            while not scene.store.all_listed:
                with suppress(asyncio.QueueEmpty):
                    halting.pages.get_nowait().set()
                await asyncio.sleep(0)
        assert scene.names == ["a", "b", "c"]


async def test_asking_before_the_start_costs_no_second_listing(scene, world):
    halting = Halting(world)
    scene.ask()
    async with scene.following(halting):
        (await halting.pages.get()).set()
        await scene.listed()
        await asyncio.sleep(0)
        assert halting.pages.empty()


async def test_waiting_for_another_try_ends(scene, world):
    world.put(samples.config_map("a"))
    world.refuse = lambda _method, _path: errors.KubernetesError(503, "ServiceUnavailable", "starting")
    async with scene.following():
        await asyncio.sleep(0.02)  # it has failed, and would come back in up to half a minute
        world.refuse = lambda _method, _path: None
        scene.ask()
        await scene.listed()
        assert scene.names == ["a"]


async def test_asking_often_is_asking_once_more(scene, world):
    world.put(samples.config_map("a"))
    async with scene.following():
        for _ in range(5):
            scene.ask()
            scene.ask()
            await asyncio.sleep(0)
        await scene.listed()
        world.put(samples.config_map("b"))
        async with asyncio.timeout(5):
            while scene.names != ["a", "b"]:
                await asyncio.sleep(0.001)
