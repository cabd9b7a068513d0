"""Snapshot -> `values.L2Plan`: which addresses this node shall have on layer 2 or may keep, and on which interfaces.

Called by the loop once per cycle; `settled` then says what is announced, which is what the node holds. `plan` works from scratch; `Planner` gives the same answer and remembers the decision of every
service whose objects did not change. Every node decides alone and all come to the same owner, because the candidates and their
scores come from all advertisements of the *service*; only the interfaces come from those of this *node*. Pure but for the memory.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from frr_adapter import addresses
from frr_adapter.model import advertisement, cluster, pool, service, snapshot
from speaker import values
from speaker.core import election, eligibility, ordered, shares

Result = tuple[values.L2Plan, tuple[values.Decision, ...]]


@dataclass(frozen=True, slots=True)
class Share:
    """What one service adds to the plan: its decision, the interfaces of its addresses (empty: all) and the preferences of nodes."""

    decision: values.Decision
    interfaces: frozenset[str] = frozenset()
    scores: Mapping[str, int] = field(default_factory=dict)
    candidates: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Candidacy:
    """An advertisement, and the nodes that can carry it out: available ones that have one of its interfaces."""

    advertisement: advertisement.L2Advertisement
    nodes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Basis:
    """Everything but the service that a decision depends on."""

    pools: tuple[pool.Pool, ...]
    candidacies: tuple[Candidacy, ...]
    keeps: bool


@dataclass(frozen=True, slots=True)
class Contenders:
    """The nodes that could have the addresses of a service, and the advertisements that speak for it: the same on every node."""

    addresses: tuple[addresses.Address, ...]
    advertisements: tuple[advertisement.L2Advertisement, ...]
    nodes: frozenset[str]


def plan(
    world: snapshot.Snapshot, node: str, *, ignore_exclude: bool, live: values.Live | None, keeps: bool = False
) -> Result:
    """The plan and one decision per service of the snapshot, in its order. From scratch: the oracle for `Planner`.

    `live` are the nodes whose speaker is alive; None when nobody watches that, and then every known node counts. With `keeps` a node
    may keep what it holds although another one comes first, as long as that one is not preferred.
    """
    basis = basis_of(world, ignore_exclude=ignore_exclude, live=live, keeps=keeps)
    return _assemble(share_of(item, world.endpoints.get(item.key, ()), basis, node) for item in world.services)


class Planner:
    """`plan` with a memory. One instance serves one node for the life of the program.

    A decision is remembered as long as the Service is the very same object and its endpoints are equal; a change of pools,
    advertisements or available nodes forgets everything.
    """

    def __init__(self, node: str, *, ignore_exclude: bool, keeps: bool = False) -> None:
        self._node = node
        self._ignore_exclude = ignore_exclude
        self._keeps = keeps
        self._known_basis: Basis | None = None
        self._shares: shares.Shares[Share] = shares.Shares()
        self._entries = _Entries()
        self._plan = values.L2Plan()

    def plan(self, world: snapshot.Snapshot, *, live: values.Live | None) -> Result:
        """As the function `plan`."""
        basis = basis_of(world, ignore_exclude=self._ignore_exclude, live=live, keeps=self._keeps)
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
        for share in filter(_wants, gone):
            for address in share.decision.addresses:
                touched[_order(address)] = address
                self._wanted[_order(address)].pop(share.decision.service, None)
        for share in filter(_wants, come):
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
        return _entry(address, wanted.values())


def basis_of(world: snapshot.Snapshot, *, ignore_exclude: bool, live: values.Live | None, keeps: bool) -> Basis:
    """What all decisions of one plan have in common; the arguments are those of `plan`."""
    refused = {
        node.name for node in world.nodes if eligibility.node_refusal(node, ignore_exclude=ignore_exclude) is not None
    }
    known: values.Live = dict.fromkeys(node.name for node in world.nodes) if live is None else live
    return Basis(
        world.configuration.pools,
        tuple(
            Candidacy(
                ad,
                frozenset(
                    name
                    for name in ad.nodes
                    if name in known and name not in refused and _serves(known[name], ad.interfaces)
                ),
            )
            for ad in world.configuration.l2_advertisements
        ),
        keeps,
    )


def _serves(present: frozenset[str] | None, named: frozenset[str]) -> bool:
    """Whether a node with these interfaces can serve an advertisement that names those."""
    if present is None:
        return True
    return any(values.is_named(interface, named) for interface in present) if named else bool(present)


def share_of(item: service.Service, endpoints: Iterable[cluster.Endpoint], basis: Basis, node: str) -> Share:
    """The decision for one service. The order of the checks is part of the contract: the first "no" wins."""
    found = contenders(item, endpoints, basis)
    if isinstance(found, Share):
        return found
    mine = tuple(ad for ad in found.advertisements if node in ad.nodes)
    if not mine:
        return _abstain(item, values.Reason.NO_MATCHING_ADVERTISEMENT, found.addresses)
    if node not in found.nodes:
        return _abstain(item, values.Reason.NOT_OWNER, found.addresses)
    scores = scores_of(found.advertisements)
    # one owner for both families of a service: the first address elects
    if election.is_owner(node, found.nodes, found.addresses[0], scores):
        verdict: values.Verdict = values.Announce()
        wish = values.Wish.TAKE
    elif basis.keeps and may_keep(node, found.nodes, scores):
        verdict, wish = values.Abstain(values.Reason.NOT_OWNER), values.Wish.KEEP
    else:
        return _abstain(item, values.Reason.NOT_OWNER, found.addresses)
    decision = values.Decision(item.key, values.Protocol.LAYER2, found.addresses, verdict, wish)
    return Share(decision, interfaces_of(mine), scores, found.nodes)


def contenders(item: service.Service, endpoints: Iterable[cluster.Endpoint], basis: Basis) -> Contenders | Share:
    """Who could have the addresses of the service, or the share of every node when nobody may."""
    found = eligibility.service_addresses(item)
    if isinstance(found, values.Reason):
        return _abstain(item, found)
    source = eligibility.pool_of(found, basis.pools, eligibility.allocated_from(item))
    if source is None:
        return _abstain(item, values.Reason.IP_NOT_ALLOWED, found)
    usable = eligibility.usable_endpoints(endpoints)
    if not usable:
        return _abstain(item, values.Reason.NOT_OWNER, found)
    candidacies = tuple(
        each
        for each in basis.candidacies
        if source.name in each.advertisement.pools and eligibility.matching_advertisements((each.advertisement,), item)
    )
    kept = tuple(each.advertisement for each in candidacies)
    if item.annotation(service.SHARED_ANNOTATION) is not None and any(ad.service_selectors for ad in kept):
        return _abstain(item, values.Reason.SHARED_IP_WITH_SERVICE_SELECTOR, found)
    candidates = frozenset[str]().union(*(each.nodes for each in candidacies))
    if item.is_local:
        candidates &= {endpoint.node for endpoint in usable if endpoint.node}
    return Contenders(found, kept, candidates)


def may_keep(node: str, candidates: Iterable[str], scores: Mapping[str, int]) -> bool:
    """Whether a candidate may keep what it holds although another one comes first: when no candidate is preferred to it."""
    return scores.get(node, 0) == max(scores.get(name, 0) for name in candidates)


def settled(decisions: Iterable[values.Decision], held: frozenset[addresses.Address]) -> tuple[values.Decision, ...]:
    """What is announced: of what is wanted, that which the node holds."""
    return tuple(each if each.wish is None else _settled(each, held) for each in decisions)


class Settling:
    """`settled` with a memory: what did not change stays the very same object, so that nobody looks at it again."""

    def __init__(self) -> None:
        self._given: tuple[tuple[values.Decision, ...], frozenset[addresses.Address]] = ((), frozenset())
        self._found: tuple[values.Decision, ...] = ()
        self._memory: dict[int, tuple[values.Decision, values.Decision]] = {}

    def settle(
        self, decisions: tuple[values.Decision, ...], held: frozenset[addresses.Address]
    ) -> tuple[values.Decision, ...]:
        """As the function `settled`."""
        if decisions is self._given[0] and held == self._given[1]:
            return self._found
        memory = {}
        found = list(decisions)
        for place, each in enumerate(decisions):
            if each.wish is None or (after := _settled(each, held)) is each:
                continue
            before = self._memory.get(id(each))
            if before is not None and before[0] is each and before[1] == after:
                after = before[1]
            memory[id(each)] = (each, after)
            found[place] = after
        self._given, self._found, self._memory = (decisions, held), tuple(found), memory
        return self._found


def _settled(decision: values.Decision, held: frozenset[addresses.Address]) -> values.Decision:
    is_held = held.issuperset(decision.addresses)
    if is_held is isinstance(decision.verdict, values.Announce):
        return decision
    verdict: values.Verdict = values.Announce() if is_held else values.Abstain(values.Reason.NOT_OWNER)
    return replace(decision, verdict=verdict)


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
    return tuple(
        entry for entry in wanted.entries if entry.interfaces and not any(entry.is_on(interface) for interface in known)
    )


def _abstain(item: service.Service, reason: values.Reason, found: tuple[addresses.Address, ...] = ()) -> Share:
    return Share(values.Decision(item.key, values.Protocol.LAYER2, found, values.Abstain(reason)))


def _wants(share: Share) -> bool:
    return share.decision.wish is not None


def _order(address: addresses.Address) -> ordered.Place:
    return (address.version, int(address))


def _united(named: Iterable[frozenset[str]]) -> frozenset[str]:
    """Services may share an address: it is answered for wherever one of them wants it; empty means everywhere."""
    found = tuple(named)
    return frozenset() if not all(found) else frozenset[str]().union(*found)


def _entry(address: addresses.Address, wanting: Iterable[Share]) -> values.L2Entry:
    """One of the services that share the address takes it for all of them."""
    found = tuple(wanting)
    takes = any(share.decision.wish is values.Wish.TAKE for share in found)
    wish = values.Wish.TAKE if takes else values.Wish.KEEP
    candidates = frozenset[str]().union(*(share.candidates for share in found))
    first = min(found, key=lambda share: share.decision.service)
    elected = first.decision.addresses[0]
    scores = tuple(sorted(first.scores.items()))
    interfaces = _united(share.interfaces for share in found)
    return values.L2Entry(address, interfaces, wish, candidates, None if elected == address else elected, scores)


def _assemble(shared: Iterable[Share]) -> Result:
    decisions: list[values.Decision] = []
    wanted: dict[addresses.Address, list[Share]] = {}
    for share in shared:
        decisions.append(share.decision)
        if _wants(share):
            for address in share.decision.addresses:
                wanted.setdefault(address, []).append(share)
    entries = (_entry(address, wanted[address]) for address in sorted(wanted, key=_order))
    return values.L2Plan(tuple(entries)), tuple(decisions)
