"""Following a cluster: what is looked at, when, and what is said while the cluster does not answer."""

import asyncio
import contextlib

import pytest

from cli import values
from cli.boundary import following, live
from frr_adapter import errors, refs
from frr_adapter.boundary import paths
from tests.fakes import cluster

KINDS = ("Lease", "Secret", "Service")


def service(name="web", **metadata):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"type": "LoadBalancer"},
    }


def lease(holder="me", renewed="1"):
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "frr-adapter-controller", "namespace": "metallb-system"},
        "spec": {"holderIdentity": holder, "renewTime": renewed},
    }


def secret(password):
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tor", "namespace": "metallb-system"},
        "type": "kubernetes.io/basic-auth",
        "data": {"password": password},
    }


class Sights:
    """What was seen, and a way to wait for it."""

    def __init__(self):
        self.found = []

    def take(self, sight):
        self.found.append(sight)

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not (self.found and condition(self.found[-1])):
                await asyncio.sleep(0.01)
        return self.found[-1]


@contextlib.asynccontextmanager
async def following_of(behind, interval=0.01):
    sights = Sights()
    task = asyncio.create_task(following.attend(behind, "metallb-system", KINDS, sights.take, interval))
    try:
        yield sights
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def names(sight):
    return [each.ref.name for each in sight.documents]


async def test_everything_that_is_there_then_every_change():
    behind = cluster.Cluster()
    behind.put(service())
    async with following_of(behind) as sights:
        await sights.until(lambda sight: names(sight) == ["web"])
        assert len(sights.found) == 1  # never a part of it
        behind.put(service("api"))
        await sights.until(lambda sight: names(sight) == ["api", "web"])
        behind.remove(refs.ObjectRef("Service", "default", "web"))
        await sights.until(lambda sight: names(sight) == ["api"])


async def test_a_lease_that_is_only_renewed_is_no_news():
    behind = cluster.Cluster()
    behind.put(lease())
    async with following_of(behind) as sights:
        await sights.until(lambda sight: names(sight) == ["frr-adapter-controller"])
        behind.put(lease(renewed="2"))
        behind.put(service())
        await sights.until(lambda sight: len(sight.documents) == 2)
        assert len(sights.found) == 2
        behind.put(lease(holder="you"))
        last = await sights.until(lambda sight: sight.documents[0].raw["spec"]["holderIdentity"] == "you")
        assert "renewTime" not in last.documents[0].raw["spec"]


async def test_passwords_do_not_get_through():
    behind = cluster.Cluster()
    behind.put(secret("c2VzYW1l"))
    async with following_of(behind) as sights:
        found = await sights.until(lambda sight: names(sight) == ["tor"])
    assert "c2VzYW1l" not in str(found)


class Cut:
    """The way to a cluster, which can be cut: whatever is under way then ends with an error."""

    def __init__(self, behind):
        self._behind = behind
        self.away = asyncio.Event()

    async def get(self, path, query):
        if self.away.is_set():
            raise errors.KubernetesError(0, "Unreachable", "no route")
        return await self._behind.get(path, query)

    async def stream(self, path, query):
        lines = self._behind.stream(path, query)
        cut = asyncio.ensure_future(self.away.wait())
        try:
            while True:
                line = asyncio.ensure_future(anext(lines))
                await asyncio.wait({line, cut}, return_when=asyncio.FIRST_COMPLETED)
                if not line.done():
                    line.cancel()
                    raise errors.KubernetesError(0, "Unreachable", "no route")
                yield line.result()
        finally:
            cut.cancel()


async def test_what_is_seen_may_be_old_while_the_cluster_does_not_answer():
    behind = cluster.Cluster()
    behind.put(service())
    way = Cut(behind)
    async with following_of(way) as sights:
        await sights.until(lambda sight: names(sight) == ["web"])
        way.away.set()
        assert "no route" in (await sights.until(lambda sight: sight.trouble)).trouble
        behind.put(service("api"))
        way.away.clear()
        await sights.until(lambda sight: not sight.trouble and names(sight) == ["api", "web"])


async def test_at_most_once_in_an_interval():
    behind = cluster.Cluster()
    async with following_of(behind, interval=0.3) as sights:
        for number in range(20):
            behind.put(service(f"s{number}"))
            await asyncio.sleep(0.005)
        await sights.until(lambda sight: len(sight.documents) == 20)
        assert len(sights.found) <= 3


async def test_a_mistake_of_ours_ends_it():
    def fail(_sight):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(10):
            await following.attend(cluster.Cluster(), "metallb-system", KINDS, fail, 0.01)


def test_what_is_followed():
    assert set(following.kinds(("Secret",))) == {*live.KINDS} & paths.KINDS.keys() - {"Secret"}


def test_what_is_not_followed_stays_as_it_was():
    def document(kind, name):
        return values.Document(refs.ObjectRef(kind, "metallb-system", name), {"kind": kind})

    first = values.Gathered(
        documents=(document("DaemonSet", "speaker"), document("Pod", "old"), document("Secret", "stand-in")),
        unread=("Secret",),
        gaps=("no right to list Secret",),
    )
    sight = following.Sight((document("Pod", "new"),), "away")
    seen = following.seen(first, sight, "now")
    assert [each.ref.name for each in seen.documents] == ["speaker", "new", "stand-in"]
    assert seen.gaps == ("this may be old: away", "no right to list Secret")
    assert seen.taken_at == "now"
