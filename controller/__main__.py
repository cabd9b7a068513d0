"""`python -m controller`: wiring only. Starts the watches and the loop."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller import loop, settings
from controller.boundary import fence, gossip_secret, lease
from controller.core import leadership, trouble
from frr_adapter import errors, refs
from frr_adapter.boundary import (
    clock,
    decoders,
    health,
    kube,
    logs,
    memory,
    metrics,
    outbox,
    own_object,
    perform,
    pods,
    ports,
    scraping,
    store,
    watch,
)

if TYPE_CHECKING:
    from controller import reviewing

_log = logs.get_logger()

_SETTLE_SECONDS = 5.0
_DRAIN_SECONDS = 3.0
"""How long a clean stop waits for answers to what was sent, before it gives up handing over at once."""


async def run(chosen: settings.Settings) -> None:
    """Runs until SIGTERM or SIGINT. Stopping changes nothing: status is the persisted truth.

    errors.LeadershipError when another replica leads from now on: whatever was under way has then been broken off.
    """
    registry = metrics.Metrics()
    registry.include_process()
    decides = chosen.webhook_mode != "onlywebhook"
    kinds = loop.KINDS if decides else ("Node",)
    known = store.Store(kinds)
    the_loop = loop.Loop(chosen, known, registry)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        kubeconfig = Path(chosen.kubeconfig) if chosen.kubeconfig else None
        api = await stack.enter_async_context(await kube.Kube.connect(kubeconfig))
        owner = await pods.owner(api, chosen.namespace, chosen.pod_name) if decides else None
        recall = watch.Recall()
        leading = metrics.LeadershipMetrics(registry)

        def lead() -> None:
            leading.set_leading(leading=True)
            the_loop.lead()
            recall.ask()

        elector = _elector(chosen, api, owner, lead) if decides and chosen.leader_elect else None
        barrier = fence.Fence(api, lambda: elector is None or elector.is_leading)
        author = perform.Author("metallb-controller", chosen.pod_name or "controller", owner)
        out = outbox.Outbox(
            perform.Performer(barrier, clock.SystemClock(), author), the_loop.failed, the_loop.performed
        )
        the_loop.connect(out)
        unready: list[health.Reasons] = [the_loop.unready] if decides else []
        if elector is not None:
            unready.append(elector.trouble)
        reviewer: reviewing.Reviewing | None = None
        if chosen.webhook_mode != "disabled":
            from controller import reviewing as reviews  # its libraries are loaded only where it runs

            reviewer = await reviews.Reviewing.start(api, clock.SystemClock(), chosen, known)
            stack.push_async_callback(reviewer.close)
            unready.append(reviewer.unready)
        probes = health.probe_routes(
            lambda: (),
            lambda: tuple(reason for each in unready for reason in each()),
            lambda: "ok" if elector is None or elector.is_leading else "ok: standby",
        )
        probes = {**probes, **health.level_routes()}
        server = await health.HttpServer.start(chosen.host, chosen.health_probe_port, probes, health.level_changes())
        if server is not None:
            stack.push_async_callback(server.close)
        place, metered = scraping.Place(chosen.host, chosen.port), health.metrics_routes(registry)
        secure = scraping.secure(chosen.tls, chosen.metrics_cert_dir, is_on=chosen.metrics_secure)
        await stack.enter_async_context(scraping.serving(api, clock.SystemClock(), place, metered, secure))
        async with asyncio.TaskGroup() as tasks:
            stopped = tasks.create_task(_true(stop))
            term: asyncio.Task[str] | None = None
            running: list[asyncio.Task[Any]] = [stopped]
            if elector is not None:
                term = tasks.create_task(elector.run())
                running += [term, tasks.create_task(elector.attend())]
                # A lease that is free is ours before the first listing begins, which then need not be repeated.
                tried = tasks.create_task(elector.tried())
                running.append(tried)
                await _first({tried, stopped, term})
            elif decides:
                lead()
            running += [
                tasks.create_task(watch.follow(api, each, decoders.DECODERS[each.kind], the_loop.take, recall=recall))
                for each in decoders.resources(kinds, chosen.namespace)
            ]
            if decides:
                own_state = own_object.follow(api, trouble.state_ref(chosen.namespace), the_loop.state_changed)
                running += [tasks.create_task(each) for each in (the_loop.run(), out.run(), own_state)]
            if decides and chosen.ml_secret_name:
                secret = gossip_secret.ensure(api, chosen.namespace, chosen.ml_secret_name, chosen.deployment)
                running.append(tasks.create_task(secret))
            if reviewer is not None:
                running.append(tasks.create_task(reviewer.run()))
            asyncio.get_running_loop().call_later(_SETTLE_SECONDS, memory.settle)
            await _first({stopped, term} if term is not None else {stopped})
            lost = term.result() if term is not None and term.done() else ""
            if not lost:
                _log.info("stopping; every address stays where it is")
            if elector is not None and term is not None and not lost:
                await _hand_over(elector, barrier, term)
            for task in running:
                task.cancel()
    if lost:
        raise errors.LeadershipError(f"{lost}; stopped at once, to start again as a standby")


def _elector(
    chosen: settings.Settings, api: ports.KubePort, owner: ports.Document | None, gained: Callable[[], None]
) -> lease.Elector:
    # A container that starts again in the same pod is the same candidate, and need not wait for itself. Nothing less than
    # the pod's UID says that it is the same.
    unique = owner["uid"] if owner is not None else secrets.token_hex(8)
    terms = leadership.Terms(chosen.lease_duration, chosen.renew_deadline, chosen.retry_period)
    rules = leadership.Rules(f"{chosen.pod_name or socket.gethostname()}_{unique}", terms)
    ref = refs.ObjectRef("Lease", chosen.namespace, chosen.lease_name)
    return lease.Elector(api, clock.SystemClock(), ref, rules, gained)


async def _hand_over(elector: lease.Elector, barrier: fence.Fence, term: asyncio.Task[str]) -> None:
    """Lets others lead at once, provided that nothing we wrote can still arrive; the lease runs out by itself otherwise."""
    barrier.close()
    if await barrier.drained(_DRAIN_SECONDS):
        term.cancel()
        await asyncio.wait({term})
        await elector.resign()


async def _true(event: asyncio.Event) -> None:
    await event.wait()


async def _first(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def main() -> int:
    """Exit status 0 after a clean stop, 1 when the program cannot run; then one line says why."""
    try:
        chosen = settings.parse(sys.argv[1:], os.environ)
        logs.configure(logs.Level(chosen.log_level))
        asyncio.run(run(chosen))
    except errors.FrrAdapterError as error:
        print(f"controller: {error}".replace("controller: controller:", "controller:"), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
