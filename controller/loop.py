"""The controller's cycle: snapshot -> decision -> status, events, metrics. The one place of the controller that awaits.

Level-triggered: every wake-up decides about the whole (the allocator remembers what did not change). What was written but
is not visible yet is wanted again by every decision and sent only once.
"""

import asyncio
from dataclasses import dataclass
from typing import NoReturn

from controller import settings as settings_
from controller import values
from controller.core import allocator, memory, trouble
from frr_adapter import effects, problems, refs
from frr_adapter.boundary import logs, metrics, outbox, perform, store, watch
from frr_adapter.resolve import view

_log = logs.get_logger()

KINDS = (
    "BFDProfile",
    "BGPAdvertisement",
    "BGPPeer",
    "Community",
    "IPAddressPool",
    "L2Advertisement",
    "Namespace",
    "Node",
    "Secret",
    "Service",
)
"""What the controller watches. No cycle runs before all of them are listed: an address might be given out twice."""

_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What one cycle saw and decided, in numbers."""

    services: int
    changed: int
    effects: int
    problems: int

    def __str__(self) -> str:
        return f"{self.services} services; {self.changed} outcomes changed, {self.effects} effects, {self.problems} problems"


class Loop:
    """Decides and hands effects to the outbox."""

    def __init__(self, settings: settings_.Settings, known: store.Store, registry: metrics.Metrics) -> None:
        self._settings = settings
        self._store = known
        self._view = view.View(lb_class=None)
        self._allocator = allocator.Allocator(settings.lb_class)
        self._client_metrics = metrics.ClientMetrics(registry)
        self._pool_metrics = metrics.AllocatorMetrics(registry)
        self._problems: frozenset[problems.Problem] = frozenset()
        self._uids: dict[refs.ObjectRef, str] = {}
        self._sent: dict[refs.ObjectRef, effects.Effect] = {}
        self._reported: effects.WriteConfigurationState | None = None
        self._wake = asyncio.Event()
        self._cycles = 0
        self._outbox: outbox.Outbox | None = None

    def connect(self, out: outbox.Outbox) -> None:
        """Where effects go; it calls back into the loop, hence after construction."""
        self._outbox = out

    def take(self, event: watch.WatchEvent) -> None:
        """News from a watch."""
        if isinstance(event, watch.Upserted) and event.decoded.problems:
            self._uids[event.decoded.ref] = event.decoded.uid
        if self._store.apply(event):
            self._wake.set()

    def failed(self, failures: tuple[perform.Failure, ...]) -> None:
        """Effects that were not performed are wanted again: after a conflict by the watch event under way, else soon."""
        for failure in failures:
            self._sent.pop(failure.effect.ref, None)
            if isinstance(failure.effect, effects.WriteConfigurationState):
                self._reported = None
            if not failure.is_ordinary:
                self._client_metrics.update_errors.add()
        asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._wake.set)

    def unready(self) -> tuple[str, ...]:
        """Why the controller is not ready, empty when it is."""
        reasons = [f"not listed yet: {kind}" for kind in self._store.unlisted]
        if not reasons and not self._cycles:
            reasons.append("no cycle has run yet")
        return tuple(reasons)

    async def run(self) -> NoReturn:
        """Cycles until cancelled. A cycle that fails is logged, counted and tried again; nothing is released by it."""
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
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._wake.set)
            await asyncio.sleep(0)  # the watches get their turn between two cycles

    def cycle(self) -> CycleReport:
        """One cycle: decides from what is known now and hands the effects on."""
        world, left_out = self._view.look({kind: self._store.objects(kind) for kind in KINDS})
        found = (*self._store.all_problems, *left_out)
        decision = self._allocator.decide(world)
        wanted = self._unsent(decision.effects) + self._trouble(found)
        if self._outbox is not None:
            self._outbox.put(wanted)
        self._tell(decision)
        self._cycles += 1
        self._client_metrics.updates.add()
        self._client_metrics.set_config(loaded=True, stale=bool(found))
        summary = CycleReport(len(world.services), len(decision.changed), len(wanted), len(found))
        _log.debug("cycle", summary=str(summary))
        return summary

    def _unsent(self, wanted: tuple[effects.Effect, ...]) -> tuple[effects.Effect, ...]:
        """Events always; a write only when the same is not under way already."""
        writes = {each.ref: each for each in wanted if not isinstance(each, effects.EmitEvent)}
        fresh = {ref: each for ref, each in writes.items() if self._sent.get(ref) != each}
        self._sent = {**writes}
        return tuple(each for each in wanted if isinstance(each, effects.EmitEvent) or each.ref in fresh)

    def _trouble(self, found: tuple[problems.Problem, ...]) -> tuple[effects.Effect, ...]:
        wanted: tuple[effects.Effect, ...] = ()
        if (now := frozenset(found)) != self._problems:
            uids = {**self._uids, **self._known_uids(now)}
            wanted = trouble.events(found, self._problems, uids)
            for problem in now - self._problems:
                _log.error("configuration problem", problem=problem.line, reason=str(problem.reason))
            self._uids = {ref: uid for ref, uid in self._uids.items() if any(each.ref == ref for each in now)}
            self._problems = now
        state = trouble.configuration_state(found, self._settings.namespace)
        if state != self._reported:
            self._reported = state
            wanted = (*wanted, state)
        return wanted

    def _known_uids(self, found: frozenset[problems.Problem]) -> dict[refs.ObjectRef, str]:
        kinds = {each.ref.kind for each in found}
        return {value.ref: value.uid for kind in kinds for value in self._store.objects(kind) if hasattr(value, "uid")}

    def _tell(self, decision: memory.Decision) -> None:
        entries = decision.memory.entries
        for key in decision.changed:
            entry = entries.get(key)
            if entry is None:
                _log.info("released", service=key)
                continue
            match entry.outcome:
                case values.Kept(ips=ips, pool=pool):
                    _log.debug("kept", service=key, ips=[str(ip) for ip in ips], pool=pool)
                case values.Assigned(ips=ips, pool=pool):
                    _log.info("assigned", service=key, ips=[str(ip) for ip in ips], pool=pool)
                case values.Refused() as refused:
                    _log.warning("refused", service=key, reason=str(refused.why))
                case values.Released():
                    _log.info("released", service=key)
        self._pool_metrics.set_pools(
            metrics.PoolFigures(
                each.pool,
                each.capacity,
                each.capacity_ipv4,
                each.capacity_ipv6,
                each.assigned,
                each.assigned_ipv4,
                each.assigned_ipv6,
            )
            for each in decision.counts
        )
