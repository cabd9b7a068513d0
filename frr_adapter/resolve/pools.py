"""Pools: overlaps refused, namespace selectors turned into names."""

import dataclasses

from frr_adapter import addresses, problems, selectors
from frr_adapter.model import cluster, pool, snapshot


def resolve(objects: snapshot.ConfigObjects, found: list[problems.Problem]) -> tuple[pool.Pool, ...]:
    """Every pool, sorted by name; of two overlapping entries the one of the older pool stays (then by name)."""
    taken: list[tuple[addresses.Network, str]] = []
    resolved = [
        _without_overlaps(_with_namespaces(each, objects.namespaces), taken, found)
        for each in sorted(objects.pools, key=lambda each: (each.created, each.name))
    ]
    return tuple(sorted(resolved, key=lambda each: each.name))


def _with_namespaces(each: pool.Pool, namespaces: tuple[cluster.Namespace, ...]) -> pool.Pool:
    allocation = each.allocation
    if allocation is None:
        return each
    if not allocation.namespace_selectors:
        names = allocation.namespaces  # None: open to every namespace; the empty set: to none
    else:
        matched = (ns.ref.name for ns in namespaces if selectors.any_matches(allocation.namespace_selectors, ns.labels))
        names = (allocation.namespaces or frozenset()) | frozenset(matched)
    return dataclasses.replace(each, allocation=dataclasses.replace(allocation, namespaces=names))


def _without_overlaps(
    each: pool.Pool, taken: list[tuple[addresses.Network, str]], found: list[problems.Problem]
) -> pool.Pool:
    kept: list[addresses.Block] = []
    for index, block in enumerate(each.blocks):
        clash = _clash(block, taken)
        if clash is not None:
            network, other, owner = clash
            found.append(
                problems.Problem(
                    each.ref,
                    f"spec.addresses[{index}]",
                    problems.Reason.OVERLAP,
                    f'CIDR "{network}" in pool "{each.name}" overlaps with already defined CIDR "{other}" of pool "{owner}"',
                )
            )
            continue
        taken += [(network, each.name) for network in block.networks]
        kept.append(block)
    if len(kept) == len(each.blocks):
        return each
    return dataclasses.replace(each, blocks=tuple(kept), is_broken=True)


def _clash(
    block: addresses.Block, taken: list[tuple[addresses.Network, str]]
) -> tuple[addresses.Network, addresses.Network, str] | None:
    for network in block.networks:
        for other, owner in taken:
            if addresses.networks_overlap(network, other):
                return network, other, owner
    return None
