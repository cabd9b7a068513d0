"""A whole program around an in-memory cluster: real watches, store, loop and outbox; only the far ends are fakes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from controller import loop as controller_loop
from controller import settings as controller_settings
from controller.boundary import fence, lease
from controller.core import leadership, trouble
from frr_adapter import addresses, errors, refs
from frr_adapter.boundary import clock as system_clock
from frr_adapter.boundary import decoders, metrics, outbox, own_object, perform, ports, service_status, store, watch
from frr_adapter.frr import config, reloading
from speaker import links, values
from speaker import loop as speaker_loop
from speaker import settings as speaker_settings
from speaker.boundary import applying
from speaker.core import node_status, report
from tests.fakes import clock
from tests.fakes.cluster import Cluster

NAMESPACE = "metallb-system"
Document = dict[str, Any]

LEASE_TERMS = leadership.Terms(duration=1, deadline=0.6, pause=0.05)


async def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Polls until the state is there; says so when it never comes."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, "the expected state did not come"
        await asyncio.sleep(0.002)


async def quiet(cluster: Cluster, out: outbox.Outbox, is_ready: Callable[[], bool]) -> None:
    """Returns once nothing has been written for many turns of the event loop."""
    await eventually(is_ready)
    calm, seen = 0, len(cluster.writes)
    while calm < 40:
        await asyncio.sleep(0.001)
        calm = calm + 1 if out.is_empty and len(cluster.writes) == seen else 0
        seen = len(cluster.writes)


class Announcer:
    """Takes plans; the interfaces of the node are given."""

    def __init__(self) -> None:
        self.plans: list[values.L2Plan] = []
        self.interfaces = frozenset({"eth0"})
        self.elsewhere: set[addresses.Address] = set()  # another node answers for these
        self.strangers: tuple[links.Rival, ...] = ()
        self._held: frozenset[addresses.Address] = frozenset()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def set_plan(self, plan: values.L2Plan) -> None:
        if not self.plans or self.plans[-1] != plan:
            self.plans.append(plan)

    def held(self) -> frozenset[addresses.Address]:
        """What is wanted and free is held at once."""
        entries = self.plans[-1].entries if self.plans else ()
        self._held = frozenset(
            each.address
            for each in entries
            if each.address not in self.elsewhere and (each.wish is values.Wish.TAKE or each.address in self._held)
        )
        return self._held

    def rivals(self) -> tuple[links.Rival, ...]:
        return self.strangers

    def known_interfaces(self) -> frozenset[str]:
        return self.interfaces

    def counts(self) -> links.Counts:
        return links.Counts()


class Applier:
    """Remembers what it was asked to apply; refuses while `refusal` is set."""

    def __init__(self) -> None:
        self.applied: list[config.FrrConfig] = []
        self.refusal = ""

    def forget(self) -> None: ...

    async def apply(self, wanted: config.FrrConfig) -> reloading.ApplyReport:
        if self.refusal:
            raise errors.ApplyError(self.refusal)
        self.applied.append(wanted)
        return reloading.ApplyReport()


@dataclass
class Program:
    cluster: Cluster
    out: outbox.Outbox
    loop: Any
    registry: metrics.Metrics
    announcer: Announcer = field(default_factory=Announcer)
    applier: Applier = field(default_factory=Applier)
    bgp: applying.Applying | None = None
    landed: list[float] = field(default_factory=list)

    async def settle(self) -> None:
        """Until the program has nothing more to do; then one more cycle must have no effect at all."""

        def is_ready() -> bool:
            return not self.loop.unready() and (self.bgp is None or self.bgp.is_applied)

        await quiet(self.cluster, self.out, is_ready)
        before = (len(self.cluster.writes), len(self.announcer.plans), len(self.applier.applied))
        self.loop.cycle()
        await quiet(self.cluster, self.out, is_ready)
        assert (len(self.cluster.writes), len(self.announcer.plans), len(self.applier.applied)) == before

    def service(self, name: str) -> Document:
        found = [each for each in self.cluster.all("Service") if each["metadata"]["name"] == name]
        assert len(found) == 1
        return found[0]

    def ips(self, name: str) -> list[str]:
        ingress = self.service(name).get("status", {}).get("loadBalancer", {}).get("ingress") or []
        return [each["ip"] for each in ingress]

    def events(self, reason: str) -> list[str]:
        return [each["message"] for each in self.cluster.all("Event") if each["reason"] == reason]

    def metric(self, name: str, **labels: str) -> float | None:
        for line in self.registry.render().decode().splitlines():
            if line.startswith(name) and all(f'{key}="{value}"' in line for key, value in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return None


@contextlib.asynccontextmanager
async def controller(cluster: Cluster, *argv: str) -> AsyncIterator[Program]:
    registry = metrics.Metrics()
    known = store.Store(controller_loop.KINDS)
    the_loop = controller_loop.Loop(controller_settings.parse(argv, {}), known, registry)
    author = perform.Author("metallb-controller", "controller")
    out = outbox.Outbox(perform.Performer(cluster, clock.ManualClock(), author), the_loop.failed, the_loop.performed)
    the_loop.connect(out)
    the_loop.lead()
    own_state = own_object.follow(cluster, trouble.state_ref(NAMESPACE), the_loop.state_changed)
    async with _running(cluster, controller_loop.KINDS, the_loop.take, the_loop.run(), out.run(), own_state):
        yield Program(cluster, out, the_loop, registry)


@dataclass
class Replica(Program):
    """A controller among several: `elector` says whether it leads, `term` ends when it may not lead any more."""

    elector: lease.Elector | None = None
    barrier: fence.Fence | None = None
    term: asyncio.Task[str] | None = None


@contextlib.asynccontextmanager
async def replica(cluster: Cluster, port: ports.KubePort, name: str) -> AsyncIterator[Replica]:
    """As `controller.__main__` wires it. Leaving the context is a crash: nothing is released."""
    registry = metrics.Metrics()
    known = store.Store(controller_loop.KINDS)
    the_loop = controller_loop.Loop(controller_settings.parse((), {}), known, registry)
    recall = watch.Recall()

    def lead() -> None:
        the_loop.lead()
        recall.ask()

    rules = leadership.Rules(name, LEASE_TERMS)
    ref = refs.ObjectRef("Lease", NAMESPACE, "frr-adapter-controller")
    elector = lease.Elector(port, system_clock.SystemClock(), ref, rules, lead)
    barrier = fence.Fence(port, lambda: elector.is_leading)
    author = perform.Author("metallb-controller", name)
    out = outbox.Outbox(perform.Performer(barrier, clock.ManualClock(), author), the_loop.failed, the_loop.performed)
    the_loop.connect(out)
    term = asyncio.create_task(elector.run())
    more = (the_loop.run(), out.run(), elector.attend())
    try:
        async with _running(port, controller_loop.KINDS, the_loop.take, *more, recall=recall):
            made = Replica(cluster, out, the_loop, registry)
            made.elector, made.barrier, made.term = elector, barrier, term
            yield made
    finally:
        term.cancel()
        await asyncio.gather(term, return_exceptions=True)


@contextlib.asynccontextmanager
async def speaker(
    cluster: Cluster, node: str = "n1", *argv: str, frr: Any = None, owner: Document | None = None
) -> AsyncIterator[Program]:
    registry = metrics.Metrics()
    known = store.Store(speaker_loop.KINDS)
    announcer, applier = Announcer(), frr or Applier()
    chosen = speaker_settings.parse([f"--node-name={node}", *argv], {})
    the_loop = speaker_loop.Loop(chosen, known, announcer, registry, status_seconds=0.01)
    author = perform.Author("metallb-speaker", node, owner)
    out = outbox.Outbox(perform.Performer(cluster, clock.ManualClock(), author), the_loop.failed, the_loop.performed)
    landed: list[float] = []
    bgp = applying.Applying(applier, the_loop.applied, lambda _report, _before, since: landed.append(since))
    the_loop.connect(out, bgp, owner["uid"] if owner is not None else "")
    bgp.up()

    def take(event: watch.WatchEvent) -> None:
        if known.apply(event):
            the_loop.changed()

    own_objects = (
        own_object.follow(cluster, report.state_ref(node, NAMESPACE), the_loop.state_changed),
        own_object.follow(cluster, node_status.status_ref(node, NAMESPACE), the_loop.node_status_changed),
        *(
            watch.follow(
                cluster,
                service_status.resource(kind, node, NAMESPACE),
                decoders.DECODERS[kind],
                the_loop.service_status_changed,
            )
            for kind in service_status.KINDS
        ),
    )
    async with _running(cluster, speaker_loop.KINDS, take, the_loop.run(), out.run(), bgp.run(), *own_objects):
        yield Program(cluster, out, the_loop, registry, announcer, applier, bgp, landed)


@contextlib.asynccontextmanager
async def _running(
    port: ports.KubePort, kinds: tuple[str, ...], sink: watch.Sink, *more: Any, recall: watch.Recall | None = None
) -> AsyncIterator[None]:
    tasks = [
        asyncio.create_task(watch.follow(port, each, decoders.DECODERS[each.kind], sink, recall=recall))
        for each in decoders.resources(kinds, NAMESPACE)
    ]
    tasks += [asyncio.create_task(each) for each in more]
    try:
        yield
        assert not [task for task in tasks if task.done()], "a task of the program ended"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
