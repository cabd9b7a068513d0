"""Several controllers on one in-memory cluster: who works, and what the next one knows when it begins."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from frr_adapter import errors, refs
from frr_adapter.boundary import ports
from tests.cycle import world
from tests.cycle.objects import pool, service
from tests.fakes.cluster import Cluster

LEASE = refs.ObjectRef("Lease", world.NAMESPACE, "frr-adapter-controller")
LEASES = "/leases"


class Port:
    """One replica's way to the cluster: its watches may be late, its requests may fail."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.hears = asyncio.Event()
        self.hears.set()
        self.is_cut = False
        self.writes: list[str] = []

    def _pass(self, path: str, *, is_write: bool = True) -> None:
        if self.is_cut:
            raise errors.KubernetesError(0, "Unreachable", "cut off")
        if is_write and LEASES not in path:
            self.writes.append(path)

    async def get(self, path: str, query: ports.Query = ports.NO_QUERY) -> bytes:
        self._pass(path, is_write=False)
        return await self._cluster.get(path, query)

    async def stream(self, path: str, query: ports.Query = ports.NO_QUERY) -> AsyncGenerator[bytes, None]:
        async for line in self._cluster.stream(path, query):
            await self.hears.wait()
            yield line

    async def patch(self, path, body, content_type, query=ports.NO_QUERY) -> bytes:
        self._pass(path)
        return await self._cluster.patch(path, body, content_type, query)

    async def create(self, path, body, query=ports.NO_QUERY) -> bytes:
        self._pass(path)
        return await self._cluster.create(path, body, query)

    async def update(self, path, body, query=ports.NO_QUERY) -> bytes:
        self._pass(path)
        return await self._cluster.update(path, body, query)

    async def delete(self, path, query=ports.NO_QUERY) -> bytes:
        self._pass(path)
        return await self._cluster.delete(path, query)


def cluster(*documents) -> Cluster:
    made = Cluster()
    for document in documents:
        made.put(document)
    return made


def lease(made: Cluster) -> dict:
    return made.read(LEASE)["spec"]


@contextlib.asynccontextmanager
async def pair(
    made: Cluster, first: Port, second: Port
) -> AsyncIterator[tuple[world.Replica, world.Replica, Callable[[], Awaitable[None]]]]:
    """A leader "a", a warm standby "b", and a function that crashes the leader."""
    async with contextlib.AsyncExitStack() as life:
        leader = await life.enter_async_context(world.replica(made, first, "a"))
        await world.eventually(lambda: leader.elector.is_leading)
        async with world.replica(made, second, "b") as standby:
            await world.eventually(lambda: not standby.loop.unready())
            yield leader, standby, life.aclose


async def test_a_standby_is_warm_and_does_nothing():
    made = cluster(pool(), service("web"))
    quiet = Port(made)
    async with pair(made, Port(made), quiet) as (leader, standby, _):
        await world.eventually(lambda: leader.ips("web") == ["192.0.2.0"])
        made.put(service("more"))
        await world.eventually(lambda: leader.ips("more") == ["192.0.2.1"])
        assert not standby.elector.is_leading
        assert quiet.writes == []
        assert standby.metric("metallb_k8s_client_config_loaded_bool") == 1
        assert standby.metric("metallb_allocator_addresses_total", pool="default") is None
        assert leader.metric("metallb_allocator_addresses_in_use_total", pool="default") == 2


async def test_a_standby_tells_that_the_configuration_is_bad():
    made = cluster(pool("bad", "300.0.0.0/24"))
    async with pair(made, Port(made), Port(made)) as (_, standby, _):
        await world.eventually(lambda: standby.metric("metallb_k8s_client_config_stale_bool") == 1)


async def test_the_next_leader_knows_what_the_last_one_wrote_even_where_its_watches_are_late():
    made = cluster(pool("default", "192.0.2.0/31"), service("gone", ips=("192.0.2.1",)))
    late = Port(made)
    async with pair(made, Port(made), late) as (leader, standby, crash):
        late.hears.clear()
        made.put(service("web"))
        await world.eventually(lambda: leader.ips("web") == ["192.0.2.0"])
        made.remove(refs.ObjectRef("Service", "default", "gone"))
        await crash()
        made.put(service("newer"))
        # the only free address is the one of the Service whose deletion no watch has told
        await world.eventually(lambda: standby.ips("newer") == ["192.0.2.1"])
        assert standby.ips("web") == ["192.0.2.0"]
        assert not [path for path in late.writes if "/services/web/" in path]
        assert lease(made)["leaseTransitions"] == 1


async def test_a_leader_that_cannot_renew_stops_before_the_next_one_begins():
    made = cluster(pool())
    cut = Port(made)
    async with pair(made, cut, Port(made)) as (leader, standby, _):
        cut.is_cut = True
        await world.eventually(leader.term.done)
        assert not leader.elector.is_leading
        assert not standby.elector.is_leading
        assert leader.term.result() == "Lease metallb-system/frr-adapter-controller could not be renewed for 0.6 s"
        cut.is_cut = False
        made.put(service("web"))
        await world.eventually(lambda: standby.ips("web") == ["192.0.2.0"])
        # its loop still runs, as a suspended process would; nothing of it gets out
        assert not [path for path in cut.writes if "/services/" in path]


async def test_a_released_lease_is_taken_at_once():
    made = cluster(pool())
    async with pair(made, Port(made), Port(made)) as (leader, standby, _):
        leader.barrier.close()
        assert await leader.barrier.drained(1)
        leader.term.cancel()
        released = asyncio.get_running_loop().time()
        await leader.elector.resign()
        await world.eventually(lambda: standby.elector.is_leading)
        # a candidate's next try is up to 0.11 s away, and an unreleased lease lasts 1 s
        assert asyncio.get_running_loop().time() - released < 0.5
        assert lease(made)["holderIdentity"] == "b"


async def test_whoever_overwrites_the_lease_ends_the_leadership():
    made = cluster(pool())
    async with pair(made, Port(made), Port(made)) as (leader, _, _):
        document = made.read(LEASE)
        document["spec"]["holderIdentity"] = "thief"
        made.put(document)
        await world.eventually(leader.term.done)
        assert leader.term.result() == 'Lease metallb-system/frr-adapter-controller is held by "thief"'


async def test_a_deleted_lease_stays_with_its_holder():
    made = cluster(pool(), service("web"))
    async with pair(made, Port(made), Port(made)) as (leader, standby, _):
        made.remove(LEASE)
        await world.eventually(lambda: made.read(LEASE) is not None)
        assert lease(made)["holderIdentity"] == "a"
        assert leader.elector.is_leading
        assert not standby.elector.is_leading


async def test_labels_on_the_lease_stay():
    made = cluster(pool())
    async with pair(made, Port(made), Port(made)) as (_, standby, crash):
        document = made.read(LEASE)
        document["metadata"]["labels"] = {"mine": "kept"}
        made.put(document)
        await crash()
        await world.eventually(lambda: standby.elector.is_leading)
        assert made.read(LEASE)["metadata"]["labels"] == {"mine": "kept"}


async def test_who_may_not_use_the_lease_says_so_and_does_nothing():
    made = cluster(pool(), service("web"))
    forbidden = errors.KubernetesError(403, "Forbidden", "leases are not for you")
    made.refuse = lambda _method, path: forbidden if LEASES in path else None
    async with world.replica(made, Port(made), "a") as alone:
        await world.eventually(lambda: alone.elector.trouble() and not alone.loop.unready())
        (reason,) = alone.elector.trouble()
        assert reason == "Lease metallb-system/frr-adapter-controller: 403 Forbidden: leases are not for you"
        assert alone.ips("web") == []
        made.refuse = lambda _method, _path: None
        await world.eventually(lambda: alone.ips("web") == ["192.0.2.0"])
        assert alone.elector.trouble() == ()
