"""The controller's decision: services and pools in, outcomes and effects out. Called by the loop once per cycle.

`decide` computes everything from the snapshot and what was decided before; it is the oracle. `Allocator` gives the same
answer but looks only at services that changed and at those that their change may help. Neither acts, waits or logs.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from controller import values
from controller.core import allocate, pool_choice, pool_status, report, settle
from controller.core import ledger as ledgers
from controller.core import memory as memories
from controller.core import request as requests
from frr_adapter import addresses, effects
from frr_adapter.model import pool as pools
from frr_adapter.model import service as services
from frr_adapter.model import snapshot as snapshots

Fullness = tuple[bool, ...]
_STRIDE = 512


def decide(
    snapshot: snapshots.Snapshot, *, lb_class: str, previous: memories.Memory = memories.NO_MEMORY
) -> memories.Decision:
    """Decides about every Service from scratch.

    Whoever holds an address is served before anyone gets a new one: first services that did not change since they got
    theirs, then by number of addresses, age and key; then the waiting by age and key. `lb_class` is the class of this
    installation, empty for services without one.
    """
    return _decide(snapshot, lb_class, previous, ledgers.Ledger(pool_choice.Catalog(snapshot.configuration.pools)))


class Allocator:
    """Decides as `decide` does, cycle after cycle, at the cost of what changed."""

    def __init__(self, lb_class: str = "") -> None:
        self._lb_class = lb_class
        self._memory = memories.NO_MEMORY
        self._services: tuple[services.Service, ...] = ()
        self._ledger: ledgers.Ledger | None = None
        self._entries: dict[str, memories.Entry] = {}
        self._unwritten: dict[str, effects.WriteServiceStatus] = {}
        self._waiting: dict[memories.Wait, dict[str, memories.Entry]] = {wait: {} for wait in memories.Wait}
        self._fullness: Fullness = ()
        self._counts: tuple[values.PoolCount, ...] = ()

    def decide(self, snapshot: snapshots.Snapshot) -> memories.Decision:
        """The decision for this snapshot, given all snapshots before. Writes are wanted again until the snapshot shows them."""
        ledger, self._ledger = self._ledger, None  # a decision that breaks off leaves no half-changed ledger behind
        if ledger is None or not _same_pools(self._memory.pools, snapshot.configuration.pools):
            decision = decide(snapshot, lb_class=self._lb_class, previous=self._memory)
            self._adopt(decision)
        else:
            decision = self._decide_changes(snapshot, ledger)
        self._memory = decision.memory
        self._services = snapshot.services
        self._ledger = decision.ledger
        return decision

    def _adopt(self, decision: memories.Decision) -> None:
        self._entries = {}
        self._unwritten = {}
        self._waiting = {wait: {} for wait in memories.Wait}
        for key, entry in decision.memory.entries.items():
            self._remember(key, entry)
        self._fullness = _fullness(decision.ledger)
        self._counts = decision.counts

    def _remember(self, key: str, entry: memories.Entry) -> None:
        self._forget(key)
        self._entries[key] = entry
        if entry.write is not None:
            self._unwritten[key] = entry.write
        wait = memories.wait_of(entry)
        if wait is not None:
            self._waiting[wait][key] = entry

    def _forget(self, key: str) -> None:
        self._entries.pop(key, None)
        self._unwritten.pop(key, None)
        for waiting in self._waiting.values():
            waiting.pop(key, None)

    def _decide_changes(self, snapshot: snapshots.Snapshot, ledger: ledgers.Ledger) -> memories.Decision:
        entries = self._entries
        ours, left = self._changes(snapshot)
        before = {key: ledger.release(key) for key in (*left, *(one.key for one in ours))}
        moved = frozenset(before)
        turn = settle.Round(ledger)
        turn.keep(_task(one, entries.get(one.key), same_pools=True) for one in ours if one.is_load_balancer)
        freed = _touched(before, ledger)
        turn.retry(_waiters(self._whom_it_may_help(ledger, freed), moved))
        turn.serve()
        before |= {key: entries[key].claim for key in turn.outcomes if key not in moved}
        touched = freed | _touched(before, ledger)
        fullness = _fullness(ledger) if touched else self._fullness
        outcomes = turn.finish(_waiters(self._whose_words_may_change(fullness, touched), moved), {})
        outcomes |= {one.key: values.Released() for one in ours if not one.is_load_balancer}
        fresh = _entries(outcomes, {one.key: one for one in ours}, entries, turn)
        told = _told(fresh, entries)
        revised = frozenset((*left, *(key for key, entry in fresh.items() if entry is not entries.get(key))))
        changed = sorted({*left, *(key for key, entry in fresh.items() if _is_news(entry, entries.get(key)))})
        for key in left:
            self._forget(key)
        for key, entry in fresh.items():
            self._remember(key, entry)
        self._fullness = fullness
        if touched:
            self._counts = pool_status.count(ledger)
        memory = memories.Memory(MappingProxyType(dict(self._entries)), snapshot.configuration.pools)
        return memories.Decision(
            memory,
            MappingProxyType(dict(self._unwritten)),
            revised,
            told,
            pool_status.writes(memory.pools, self._counts),
            ledger,
            self._counts,
            tuple(changed),
        )

    def _changes(self, snapshot: snapshots.Snapshot) -> tuple[list[services.Service], list[str]]:
        """Services of ours that are new or different, and keys of entries whose Service is gone or not ours any more."""
        gone, arrived = _difference(self._services, snapshot.services)
        changed = [one for one in arrived if one.key not in self._entries or self._entries[one.key].service != one]
        ours = [one for one in changed if is_ours(one, self._lb_class)]
        standing = {one.key for one in arrived}
        left = [key for key in gone if key not in standing]
        left += {one.key for one in changed} - {one.key for one in ours}
        return ours, [key for key in left if key in self._entries]

    def _whom_it_may_help(self, ledger: ledgers.Ledger, freed: set[addresses.Address]) -> list[memories.Entry]:
        """Entries that wait for something that may have come free."""
        if not freed:
            return []
        found = self._waiting_for(freed)
        if any(now and not then for now, then in zip(_fullness(ledger), self._fullness, strict=True)):
            found += self._waiting[memories.Wait.FREE].values()
        return found

    def _whose_words_may_change(self, fullness: Fullness, touched: set[addresses.Address]) -> list[memories.Entry]:
        """Entries whose explanation may read differently now."""
        found = self._waiting_for(touched)
        if fullness != self._fullness:
            found += self._waiting[memories.Wait.FREE].values()
        return found

    def _waiting_for(self, touched: set[addresses.Address]) -> list[memories.Entry]:
        if not touched:
            return []
        found = list(self._waiting[memories.Wait.SHARED].values())
        found += (
            entry
            for entry in self._waiting[memories.Wait.ADDRESS].values()
            if isinstance(entry.request.ips, tuple) and not touched.isdisjoint(entry.request.ips)
        )
        return found


def is_ours(service: services.Service, lb_class: str) -> bool:
    """Whether there is anything to decide about the Service.

    A Service that is no LoadBalancer any more is ours while it carries traces of us: its status, or our annotation, which
    also speaks when the API has emptied `spec.loadBalancerClass` together with the type.
    """
    is_handled = services.is_handled(service, lb_class)
    if service.is_load_balancer:
        return is_handled
    is_marked = any(key == services.ALLOCATED_FROM_ANNOTATION for key, _ in service.annotations)
    return is_marked or (is_handled and bool(service.ingress))


def _decide(
    snapshot: snapshots.Snapshot, lb_class: str, previous: memories.Memory, ledger: ledgers.Ledger
) -> memories.Decision:
    same_pools = _same_pools(previous.pools, snapshot.configuration.pools)
    known = {one.key: one for one in snapshot.services if is_ours(one, lb_class)}
    outcomes: dict[str, values.Outcome] = {}
    tasks, waiters, settled = [], [], []
    for key, one in known.items():
        entry = previous.entries.get(key)
        if not one.is_load_balancer:
            outcomes[key] = values.Released()
        elif entry is None or not same_pools or (entry.service is not one and entry.service != one):
            tasks.append(_task(one, entry, same_pools=same_pools))
        else:
            settled.append(entry)
    for entry in settled:
        if entry.claim is not None:
            ledger.record(entry.claim)
        if memories.wait_of(entry) is None:
            outcomes[entry.service.key] = entry.outcome
        else:
            waiters += _waiters([entry])
    turn = settle.Round(ledger)
    turn.keep(tasks)
    turn.retry(waiters)
    turn.serve()
    outcomes |= turn.finish(waiters, {})
    fresh = _entries(outcomes, known, previous.entries, turn)
    unwritten = {key: entry.write for key, entry in fresh.items() if entry.write is not None}
    left = [key for key in previous.entries if key not in fresh]
    changed = [*left, *(key for key, entry in fresh.items() if _is_news(entry, previous.entries.get(key)))]
    revised = frozenset((*left, *(key for key, entry in fresh.items() if entry is not previous.entries.get(key))))
    memory = memories.Memory(MappingProxyType(fresh), snapshot.configuration.pools)
    counts = pool_status.count(ledger)
    return memories.Decision(
        memory,
        MappingProxyType(unwritten),
        revised,
        _told(fresh, previous.entries),
        pool_status.writes(memory.pools, counts),
        ledger,
        counts,
        tuple(sorted(changed)),
    )


def _task(service: services.Service, entry: memories.Entry | None, *, same_pools: bool) -> settle.Task:
    """What the Service holds: what it was given, unless its status has said something else since."""
    entry = _of_same(service, entry)
    is_unchanged = entry is not None and entry.service == service
    request = entry.request if entry is not None and is_unchanged else requests.read(service)
    if entry is not None and entry.claim is not None and entry.service.ingress == service.ingress:
        holding = allocate.Holding(entry.claim.ips, entry.claim.pool)
        return settle.Task(service, request, holding, is_settled=is_unchanged and not same_pools)
    return settle.Task(service, request, allocate.holding_of(service))


def _waiters(entries: Iterable[memories.Entry], moved: frozenset[str] = frozenset()) -> list[settle.Waiter]:
    """Entries as services that wait; those that `moved` are left out, being decided anew anyway."""
    found = []
    for entry in entries:
        if entry.service.key not in moved:
            cleared = entry.outcome.cleared if isinstance(entry.outcome, values.Refused) else None
            found.append(settle.Waiter(entry.service, entry.request, entry.outcome, cleared))
    return found


def _entries(
    outcomes: Mapping[str, values.Outcome],
    known: Mapping[str, services.Service],
    previous: Mapping[str, memories.Entry],
    turn: settle.Round,
) -> dict[str, memories.Entry]:
    """Entries for the outcomes; an entry that would be equal stays the same object."""
    fresh = {}
    claims = turn.ledger.claims
    for key, outcome in outcomes.items():
        before = previous.get(key)
        service = known[key] if key in known else previous[key].service
        if before is not None and before.outcome == outcome and before.service == service:
            fresh[key] = before
            continue
        write = report.write(service, outcome)
        said = report.notices(service, outcome, is_written=write is not None)
        request = turn.requests.get(key) or requests.read(service)
        fresh[key] = memories.Entry(service, request, outcome, claims.get(key), said, write)
    return fresh


def _told(
    fresh: Mapping[str, memories.Entry], before: Mapping[str, memories.Entry]
) -> dict[str, tuple[effects.EmitEvent, ...]]:
    """Events by key, without those that have none."""
    found = ((key, _events(entry, before.get(key))) for key, entry in fresh.items())
    return {key: events for key, events in found if events}


def _events(entry: memories.Entry, before: memories.Entry | None) -> tuple[effects.EmitEvent, ...]:
    if entry is before:
        return ()
    told = _of_same(entry.service, before)
    return report.events(entry.service, entry.said, told.said if told is not None else ())


def _is_news(entry: memories.Entry, before: memories.Entry | None) -> bool:
    return before is None or (entry is not before and entry.outcome != before.outcome)


def _of_same(service: services.Service, entry: memories.Entry | None) -> memories.Entry | None:
    """The entry, unless it is about an earlier Service of the same name."""
    return entry if entry is not None and entry.service.uid == service.uid else None


def _touched(before: Mapping[str, ledgers.Claim | None], ledger: ledgers.Ledger) -> set[addresses.Address]:
    """Addresses about which something is different now for the services in question."""
    touched: set[addresses.Address] = set()
    for key, old in before.items():
        new = ledger.claims.get(key)
        if new != old:
            touched.update(old.ips if old is not None else ())
            touched.update(new.ips if new is not None else ())
    return touched


def _fullness(ledger: ledgers.Ledger) -> Fullness:
    return tuple(ledger.has_free(name, family) for name in ledger.catalog.pools for family in addresses.Family)


def _same_pools(old: tuple[pools.Pool, ...], new: tuple[pools.Pool, ...]) -> bool:
    if old is new:
        return True
    return len(old) == len(new) and all(map(pool_choice.same_for_allocation, old, new))


def _same_head(old: tuple[services.Service, ...], new: tuple[services.Service, ...], most: int) -> int:
    """How many values at the beginning are the same. Slices compare by identity first, and so many times faster."""
    at = 0
    while at < most and old[at : at + _STRIDE] == new[at : at + _STRIDE]:
        at += _STRIDE
    at = min(at, most)
    while at < most and old[at] is new[at]:
        at += 1
    return at


def _difference(
    old: tuple[services.Service, ...], new: tuple[services.Service, ...]
) -> tuple[list[str], list[services.Service]]:
    """Keys of values that went, and values that came; a changed Service is in both. Fast when few differ and order is kept."""
    if old is new:
        return [], []
    shorter = min(len(old), len(new))
    head = _same_head(old, new, shorter)
    tail = _same_head(old[: head - 1 if head else None : -1], new[: head - 1 if head else None : -1], shorter - head)
    gone, arrived = old[head : len(old) - tail], new[head : len(new) - tail]
    came = {id(one) for one in arrived}
    went = {id(one) for one in gone}
    return [one.key for one in gone if id(one) not in came], [one for one in arrived if id(one) not in went]
