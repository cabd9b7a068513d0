import asyncio

import pytest

from controller.boundary import fence
from frr_adapter import errors
from frr_adapter.boundary import paths, ports
from tests.fakes.cluster import Cluster

MAPS = paths.KINDS["ConfigMap"].collection("metallb-system")
BODY = {"metadata": {"name": "a"}, "data": {"text": "1"}}


class Slow(Cluster):
    """Writes wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def create(self, path, body, query=ports.NO_QUERY):
        await self.gate.wait()
        return await super().create(path, body, query)


async def every_write(port: ports.KubePort) -> list[str]:
    reasons = []
    for request in (
        port.create(MAPS, BODY),
        port.update(f"{MAPS}/a", BODY),
        port.patch(f"{MAPS}/a", {"data": {"text": "2"}}, ports.Patch.MERGE),
        port.delete(f"{MAPS}/a"),
    ):
        try:
            await request
        except errors.KubernetesError as error:
            reasons.append(error.reason)
    return reasons


async def test_writes_pass_while_leading():
    made = Cluster()
    assert await every_write(fence.Fence(made, lambda: True)) == []
    assert [write.method for write in made.writes] == ["POST", "PUT", "PATCH", "DELETE"]


@pytest.mark.parametrize("closed", [True, False])
async def test_no_write_passes_otherwise_and_reads_do(closed):
    made = Cluster()
    barrier = fence.Fence(made, lambda: closed)
    if closed:
        barrier.close()
    assert await every_write(barrier) == ["NotLeading"] * 4
    assert made.writes == []
    assert b'"items": []' in await barrier.get(MAPS)


async def test_draining_waits_for_what_is_under_way():
    made = Slow()
    barrier = fence.Fence(made, lambda: True)
    assert await barrier.drained(0)
    under_way = asyncio.create_task(barrier.create(MAPS, BODY))
    await asyncio.sleep(0)
    barrier.close()
    assert not await barrier.drained(0.01)
    made.gate.set()
    assert await barrier.drained(5)
    assert under_way.done()
    await under_way


async def test_what_was_broken_off_is_not_under_way():
    barrier = fence.Fence(Slow(), lambda: True)
    under_way = asyncio.create_task(barrier.create(MAPS, BODY))
    await asyncio.sleep(0)
    under_way.cancel()
    assert await barrier.drained(5)
