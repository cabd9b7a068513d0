import asyncio
import contextlib

import pytest

from frr_adapter import effects, errors, refs
from frr_adapter.boundary import outbox, perform, ports, retry
from tests.cycle.world import eventually
from tests.fakes import clock, cluster
from tests.unit.boundary import samples

PACE = retry.Pace(first=0.001, longest=0.01, attempts=2)
POOL = refs.ObjectRef("IPAddressPool", "metallb-system", "p")


class Gated(cluster.Cluster):
    """Every write waits at the gate until it is let through."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[str, asyncio.Event]] = []
        self.begun: list[str] = []
        self.most = 0
        self.is_open = False

    async def patch(self, path, body, content_type, query=ports.NO_QUERY):
        await self._pass(path.split("/")[-2])
        return await super().patch(path, body, content_type, query)

    async def create(self, path, body, query=ports.NO_QUERY):
        await self._pass(f"event:{body['involvedObject']['name']}:{body['message']}")
        return await super().create(path, body, query)

    async def _pass(self, what: str) -> None:
        self.begun.append(what)
        if self.is_open:
            return
        gate = asyncio.Event()
        self.waiting.append((what, gate))
        self.most = max(self.most, len(self.waiting))
        await gate.wait()

    def let(self, what: str) -> None:
        (found,) = [each for each in self.waiting if each[0] == what]
        self.waiting.remove(found)
        found[1].set()

    def open(self) -> None:
        self.is_open = True
        for _, gate in self.waiting:
            gate.set()
        self.waiting.clear()


def pool_status(number: int, name: str = "p") -> effects.WritePoolStatus:
    return effects.WritePoolStatus(refs.ObjectRef("IPAddressPool", "metallb-system", name), number, 0, 9 - number, 0)


def address(name: str, ip: str) -> effects.WriteServiceStatus:
    return effects.WriteServiceStatus(refs.ObjectRef("Service", "default", name), "", None, (ip,), "p")


def word(name: str, text: str = "told") -> effects.EmitEvent:
    ref = refs.ObjectRef("Service", "default", name)
    return effects.EmitEvent(ref, "", effects.EventType.NORMAL, "IPAllocated", text)


class Sending:
    def __init__(self, world: Gated) -> None:
        self.failures: list[perform.Failure] = []
        self.done: list[effects.Effect] = []
        performer = perform.Performer(world, clock.ManualClock(), perform.Author("c", "i"), PACE)
        self.out = outbox.Outbox(performer, self.failures.extend, self.done.append)


@pytest.fixture
def gated():
    return Gated()


@pytest.fixture
async def sending(gated):
    made = Sending(gated)
    task = asyncio.create_task(made.out.run())
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_many_objects_go_together_but_not_all_at_once(gated, sending):
    for number in range(50):
        gated.put(samples.pool(f"p{number}"))
    sending.out.put([pool_status(1, f"p{number}") for number in range(50)])
    await eventually(lambda: len(gated.waiting) == 16)
    gated.open()
    await eventually(lambda: sending.out.is_empty)
    assert gated.most == 16
    assert len(sending.done) == 50
    assert sending.failures == []


async def test_the_slowest_delays_nobody_else(gated, sending):
    gated.put(samples.service("slow"))
    gated.put(samples.service("later"))
    sending.out.put([address("slow", "192.0.2.1")])
    await eventually(lambda: gated.begun == ["slow"])
    sending.out.put([address("later", "192.0.2.2")])
    await eventually(lambda: gated.begun == ["slow", "later"])
    gated.let("later")
    await eventually(lambda: sending.done == [address("later", "192.0.2.2")])
    assert not sending.out.is_empty


async def test_effects_of_one_object_keep_their_order(gated, sending):
    gated.put(samples.service("web"))
    sending.out.put([address("web", "192.0.2.1"), word("web"), word("web", "more")])
    await eventually(lambda: gated.begun == ["web"])
    gated.let("web")
    await eventually(lambda: gated.begun == ["web", "event:web:told"])
    gated.let("event:web:told")
    await eventually(lambda: gated.begun[2:] == ["event:web:more"])


async def test_a_newer_wish_takes_the_place_of_one_not_begun(gated, sending):
    gated.put(samples.service("web"))
    for last in (1, 2, 3):
        sending.out.put([address("web", f"192.0.2.{last}")])
        await eventually(lambda: gated.begun == ["web"])
    gated.open()
    await eventually(lambda: sending.out.is_empty)
    assert sending.done == [address("web", "192.0.2.1"), address("web", "192.0.2.3")]


async def test_addresses_overtake_events_of_others(gated, sending):
    for number in range(20):
        gated.put(samples.service(f"s{number}"))
    sending.out.put([word(f"s{number}") for number in range(20)])
    await eventually(lambda: len(gated.begun) == 4)
    # its own event was put before its address, and neither waits for the events of others
    sending.out.put([address("s19", "192.0.2.1")])
    await eventually(lambda: len(gated.begun) == 5)
    gated.let("event:s19:told")
    await eventually(lambda: len(gated.begun) == 6)
    assert gated.begun[4:] == ["event:s19:told", "s19"]
    gated.open()
    await eventually(lambda: sending.out.is_empty)
    assert len(sending.done) == 21


async def test_counters_are_written_at_once_then_rarely_and_the_last_ones_always(gated, sending):
    gated.put(samples.pool("p"))
    gated.open()
    begun = asyncio.get_running_loop().time()
    sending.out.put([pool_status(0)])
    await eventually(lambda: len(sending.done) == 1)
    assert asyncio.get_running_loop().time() - begun < 0.2
    for number in range(1, 9):
        sending.out.put([pool_status(number)])
        await asyncio.sleep(0)
    assert not sending.out.is_empty
    await eventually(lambda: sending.out.is_empty)
    assert sending.done == [pool_status(0), pool_status(8)]
    assert asyncio.get_running_loop().time() - begun >= 0.25
    assert gated.read(POOL)["status"]["assignedIPv4"] == 8


async def test_what_failed_is_handed_back_and_the_rest_goes_on(gated, sending):
    gated.put(samples.service("there"))
    gated.refuse = lambda _, path: errors.KubernetesError(500, "InternalError", "no") if "gone" in path else None
    gated.open()
    sending.out.put([address("gone", "192.0.2.1"), address("there", "192.0.2.2")])
    await eventually(lambda: sending.out.is_empty)
    assert [(failure.effect, failure.error.status) for failure in sending.failures] == [
        (address("gone", "192.0.2.1"), 500)
    ]
    assert sending.done == [address("there", "192.0.2.2")]


async def test_what_was_put_before_the_start_is_sent_after_it(gated):
    gated.put(samples.service("web"))
    gated.open()
    made = Sending(gated)
    made.out.put([address("web", "192.0.2.1")])
    assert not made.out.is_empty
    task = asyncio.create_task(made.out.run())
    await eventually(lambda: made.out.is_empty)
    assert made.done == [address("web", "192.0.2.1")]
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_events_wait_in_a_bounded_queue_and_addresses_always(gated):
    made = Sending(gated)
    made.out.put([word(f"s{number}") for number in range(20_010)])
    made.out.put([address("last", "192.0.2.1")])
    waiting = [effect for queue in made.out._queues.values() for effect in queue]
    assert (len(waiting), waiting[-1]) == (20_000 + 1, address("last", "192.0.2.1"))
