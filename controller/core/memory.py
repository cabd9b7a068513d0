"""What the allocator remembers from one decision to the next, and what a decision is. Made by `allocator`, kept by nobody else.

Remembering makes decisions steady while writes are under way: an address given out counts as held before the status says so.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from controller import values
from controller.core import allocate, report
from controller.core import ledger as ledgers
from controller.core import request as requests
from frr_adapter import effects
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
    write: effects.WriteServiceStatus | None


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

    `changed` are keys of services whose outcome is not that of the decision before, sorted; services that left are among
    them. `effects` are ordered by Service, then pool. `ledger` lives on in the allocator: read it before the next decision.
    """

    memory: Memory
    effects: tuple[effects.Effect, ...]
    ledger: ledgers.Ledger
    counts: tuple[values.PoolCount, ...]
    changed: tuple[str, ...]

    @property
    def outcomes(self) -> dict[str, values.Outcome]:
        """The outcome of every Service that is ours, by key. Made anew at each call."""
        return {key: entry.outcome for key, entry in self.memory.entries.items()}
