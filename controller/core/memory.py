"""What the allocator remembers from one decision to the next, and what a decision is. Made by `allocator`, kept by nobody else.

Remembering makes decisions steady while writes are under way: an address given out counts as held before the status says so.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from controller import values
from controller.core import allocate, report
from controller.core import ledger as ledgers
from controller.core import request as requests
from frr_adapter import effects as effects_
from frr_adapter.model import pool as pools
from frr_adapter.model import service as services


@dataclass(frozen=True, slots=True)
class Entry:
    """The last decision about one Service: for which version of it, what was decided and told, and what is to be written."""

    service: services.Service
    request: requests.Request
    outcome: values.Outcome
    claim: ledgers.Claim | None
    said: tuple[report.Notice, ...]
    write: effects_.WriteServiceStatus | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Entries by key of the Service, and the pools for which they were decided."""

    entries: Mapping[str, Entry]
    pools: tuple[pools.Pool, ...]


NO_MEMORY = Memory(MappingProxyType({}), ())


class Wait(enum.Enum):
    """What could change the answer for a Service that has not all it wants."""

    FREE = "an address of some pool becomes free"
    SHARED = "anything about addresses in use changes"
    ADDRESS = "the requested address becomes free or shareable"


def wait_of(entry: Entry) -> Wait | None:
    """What the Service of the entry waits for; None when only its own change, or one of the pools, could help."""
    match entry.outcome:
        case values.Refused(why=values.Refusal.ADDRESS_IN_USE):
            return Wait.ADDRESS
        case values.Refused(why=values.Refusal.NO_AVAILABLE_IPS):
            return Wait.SHARED if entry.request.sharing else Wait.FREE
        case values.Kept() | values.Assigned() if allocate.is_short(entry.request, entry.outcome):
            return Wait.SHARED if entry.request.sharing else Wait.FREE
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about everything, and what is to be done about it.

    `unwritten` are the statuses that the API does not show yet, by key; `revised` the keys whose entry is not that of the
    decision before, those that left among them; `told` the events about them; `pool_writes` the counters that the API does
    not show yet. `changed` are keys of services whose outcome is another than before, sorted; services that left are among
    them. `ledger` lives on in the allocator: read it before the next decision.
    """

    memory: Memory
    unwritten: Mapping[str, effects_.WriteServiceStatus]
    revised: frozenset[str]
    told: Mapping[str, tuple[effects_.EmitEvent, ...]]
    pool_writes: tuple[effects_.WritePoolStatus, ...]
    ledger: ledgers.Ledger
    counts: tuple[values.PoolCount, ...]
    changed: tuple[str, ...]

    @property
    def effects(self) -> tuple[effects_.Effect, ...]:
        """Everything that is wanted, ordered by Service, then pool. Made anew at each call."""
        return self.wanted(self.unwritten)

    def wanted(self, keys: Iterable[str]) -> tuple[effects_.Effect, ...]:
        """As `effects`, but only those statuses that are named; events and counters always."""
        found: list[effects_.Effect] = []
        writes = {key: self.unwritten[key] for key in keys if key in self.unwritten}
        for key in sorted(writes.keys() | self.told.keys()):
            if key in writes:
                found.append(writes[key])
            found += self.told.get(key, ())
        return (*found, *self.pool_writes)

    @property
    def outcomes(self) -> dict[str, values.Outcome]:
        """The outcome of every Service that is ours, by key. Made anew at each call."""
        return {key: entry.outcome for key, entry in self.memory.entries.items()}
