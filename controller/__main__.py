"""`python -m controller`: wiring only. Starts the watches and the loop."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from controller import loop, settings
from frr_adapter import errors
from frr_adapter.boundary import clock, decoders, health, kube, logs, memory, metrics, outbox, perform, store, watch

_log = logs.get_logger()

_SETTLE_SECONDS = 5.0


async def run(chosen: settings.Settings) -> None:
    """Runs until SIGTERM or SIGINT. Stopping changes nothing: status is the persisted truth."""
    registry = metrics.Metrics()
    registry.include_process()
    known = store.Store(loop.KINDS)
    the_loop = loop.Loop(chosen, known, registry)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        kubeconfig = Path(chosen.kubeconfig) if chosen.kubeconfig else None
        api = await stack.enter_async_context(await kube.Kube.connect(kubeconfig))
        author = perform.Author("metallb-controller", chosen.pod_name or "controller")
        out = outbox.Outbox(perform.Performer(api, clock.SystemClock(), author), the_loop.failed)
        the_loop.connect(out)
        probes = health.probe_routes(lambda: (), the_loop.unready)
        for host, port, routes in (
            (chosen.host, chosen.health_probe_port, probes),
            (chosen.host, chosen.port, health.metrics_routes(registry)),
        ):
            server = await health.HttpServer.start(host, port, routes)
            if server is not None:
                stack.push_async_callback(server.close)
        async with asyncio.TaskGroup() as tasks:
            running: list[asyncio.Task[None]] = [
                tasks.create_task(watch.follow(api, each, decoders.DECODERS[each.kind], the_loop.take))
                for each in decoders.resources(loop.KINDS, chosen.namespace)
            ]
            running += [tasks.create_task(the_loop.run()), tasks.create_task(out.run())]
            asyncio.get_running_loop().call_later(_SETTLE_SECONDS, memory.settle)
            await stop.wait()
            _log.info("stopping; every address stays where it is")
            for task in running:
                task.cancel()


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
