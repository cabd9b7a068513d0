"""From the objects as written to the configuration that holds: the one place that decides what is valid.

`configuration` is called by the loops, by the webhook and by the operator's command, so that all give the same answer. An
object that cannot be used is left out alone, together with what depends on it, and named in a problem; everything else works.
"""

from dataclasses import dataclass

from frr_adapter.model import snapshot
from frr_adapter.problems import Problem
from frr_adapter.resolve import advertisements, communities, peers, pools


@dataclass(frozen=True, slots=True)
class Resolution:
    """The configuration and what was left out of it, sorted."""

    configuration: snapshot.Configuration
    problems: tuple[Problem, ...] = ()


def configuration(
    objects: snapshot.ConfigObjects,
    *,
    node: str | None = None,
    previous: snapshot.Configuration | None = None,
) -> Resolution:
    """Resolves every reference and checks every rule.

    With `node`, peers and BGP advertisements that do not select that node are ignored before anything is checked, so a bad
    peer of another node concerns nobody here. `previous` is the last configuration: a peer or advertisement that cannot be
    used in its newest form stays as it was there, so that an editing mistake loses nothing that works.
    """
    before = previous or snapshot.Configuration()
    found: list[Problem] = []
    nodes = objects.nodes
    if node is not None:
        here = next((each.labels for each in nodes if each.name == node), frozenset())
        objects = peers.selecting(objects, here)
    resolved_pools = pools.resolve(objects, found)
    aliases = communities.aliases(objects, found)
    resolved_peers = peers.resolve(objects, before.peers, found)
    l2 = advertisements.resolve_l2(objects, resolved_pools)
    bgp = advertisements.resolve_bgp(objects, resolved_pools, aliases, resolved_peers, before, found)
    result = snapshot.Configuration(
        pools=resolved_pools,
        l2_advertisements=l2,
        bgp_advertisements=bgp,
        peers=resolved_peers,
        bfd_profiles=tuple(sorted(objects.bfd_profiles, key=lambda profile: profile.name)),
        extras=objects.extras,
    )
    return Resolution(result, tuple(sorted(found)))
