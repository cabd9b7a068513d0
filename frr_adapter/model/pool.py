"""Pools of addresses."""

from dataclasses import dataclass

from frr_adapter import addresses, refs, selectors


@dataclass(frozen=True, slots=True)
class Allocation:
    """`spec.serviceAllocation`: who may use the pool and in which order pools are tried.

    As decoded, `namespaces` are those listed. After `resolve`, it is the union with the namespaces that the selectors match
    now. None does not restrict namespaces; the empty set is open to nobody. `priority` 0 means last.
    """

    priority: int = 0
    namespaces: frozenset[str] | None = None
    namespace_selectors: tuple[selectors.Selector, ...] = ()
    service_selectors: tuple[selectors.Selector, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """The four counters of `status`."""

    assigned_ipv4: int = 0
    assigned_ipv6: int = 0
    available_ipv4: int = 0
    available_ipv6: int = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """One IPAddressPool. `blocks` keep the order of `spec.addresses`; `created` breaks ties between overlapping pools.

    `is_broken` says that an entry could not be used. Nothing already working may be lost by that: a Service whose annotation
    says that its address came from a broken pool keeps the address and its announcement, though no block holds it.
    """

    ref: refs.ObjectRef
    uid: str = ""
    created: str = ""
    generation: int = 0
    labels: selectors.Labels = selectors.NO_LABELS
    blocks: tuple[addresses.Block, ...] = ()
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    allocation: Allocation | None = None
    status: PoolStatus | None = None
    is_broken: bool = False

    @property
    def name(self) -> str:
        """The pool's name, as Services and advertisements refer to it."""
        return self.ref.name

    @property
    def networks(self) -> tuple[addresses.Network, ...]:
        """All CIDRs in declaration order."""
        return tuple(network for block in self.blocks for network in block.networks)

    @property
    def families(self) -> frozenset[addresses.Family]:
        """Families that the pool can give."""
        return frozenset(block.family for block in self.blocks)

    def contains(self, address: addresses.Address) -> bool:
        """True when the pool holds the address; with avoidBuggyIPs the buggy ones count as absent."""
        if self.avoid_buggy_ips and addresses.is_buggy(address):
            return False
        return addresses.contains(self.networks, address)
