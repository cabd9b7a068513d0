"""Advertisements: selectors turned into names of pools and nodes, and the rules between advertisements, pools and peers."""

import dataclasses
from collections.abc import Mapping

from frr_adapter import addresses, problems, selectors
from frr_adapter.model import advertisement, cluster, community, peer, pool, snapshot
from frr_adapter.resolve import communities


def _pools(selection: advertisement.Selection, pools: tuple[pool.Pool, ...]) -> frozenset[str]:
    if not selection.pools and not selection.pool_selectors:
        return frozenset(each.name for each in pools)
    return frozenset(
        each.name
        for each in pools
        if each.name in selection.pools or selectors.any_matches(selection.pool_selectors, each.labels)
    )


def _nodes(selection: advertisement.Selection, nodes: tuple[cluster.Node, ...]) -> frozenset[str]:
    return frozenset(each.name for each in nodes if selectors.empty_or_matches(selection.node_selectors, each.labels))


def resolve_l2(
    objects: snapshot.ConfigObjects, pools: tuple[pool.Pool, ...]
) -> tuple[advertisement.L2Advertisement, ...]:
    """Every L2Advertisement, sorted by name. Selectors that match nothing are fine."""
    return tuple(
        advertisement.L2Advertisement(
            name=each.ref.name,
            pools=_pools(each.selection, pools),
            nodes=(nodes := _nodes(each.selection, objects.nodes)),
            interfaces=frozenset(each.interfaces),
            service_selectors=each.selection.service_selectors,
            scores=_scores(each.preferences, nodes, objects.nodes),
        )
        for each in sorted(objects.l2_advertisements, key=lambda each: each.ref.name)
    )


def _scores(
    preferences: tuple[advertisement.Preference, ...], eligible: frozenset[str], nodes: tuple[cluster.Node, ...]
) -> tuple[tuple[str, int], ...]:
    scores = {
        node.name: sum(each.weight for each in preferences if each.selector.matches(node.labels))
        for node in nodes
        if node.name in eligible
    }
    return tuple(sorted((name, score) for name, score in scores.items() if score))


def resolve_bgp(
    objects: snapshot.ConfigObjects,
    pools: tuple[pool.Pool, ...],
    aliases: Mapping[str, community.Community],
    peers: tuple[peer.Peer, ...],
    previous: snapshot.Configuration,
    found: list[problems.Problem],
) -> tuple[advertisement.BgpAdvertisement, ...]:
    """Every usable BGPAdvertisement, sorted by name.

    One with an unreadable community stays as it was before, and so does one that can no longer announce a pool that it announced: an
    edit that goes wrong withdraws nothing. A pool that it never could announce is taken out of that advertisement alone. Of two
    with conflicting local preferences the older keeps the pool.
    """
    before = {each.name: each for each in previous.bgp_advertisements}
    by_name = {each.name: each for each in pools}
    accepted: list[advertisement.BgpAdvertisement] = []
    for each in sorted(objects.bgp_advertisements, key=lambda each: (each.created, each.ref)):
        values = _communities(each, aliases, found)
        if values is None:
            if each.ref.name in before:
                accepted.append(before[each.ref.name])
            continue
        chosen = _pools(each.selection, pools)
        usable = frozenset(
            name
            for name in chosen
            if _fits(each, by_name[name], found) and _suits_echo(each, by_name[name], peers, objects, found)
        )
        was = before.get(each.ref.name)
        if was is not None and was.pools & (chosen - usable):
            accepted.append(was)
            continue
        resolved = advertisement.BgpAdvertisement(
            name=each.ref.name,
            pools=usable,
            nodes=_nodes(each.selection, objects.nodes),
            aggregation_v4=each.aggregation_v4,
            aggregation_v6=each.aggregation_v6,
            local_pref=each.local_pref,
            communities=values,
            peers=each.peers,
            service_selectors=each.selection.service_selectors,
        )
        accepted.append(_without_conflicts(each, resolved, accepted, by_name, found))
    return tuple(sorted(accepted, key=lambda each: each.name))


def _communities(
    each: advertisement.BgpAdvertisementObject,
    aliases: Mapping[str, community.Community],
    found: list[problems.Problem],
) -> tuple[community.Community, ...] | None:
    values: set[community.Community] = set()
    for index, text in enumerate(each.communities):
        try:
            values.add(communities.parse(text, aliases))
        except ValueError as error:
            # The wording is what compatible tests compare with.
            message = f'{error}\ninvalid community "{text}" in BGP advertisement'
            found.append(
                problems.Problem(each.ref, f"spec.communities[{index}]", problems.Reason.MALFORMED, message, message)
            )
            return None
    return tuple(sorted(values, key=lambda value: value.sort_key))


def _fits(each: advertisement.BgpAdvertisementObject, target: pool.Pool, found: list[problems.Problem]) -> bool:
    """An aggregate may not be wider than an entry of the pool; a range is judged by its widest block."""
    for block in target.blocks:
        is_v4 = block.family is addresses.Family.IPV4
        length = each.aggregation_v4 if is_v4 else each.aggregation_v6
        widest = min(network.prefixlen for network in block.networks)
        if length < widest:
            field = "spec.aggregationLength" if is_v4 else "spec.aggregationLengthV6"
            message = (
                f"invalid aggregation length {length}: prefix {widest} in this pool is more specific than "
                f'the aggregation length for addresses {block.text} (pool "{target.name}"); at least {widest} is allowed'
            )
            found.append(problems.Problem(each.ref, field, problems.Reason.CONFLICT, message))
            return False
    return True


def _suits_echo(
    each: advertisement.BgpAdvertisementObject,
    target: pool.Pool,
    peers: tuple[peer.Peer, ...],
    objects: snapshot.ConfigObjects,
    found: list[problems.Problem],
) -> bool:
    """BFD echo mode exists for IPv4 only, so a pool with IPv6 addresses cannot go to a peer that uses it."""
    if addresses.Family.IPV6 not in target.families:
        return True
    echoing = {profile.name for profile in objects.bfd_profiles if profile.echo_mode}
    for one in peers:
        if one.bfd_profile in echoing and (not each.peers or one.name in each.peers):
            message = (
                f'pool "{target.name}" has bgpadvertisement {each.ref.name} which references peer {one.name} '
                f"which has bfd echo enabled, which is not possible with IPv6 addresses; echoMode must be off there"
            )
            found.append(problems.Problem(each.ref, "spec.peers", problems.Reason.CONFLICT, message))
            return False
    return True


def _without_conflicts(
    each: advertisement.BgpAdvertisementObject,
    resolved: advertisement.BgpAdvertisement,
    accepted: list[advertisement.BgpAdvertisement],
    pools: Mapping[str, pool.Pool],
    found: list[problems.Problem],
) -> advertisement.BgpAdvertisement:
    if resolved.service_selectors:
        return resolved  # judged per service when it is announced
    lost: set[str] = set()
    for other in accepted:
        if other.service_selectors:
            continue
        for name in sorted(resolved.pools & other.pools - lost):
            if advertisement.local_pref_conflict(resolved, other, pools[name].families):
                message = (
                    f"invalid localpref {resolved.local_pref}: advertisement {other.name} gives {other.local_pref} to the same "
                    f'addresses (pool "{name}"); they must agree, or differ in aggregation length, peers or nodes'
                )
                found.append(problems.Problem(each.ref, "spec.localPref", problems.Reason.CONFLICT, message))
                lost.add(name)
    if not lost:
        return resolved
    return dataclasses.replace(resolved, pools=resolved.pools - lost)
