"""Who may announce a service, and why not: the steps that BGP and layer 2 share, and the whole decision for BGP.

Called by `bgp_plan` and `l2_plan`. Pure: looks at values, remembers nothing, never logs; every "no" is a `values.Reason`.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import TypeVar

from frr_adapter import addresses, selectors
from frr_adapter.model import advertisement, cluster, pool, service
from speaker import values

ALLOCATED_FROM = "ip-allocated-from-pool"

AnyAdvertisement = TypeVar("AnyAdvertisement", advertisement.BgpAdvertisement, advertisement.L2Advertisement)


def service_addresses(candidate: service.Service) -> tuple[addresses.Address, ...] | values.Reason:
    """The addresses that the service's status carries, in its order, or why it has none that can be announced."""
    if not candidate.is_load_balancer:
        return values.Reason.NOT_LOAD_BALANCER
    if not candidate.ingress:
        return values.Reason.NO_IP_ALLOCATED
    try:
        return tuple(addresses.parse_address(text) for text in candidate.ingress)
    except ValueError:
        return values.Reason.INVALID_IP


def pool_of(
    service_ips: Sequence[addresses.Address], pools: Iterable[pool.Pool], allocated_from: str | None
) -> pool.Pool | None:
    """The pool that holds all addresses, buggy ones included; None when there is none.

    `allocated_from` is the pool that the service's annotation names. When that pool is broken, it keeps the service though no
    block of it holds the addresses: a typing error in a pool must not withdraw what already works.
    """
    broken = None
    for candidate in pools:
        if all(addresses.contains(candidate.networks, ip) for ip in service_ips):
            return candidate
        if candidate.is_broken and candidate.name == allocated_from:
            broken = candidate
    return broken


def allocated_from(candidate: service.Service) -> str | None:
    """The pool that the controller noted on the service."""
    return candidate.annotation(ALLOCATED_FROM)


def advertisements_of(
    source: pool.Pool, advertisements: Iterable[AnyAdvertisement], node: str
) -> tuple[AnyAdvertisement, ...]:
    """The advertisements of a pool that the node makes, whatever the service."""
    return tuple(item for item in advertisements if source.name in item.pools and node in item.nodes)


def matching_advertisements(
    advertisements: Iterable[AnyAdvertisement], candidate: service.Service
) -> tuple[AnyAdvertisement, ...]:
    """Those whose service selectors are empty or match the service's labels."""
    return tuple(
        item for item in advertisements if selectors.empty_or_matches(item.service_selectors, candidate.labels)
    )


def usable_endpoints(endpoints: Iterable[cluster.Endpoint]) -> tuple[cluster.Endpoint, ...]:
    """Endpoints that can take traffic: ready, or terminating but still serving. Their addresses are not inspected."""
    return tuple(endpoint for endpoint in endpoints if endpoint.usable)


def node_refusal(node: cluster.Node, *, ignore_exclude: bool) -> values.Reason | None:
    """Why the node as such keeps out of load balancing; None when it takes part. Cordoning plays no part."""
    if node.network_unavailable:
        return values.Reason.NODE_NETWORK_UNAVAILABLE
    if node.is_excluded and not ignore_exclude:
        return values.Reason.NODE_EXCLUDED
    return None


def have_conflict(
    advertisements: Sequence[advertisement.BgpAdvertisement], families: frozenset[addresses.Family]
) -> bool:
    """Whether any two of the advertisements disagree about the local preference of one prefix for one peer."""
    return any(advertisement.local_pref_conflict(a, b, families) for a, b in itertools.combinations(advertisements, 2))


def bgp_verdict(
    candidate: service.Service,
    source: pool.Pool,
    advertisements: Iterable[advertisement.BgpAdvertisement],
    endpoints: Iterable[cluster.Endpoint],
    node: cluster.Node,
    *,
    ignore_exclude: bool,
) -> values.Verdict:
    """Whether the node announces the service over BGP. The order of the checks is part of the contract: first "no" wins."""
    mine = advertisements_of(source, advertisements, node.name)
    if not mine:
        return values.Abstain(values.Reason.NOT_OWNER)
    matching = matching_advertisements(mine, candidate)
    if not matching:
        return values.Abstain(values.Reason.NO_MATCHING_ADVERTISEMENT)
    if have_conflict(matching, source.families or frozenset(addresses.Family)):
        return values.Abstain(values.Reason.CONFLICTING_ADVERTISEMENTS)
    refusal = node_refusal(node, ignore_exclude=ignore_exclude)
    if refusal is not None:
        return values.Abstain(refusal)
    reachable = [endpoint for endpoint in usable_endpoints(endpoints) if endpoint.has_address]
    if candidate.is_local and not any(endpoint.node == node.name for endpoint in reachable):
        return values.Abstain(values.Reason.NO_LOCAL_ENDPOINTS)
    if not reachable:
        return values.Abstain(values.Reason.NO_ENDPOINTS)
    return values.Announce()
