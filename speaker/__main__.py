"""`python -m speaker`: wiring only. Starts the watches, the loop, the layer-2 announcer and the applier of FRR."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import frr_adapter
from frr_adapter import errors
from frr_adapter.boundary import (
    bgp_metrics,
    clock,
    completing,
    decoders,
    duties,
    files,
    health,
    hot,
    kube,
    layer2_metrics,
    logs,
    memory,
    metrics,
    outbox,
    own_object,
    perform,
    pods,
    proofreading,
    quarantine,
    reload,
    scraping,
    service_status,
    store,
    watch,
)
from speaker import loop, settings, wire
from speaker.boundary import (
    applying,
    bfd_care,
    expected,
    forking,
    measuring,
    observing,
    recent,
    reporting,
    sidecar,
    wire_process,
)
from speaker.core import node_report, node_status, report

_log = logs.get_logger()

_SETTLE_SECONDS = 5.0


async def run(chosen: settings.Settings, forked: forking.Forked) -> None:
    """Runs until SIGTERM or SIGINT. Then FRR goes on with what it has, and layer-2 addresses go to other speakers if there are any."""
    registry = metrics.Metrics()
    registry.include_process()
    known = store.Store(loop.KINDS)
    counted = layer2_metrics.Layer2Metrics(registry)
    history, templates = recent.Recent(clock.SystemClock()), files.read_templates()

    def wire_told() -> None:
        the_loop.poke()

    announcer = wire_process.WireProcess(
        forked,
        has_membership=chosen.has_membership,
        changed=wire_told,
        took_over=counted.took_over,
        happened=history.note,
    )
    the_loop = loop.Loop(chosen, known, announcer, registry)
    the_loop.watch_lives(announcer.live)
    the_loop.tell_history(history.note)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def take(event: watch.WatchEvent) -> None:
        if known.apply(event):
            the_loop.changed()

    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(
            await kube.Kube.connect(Path(chosen.kubeconfig) if chosen.kubeconfig else None)
        )
        owner = await pods.owner(api, chosen.namespace, chosen.pod_name)
        author = perform.Author("metallb-speaker", chosen.node_name, owner)
        out = outbox.Outbox(perform.Performer(api, clock.SystemClock(), author), the_loop.failed, the_loop.performed)
        bgp = _bgp(chosen, the_loop, registry, templates)
        uid = owner["uid"] if owner is not None else ""
        the_loop.connect(out, bgp.applying if bgp is not None else None, uid)
        lasting = duties.Duties()
        # A dead FRR is no reason to be started anew, but to be not ready: what is announced by layer 2 would be lost for nothing.
        probes: dict[str, health.Route | health.Slow] = {
            **health.probe_routes(lasting.dead, the_loop.unready),
            **health.level_routes(),
            **reporting.Reporting(lambda: _report(the_loop, announcer, history, templates)).routes,
        }
        server = await health.HttpServer.start("127.0.0.1", chosen.health_probe_port, probes, health.level_changes())
        stack.push_async_callback(_close, server)

        def refresh() -> None:
            the_loop.refresh_metrics()
            announcer.measure(counted)
            if bgp is not None:
                bgp.observing.scraped()

        place, metered = scraping.Place(chosen.host, chosen.port), _metered(registry, refresh)
        secure = scraping.secure(chosen.tls, chosen.metrics_cert_dir, is_on=chosen.metrics_secure)
        await stack.enter_async_context(scraping.serving(api, clock.SystemClock(), place, metered, secure))
        await announcer.start()
        logs.on_level(announcer.set_log_level)
        stack.push_async_callback(announcer.stop)
        async with asyncio.TaskGroup() as tasks:
            for each in decoders.resources(loop.KINDS, chosen.namespace):
                lasting.start(tasks, f"watch {each.kind}", watch.follow(api, each, decoders.DECODERS[each.kind], take))
            lasting.start(tasks, "layer 2", announcer.run())
            lasting.start(tasks, "cycles", the_loop.run())
            lasting.start(tasks, "effects", out.run())
            own_state = report.state_ref(chosen.node_name, chosen.namespace)
            lasting.start(tasks, "watch own state", own_object.follow(api, own_state, the_loop.state_changed))
            own_status = node_status.status_ref(chosen.node_name, chosen.namespace)
            lasting.start(tasks, "watch own status", own_object.follow(api, own_status, the_loop.node_status_changed))
            for kind in service_status.KINDS:
                told = service_status.resource(kind, chosen.node_name, chosen.namespace)
                followed = watch.follow(api, told, decoders.DECODERS[kind], the_loop.service_status_changed)
                lasting.start(tasks, f"watch {kind}", followed)
            if chosen.has_membership:
                pods_of_speakers = watch.Resource("Pod", chosen.namespace, label_selector=chosen.ml_labels)
                speakers = expected.Expected(announcer.set_peers)
                followed = watch.follow(api, pods_of_speakers, decoders.DECODERS["Pod"], speakers.pod)
                lasting.start(tasks, "watch speakers", followed)
            if bgp is not None:
                lasting.start(tasks, "configuring FRR", bgp.applying.run())
                follower = sidecar.Sidecar(Path(chosen.frr_vty_dir))
                lasting.start(tasks, "following FRR's life", follower.watch(*_noted(bgp.applying, history)))
                lasting.start(tasks, "observing FRR", bgp.observing.run())
                lasting.start(tasks, "mending BFD", bgp.care.run())
                lasting.start(tasks, "measuring", bgp.measuring.run())
            asyncio.get_running_loop().call_later(_SETTLE_SECONDS, memory.settle)
            await stop.wait()
            _log.info("stopping; what BGP announces stays announced")
            announcer.let_go()  # FRR may have to be waited for: others shall answer without
            lasting.stop()


@dataclass(frozen=True, slots=True)
class _Bgp:
    """Everything around FRR that runs."""

    applying: applying.Applying
    care: bfd_care.BfdCare
    observing: observing.Observing
    measuring: measuring.Measuring


def _report(
    the_loop: loop.Loop, announcer: wire_process.WireProcess, history: recent.Recent, templates: Mapping[str, str]
) -> reporting.Work:
    facts = the_loop.facts()
    occasion = node_report.Occasion(recent.stamp(clock.SystemClock().now()), announcer.is_fenced, history.occurrences())
    return lambda: node_report.assemble(facts, occasion, frr_adapter.__version__, templates)


def _noted(bgp: applying.Applying, history: recent.Recent) -> tuple[Callable[[str], None], Callable[[], None]]:
    """FRR's life goes into the history, too."""

    def down(reason: str) -> None:
        history.note(f"FRR is down: {reason}")
        bgp.down(reason)

    def up() -> None:
        history.note("FRR is up")
        bgp.up()

    return down, up


def _bgp(
    chosen: settings.Settings, the_loop: loop.Loop, registry: metrics.Metrics, templates: Mapping[str, str]
) -> _Bgp | None:
    if not chosen.frr_vty_dir:
        return None
    directory, frr_conf = Path(chosen.frr_vty_dir), Path(chosen.frr_config_file)
    frr_reload, counted = Path(chosen.frr_reload), metrics.ApplyMetrics(registry)
    reloading = reload.ReloadApplier(frr_conf, frr_reload, templates, proofreader=proofreading.beside(frr_reload))
    whole = completing.CompletingApplier(reloading, directory, templates)
    applier = hot.HotApplier(whole, directory, templates, frr_conf, counted)
    care = bfd_care.BfdCare(applier, directory, bgp_metrics.BfdCareMetrics(registry))

    def observed(look: observing.Look) -> None:
        care.observed(look.sessions, look.bfd)
        the_loop.observed(look.observation)

    def applied(outcome: applying.Outcome) -> None:
        the_loop.applied(outcome)
        observer.soon()

    observer = observing.Observing(directory, observed, bgp_metrics.SessionMetrics(registry))
    measured = measuring.Measuring(directory, observer.has_session, bgp_metrics.EventMetrics(registry))
    choosing = quarantine.QuarantineApplier(care, chosen.namespace, counted)
    configuring = applying.Applying(choosing, applied, measured.landed)
    care.connect(configuring.again)
    return _Bgp(configuring, care, observer, measured)


def _metered(registry: metrics.Metrics, refresh: Callable[[], None]) -> Mapping[str, health.Route]:
    inner = health.metrics_routes(registry)["/metrics"]

    def route() -> health.Answer:
        refresh()
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
        forked = forking.fork("frr-adapter-l2", lambda end: wire.run(chosen, end))
        asyncio.run(run(chosen, forked))
    except errors.FrrAdapterError as error:
        print(f"speaker: {error}".replace("speaker: speaker:", "speaker:"), file=sys.stderr)
        return 1
    except ExceptionGroup:
        _log.exception("a task failed; the speaker ends, to be started again whole")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
