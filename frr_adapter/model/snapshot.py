"""The world at one moment: what was listed (`ClusterObjects`) and what of it is valid (`Configuration`, `Snapshot`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from frr_adapter import refs
from frr_adapter.model import advertisement, cluster, peer, pool, service


@dataclass(frozen=True, slots=True)
class ConfigObjects:
    """The newest of every object that configures us, unresolved; each tuple is sorted by reference.

    Services and endpoints are not here: they change often, and the configuration does not depend on them.
    """

    pools: tuple[pool.Pool, ...] = ()
    l2_advertisements: tuple[advertisement.L2AdvertisementObject, ...] = ()
    bgp_advertisements: tuple[advertisement.BgpAdvertisementObject, ...] = ()
    communities: tuple[advertisement.CommunityObject, ...] = ()
    peers: tuple[peer.Peer, ...] = ()
    bfd_profiles: tuple[peer.BfdProfile, ...] = ()
    secrets: tuple[cluster.SecretObject, ...] = ()
    namespaces: tuple[cluster.Namespace, ...] = ()
    nodes: tuple[cluster.Node, ...] = ()
    extras: str = ""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything valid, with every reference resolved; what is broken is left out and named in the problems beside it.

    `peers` are those that some node may use; a speaker filters by its own labels. `bfd_profiles` are sorted by name.
    """

    pools: tuple[pool.Pool, ...] = ()
    l2_advertisements: tuple[advertisement.L2Advertisement, ...] = ()
    bgp_advertisements: tuple[advertisement.BgpAdvertisement, ...] = ()
    peers: tuple[peer.Peer, ...] = ()
    bfd_profiles: tuple[peer.BfdProfile, ...] = ()
    extras: str = ""


Endpoints = Mapping[str, tuple[cluster.Endpoint, ...]]
_EMPTY: Endpoints = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A service and its endpoints: what a speaker decides about, together."""

    service: service.Service
    endpoints: tuple[cluster.Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """The candidates of these very services and endpoints, in the order of the services."""

    services: tuple[service.Service, ...]
    endpoints: Endpoints
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent view for one cycle. `services` are sorted by key; `endpoints` maps a service's key to its endpoints.

    `joined` says nothing new: whoever makes one snapshot after another keeps in it what did not change.
    """

    configuration: Configuration = Configuration()
    services: tuple[service.Service, ...] = ()
    endpoints: Endpoints = field(default_factory=lambda: _EMPTY)
    nodes: tuple[cluster.Node, ...] = ()
    joined: Joined | None = field(default=None, compare=False, repr=False)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The services with their endpoints, in the order of `services`."""
        known = self.joined
        if known is not None and known.services is self.services and known.endpoints is self.endpoints:
            return known.candidates
        return tuple(Candidate(each, self.endpoints.get(each.key, ())) for each in self.services)

    def node(self, name: str) -> cluster.Node:
        """The node of that name; an unlabelled one when the API does not know it (yet)."""
        for node in self.nodes:
            if node.name == name:
                return node
        return cluster.Node(refs.ObjectRef("Node", "", name))
