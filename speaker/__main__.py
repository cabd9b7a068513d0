"""`python -m speaker`: wiring only. Starts the watches, the loop, the layer-2 announcer and the applier of FRR."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from frr_adapter import addresses, errors
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
from speaker import company, exclusion, links, loop, settings
from speaker.boundary import (
    applying,
    bfd_care,
    claimant,
    delegation,
    measuring,
    membership,
    netlink,
    observing,
    proxies,
    sidecar,
    sockets,
)
from speaker.core import layer2 as layer2_rules
from speaker.core import node_status, report

_log = logs.get_logger()

_SETTLE_SECONDS = 5.0
_TAKEOVER_SECONDS = 10.0
"""Addresses that are taken so soon after a speaker was lost count as taken over from it."""


async def run(chosen: settings.Settings) -> None:
    """Runs until SIGTERM or SIGINT. Then FRR goes on with what it has, and layer-2 addresses go to other speakers if there are any."""
    registry = metrics.Metrics()
    registry.include_process()
    known = store.Store(loop.KINDS)
    others = company.Company(_membership(chosen), chosen.timing)

    counted = layer2_metrics.Layer2Metrics(registry)

    def standing(address: addresses.Address, mac: links.Mac) -> links.Standing:
        if not chosen.has_membership:
            return links.Standing.UNKNOWN
        node = others.node_of(mac)
        if node is None:
            return links.Standing.STRANGER
        return links.Standing.BEFORE_US if the_loop.precedes(node, address) else links.Standing.BEHIND_US

    def taken(won: tuple[addresses.Address, ...]) -> None:
        since = others.since_loss(_TAKEOVER_SECONDS)
        if since is not None:
            for _ in won:
                counted.took_over(since)

    def news() -> None:
        the_loop.poke()

    def others_changed() -> None:
        the_loop.poke()
        announcer.members_changed()

    kernel = proxies.KernelProxies()
    delegation.clear(kernel)  # the entries of a killed speaker answer on, whatever the flags say now
    announcer = claimant.Claimant(
        netlink.KernelLinks(_exclusion(Path(chosen.exclude_interfaces_file))),
        sockets.RawWire(),
        layer2_rules.Rules(),
        is_fenced=others.is_fenced,
        standing=standing,
        changed=news,
        taken=taken,
        moved=others.say_interfaces,
        proxies=kernel if chosen.l2_kernel_proxy else None,
    )
    others.connect(others_changed, announcer.take)
    the_loop = loop.Loop(chosen, known, announcer, registry)
    the_loop.watch_lives(others.live)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def take(event: watch.WatchEvent) -> None:
        if known.apply(event):
            the_loop.changed()

    async with contextlib.AsyncExitStack() as stack:
        stack.callback(kernel.close)
        api = await stack.enter_async_context(
            await kube.Kube.connect(Path(chosen.kubeconfig) if chosen.kubeconfig else None)
        )
        owner = await pods.owner(api, chosen.namespace, chosen.pod_name)
        author = perform.Author("metallb-speaker", chosen.node_name, owner)
        out = outbox.Outbox(perform.Performer(api, clock.SystemClock(), author), the_loop.failed, the_loop.performed)
        bgp = _bgp(chosen, the_loop, registry)
        uid = owner["uid"] if owner is not None else ""
        the_loop.connect(out, bgp.applying if bgp is not None else None, uid)
        lasting = duties.Duties()
        # A dead FRR is no reason to be started anew, but to be not ready: what is announced by layer 2 would be lost for nothing.
        probes = {**health.probe_routes(lasting.dead, the_loop.unready), **health.level_routes()}
        server = await health.HttpServer.start("127.0.0.1", chosen.health_probe_port, probes, health.level_changes())
        stack.push_async_callback(_close, server)

        def refresh() -> None:
            the_loop.refresh_metrics()
            others.measure(counted)
            counted.set_rivals(
                (str(each.address), links.format_mac(each.mac), each.claims) for each in announcer.rivals()
            )
            if bgp is not None:
                bgp.observing.scraped()

        place, metered = scraping.Place(chosen.host, chosen.port), _metered(registry, refresh)
        secure = scraping.secure(chosen.tls, chosen.metrics_cert_dir, is_on=chosen.metrics_secure)
        await stack.enter_async_context(scraping.serving(api, clock.SystemClock(), place, metered, secure))
        await others.start()
        stack.push_async_callback(others.stop)
        await announcer.start()
        stack.push_async_callback(announcer.stop)
        async with asyncio.TaskGroup() as tasks:
            for each in decoders.resources(loop.KINDS, chosen.namespace):
                lasting.start(tasks, f"watch {each.kind}", watch.follow(api, each, decoders.DECODERS[each.kind], take))
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
                lasting.start(
                    tasks, "watch speakers", watch.follow(api, pods_of_speakers, decoders.DECODERS["Pod"], others.pod)
                )
            if bgp is not None:
                lasting.start(tasks, "configuring FRR", bgp.applying.run())
                follower = sidecar.Sidecar(Path(chosen.frr_vty_dir))
                lasting.start(tasks, "following FRR's life", follower.watch(bgp.applying.down, bgp.applying.up))
                lasting.start(tasks, "observing FRR", bgp.observing.run())
                lasting.start(tasks, "mending BFD", bgp.care.run())
                lasting.start(tasks, "measuring", bgp.measuring.run())
            asyncio.get_running_loop().call_later(_SETTLE_SECONDS, memory.settle)
            await stop.wait()
            _log.info("stopping; what BGP announces stays announced")
            lasting.stop()
            await others.hand_over(the_loop.heirs(announcer.release()))


@dataclass(frozen=True, slots=True)
class _Bgp:
    """Everything around FRR that runs."""

    applying: applying.Applying
    care: bfd_care.BfdCare
    observing: observing.Observing
    measuring: measuring.Measuring


def _bgp(chosen: settings.Settings, the_loop: loop.Loop, registry: metrics.Metrics) -> _Bgp | None:
    if not chosen.frr_vty_dir:
        return None
    templates = files.read_templates()
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


def _membership(chosen: settings.Settings) -> membership.Membership | None:
    if not chosen.has_membership:
        return None
    endpoint = (chosen.ml_bindaddr, chosen.ml_bindport)
    return membership.Membership(chosen.node_name, endpoint, Path(chosen.ml_secret_key_path), chosen.timing)


def _exclusion(path: Path) -> exclusion.Exclusion:
    return exclusion.parse(path.read_text(encoding="utf-8")) if path.exists() else exclusion.Exclusion()


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
        asyncio.run(run(chosen))
    except errors.FrrAdapterError as error:
        print(f"speaker: {error}".replace("speaker: speaker:", "speaker:"), file=sys.stderr)
        return 1
    except ExceptionGroup:
        _log.exception("a task failed; the speaker ends, to be started again whole")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
