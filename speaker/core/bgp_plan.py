"""Snapshot -> `values.BgpPlan`: which prefixes this node originates and what each peer is told about them.

Called by the loop once per cycle. `plan` works from scratch; `Planner` gives the same answer and remembers the decision of every
service whose objects did not change, so that one changed Service among thousands costs one decision. Pure but for that memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from frr_adapter import addresses
from frr_adapter.model import advertisement, cluster, community, peer, service, snapshot
from speaker import values
from speaker.core import eligibility

Result = tuple[values.BgpPlan, tuple[values.Decision, ...]]


@dataclass(frozen=True, slots=True)
class Share:
    """What one service adds to the plan: its decision, and the advertisements that speak for each of its prefixes."""

    decision: values.Decision
    prefixes: tuple[tuple[addresses.Network, advertisement.BgpAdvertisement], ...] = ()


def plan(world: snapshot.Snapshot, node: str, *, ignore_exclude: bool) -> Result:
    """The plan and one decision per service of the snapshot, in its order. From scratch: the oracle for `Planner`."""
    own = world.node(node)
    shares = tuple(
        share_of(item, world.endpoints.get(item.key, ()), world.configuration, own, ignore_exclude=ignore_exclude)
        for item in world.services
    )
    return _assemble(shares, world.configuration, own)


class Planner:
    """`plan` with a memory. One instance serves one node for the life of the program.

    A decision is remembered as long as the Service and its endpoints are the very same frozen objects; a change of
    configuration or of the own Node forgets everything.
    """

    def __init__(self, node: str, *, ignore_exclude: bool) -> None:
        self._node = node
        self._ignore_exclude = ignore_exclude
        self._basis: tuple[snapshot.Configuration, cluster.Node] | None = None
        self._memory: dict[str, tuple[service.Service, tuple[cluster.Endpoint, ...], Share]] = {}

    def plan(self, world: snapshot.Snapshot) -> Result:
        """As the function `plan`."""
        basis = (world.configuration, world.node(self._node))
        known = self._memory if basis == self._basis else {}
        memory = {}
        for item in world.services:
            endpoints = world.endpoints.get(item.key, ())
            before = known.get(item.key)
            if before is None or before[0] is not item or before[1] is not endpoints:
                share = share_of(item, endpoints, *basis, ignore_exclude=self._ignore_exclude)
                before = (item, endpoints, share)
            memory[item.key] = before
        self._basis, self._memory = basis, memory
        return _assemble(tuple(share for _, _, share in memory.values()), *basis)


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


def _assemble(shares: tuple[Share, ...], configuration: snapshot.Configuration, node: cluster.Node) -> Result:
    peers = tuple(
        sorted((item for item in configuration.peers if item.selects(node.labels)), key=lambda item: item.name)
    )
    speaking: dict[addresses.Network, dict[str, advertisement.BgpAdvertisement]] = {}
    owners: dict[addresses.Network, set[str]] = {}
    for share in shares:
        for prefix, ad in share.prefixes:
            speaking.setdefault(prefix, {})[ad.name] = ad
            owners.setdefault(prefix, set()).add(share.decision.service)
    # Few distinct sets of advertisements stand behind many prefixes: each is turned into offers once.
    offers: dict[tuple[tuple[str, ...], addresses.Family], tuple[values.Offer, ...]] = {}
    routes = []
    for prefix in sorted(speaking, key=_prefix_order):
        names = tuple(sorted(speaking[prefix]))
        family = addresses.family_of(prefix)
        if (names, family) not in offers:
            offers[names, family] = offers_of([speaking[prefix][name] for name in names], family, peers)
        if offers[names, family]:
            routes.append(values.Route(prefix, offers[names, family], names, tuple(sorted(owners[prefix]))))
    return (
        values.BgpPlan(
            node=node.name,
            peers=peers,
            bfd_profiles=tuple(sorted(configuration.bfd_profiles, key=lambda item: item.name)),
            routes=tuple(routes),
            extras=configuration.extras,
        ),
        tuple(share.decision for share in shares),
    )


def _prefix_order(prefix: addresses.Network) -> tuple[int, int, int]:
    return (prefix.version, int(prefix.network_address), prefix.prefixlen)
