"""`python -m speaker`: wiring only. Starts the watches, the loop, the layer-2 announcer and the applier of FRR."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from frr_adapter import errors
from frr_adapter.boundary import (
    clock,
    completing,
    configuration_state,
    decoders,
    files,
    health,
    hot,
    kube,
    logs,
    memory,
    metrics,
    outbox,
    perform,
    pods,
    reload,
    store,
    watch,
)
from speaker import exclusion, loop, settings
from speaker.boundary import applying, claimant, netlink, sidecar, sockets
from speaker.core import layer2 as layer2_rules
from speaker.core import report

_log = logs.get_logger()

_SETTLE_SECONDS = 5.0


async def run(chosen: settings.Settings) -> None:
    """Runs until SIGTERM or SIGINT. Stopping sends nothing and withdraws nothing: FRR goes on with what it has."""
    registry = metrics.Metrics()
    registry.include_process()
    known = store.Store(loop.KINDS)
    announcer = claimant.Claimant(
        netlink.KernelLinks(_exclusion(Path(chosen.exclude_interfaces_file))),
        sockets.RawWire(),
        layer2_rules.Rules(),
    )
    the_loop = loop.Loop(chosen, known, announcer, registry)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def take(event: watch.WatchEvent) -> None:
        if known.apply(event):
            the_loop.poke()

    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(
            await kube.Kube.connect(Path(chosen.kubeconfig) if chosen.kubeconfig else None)
        )
        owner = await pods.owner(api, chosen.namespace, chosen.pod_name)
        author = perform.Author("metallb-speaker", chosen.node_name, owner)
        out = outbox.Outbox(perform.Performer(api, clock.SystemClock(), author), the_loop.failed)
        bgp = _applying(chosen, the_loop, registry)
        the_loop.connect(out, bgp)
        probes = health.probe_routes(lambda: (), the_loop.unready)
        stack.push_async_callback(_close, await health.HttpServer.start("127.0.0.1", chosen.health_probe_port, probes))
        metered = _metered(registry, the_loop)
        stack.push_async_callback(_close, await health.HttpServer.start(chosen.host, chosen.port, metered))
        await announcer.start()
        stack.push_async_callback(announcer.stop)
        async with asyncio.TaskGroup() as tasks:
            running: list[asyncio.Task[None]] = [
                tasks.create_task(watch.follow(api, each, decoders.DECODERS[each.kind], take))
                for each in decoders.resources(loop.KINDS, chosen.namespace)
            ]
            running += [tasks.create_task(the_loop.run()), tasks.create_task(out.run())]
            own_state = report.state_ref(chosen.node_name, chosen.namespace)
            running.append(tasks.create_task(configuration_state.follow(api, own_state, the_loop.state_changed)))
            if bgp is not None:
                running.append(tasks.create_task(bgp.run()))
                follower = sidecar.Sidecar(Path(chosen.frr_vty_dir))
                running.append(tasks.create_task(follower.watch(bgp.down, bgp.up)))
            asyncio.get_running_loop().call_later(_SETTLE_SECONDS, memory.settle)
            await stop.wait()
            _log.info("stopping; what is announced stays announced")
            for task in running:
                task.cancel()


def _applying(chosen: settings.Settings, the_loop: loop.Loop, registry: metrics.Metrics) -> applying.Applying | None:
    if not chosen.frr_vty_dir:
        return None
    templates = files.read_templates()
    directory, frr_conf = Path(chosen.frr_vty_dir), Path(chosen.frr_config_file)
    whole = completing.CompletingApplier(
        reload.ReloadApplier(frr_conf, Path(chosen.frr_reload), templates), directory, templates
    )
    applier = hot.HotApplier(whole, directory, templates, frr_conf, metrics.ApplyMetrics(registry))
    return applying.Applying(applier, the_loop.applied)


def _exclusion(path: Path) -> exclusion.Exclusion:
    return exclusion.parse(path.read_text(encoding="utf-8")) if path.exists() else exclusion.Exclusion()


def _metered(registry: metrics.Metrics, the_loop: loop.Loop) -> Mapping[str, health.Route]:
    inner = health.metrics_routes(registry)["/metrics"]

    def route() -> health.Answer:
        the_loop.refresh_metrics()
        return inner()

    return {"/metrics": route}


async def _close(server: health.HttpServer | None) -> None:
    if server is not None:
        await server.close()


def main() -> int:
    """Exit status 0 after a clean stop, 1 when the program cannot run; then one line says why."""
    try:
        chosen = settings.parse(sys.argv[1:], os.environ)
        logs.configure(logs.Level(chosen.log_level))
        asyncio.run(run(chosen))
    except errors.FrrAdapterError as error:
        print(f"speaker: {error}".replace("speaker: speaker:", "speaker:"), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
