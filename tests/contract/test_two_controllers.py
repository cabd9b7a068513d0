"""Two controllers as real processes on one Kubernetes API: one leads, and nothing is lost or given twice when it goes."""

import asyncio
import contextlib
import pathlib
import secrets
import signal
import time

import pytest

from frr_adapter.api import crds
from tests.contract import conftest
from tests.contract.replica import Replica, until

pytestmark = pytest.mark.contract

ROOT = pathlib.Path(__file__).parents[2]
LEASE = 2
RETRY = 0.2
SHORT = (f"--lease-duration={LEASE}", "--renew-deadline=1.4", f"--retry-period={RETRY}")
BURST = 300
POOL = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "p"}}
POOL["spec"] = {"addresses": ["198.18.0.0/22"]}


class Cluster:
    """The test's namespace and what happened to its Services."""

    def __init__(self, api, lb_class: str) -> None:
        self.api = api
        self.lb_class = lb_class
        self.given: dict[str, list[tuple[str, ...]]] = {}
        self.services = api.path("services")
        self.lease_path = api.path("leases", "frr-adapter-controller", group="coordination.k8s.io")

    async def create(self, name: str) -> None:
        spec = {"type": "LoadBalancer", "loadBalancerClass": self.lb_class, "ports": [{"port": 80}]}
        (await self.api.post(self.services, {"metadata": {"name": name}, "spec": spec})).ok(201)

    async def burst(self, prefix: str, count: int) -> None:
        limit = asyncio.Semaphore(8)

        async def one(number: int) -> None:
            async with limit:
                await self.create(f"{prefix}{number:03}")

        await asyncio.gather(*(one(number) for number in range(count)))

    async def follow(self) -> None:
        """Notes every address that any Service ever had, in order."""
        async with self.api.watch(self.services, resourceVersion="0") as watcher:
            while (event := await watcher.next(120)) is not None:
                ingress = event["object"].get("status", {}).get("loadBalancer", {}).get("ingress") or []
                history = self.given.setdefault(event["object"]["metadata"]["name"], [])
                now = tuple(each["ip"] for each in ingress)
                if now and now not in history[-1:]:
                    history.append(now)
                elif not now and history:
                    history.append(())

    @property
    def assigned(self) -> int:
        return sum(bool(history) for history in self.given.values())

    async def holder(self) -> str:
        answer = await self.api.get(self.lease_path)
        return answer.body["spec"].get("holderIdentity", "") if answer.status == 200 else ""

    def assert_sound(self, count: int) -> None:
        assert self.assigned == count
        moved = {name: history for name, history in self.given.items() if len(history) != 1}
        assert moved == {}, "an address that was given changed"
        addresses = [address for ((address,),) in self.given.values()]
        assert len(set(addresses)) == count, "an address was given twice"


@pytest.fixture
async def cluster(api):
    for document in crds.documents():
        answer = await api.post(conftest.CRDS, document)
        assert answer.status in (201, 409), answer.body
    pools = api.path("ipaddresspools", group="metallb.io", version="v1beta1")
    await api.eventually(pools, lambda answer: answer.status == 200)
    (await api.post(pools, POOL)).ok(201)
    made = Cluster(api, f"test.example/{secrets.token_hex(4)}")
    following = asyncio.create_task(made.follow())
    yield made
    assert not following.done()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


@pytest.fixture
async def replicas(kube_api, cluster, tmp_path):
    """Makes replicas, started one after the other: the first one leads, the others are warm and stand by."""
    made: list[Replica] = []

    async def make(count: int, *flags: str) -> list[Replica]:
        for number in range(count):
            common = (f"--namespace={cluster.api.namespace}", f"--lb-class={cluster.lb_class}", *flags)
            replica = Replica(kube_api.kubeconfig, tmp_path / f"c{number}", common)
            made.append(replica)
            replica.start()
            word = "ok: standby\n" if number else "ok\n"

            async def is_there(replica: Replica = replica, word: str = word) -> bool:
                return await replica.ready() == word

            await until(is_there)
        return made

    yield make
    for replica in made:
        with contextlib.suppress(ProcessLookupError):
            replica.process.send_signal(signal.SIGCONT)
            replica.process.kill()
        replica.process.wait(10)


async def test_the_leader_is_killed_in_the_middle_of_a_burst(cluster, replicas):
    leader, standby = await replicas(2, *SHORT)
    before = await cluster.holder()
    burst = asyncio.create_task(cluster.burst("s", BURST))
    await until(lambda: cluster.assigned > BURST // 4)
    leader.process.kill()
    killed = time.monotonic()

    async def is_taken() -> bool:
        return await cluster.holder() not in {"", before}

    takeover = await until(is_taken) - killed
    seen = cluster.assigned
    await burst
    await until(lambda: cluster.assigned == BURST, 60)
    print(f"takeover after {takeover:.2f} s; {seen} had an address then, all {time.monotonic() - killed:.2f} s after")
    cluster.assert_sound(BURST)
    # the last renewal seen late, the lease, one pause; and what a busy machine takes
    assert takeover <= LEASE + 2 * 2.2 * RETRY + 2
    assert await standby.ready() == "ok\n"


async def test_a_leader_that_was_suspended_writes_nothing_more_and_says_why(cluster, replicas):
    leader, standby = await replicas(2, *SHORT)
    before = await cluster.holder()
    burst = asyncio.create_task(cluster.burst("s", BURST))
    await until(lambda: cluster.assigned > BURST // 4)
    leader.process.send_signal(signal.SIGSTOP)

    async def is_taken() -> bool:
        return await cluster.holder() not in {"", before}

    await until(is_taken)
    await burst
    await until(lambda: cluster.assigned > BURST // 2, 60)
    leader.process.send_signal(signal.SIGCONT)
    assert await leader.ended() == 1
    (line,) = leader.errors.splitlines()
    assert line.startswith(f"controller: Lease {cluster.api.namespace}/frr-adapter-controller ")
    await until(lambda: cluster.assigned == BURST, 60)
    cluster.assert_sound(BURST)
    assert await standby.ready() == "ok\n"
    # started again it is a standby
    leader.start()

    async def is_standby() -> bool:
        return await leader.ready() == "ok: standby\n"

    await until(is_standby)


async def test_a_clean_stop_hands_over_at_once(cluster, replicas):
    # with the usual lease of 15 s: only its release explains a quick successor
    leader, standby = await replicas(2)
    burst = asyncio.create_task(cluster.burst("s", 100))
    await until(lambda: cluster.assigned > 20)
    leader.process.terminate()
    asked = time.monotonic()

    async def leads() -> bool:
        return await standby.ready() == "ok\n"

    takeover = await until(leads) - asked
    print(f"handed over after {takeover:.2f} s")
    assert takeover < 8
    assert await leader.ended() == 0
    assert "released the lease" in [line["msg"] for line in leader.log]
    await burst
    await until(lambda: cluster.assigned == 100, 60)
    cluster.assert_sound(100)
    lease = (await cluster.api.get(cluster.lease_path)).ok()["spec"]
    assert (lease["leaseTransitions"], lease["leaseDurationSeconds"]) == (1, 15)


async def test_one_replica_alone_starts_without_delay_and_again_after_a_clean_stop(cluster, replicas):
    (alone,) = await replicas(1)
    await cluster.create("one")
    await until(lambda: cluster.assigned == 1)
    alone.process.terminate()
    assert await alone.ended() == 0
    await cluster.create("two")
    alone.start()
    await until(lambda: cluster.assigned == 2, 10)
    cluster.assert_sound(2)


async def test_a_container_that_crashed_leads_again_at_once_and_owns_what_it_writes(cluster, replicas):
    spec = {"containers": [{"name": "controller", "image": "example.test/controller"}]}
    pod = {"metadata": {"name": "controller-0"}, "spec": spec}
    uid = (await cluster.api.post(cluster.api.path("pods"), pod)).ok(201)["metadata"]["uid"]
    # with the usual lease of 15 s: who comes back in the same pod need not wait for itself
    (alone,) = await replicas(1, "--pod-name=controller-0")
    assert await cluster.holder() == f"controller-0_{uid}"
    alone.process.kill()
    assert await alone.ended() == -signal.SIGKILL
    await cluster.create("one")
    alone.start()
    await until(lambda: cluster.assigned == 1, 10)
    path = cluster.api.path("configurationstates", "controller", group="metallb.io", version="v1beta1")

    def is_said(answer) -> bool:
        return answer.status == 200 and answer.body.get("status", {}).get("result") == "Valid"

    state = (await cluster.api.eventually(path, is_said)).body
    assert [each["uid"] for each in state["metadata"]["ownerReferences"]] == [uid]
    (await cluster.api.delete(path)).ok()
    again = (await cluster.api.eventually(path, is_said)).body
    assert again["metadata"]["uid"] != state["metadata"]["uid"]
    broken = {"status": {"result": "Invalid", "errorSummary": "said by hand"}}
    (await cluster.api.patch(f"{path}/status", broken)).ok()
    mended = (await cluster.api.eventually(path, is_said)).body
    assert not mended["status"].get("errorSummary")


async def test_without_election_nobody_asks_for_a_lease(cluster, replicas):
    (alone,) = await replicas(1, "--leader-elect=false")
    await cluster.create("one")
    await until(lambda: cluster.assigned == 1)
    assert await cluster.holder() == ""
    alone.process.terminate()
    assert await alone.ended() == 0
