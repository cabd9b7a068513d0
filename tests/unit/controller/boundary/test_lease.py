"""The elector against an API that loses answers; who leads when is in `test_leadership` and `tests/cycle/test_replicas`."""

import asyncio
import contextlib

import pytest

from controller.boundary import lease
from controller.core import leadership
from frr_adapter import errors, refs
from frr_adapter.boundary import clock, ports
from tests.fakes.cluster import Cluster

LEASE = refs.ObjectRef("Lease", "metallb-system", "l")
TERMS = leadership.Terms(duration=1, deadline=0.5, pause=0.01)


class Lossy(Cluster):
    """Carries requests out; while `loses` the answers to writes get lost, while `hangs` no write is answered at all."""

    def __init__(self) -> None:
        super().__init__()
        self.loses = self.hangs = False

    async def _answer(self, request):
        if self.hangs:
            request.close()
            await asyncio.Event().wait()
        answer = await request
        if self.loses:
            raise errors.KubernetesError(0, "Unreachable", "the answer got lost")
        return answer

    async def create(self, path, body, query=ports.NO_QUERY):
        return await self._answer(super().create(path, body, query))

    async def patch(self, path, body, content_type, query=ports.NO_QUERY):
        return await self._answer(super().patch(path, body, content_type, query))


class Candidate:
    def __init__(self, world, name: str = "me") -> None:
        self.gained = 0
        rules = leadership.Rules(name, TERMS)
        self.elector = lease.Elector(world, clock.SystemClock(), LEASE, rules, self._gain)

    def _gain(self) -> None:
        self.gained += 1

    @contextlib.asynccontextmanager
    async def running(self):
        self.term = asyncio.create_task(self.elector.run())
        try:
            yield self.elector
        finally:
            self.term.cancel()
            await asyncio.gather(self.term, return_exceptions=True)


async def eventually(holds) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.002)


@pytest.fixture
def lossy():
    return Lossy()


async def test_the_lease_says_what_other_tools_read(lossy):
    candidate = Candidate(lossy)
    async with candidate.running() as elector:
        await eventually(lambda: elector.is_leading)
    spec = lossy.read(LEASE)["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("me", 1, 0)
    assert spec["acquireTime"].endswith("Z")
    assert len(spec["renewTime"]) == len("2030-01-01T00:00:00.000000Z")


async def test_the_first_try_is_told_and_comes_without_delay(lossy):
    candidate = Candidate(lossy)
    async with candidate.running() as elector:
        await asyncio.wait_for(elector.tried(), 5)
        assert elector.is_leading
        assert candidate.gained == 1


async def test_a_lease_whose_answer_got_lost_counts_only_when_renewed(lossy):
    lossy.loses = True
    candidate = Candidate(lossy)
    async with candidate.running() as elector:
        await eventually(lambda: lossy.read(LEASE) is not None)
        await asyncio.wait_for(elector.tried(), 5)
        assert not elector.is_leading
        assert candidate.gained == 0
        assert elector.trouble() == ("Lease metallb-system/l: Unreachable: the answer got lost",)
        lossy.loses = False
        await eventually(lambda: elector.is_leading)
        assert candidate.gained == 1


async def test_renewals_whose_answers_get_lost_do_not_count(lossy):
    candidate = Candidate(lossy)
    async with candidate.running() as elector:
        await eventually(lambda: elector.is_leading)
        lossy.loses = True
        await eventually(candidate.term.done)
        assert candidate.term.result() == "Lease metallb-system/l could not be renewed for 0.5 s"
        assert not elector.is_leading


async def test_a_leader_waits_for_no_answer_beyond_its_time(lossy):
    candidate = Candidate(lossy)
    async with candidate.running() as elector:
        await eventually(lambda: elector.is_leading)
        lossy.hangs = True
        started = asyncio.get_running_loop().time()
        await eventually(candidate.term.done)
        assert asyncio.get_running_loop().time() - started < 1.0
        assert not elector.is_leading


async def test_a_release_succeeds_although_a_renewal_was_cut_off(lossy):
    candidate = Candidate(lossy)
    async with candidate.running() as elector:
        await eventually(lambda: elector.is_leading)
        candidate.term.cancel()
        await asyncio.gather(candidate.term, return_exceptions=True)
        document = lossy.read(LEASE)
        document["spec"]["renewTime"] = "2031-01-01T00:00:00.000000Z"  # as the renewal that was under way
        lossy.put(document)
        await elector.resign()
        assert lossy.read(LEASE)["spec"]["holderIdentity"] == ""
        assert not elector.is_leading
        writes = len(lossy.writes)
        await elector.resign()
        assert len(lossy.writes) == writes


async def test_a_release_that_fails_is_no_error(lossy):
    candidate = Candidate(lossy)
    async with candidate.running() as elector:
        await eventually(lambda: elector.is_leading)
        candidate.term.cancel()
        await asyncio.gather(candidate.term, return_exceptions=True)
        lossy.hangs = True
        await asyncio.wait_for(elector.resign(), 5)
        assert lossy.read(LEASE)["spec"]["holderIdentity"] == "me"


async def test_the_same_identity_need_not_wait_for_itself(lossy):
    first = Candidate(lossy, "pod_uid")
    async with first.running() as elector:
        await eventually(lambda: elector.is_leading)
    again = Candidate(lossy, "pod_uid")
    async with again.running() as elector:
        await asyncio.wait_for(elector.tried(), 5)
        assert elector.is_leading
    assert lossy.read(LEASE)["spec"]["leaseTransitions"] == 0


async def test_garbage_is_trouble_and_no_crash(lossy):
    lossy.put(
        {"kind": "Lease", "metadata": {"name": "l", "namespace": "metallb-system"}, "spec": {"holderIdentity": 5}}
    )
    candidate = Candidate(lossy)
    async with candidate.running() as elector:
        await asyncio.wait_for(elector.tried(), 5)
        (reason,) = elector.trouble()
        assert reason.startswith("Lease metallb-system/l: Garbage: ")
        assert not elector.is_leading
