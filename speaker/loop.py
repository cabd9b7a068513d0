"""The speaker's cycle: snapshot -> plans -> FRR, frames, events. The one place of the speaker that awaits.

Level-triggered: every wake-up plans the whole again (the planners remember what did not change) and hands the wanted state
on. A second cycle without news changes nothing.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn, assert_never

from frr_adapter import effects, errors, problems, refs
from frr_adapter.boundary import logs, metrics, outbox, perform, store, watch
from frr_adapter.resolve import view
from speaker import settings as settings_
from speaker import values
from speaker.boundary import applying, ports
from speaker.core import (
    bgp_plan,
    bgp_status,
    composer,
    l2_plan,
    l2_status,
    node_report,
    node_status,
    refusal_events,
    report,
    service_status,
)

_log = logs.get_logger()

KINDS = view.ANNOUNCING_KINDS

_RETRY_SECONDS = 1.0

STATUS_SECONDS = 1.0
"""Between two looks at what the status objects should say: they are for people, and thousands of services may change at once."""

_LOOKS_BEFORE_LAYER2 = 3
"""So many such pauses after the start ServiceL2Status objects are left as the predecessor left them: addresses are asked for first."""


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
        status_seconds: float = STATUS_SECONDS,
    ) -> None:
        self._settings = settings
        self._store = known
        self._announcer = announcer
        self._view = view.View(lb_class=settings.lb_class, node=settings.node_name)
        self._bgp_planner = bgp_plan.Planner(settings.node_name, ignore_exclude=settings.ignore_exclude_lb)
        self._l2_planner = l2_plan.Planner(
            settings.node_name, ignore_exclude=settings.ignore_exclude_lb, keeps=settings.l2_owner == "keep"
        )
        self._settling = l2_plan.Settling()
        self._live: Callable[[], values.Live | None] = lambda: None
        self._note: Callable[..., None] = lambda *_lines: None
        self._client_metrics = metrics.ClientMetrics(registry)
        self._speaker_metrics = metrics.SpeakerMetrics(registry)
        self._composer = composer.Composer(log_level=settings.log_level, frr_log_level=settings.frr_log_level)
        self._diary = report.Diary()
        self._warnings: tuple[effects.EmitEvent, ...] = ()  # about layer 2, told once while they last
        self._messages: tuple[problems.Problem, ...] | None = None
        self._reported: effects.WriteConfigurationState | None = None
        self._apply_error = ""
        self._refused: tuple[problems.Problem, ...] = ()  # objects that FRR does not take; everything else runs
        self._cycle_error = ""
        self._observation = values.NOTHING_OBSERVED
        self._since: float | None = None  # the oldest watched change that no cycle has seen yet
        self._wake = asyncio.Event()
        self._cycles = 0
        self._blame = refusal_events.NOBODY
        self._routes: tuple[values.Route, ...] = ()
        self._credit: tuple[tuple[values.Route, ...], service_status.Said] = ((), service_status.NOTHING)
        self._layer2: tuple[values.L2Plan, tuple[values.Decision, ...]] = (values.L2Plan(), ())
        self._decisions: tuple[tuple[values.Decision, ...], ...] = ()
        self._told: tuple[object, service_status.Said] = (None, service_status.NOTHING)
        self._layer2_status_at: float | None = None
        about = (settings.node_name, settings.namespace)
        self._ledgers = {
            "ServiceBGPStatus": service_status.Ledger("ServiceBGPStatus", *about),
            "ServiceL2Status": service_status.Ledger("ServiceL2Status", *about, is_sole=True),
        }
        self._chronicle = node_status.Chronicle(settings.node_name, settings.namespace)
        self._chronicle_failures = 0
        self._status_seconds = status_seconds
        self._status_timer: asyncio.TimerHandle | None = None
        self._status_at = 0.0
        self._outbox: outbox.Outbox | None = None
        self._bgp: applying.Applying | None = None

    def connect(self, out: outbox.Outbox, bgp: applying.Applying | None, owner: str = "") -> None:
        """Where effects and the FRR configuration go; both call back into the loop, hence after construction.

        `owner` is the UID of the pod that shall own the status objects, empty when it is not known.
        """
        self._outbox, self._bgp = out, bgp
        for ledger in self._ledgers.values():
            ledger.owned_by(owner)

    def watch_lives(self, live: Callable[[], values.Live | None]) -> None:
        """Whose speaker lives, asked in every cycle; without it every known node counts."""
        self._live = live

    def tell_history(self, note: Callable[..., None]) -> None:
        """Where lines go about what happens, for people."""
        self._note = note

    def facts(self) -> node_report.Facts:
        """What is known now, for a report; references only."""
        return node_report.Facts(
            self._settings,
            self._bgp.wanted if self._bgp is not None else None,
            self._bgp.applied if self._bgp is not None else None,
            self._apply_error,
            self.unready(),
            self._messages or (),
            self._decisions,
            self._layer2[0],
            self._announcer.held(),
            self._announcer.rivals(),
            self._announcer.known_interfaces(),
            self._live(),
            self._announcer.counts(),
        )

    def changed(self) -> None:
        """A watched object changed just now: a cycle is due, and how long FRR needs to hear of it is measured from here."""
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
        self.poke()

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

        now = asyncio.get_running_loop().time()
        for failure in failures:
            if isinstance(failure.effect, effects.WriteAnnouncementStatus):
                self._ledgers[failure.effect.ref.kind].failed(failure.effect, now)
                self._tell_status()
            elif isinstance(failure.effect, effects.WriteNodeBgpStatus):
                self._chronicle_failures += 1
                pause = service_status.pause(self._chronicle_failures)
                asyncio.get_running_loop().call_later(pause, self.node_status_changed)

    def performed(self, effect: effects.Effect) -> None:
        """The API took an effect."""
        if isinstance(effect, effects.WriteAnnouncementStatus):
            self._ledgers[effect.ref.kind].performed(effect, asyncio.get_running_loop().time())
            self._tell_status()
        elif isinstance(effect, effects.WriteNodeBgpStatus):
            self._chronicle_failures = 0

    def service_status_changed(self, event: watch.WatchEvent) -> None:
        """News of ServiceBGPStatus and ServiceL2Status objects, whoever wrote or deleted them. Nothing else waits for them."""
        ledger, now = self._ledgers[event.kind], asyncio.get_running_loop().time()
        match event:
            case watch.Listed():
                ledger.listed()
            case watch.Upserted(decoded=newest):
                if newest.value is not None:
                    ledger.seen(newest.value, now)
            case watch.Deleted(ref=ref):
                ledger.gone(ref, now)
            case _:
                assert_never(event)
        self._tell_status()

    def node_status_changed(self) -> None:
        """Somebody, perhaps we, wrote or deleted our NodeBGPStatus object: it is compared and written again."""
        self._chronicle.forget()
        self._tell_status()

    def applied(self, outcome: applying.Outcome) -> None:
        """How the last attempt to configure FRR ended."""
        text = str(outcome) if isinstance(outcome, errors.ApplyError) else ""
        refused = self._refused
        if not isinstance(outcome, errors.ApplyError):
            self._chronicle.applied(outcome)
            refused = report.refused(outcome.left_out)
        self._note(*node_report.applied(outcome, [each for each in refused if each not in self._refused]))
        if (text, refused) != (self._apply_error, self._refused):
            self._apply_error, self._refused = text, refused
            self.poke()
        blame = refusal_events.blamed(outcome, self._blame)
        if new := blame - self._blame:
            self._put(refusal_events.events(new, self._uids({ref.kind for ref, _ in new}), self._settings.node_name))
        self._blame = blame
        self._tell_status()

    def observed(self, observation: values.Observation) -> None:
        """What FRR says about its sessions now; for people only, nothing is planned for it."""
        self._observation = observation
        self._tell_status()  # also when FRR says nothing, as before: that it is up or down is told too

    def unready(self) -> tuple[str, ...]:
        """Why the speaker is not ready, empty when it is."""
        reasons = [f"not listed yet: {kind}" for kind in self._store.unlisted]
        if not reasons and not self._cycles:
            reasons.append("no cycle has run yet")
        if self._cycle_error:
            reasons.append(f"the last cycle failed: {self._cycle_error}")
        if self._bgp is not None and not self._bgp.is_up:
            reasons.append(": ".join(filter(None, ("FRR does not answer", self._bgp.trouble))))
        elif self._bgp is not None and not self._bgp.is_applied and (self._apply_error or self._bgp.applied is None):
            # A change on its way to an FRR that runs the last one is no reason: there is always one somewhere.
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
            except Exception as problem:
                self._cycle_error = f"{type(problem).__name__}: {problem}"
                _log.exception("cycle failed")
                self._client_metrics.update_errors.add()
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.poke)
            await asyncio.sleep(0)  # the watches and the sockets get their turn between two cycles

    def cycle(self) -> CycleReport:
        """One cycle: plans everything from what is known now and hands on what is wanted."""
        since, self._since = self._since, None
        world, left_out = self._view.look({kind: self._store.objects(kind) for kind in KINDS})
        found = (*self._store.all_problems, *left_out, *self._refused)
        layer2, layer2_decisions = self._l2_planner.plan(world, live=self._live())
        self._announcer.set_plan(layer2)
        held = self._announcer.held()
        layer2_decisions = self._settling.settle(layer2_decisions, held)
        decisions: tuple[tuple[values.Decision, ...], ...] = ((), layer2_decisions)
        routes = 0
        if self._bgp is not None:
            bgp, bgp_decisions = self._bgp_planner.plan(world)
            self._bgp.want(self._composer.compose(bgp), since)
            decisions = (bgp_decisions, layer2_decisions)
            self._routes, routes = bgp.routes, len(bgp.routes)
        self._layer2, self._decisions = (layer2, decisions[1]), decisions
        changes = self._diary.follow(decisions)
        node = self._settings.node_name
        for change in changes:  # at once: the diary tells each change only one time
            ips = () if change.reason else map(str, change.addresses)
            self._speaker_metrics.set_announced(change.service, str(change.protocol), node, ips)
        unreachable = l2_plan.unreachable(layer2, self._announcer.known_interfaces())
        warnings = (
            *report.unreachable_events(unreachable, self._diary.announced, world, node),
            *report.conflict_events(self._announcer.rivals(), held, layer2_decisions, world, node),
        )
        known, self._warnings = frozenset(self._warnings), warnings
        self._put((*report.events(changes, world, node), *(event for event in warnings if event not in known)))
        self._tell(changes, found)
        self._cycles += 1
        self._cycle_error = ""
        self._tell_status()
        self._client_metrics.updates.add()
        summary = CycleReport(len(world.services), routes, len(layer2.entries), len(changes), len(found))
        _log.debug("cycle", summary=str(summary))
        return summary

    def _put(self, wanted: Iterable[effects.Effect]) -> None:
        if self._outbox is not None:
            self._outbox.put(wanted)

    def _tell(self, changes: tuple[report.Change, ...], found: tuple[problems.Problem, ...]) -> None:
        """Logs, metrics and the ConfigurationState object; each only when something is new."""
        self._note(*node_report.changed(changes))
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
        state = report.configuration_state(found, self._apply_error, self._settings.node_name, self._settings.namespace)
        if state != self._reported:
            self._reported = state
            self._put((state,))

    def _uids(self, kinds: Iterable[str]) -> dict[refs.ObjectRef, str]:
        known = (value for kind in kinds if kind in KINDS for value in self._store.objects(kind))
        return {value.ref: value.uid for value in known if hasattr(value, "uid")}

    def _tell_status(self, due: float = 0.0) -> None:
        """The status objects of this node: at `due` or soon, but never before the cycle's own work, and not too often."""
        clock = asyncio.get_running_loop()
        at = max(due, clock.time() + self._status_seconds / 10, self._status_at)
        if not self._cycles or (self._status_timer is not None and self._status_timer.when() <= at):
            return
        if self._status_timer is not None:
            self._status_timer.cancel()
        self._status_timer = clock.call_at(at, self._write_status)

    def _write_status(self) -> None:
        clock = asyncio.get_running_loop()
        self._status_timer, self._status_at = None, clock.time() + self._status_seconds
        if self._bgp is not None:
            trouble = "" if self._bgp.is_up else ": ".join(filter(None, ("FRR does not answer", self._bgp.trouble)))
            error = trouble or self._apply_error or "; ".join(each.line for each in self._refused)
            progress = node_status.Progress(self._bgp.is_up, self._bgp.wanted, self._bgp.applied, error)
            status = self._chronicle.untold(progress, self._observation)
            self._put((status,) if status is not None else ())
        if self._credit[0] is not self._routes:
            self._credit = (self._routes, bgp_status.credit(self._routes))
        self._write_announced("ServiceBGPStatus", self._credit[1])
        if self._layer2_status_at is None:
            self._layer2_status_at = clock.time() + _LOOKS_BEFORE_LAYER2 * self._status_seconds
        if clock.time() < self._layer2_status_at:
            self._tell_status(self._layer2_status_at)
            return
        if self._told[0] is not self._layer2:
            plan, decisions = self._layer2
            self._told = (self._layer2, l2_status.told(decisions, plan))
        self._write_announced("ServiceL2Status", self._told[1])

    def _write_announced(self, kind: str, wanted: service_status.Said) -> None:
        ledger = self._ledgers[kind]
        self._put(ledger.unsaid(wanted, asyncio.get_running_loop().time()))
        if (due := ledger.next_at) is not None:
            self._tell_status(due)
