"""Snapshot -> `values.L2Plan`: which addresses this node answers for on layer 2, and on which interfaces.

Called by the loop once per cycle. `plan` works from scratch; `Planner` gives the same answer and remembers the decision of every
service whose objects did not change. Every node decides alone and all come to the same owner, because the candidates and their
scores come from all advertisements of the *service*; only the interfaces come from those of this *node*. Pure but for the memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from frr_adapter import addresses
from frr_adapter.model import advertisement, cluster, pool, service, snapshot
from speaker import values
from speaker.core import election, eligibility, ordered, shares

Result = tuple[values.L2Plan, tuple[values.Decision, ...]]


@dataclass(frozen=True, slots=True)
class Share:
    """What one service adds to the plan: its decision and the interfaces of its addresses (empty: all)."""

    decision: values.Decision
    interfaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Basis:
    """Everything but the service that a decision depends on."""

    pools: tuple[pool.Pool, ...]
    advertisements: tuple[advertisement.L2Advertisement, ...]
    available: frozenset[str]


def plan(world: snapshot.Snapshot, node: str, *, ignore_exclude: bool, live: frozenset[str] | None) -> Result:
    """The plan and one decision per service of the snapshot, in its order. From scratch: the oracle for `Planner`.

    `live` are the names of nodes whose speaker is alive; None when nobody watches that, and then every known node counts.
    """
    basis = _basis(world, ignore_exclude=ignore_exclude, live=live)
    return _assemble(share_of(item, world.endpoints.get(item.key, ()), basis, node) for item in world.services)


class Planner:
    """`plan` with a memory. One instance serves one node for the life of the program.

    A decision is remembered as long as the Service is the very same object and its endpoints are equal; a change of pools,
    advertisements or available nodes forgets everything.
    """

    def __init__(self, node: str, *, ignore_exclude: bool) -> None:
        self._node = node
        self._ignore_exclude = ignore_exclude
        self._known_basis: _Basis | None = None
        self._shares: shares.Shares[Share] = shares.Shares()
        self._entries = _Entries()
        self._plan = values.L2Plan()

    def plan(self, world: snapshot.Snapshot, *, live: frozenset[str] | None) -> Result:
        """As the function `plan`."""
        basis = _basis(world, ignore_exclude=self._ignore_exclude, live=live)
        if basis != self._known_basis:
            self._shares, self._entries = shares.Shares(), _Entries()
        self._known_basis = None  # should anything below fail, the next plan is made from scratch

        def decide(candidate: snapshot.Candidate) -> Share:
            return share_of(candidate.service, candidate.endpoints, basis, self._node)

        entries = self._entries.change(*self._shares.follow(world.candidates, decide))
        if entries is not self._plan.entries:
            self._plan = values.L2Plan(entries)
        self._known_basis = basis
        return self._plan, self._shares.decisions


class _Entries:
    """Entries of the plan, kept sorted while the addresses of single services come and go; as `_assemble` from scratch."""

    def __init__(self) -> None:
        self._wanted: dict[ordered.Place, dict[str, Share]] = {}
        self._sorted: ordered.Ordered[values.L2Entry] = ordered.Ordered()

    def change(self, gone: Iterable[Share], come: Iterable[Share]) -> tuple[values.L2Entry, ...]:
        """Sorted by family and address; the very same tuple until one of them changes."""
        touched: dict[ordered.Place, addresses.Address] = {}
        for share in filter(_announces, gone):
            for address in share.decision.addresses:
                touched[_order(address)] = address
                self._wanted[_order(address)].pop(share.decision.service, None)
        for share in filter(_announces, come):
            for address in share.decision.addresses:
                touched[_order(address)] = address
                self._wanted.setdefault(_order(address), {})[share.decision.service] = share
        self._sorted.change({place: self._entry(place, address) for place, address in touched.items()})
        return self._sorted.items

    def _entry(self, place: ordered.Place, address: addresses.Address) -> values.L2Entry | None:
        wanted = self._wanted[place]
        if not wanted:
            del self._wanted[place]
            return None
        return values.L2Entry(address, _united(share.interfaces for share in wanted.values()))


def _basis(world: snapshot.Snapshot, *, ignore_exclude: bool, live: frozenset[str] | None) -> _Basis:
    refused = {
        node.name for node in world.nodes if eligibility.node_refusal(node, ignore_exclude=ignore_exclude) is not None
    }
    names = frozenset(node.name for node in world.nodes) if live is None else live
    return _Basis(world.configuration.pools, world.configuration.l2_advertisements, names - refused)


def share_of(item: service.Service, endpoints: Iterable[cluster.Endpoint], basis: _Basis, node: str) -> Share:
    """The decision for one service. The order of the checks is part of the contract: the first "no" wins."""
    found = eligibility.service_addresses(item)
    if isinstance(found, values.Reason):
        return _abstain(item, found)
    source = eligibility.pool_of(found, basis.pools, eligibility.allocated_from(item))
    if source is None:
        return _abstain(item, values.Reason.IP_NOT_ALLOWED, found)
    usable = eligibility.usable_endpoints(endpoints)
    if not usable:
        return _abstain(item, values.Reason.NOT_OWNER, found)
    kept = eligibility.matching_advertisements((ad for ad in basis.advertisements if source.name in ad.pools), item)
    if item.annotation(service.SHARED_ANNOTATION) is not None and any(ad.service_selectors for ad in kept):
        return _abstain(item, values.Reason.SHARED_IP_WITH_SERVICE_SELECTOR, found)
    mine = tuple(ad for ad in kept if node in ad.nodes)
    if not mine:
        return _abstain(item, values.Reason.NO_MATCHING_ADVERTISEMENT, found)
    candidates = candidates_of(kept, basis.available)
    if item.is_local:
        candidates &= {endpoint.node for endpoint in usable if endpoint.node}
    # one owner for both families of a service: the first address elects
    if node not in candidates or not election.is_owner(node, candidates, found[0], scores_of(kept)):
        return _abstain(item, values.Reason.NOT_OWNER, found)
    decision = values.Decision(item.key, values.Protocol.LAYER2, found, values.Announce())
    return Share(decision, interfaces_of(mine))


def candidates_of(advertisements: Iterable[advertisement.L2Advertisement], available: frozenset[str]) -> frozenset[str]:
    """Available nodes that one of the service's advertisements names."""
    return available & frozenset[str]().union(*(ad.nodes for ad in advertisements))


def scores_of(advertisements: Iterable[advertisement.L2Advertisement]) -> dict[str, int]:
    """The preference of each node that has one, summed over the service's advertisements."""
    total: dict[str, int] = {}
    for ad in advertisements:
        for name, weight in ad.scores:
            total[name] = total.get(name, 0) + weight
    return total


def interfaces_of(advertisements: Iterable[advertisement.L2Advertisement]) -> frozenset[str]:
    """The interfaces that the node's advertisements name together; empty, meaning all, when one of them names none."""
    return _united(ad.interfaces for ad in advertisements)


def unreachable(wanted: values.L2Plan, known: frozenset[str]) -> tuple[values.L2Entry, ...]:
    """Entries none of whose interfaces this node has: elected, but silent. The user hears `announceFailed` about them."""
    return tuple(entry for entry in wanted.entries if entry.interfaces and entry.interfaces.isdisjoint(known))


def _abstain(item: service.Service, reason: values.Reason, found: tuple[addresses.Address, ...] = ()) -> Share:
    return Share(values.Decision(item.key, values.Protocol.LAYER2, found, values.Abstain(reason)))


def _announces(share: Share) -> bool:
    return isinstance(share.decision.verdict, values.Announce)


def _order(address: addresses.Address) -> ordered.Place:
    return (address.version, int(address))


def _united(named: Iterable[frozenset[str]]) -> frozenset[str]:
    """Services may share an address: it is answered for wherever one of them wants it; empty means everywhere."""
    found = tuple(named)
    return frozenset() if not all(found) else frozenset[str]().union(*found)


def _assemble(shared: Iterable[Share]) -> Result:
    decisions: list[values.Decision] = []
    wanted: dict[addresses.Address, list[frozenset[str]]] = {}
    for share in shared:
        decisions.append(share.decision)
        if _announces(share):
            for address in share.decision.addresses:
                wanted.setdefault(address, []).append(share.interfaces)
    entries = (values.L2Entry(address, _united(wanted[address])) for address in sorted(wanted, key=_order))
    return values.L2Plan(tuple(entries)), tuple(decisions)
