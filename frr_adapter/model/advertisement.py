"""Advertisements: how the addresses of pools become known. As decoded (with selectors) and as resolved (with names)."""

from dataclasses import dataclass

from frr_adapter import addresses, refs, selectors
from frr_adapter.model import community


@dataclass(frozen=True, slots=True)
class Selection:
    """What both kinds of advertisement share: which pools, nodes and services they speak about.

    Empty pools and pool_selectors mean every pool; empty node_selectors every node; empty service_selectors every service.
    """

    pools: frozenset[str] = frozenset()
    pool_selectors: tuple[selectors.Selector, ...] = ()
    node_selectors: tuple[selectors.Selector, ...] = ()
    service_selectors: tuple[selectors.Selector, ...] = ()


@dataclass(frozen=True, slots=True)
class Preference:
    """One entry of `preferredNodeSelectors`."""

    weight: int
    selector: selectors.Selector


@dataclass(frozen=True, slots=True)
class L2AdvertisementObject:
    """An L2Advertisement as written. Empty `interfaces` means every interface."""

    ref: refs.ObjectRef
    uid: str = ""
    selection: Selection = Selection()
    interfaces: tuple[str, ...] = ()
    preferences: tuple[Preference, ...] = ()


@dataclass(frozen=True, slots=True)
class BgpAdvertisementObject:
    """A BGPAdvertisement as written; `communities` are texts or alias names; `local_pref` 0 means unset."""

    ref: refs.ObjectRef
    uid: str = ""
    created: str = ""
    selection: Selection = Selection()
    aggregation_v4: int = 32
    aggregation_v6: int = 128
    local_pref: int = 0
    communities: tuple[str, ...] = ()
    peers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CommunityObject:
    """A Community object: aliases."""

    ref: refs.ObjectRef
    uid: str = ""
    created: str = ""
    aliases: tuple[community.CommunityAlias, ...] = ()


@dataclass(frozen=True, slots=True)
class L2Advertisement:
    """A resolved L2Advertisement: pool and node names instead of selectors.

    `scores` holds the summed preference weight of each eligible node that has one, sorted by node name.
    """

    name: str
    pools: frozenset[str]
    nodes: frozenset[str]
    interfaces: frozenset[str] = frozenset()
    service_selectors: tuple[selectors.Selector, ...] = ()
    scores: tuple[tuple[str, int], ...] = ()

    @property
    def all_interfaces(self) -> bool:
        """True when the advertisement names no interface."""
        return not self.interfaces


@dataclass(frozen=True, slots=True)
class BgpAdvertisement:
    """A resolved BGPAdvertisement. Empty `peers` means every peer; communities are sorted."""

    name: str
    pools: frozenset[str]
    nodes: frozenset[str]
    aggregation_v4: int = 32
    aggregation_v6: int = 128
    local_pref: int = 0
    communities: tuple[community.Community, ...] = ()
    peers: frozenset[str] = frozenset()
    service_selectors: tuple[selectors.Selector, ...] = ()

    def aggregation(self, family: addresses.Family) -> int:
        """The prefix length announced for addresses of the family."""
        return self.aggregation_v4 if family is addresses.Family.IPV4 else self.aggregation_v6


def local_pref_conflict(a: BgpAdvertisement, b: BgpAdvertisement, families: frozenset[addresses.Family]) -> bool:
    """Whether two advertisements of one pool could tell one peer two local preferences for one prefix.

    Different preferences are harmless when the prefixes differ in length for every family of the pool, when both name
    peers and share none, or when no node makes both advertisements. Service selectors are the caller's affair.
    """
    if a.local_pref == b.local_pref:
        return False
    if families and all(a.aggregation(family) != b.aggregation(family) for family in families):
        return False
    if a.peers and b.peers and a.peers.isdisjoint(b.peers):
        return False
    return not a.nodes.isdisjoint(b.nodes)
