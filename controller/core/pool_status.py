"""The counters of pools: what a pool could give, and what of it is in use. Called by `allocator` at the end of a decision."""

from collections.abc import Iterable

from controller import values
from controller.core import ledger as ledgers
from frr_adapter import addresses, effects
from frr_adapter.model import pool as pools


def count(ledger: ledgers.Ledger) -> tuple[values.PoolCount, ...]:
    """The counters of every pool, sorted by name."""
    capacities = ledger.catalog.capacities
    return tuple(
        values.PoolCount(
            pool=name,
            capacity_ipv4=capacities[name, addresses.Family.IPV4],
            capacity_ipv6=capacities[name, addresses.Family.IPV6],
            assigned_ipv4=ledger.in_use(name, addresses.Family.IPV4),
            assigned_ipv6=ledger.in_use(name, addresses.Family.IPV6),
        )
        for name in ledger.catalog.pools
    )


def writes(some_pools: Iterable[pools.Pool], counts: Iterable[values.PoolCount]) -> tuple[effects.WritePoolStatus, ...]:
    """The pool statuses that differ from the counters, sorted by name."""
    by_name = {pool.name: pool for pool in some_pools}
    wanted = ((by_name[counted.pool], status_of(counted)) for counted in counts)
    return tuple(
        effects.WritePoolStatus(
            pool.ref, status.assigned_ipv4, status.assigned_ipv6, status.available_ipv4, status.available_ipv6
        )
        for pool, status in wanted
        if pool.status != status
    )


def status_of(counted: values.PoolCount) -> pools.PoolStatus:
    """The status a pool should carry."""
    return pools.PoolStatus(
        assigned_ipv4=counted.assigned_ipv4,
        assigned_ipv6=counted.assigned_ipv6,
        available_ipv4=counted.available_ipv4,
        available_ipv6=counted.available_ipv6,
    )
