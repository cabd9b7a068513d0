"""Snapshot -> `values.BgpPlan`: which prefixes this node originates and what each peer is told about them.

Called by the loop once per cycle. `plan` works from scratch; `Planner` gives the same answer and remembers the decision of every
service whose objects did not change, so that one changed Service among thousands costs one decision. Pure but for that memory.
"""

import dataclasses
import functools
from collections.abc import Iterable
from dataclasses import dataclass

from frr_adapter import addresses
from frr_adapter.model import advertisement, cluster, community, peer, service, snapshot
from speaker import values
from speaker.core import eligibility, routes, shares

Result = tuple[values.BgpPlan, tuple[values.Decision, ...]]
_Basis = tuple[snapshot.Configuration, cluster.Node]


@dataclass(frozen=True, slots=True)
class Share:
    """What one service adds to the plan: its decision, and the advertisements that speak for each of its prefixes."""

    decision: values.Decision
    prefixes: tuple[tuple[addresses.Network, advertisement.BgpAdvertisement], ...] = ()


def plan(world: snapshot.Snapshot, node: str, *, ignore_exclude: bool) -> Result:
    """The plan and one decision per service of the snapshot, in its order. From scratch: the oracle for `Planner`."""
    own = world.node(node)
    shared = tuple(
        share_of(item, world.endpoints.get(item.key, ()), world.configuration, own, ignore_exclude=ignore_exclude)
        for item in world.services
    )
    return _assemble(shared, world.configuration, own)


class Planner:
    """`plan` with a memory. One instance serves one node for the life of the program.

    A decision is remembered as long as the Service is the very same object and its endpoints are equal; a change of
    configuration or of the own Node forgets everything.
    """

    def __init__(self, node: str, *, ignore_exclude: bool) -> None:
        self._node = node
        self._ignore_exclude = ignore_exclude
        self._basis: _Basis | None = None
        self._shares: shares.Shares[Share] = shares.Shares()
        self._routes = routes.Routes(lambda *_: ())
        self._plan = values.BgpPlan()

    def plan(self, world: snapshot.Snapshot) -> Result:
        """As the function `plan`."""
        basis = (world.configuration, world.node(self._node))
        if basis != self._basis:
            self._shares, self._routes = shares.Shares(), routes.Routes(_offers(*basis))
            self._plan = _frame(*basis)
        self._basis = None  # should anything below fail, the next plan is made from scratch

        def decide(candidate: snapshot.Candidate) -> Share:
            return share_of(candidate.service, candidate.endpoints, *basis, ignore_exclude=self._ignore_exclude)

        gone, come = self._shares.follow(world.candidates, decide)
        self._routes.change(
            ((share.decision.service, share.prefixes) for share in gone),
            ((share.decision.service, share.prefixes) for share in come),
        )
        if self._routes.routes is not self._plan.routes:
            self._plan = dataclasses.replace(self._plan, routes=self._routes.routes)
        self._basis = basis
        return self._plan, self._shares.decisions


def share_of(
    item: service.Service,
    endpoints: tuple[cluster.Endpoint, ...],
    configuration: snapshot.Configuration,
    node: cluster.Node,
    *,
    ignore_exclude: bool,
) -> Share:
    """The decision for one service and, when it is announced, its prefixes."""

    def abstain(reason: values.Reason, found: tuple[addresses.Address, ...] = ()) -> Share:
        return Share(values.Decision(item.key, values.Protocol.BGP, found, values.Abstain(reason)))

    found = eligibility.service_addresses(item)
    if isinstance(found, values.Reason):
        return abstain(found)
    source = eligibility.pool_of(found, configuration.pools, eligibility.allocated_from(item))
    if source is None:
        return abstain(values.Reason.IP_NOT_ALLOWED, found)
    verdict = eligibility.bgp_verdict(
        item, source, configuration.bgp_advertisements, endpoints, node, ignore_exclude=ignore_exclude
    )
    decision = values.Decision(item.key, values.Protocol.BGP, found, verdict)
    if isinstance(verdict, values.Abstain):
        return Share(decision)
    mine = eligibility.advertisements_of(source, configuration.bgp_advertisements, node.name)
    return Share(
        decision,
        tuple(
            (addresses.aggregate(ip, ad.aggregation(addresses.family_of(ip))), ad)
            for ad in eligibility.matching_advertisements(mine, item)
            for ip in found
        ),
    )


def offers_of(
    advertisements: Iterable[advertisement.BgpAdvertisement], family: addresses.Family, peers: Iterable[peer.Peer]
) -> tuple[values.Offer, ...]:
    """What each peer that carries the family is told by these advertisements together.

    Communities are united. Advertisements of one service never disagree about the local preference (`eligibility`); those of
    different services under one aggregate may, and then the highest counts.
    """
    offers = []
    for item in peers:
        heard = [ad for ad in advertisements if not ad.peers or item.name in ad.peers]
        if not heard or family not in item.families:
            continue
        united = {value for ad in heard for value in ad.communities}
        offers.append(
            values.Offer(
                item.name,
                max(ad.local_pref for ad in heard),
                tuple(sorted(united, key=_community_order)),
            )
        )
    return tuple(offers)


def _community_order(value: community.Community) -> tuple[int, int, int, bool]:
    return (*value.sort_key, isinstance(value, community.LargeCommunity))


def _offers(configuration: snapshot.Configuration, node: cluster.Node) -> routes.Offers:
    peers = _peers(configuration, node)
    named = {each.name: each for each in configuration.bgp_advertisements}
    return lambda names, family: offers_of([named[name] for name in names], family, peers)


def _peers(configuration: snapshot.Configuration, node: cluster.Node) -> tuple[peer.Peer, ...]:
    return tuple(
        sorted((item for item in configuration.peers if item.selects(node.labels)), key=lambda item: item.name)
    )


def _frame(configuration: snapshot.Configuration, node: cluster.Node) -> values.BgpPlan:
    """The plan without routes."""
    return values.BgpPlan(
        node=node.name,
        peers=_peers(configuration, node),
        bfd_profiles=tuple(sorted(configuration.bfd_profiles, key=lambda item: item.name)),
        extras=configuration.extras,
    )


def _assemble(shared: tuple[Share, ...], configuration: snapshot.Configuration, node: cluster.Node) -> Result:
    speaking: dict[addresses.Network, set[str]] = {}
    owners: dict[addresses.Network, set[str]] = {}
    for share in shared:
        for prefix, ad in share.prefixes:
            speaking.setdefault(prefix, set()).add(ad.name)
            owners.setdefault(prefix, set()).add(share.decision.service)
    # Few distinct sets of advertisements stand behind many prefixes: each is turned into offers once.
    ask = functools.cache(_offers(configuration, node))
    found = []
    for prefix in sorted(speaking, key=routes.order):
        names = tuple(sorted(speaking[prefix]))
        if offers := ask(names, addresses.family_of(prefix)):
            found.append(values.Route(prefix, offers, names, tuple(sorted(owners[prefix]))))
    whole = dataclasses.replace(_frame(configuration, node), routes=tuple(found))
    return whole, tuple(share.decision for share in shared)
