"""Which pools a Service may use, and in which order they are tried.

`Catalog` is built once per set of pools and read by `ledger`, `allocate` and `explain`. It knows nothing of who holds what.
"""

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from controller import values
from frr_adapter import addresses, selectors
from frr_adapter.model import pool as pools

_MOST_CHOICES = 50_000
"""Labels of services come and go; what is remembered about them must not grow for ever."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Names of pools in the order they are tried, tier by tier, and the pools that are out of question, each with why.

    A later tier is tried only when the whole earlier one gives nothing. Compared by identity: a catalog makes each once.
    """

    tiers: tuple[tuple[str, ...], ...]
    excluded: tuple[values.PoolVerdict, ...]


def objection(pool: pools.Pool, namespace: str, labels: selectors.Labels) -> values.WhyNot | None:
    """Why the pool is closed to services of that namespace with those labels, whether or not they ask for it by name."""
    allocation = pool.allocation
    if allocation is None:
        return None
    if allocation.namespaces is not None and namespace not in allocation.namespaces:
        return values.WhyNot.NAMESPACE
    if not selectors.empty_or_matches(allocation.service_selectors, labels):
        return values.WhyNot.SELECTOR
    return None


def rank(pool: pools.Pool) -> tuple[bool, int, str]:
    """Sort key of pinned pools: lowest positive priority first, unset (0) last, then by name."""
    priority = pool.allocation.priority if pool.allocation is not None else 0
    return (priority == 0, priority, pool.name)


class Catalog:
    """The pools of one configuration, indexed by name, by address and by who may use them.

    Overlapping pools are tolerated: an address then belongs to several, and the first by name wins unless one is asked for.
    """

    def __init__(self, some_pools: Iterable[pools.Pool]) -> None:
        self.pools: dict[str, pools.Pool] = {pool.name: pool for pool in sorted(some_pools, key=lambda pool: pool.name)}
        self.families: dict[str, frozenset[addresses.Family]] = {p.name: p.families for p in self.pools.values()}
        self.capacities: dict[tuple[str, addresses.Family], int] = {
            (pool.name, family): _capacity(pool, family) for pool in self.pools.values() for family in addresses.Family
        }
        self._segments = {family: _segments(self.pools.values(), family) for family in addresses.Family}
        automatic = [pool for pool in self.pools.values() if pool.auto_assign]
        self._pinned = sorted((pool for pool in automatic if pool.allocation is not None), key=rank)
        self._unpinned = tuple(pool.name for pool in automatic if pool.allocation is None)
        self._reads_labels = any(p.allocation and p.allocation.service_selectors for p in self.pools.values())
        self._choices: dict[tuple[str, selectors.Labels], Choice] = {}
        self._distinct: dict[tuple[tuple[tuple[str, ...], ...], tuple[values.PoolVerdict, ...]], Choice] = {}
        self._named = {name: Choice(((name,),), ()) for name in self.pools}

    def containing(self, address: addresses.Address) -> tuple[str, ...]:
        """Names of the pools that hold the address, sorted; more than one only where pools overlap."""
        starts, owners = self._segments[addresses.family_of(address)]
        place = bisect.bisect_right(starts, int(address)) - 1
        if place < 0 or not owners[place]:
            return ()
        if address.version == 4 and addresses.is_buggy(address):
            return tuple(name for name in owners[place] if not self.pools[name].avoid_buggy_ips)
        return owners[place]

    def containing_all(self, ips: tuple[addresses.Address, ...]) -> tuple[str, ...]:
        """Names of the pools that hold every one of the addresses, sorted."""
        found = self.containing(ips[0])
        for ip in ips[1:]:
            others = self.containing(ip)
            found = tuple(name for name in found if name in others)
        return found

    def named(self, name: str) -> Choice:
        """The choice of a Service that asks for this one (existing) pool."""
        return self._named[name]

    def automatic(self, namespace: str, labels: selectors.Labels) -> Choice:
        """The choice of a Service that asks for no pool: pools pinned to it, then those pinned to nobody."""
        # Labels differ from service to service, so they are part of the key only where a pool reads them.
        key = (namespace, labels if self._reads_labels else selectors.NO_LABELS)
        found = self._choices.get(key)
        if found is None:
            if len(self._choices) >= _MOST_CHOICES:
                self._choices.clear()
            found = self._choices[key] = self._choose(namespace, labels)
        return found

    def _choose(self, namespace: str, labels: selectors.Labels) -> Choice:
        excluded = []
        for pool in self.pools.values():
            if not pool.auto_assign:
                excluded.append(values.PoolVerdict(pool.name, values.WhyNot.AUTO_ASSIGN_OFF))
            elif (why := objection(pool, namespace, labels)) is not None:
                excluded.append(values.PoolVerdict(pool.name, why))
        pinned = tuple(p.name for p in self._pinned if objection(p, namespace, labels) is None)
        key = ((pinned, self._unpinned), tuple(excluded))
        return self._distinct.setdefault(key, Choice(*key))


def same_for_allocation(a: pools.Pool, b: pools.Pool) -> bool:
    """Whether two versions of a pool differ only in what allocation never reads, such as the status that we write."""
    return a is b or _essence(a) == _essence(b)


def _essence(pool: pools.Pool) -> tuple[object, ...]:
    return (pool.ref, pool.blocks, pool.auto_assign, pool.avoid_buggy_ips, pool.allocation, pool.is_broken)


def _capacity(pool: pools.Pool, family: addresses.Family) -> int:
    return addresses.saturating_sum(
        addresses.count(network, avoid_buggy=pool.avoid_buggy_ips)
        for network in pool.networks
        if network.version == family
    )


def _segments(some_pools: Iterable[pools.Pool], family: addresses.Family) -> tuple[list[int], list[tuple[str, ...]]]:
    """The address space cut wherever a network begins or ends: start of each piece, and the pools that hold it."""
    edges: dict[int, list[tuple[str, int]]] = {}
    for pool in some_pools:
        for network in pool.networks:
            if network.version == family:
                edges.setdefault(int(network.network_address), []).append((pool.name, 1))
                edges.setdefault(int(network.broadcast_address) + 1, []).append((pool.name, -1))
    depth: dict[str, int] = {}
    starts, owners = [], []
    for start, changes in sorted(edges.items()):
        for name, step in changes:
            depth[name] = depth.get(name, 0) + step
        starts.append(start)
        owners.append(tuple(sorted(name for name, layers in depth.items() if layers > 0)))
        depth = {name: layers for name, layers in depth.items() if layers > 0}
    return starts, owners


def describe(some_pools: Iterable[pools.Pool], *, at_most: int = 5) -> str:
    """The ranges of the pools in one line, as written, shortened to the first few pools and ranges."""
    listed = list(some_pools)
    words = [_describe_one(pool) for pool in itertools.islice(listed, at_most)]
    if len(listed) > at_most:
        words.append(f"and {len(listed) - at_most} more pools")
    return "; ".join(words)


def _describe_one(pool: pools.Pool, *, at_most: int = 3) -> str:
    texts = [block.text for block in pool.blocks[:at_most]]
    if len(pool.blocks) > at_most:
        texts.append(f"and {len(pool.blocks) - at_most} more")
    return f'pool "{pool.name}" {", ".join(texts) or "nothing"}'
