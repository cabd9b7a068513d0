"""The speaker's cycle: snapshot -> plans -> FRR, frames, events. The one place of the speaker that awaits.

Level-triggered: every wake-up plans the whole again (the planners remember what did not change) and hands the wanted state
on. A second cycle without news changes nothing.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from frr_adapter import effects, errors, problems
from frr_adapter.boundary import logs, metrics, outbox, perform, store
from frr_adapter.resolve import view
from speaker import settings as settings_
from speaker import values
from speaker.boundary import applying, ports
from speaker.core import bgp_plan, compose, l2_plan, report

_log = logs.get_logger()

KINDS = (
    "BFDProfile",
    "BGPAdvertisement",
    "BGPPeer",
    "Community",
    "ConfigMap",
    "EndpointSlice",
    "IPAddressPool",
    "L2Advertisement",
    "Namespace",
    "Node",
    "Secret",
    "Service",
)
"""What the speaker watches. No cycle runs before all of them are listed: half a world would withdraw routes."""

_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What one cycle saw and decided, in numbers."""

    services: int
    routes: int
    layer2_addresses: int
    changes: int
    problems: int

    def __str__(self) -> str:
        return (
            f"{self.services} services, {self.routes} routes, {self.layer2_addresses} layer-2 addresses; "
            f"{self.changes} changes, {self.problems} problems"
        )


class Loop:
    """Plans and hands on. `bgp` is None where no FRR runs beside the speaker."""

    def __init__(
        self,
        settings: settings_.Settings,
        known: store.Store,
        announcer: ports.Announcer,
        registry: metrics.Metrics,
    ) -> None:
        self._settings = settings
        self._store = known
        self._announcer = announcer
        self._view = view.View(lb_class=settings.lb_class, node=settings.node_name)
        self._bgp_planner = bgp_plan.Planner(settings.node_name, ignore_exclude=settings.ignore_exclude_lb)
        self._l2_planner = l2_plan.Planner(settings.node_name, ignore_exclude=settings.ignore_exclude_lb)
        self._client_metrics = metrics.ClientMetrics(registry)
        self._speaker_metrics = metrics.SpeakerMetrics(registry)
        self._announced = report.NOTHING_ANNOUNCED
        self._unreachable: tuple[effects.EmitEvent, ...] = ()
        self._messages: tuple[problems.Problem, ...] | None = None
        self._reported: effects.WriteConfigurationState | None = None
        self._apply_error = ""
        self._observation = values.NOTHING_OBSERVED
        self._wake = asyncio.Event()
        self._cycles = 0
        self._outbox: outbox.Outbox | None = None
        self._bgp: applying.Applying | None = None

    def connect(self, out: outbox.Outbox, bgp: applying.Applying | None) -> None:
        """Where effects and the FRR configuration go; both call back into the loop, hence after construction."""
        self._outbox, self._bgp = out, bgp

    def poke(self) -> None:
        """There is news: a cycle is due."""
        self._wake.set()

    def state_changed(self) -> None:
        """Somebody, perhaps we, wrote or deleted our ConfigurationState object: it is compared and written again."""
        self._reported = None
        self.poke()

    def failed(self, failures: tuple[perform.Failure, ...]) -> None:
        """Effects that were not performed; the state object is wanted again."""
        self._client_metrics.update_errors.add(sum(not failure.is_ordinary for failure in failures))
        if any(isinstance(failure.effect, effects.WriteConfigurationState) for failure in failures):
            self._reported = None
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.poke)

    def applied(self, outcome: applying.Outcome) -> None:
        """How the last attempt to configure FRR ended."""
        text = str(outcome) if isinstance(outcome, errors.ApplyError) else ""
        if text != self._apply_error:
            self._apply_error = text
            self.poke()
        self._tell_status()

    def observed(self, observation: values.Observation) -> None:
        """What FRR says about its sessions now; for people only, nothing is planned for it."""
        if observation != self._observation:
            self._observation = observation
            self._tell_status()

    def unready(self) -> tuple[str, ...]:
        """Why the speaker is not ready, empty when it is."""
        reasons = [f"not listed yet: {kind}" for kind in self._store.unlisted]
        if not reasons and not self._cycles:
            reasons.append("no cycle has run yet")
        if self._bgp is not None and not self._bgp.is_up:
            reasons.append("FRR does not answer")
        elif self._bgp is not None and not self._bgp.is_applied:
            reasons.append(f"FRR does not run the wanted configuration: {self._apply_error or 'being applied'}")
        return tuple(reasons)

    def refresh_metrics(self) -> None:
        """Called before metrics are read: counters that live in the announcer are copied."""
        counts = self._announcer.counts()
        for family, field in (
            (self._speaker_metrics.requests_received, "requests_received"),
            (self._speaker_metrics.responses_sent, "responses_sent"),
            (self._speaker_metrics.gratuitous_sent, "gratuitous_sent"),
        ):
            family.replace({(str(each.address),): getattr(each, field) for each in counts.addresses})

    async def run(self) -> NoReturn:
        """Cycles until cancelled. A cycle that fails is logged, counted and tried again; nothing announced is withdrawn."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not self._store.all_listed:
                continue
            try:
                self.cycle()
            except Exception:
                _log.exception("cycle failed")
                self._client_metrics.update_errors.add()
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.poke)
            await asyncio.sleep(0)  # the watches and the sockets get their turn between two cycles

    def cycle(self) -> CycleReport:
        """One cycle: plans everything from what is known now and hands on what is wanted."""
        world, left_out = self._view.look({kind: self._store.objects(kind) for kind in KINDS})
        found = (*self._store.all_problems, *left_out)
        layer2, layer2_decisions = self._l2_planner.plan(world, live=None)
        self._announcer.set_plan(layer2)
        decisions: tuple[values.Decision, ...] = layer2_decisions
        routes = 0
        if self._bgp is not None:
            bgp, bgp_decisions = self._bgp_planner.plan(world)
            settings = self._settings
            self._bgp.want(compose.compose(bgp, log_level=settings.log_level, frr_log_level=settings.frr_log_level))
            decisions = (*bgp_decisions, *layer2_decisions)
            routes = len(bgp.routes)
        changes = report.changes(decisions, self._announced)
        self._announced = report.announced(decisions)
        node = self._settings.node_name
        unreachable = report.unreachable_events(
            l2_plan.unreachable(layer2, self._announcer.known_interfaces()), self._announced, world, node
        )
        new_unreachable = tuple(event for event in unreachable if event not in self._unreachable)
        self._unreachable = unreachable
        self._put((*report.events(changes, world, node), *new_unreachable))
        self._tell(changes, found)
        self._cycles += 1
        self._client_metrics.updates.add()
        summary = CycleReport(len(world.services), routes, len(layer2.entries), len(changes), len(found))
        _log.debug("cycle", summary=str(summary))
        return summary

    def _put(self, wanted: Iterable[effects.Effect]) -> None:
        if self._outbox is not None:
            self._outbox.put(wanted)

    def _tell(self, changes: tuple[report.Change, ...], found: tuple[problems.Problem, ...]) -> None:
        """Logs, metrics and the ConfigurationState object; each only when something is new."""
        for change in changes:
            shown = [str(address) for address in change.addresses]
            if change.reason:
                _log.info(
                    "withdrawn", service=change.service, protocol=str(change.protocol), ips=shown, reason=change.reason
                )
            else:
                _log.info("announced", service=change.service, protocol=str(change.protocol), ips=shown)
        if found != self._messages:
            for problem in set(found) - set(self._messages or ()):
                _log.error("configuration problem", problem=problem.line, reason=str(problem.reason))
            self._messages = found
        self._client_metrics.set_config(loaded=True, stale=bool(found or self._apply_error))
        self._speaker_metrics.set_announced(
            metrics.Announced(key, str(protocol), self._settings.node_name, str(address))
            for (key, protocol), held in self._announced.items()
            for address in held
        )
        state = report.configuration_state(found, self._apply_error, self._settings.node_name, self._settings.namespace)
        if state != self._reported:
            self._reported = state
            self._put((state,))

    def _tell_status(self) -> None:
        """The status objects of this node; each only when something is new."""
