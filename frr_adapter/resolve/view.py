"""From listed objects to a snapshot, doing again only what changed since the last look.

Both loops hold one `View`. Pure in the sense that matters: the same objects always give an equal snapshot; what is
remembered only saves work and keeps the identity of what did not change.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from frr_adapter import problems, resolve
from frr_adapter.model import cluster, service, snapshot

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

Listed = Mapping[str, tuple[Any, ...]]
"""Objects by kind, sorted by reference; a tuple that did not change is the same tuple. Kinds not watched are absent."""


class View:
    """`node` as in `resolve.configuration`; `lb_class` filters Services, None lets all of them through."""

    def __init__(self, *, lb_class: str | None, node: str | None = None) -> None:
        self._lb_class = lb_class
        self._node = node
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._resolution: resolve.Resolution | None = None
        self._services: tuple[service.Service, ...] = ()
        self._endpoints: Mapping[str, tuple[cluster.Endpoint, ...]] = {}

    def look(self, listed: Listed) -> tuple[snapshot.Snapshot, tuple[problems.Problem, ...]]:
        """The snapshot, and what `resolve` left out of its configuration."""
        changed = {kind for kind, objects in listed.items() if self._seen.get(kind) is not objects}
        self._seen.update(listed)
        resolution = self._resolution
        if resolution is None or changed & {*CONFIG_KINDS, "ConfigMap"}:
            resolution = self._resolve(listed, resolution)
        if "Service" in changed:
            self._services = _handled(listed["Service"], self._lb_class)
        if "EndpointSlice" in changed:
            self._endpoints = _joined(listed["EndpointSlice"], self._endpoints)
        world = snapshot.Snapshot(resolution.configuration, self._services, self._endpoints, listed.get("Node", ()))
        return world, resolution.problems

    def _resolve(self, listed: Listed, last: resolve.Resolution | None) -> resolve.Resolution:
        fields = {field: listed.get(kind, ()) for kind, field in CONFIG_KINDS.items()}
        if self._node is not None:
            # A speaker does not care how full a pool is, and must not plan everything again when that changes.
            fields["pools"] = tuple(dataclasses.replace(each, status=None, generation=0) for each in fields["pools"])
        objects = snapshot.ConfigObjects(**fields, extras=_extras(listed.get("ConfigMap", ())))
        previous = last.configuration if last else None
        answer = resolve.configuration(objects, node=self._node, previous=previous)
        if last is not None and answer == last:
            answer = last  # the planners know by identity that nothing changed
        self._resolution = answer
        return answer


def _handled(services: tuple[service.Service, ...], lb_class: str | None) -> tuple[service.Service, ...]:
    if lb_class is None:
        return services
    return tuple(each for each in services if service.is_handled(each, lb_class))


def _extras(config_maps: tuple[cluster.ConfigMap, ...]) -> str:
    for each in config_maps:
        if each.ref.name == EXTRAS_CONFIG_MAP:
            return dict(each.data).get(EXTRAS_KEY, "")
    return ""


def _joined(
    slices: tuple[cluster.EndpointSlice, ...], before: Mapping[str, tuple[cluster.Endpoint, ...]]
) -> Mapping[str, tuple[cluster.Endpoint, ...]]:
    """Endpoints by service key, over all slices of the service; an equal tuple keeps its identity."""
    groups: dict[str, set[cluster.Endpoint]] = {}
    for each in slices:
        if each.service:
            groups.setdefault(each.service, set()).update(each.endpoints)
    joined: dict[str, tuple[cluster.Endpoint, ...]] = {}
    for key, found in groups.items():
        endpoints = tuple(sorted(found))
        last = before.get(key)
        joined[key] = last if last == endpoints else endpoints
    return MappingProxyType(joined)
