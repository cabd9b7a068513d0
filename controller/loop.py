"""The controller's cycle: snapshot -> decision -> status, events, metrics. The one place of the controller that awaits.

Level-triggered: every wake-up decides about the whole (the allocator remembers what did not change). What was written but
is not visible yet is wanted again by every decision and sent only once.

A replica that does not lead runs no cycle: it only keeps its view of the world warm and tells whether the configuration is
good. `lead` starts the cycles, the first one after everything has been listed anew.
"""

import asyncio
from dataclasses import dataclass
from typing import NoReturn

from controller import settings as settings_
from controller import values
from controller.core import allocator, memory, trouble
from frr_adapter import effects, problems, refs
from frr_adapter.boundary import logs, metrics, outbox, perform, store, watch
from frr_adapter.model import service, snapshot
from frr_adapter.resolve import view

_log = logs.get_logger()

KINDS = view.ALLOCATING_KINDS

_RETRY_SECONDS = 1.0
_REST = 3.0
_LONGEST_REST = 0.02
"""Rest after a cycle while writing is behind: that many times its length, and the most in seconds."""


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
        self._latency = metrics.AssignmentMetrics(registry)
        self._problems: frozenset[problems.Problem] = frozenset()
        self._found: tuple[problems.Problem, ...] | None = None
        self._uids: dict[refs.ObjectRef, str] = {}
        self._sent: dict[str, effects.WriteServiceStatus] = {}
        self._again: set[str] = set()
        self._sent_counters: tuple[effects.WritePoolStatus, ...] = ()
        self._counts: tuple[values.PoolCount, ...] | None = None
        self._is_behind = False
        self._seen_at: dict[str, float] = {}
        self._reported: effects.WriteConfigurationState | None = None
        self._wake = asyncio.Event()
        self._is_leading = False
        self._is_warm = False
        self._outbox: outbox.Outbox | None = None

    def connect(self, out: outbox.Outbox) -> None:
        """Where effects go; it calls back into the loop, hence after construction."""
        self._outbox = out

    def take(self, event: watch.WatchEvent) -> None:
        """News from a watch."""
        if isinstance(event, watch.Upserted) and event.decoded.problems:
            self._uids[event.decoded.ref] = event.decoded.uid
        if self._store.apply(event):
            self._note_arrival(event)
            self._wake.set()

    @property
    def is_leading(self) -> bool:
        """Whether cycles run, or will as soon as everything is listed."""
        return self._is_leading

    def lead(self) -> None:
        """Cycles run from now on. What was seen while others led may be old: they wait for listings begun after this call."""
        self._is_leading = True
        self._store.expect_listings()

    def state_changed(self) -> None:
        """Somebody, perhaps we, wrote or deleted our ConfigurationState object: it is compared and written again."""
        self._reported = None
        self._wake.set()

    def failed(self, failures: tuple[perform.Failure, ...]) -> None:
        """Effects that were not performed are wanted again: after a conflict by the watch event under way, else soon."""
        for failure in failures:
            match failure.effect:
                case effects.WriteServiceStatus(ref=ref):
                    asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._retry, ref.key)
                case effects.WriteConfigurationState():
                    self._reported = None
                case effects.WritePoolStatus():
                    self._sent_counters = ()
                case effects.EmitEvent():
                    pass
            if not failure.is_ordinary:
                self._client_metrics.update_errors.add()
        asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._wake.set)

    def _retry(self, key: str) -> None:
        self._again.add(key)
        self._wake.set()

    def performed(self, effect: effects.Effect) -> None:
        """The API took an effect."""
        if isinstance(effect, effects.WriteServiceStatus) and effect.ips:
            seen_at = self._seen_at.pop(effect.ref.key, None)
            if seen_at is not None:
                self._latency.observe(asyncio.get_running_loop().time() - seen_at)

    def _note_arrival(self, event: watch.WatchEvent) -> None:
        """Remembers since when a Service needs an address."""
        match event:
            case watch.Upserted("Service", decoded) if decoded.value is not None:
                one = decoded.value
                if one.is_load_balancer and not one.ingress and service.is_handled(one, self._settings.lb_class):
                    self._seen_at.setdefault(one.key, asyncio.get_running_loop().time())
                elif one.key not in self._sent:  # else it shows what we wrote, and the answer to that is under way
                    self._seen_at.pop(one.key, None)
            case watch.Deleted("Service", ref):
                self._seen_at.pop(ref.key, None)
            case _:
                pass

    def unready(self) -> tuple[str, ...]:
        """Why the controller is not ready, empty when it is; a replica that once was stays so when it takes over."""
        if self._is_warm:
            return ()
        reasons = [f"not listed yet: {kind}" for kind in self._store.unlisted]
        return tuple(reasons) or ("no cycle has run yet",)

    async def run(self) -> NoReturn:
        """Cycles until cancelled. A cycle that fails is logged, counted and tried again; nothing is released by it."""
        clock = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not self._store.all_listed:
                continue
            begun = clock.time()
            try:
                if self._is_leading:
                    self.cycle()
                else:
                    self.stand_by()
            except Exception:
                _log.exception("cycle failed")
                self._client_metrics.update_errors.add()
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._wake.set)
            # A change is decided at once. But when more is to be written than can be under way, what comes during a cycle and
            # its rest is one cycle: looking at everything again must not take the time that writing needs.
            is_behind = self._outbox is not None and self._outbox.is_behind
            await asyncio.sleep(min(_LONGEST_REST, _REST * (clock.time() - begun)) if is_behind else 0)

    def stand_by(self) -> None:
        """Instead of a cycle while another replica leads: looks at the world, says how it is, and wants nothing."""
        _, found = self._look()
        self._client_metrics.set_config(loaded=True, stale=bool(found))
        self._is_warm = True

    def cycle(self) -> CycleReport:
        """One cycle: decides from what is known now and hands the effects on."""
        world, found = self._look()
        decision = self._allocator.decide(world)
        wanted = self._unsent(decision) + self._trouble(found)
        if self._outbox is not None:
            self._outbox.put(wanted)
        self._is_behind = False
        self._tell(decision)
        self._is_warm = True
        self._client_metrics.updates.add()
        self._client_metrics.set_config(loaded=True, stale=bool(found))
        summary = CycleReport(len(world.services), len(decision.changed), len(wanted), len(found))
        _log.debug("cycle", summary=str(summary))
        return summary

    def _look(self) -> tuple[snapshot.Snapshot, tuple[problems.Problem, ...]]:
        world, left_out = self._view.look({kind: self._store.objects(kind) for kind in KINDS})
        return world, (*self._store.all_problems, *left_out)

    def _unsent(self, decision: memory.Decision) -> tuple[effects.Effect, ...]:
        """Events always; a write only when the same is not under way already.

        Only what the decision revised can be new, so the many that wait for the API cost nothing; unless the cycle before
        broke off, when nobody knows what was sent.
        """
        again, self._again = self._again, set()
        if self._is_behind:
            self._sent, self._sent_counters = {}, ()
            again |= decision.unwritten.keys()
        self._is_behind = True
        fresh: list[str] = []
        for key in decision.revised | again:
            write = decision.unwritten.get(key)
            if write is None:
                self._sent.pop(key, None)
            elif key in again or self._sent.get(key) != write:
                self._sent[key] = write
                fresh.append(key)
        wanted = decision.wanted(fresh)
        if decision.pool_writes == self._sent_counters:
            wanted = wanted[: len(wanted) - len(decision.pool_writes)]
        self._sent_counters = decision.pool_writes
        return wanted

    def _trouble(self, found: tuple[problems.Problem, ...]) -> tuple[effects.Effect, ...]:
        wanted: tuple[effects.Effect, ...] = ()
        if found == self._found and self._reported is not None:
            return wanted
        self._found = found
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
                    self._seen_at.pop(key, None)  # from now on it waits for an address and not for us
                    _log.warning("refused", service=key, reason=str(refused.why))
                case values.Released():
                    _log.info("released", service=key)
        if decision.counts is self._counts:
            return
        self._counts = decision.counts
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
