"""From listed objects to a snapshot, doing again only what changed since the last look.

Both loops hold one `View`. Pure in the sense that matters: the same objects always give an equal snapshot; what is
remembered only saves work and keeps the identity of what did not change.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from frr_adapter import problems, resolve
from frr_adapter.model import cluster, snapshot
from frr_adapter.resolve import candidates

EXTRAS_CONFIG_MAP = "bgpextras"
EXTRAS_KEY = "extras"

CONFIG_KINDS = {
    "IPAddressPool": "pools",
    "L2Advertisement": "l2_advertisements",
    "BGPAdvertisement": "bgp_advertisements",
    "Community": "communities",
    "BGPPeer": "peers",
    "BFDProfile": "bfd_profiles",
    "Secret": "secrets",
    "Namespace": "namespaces",
    "Node": "nodes",
}
"""Kinds that configure us, and the field of `ConfigObjects` that holds them."""

ALLOCATING_KINDS = (
    "BFDProfile",
    "BGPAdvertisement",
    "BGPPeer",
    "Community",
    "IPAddressPool",
    "L2Advertisement",
    "Namespace",
    "Node",
    "Secret",
    "Service",
)
"""What the controller looks at. No cycle runs before all of them are listed: an address might be given out twice."""

ANNOUNCING_KINDS = (
    "BFDProfile",
    "BGPAdvertisement",
    "BGPPeer",
    "Community",
    "ConfigMap",
    "EndpointSlice",
    "IPAddressPool",
    "L2Advertisement",
    "Namespace",
    "Node",
    "Secret",
    "Service",
)
"""What a speaker looks at. No cycle runs before all of them are listed: half a world would withdraw routes."""

Listed = Mapping[str, tuple[Any, ...]]
"""Objects by kind, sorted by reference; a tuple that did not change is the same tuple. Kinds not watched are absent."""


class View:
    """`node` as in `resolve.configuration`; `lb_class` filters Services, None lets all of them through."""

    def __init__(self, *, lb_class: str | None, node: str | None = None) -> None:
        self._node = node
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._resolution: resolve.Resolution | None = None
        self._services = candidates.Services(lb_class)
        self._endpoints = candidates.Endpoints()
        self._candidates = candidates.Candidates()

    def look(self, listed: Listed) -> tuple[snapshot.Snapshot, tuple[problems.Problem, ...]]:
        """The snapshot, and what `resolve` left out of its configuration."""
        changed = {kind for kind, objects in listed.items() if self._seen.get(kind) is not objects}
        resolution = self._resolution
        if resolution is None or changed & {*CONFIG_KINDS, "ConfigMap"}:
            resolution = self._resolve(listed, resolution)
        self._seen.update(listed)  # not before: should resolving fail, it is tried again at the next look
        services = self._services.follow(listed.get("Service", ()))
        # Endpoints and their services are watched by those who decide about both.
        if "EndpointSlice" not in listed:
            world = snapshot.Snapshot(resolution.configuration, services, nodes=listed.get("Node", ()))
        else:
            endpoints, news = self._endpoints.follow(listed["EndpointSlice"])
            joined = self._candidates.follow(services, endpoints, news)
            nodes = listed.get("Node", ())
            world = snapshot.Snapshot(resolution.configuration, services, endpoints, nodes, joined)
        return world, resolution.problems

    def _resolve(self, listed: Listed, last: resolve.Resolution | None) -> resolve.Resolution:
        objects = config_objects(listed, for_speaker=self._node is not None)
        previous = last.configuration if last else None
        answer = resolve.configuration(objects, node=self._node, previous=previous)
        if last is not None and answer == last:
            answer = last  # the planners know by identity that nothing changed
        self._resolution = answer
        return answer


def config_objects(listed: Listed, *, for_speaker: bool) -> snapshot.ConfigObjects:
    """What `resolve.configuration` reads, out of everything listed."""
    fields = {field: listed.get(kind, ()) for kind, field in CONFIG_KINDS.items()}
    if for_speaker:
        # A speaker does not care how full a pool is, and must not plan everything again when that changes.
        fields["pools"] = tuple(dataclasses.replace(each, status=None, generation=0) for each in fields["pools"])
    return snapshot.ConfigObjects(**fields, extras=_extras(listed.get("ConfigMap", ())))


def _extras(config_maps: tuple[cluster.ConfigMap, ...]) -> str:
    for each in config_maps:
        if each.ref.name == EXTRAS_CONFIG_MAP:
            return dict(each.data).get(EXTRAS_KEY, "")
    return ""
