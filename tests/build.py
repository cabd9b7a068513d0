"""Builders of values with sane defaults: a test names only what it is about.

Used by tests only. Texts are accepted where values need parsing (addresses, ranges, ports, selectors), so that tables read
like the YAML a user writes. Everything returned is a frozen value of `frr_adapter.model`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from frr_adapter import addresses, refs, selectors
from frr_adapter.model import cluster
from frr_adapter.model import peer as peers
from frr_adapter.model import pool as pools
from frr_adapter.model import service as services
from frr_adapter.model import snapshot as snapshots

NAMESPACE = "metallb-system"
CREATED = "2026-01-01T00:00:00Z"


def labels(pairs: Mapping[str, str] | None = None) -> selectors.Labels:
    """Labels from a dict."""
    return frozenset((pairs or {}).items())


def selector(**pairs: str) -> selectors.Selector:
    """A selector of `matchLabels`."""
    return selectors.Selector(pairs=tuple(sorted(pairs.items())))


def port(text: str) -> services.Port:
    """`tcp/80` and the like."""
    protocol, _, number = text.partition("/")
    return services.Port(protocol.upper(), int(number))


def service(
    name: str = "web",
    *,
    namespace: str = "default",
    cluster_ips: Iterable[str] = ("10.96.0.1",),
    ports: Iterable[str] = ("tcp/80",),
    annotations: Mapping[str, str] | None = None,
    service_labels: Mapping[str, str] | None = None,
    pod_selector: Mapping[str, str] | None = None,
    **fields: Any,
) -> services.Service:
    """A Service of type LoadBalancer with one IPv4 cluster IP and port tcp/80; `fields` are further fields of the value."""
    key = f"{namespace}/{name}"
    fields.setdefault("uid", f"uid-{key}")
    fields.setdefault("resource_version", "1")
    fields.setdefault("created", CREATED)
    ips = tuple(addresses.parse_address(text) for text in cluster_ips)
    if ips:
        fields.setdefault("primary_family", addresses.family_of(ips[0]))
    return services.Service(
        ref=refs.ObjectRef("Service", namespace, name),
        labels=labels(service_labels),
        annotations=tuple(sorted((annotations or {}).items())),
        cluster_ips=ips,
        ports=tuple(port(text) for text in ports),
        selector=tuple(sorted((pod_selector if pod_selector is not None else {"app": name}).items())),
        **fields,
    )


def pool(name: str = "default", *blocks: str, **fields: Any) -> pools.Pool:
    """An IPAddressPool; without blocks it holds 198.51.100.0/24."""
    fields.setdefault("uid", f"uid-pool-{name}")
    fields.setdefault("created", CREATED)
    return pools.Pool(
        ref=refs.ObjectRef("IPAddressPool", NAMESPACE, name),
        blocks=tuple(addresses.parse_block(text) for text in (blocks or ("198.51.100.0/24",))),
        **fields,
    )


def allocation(
    *namespaces: str,
    priority: int = 0,
    service_selectors: Iterable[selectors.Selector] = (),
) -> pools.Allocation:
    """A resolved `serviceAllocation`; without namespaces it does not restrict them."""
    return pools.Allocation(
        priority=priority,
        namespaces=frozenset(namespaces) if namespaces else None,
        service_selectors=tuple(service_selectors),
    )


def peer(name: str = "up", address: str = "10.99.0.1", **fields: Any) -> peers.Peer:
    """A BGPPeer: eBGP from 64600 to 64512."""
    fields.setdefault("uid", f"uid-peer-{name}")
    fields.setdefault("created", CREATED)
    fields.setdefault("my_asn", 64600)
    fields.setdefault("asn", 64512)
    return peers.Peer(
        ref=refs.ObjectRef("BGPPeer", NAMESPACE, name), address=addresses.parse_address(address), **fields
    )


def node(name: str = "n1", node_labels: Mapping[str, str] | None = None, **fields: Any) -> cluster.Node:
    """A healthy node that carries its host name as a label."""
    return cluster.Node(
        ref=refs.ObjectRef("Node", "", name),
        labels=labels({"kubernetes.io/hostname": name, **(node_labels or {})}),
        **fields,
    )


def configuration(*some_pools: pools.Pool, **fields: Any) -> snapshots.Configuration:
    """A resolved configuration; pools are sorted by name, as `resolve` does."""
    return snapshots.Configuration(pools=tuple(sorted(some_pools, key=lambda found: found.name)), **fields)


def snapshot(
    some_services: Iterable[services.Service] = (),
    some_pools: Iterable[pools.Pool] = (),
    **fields: Any,
) -> snapshots.Snapshot:
    """One view of the world: services sorted by key; `configuration=` replaces the one made from the pools."""
    fields.setdefault("configuration", configuration(*some_pools))
    return snapshots.Snapshot(services=tuple(sorted(some_services, key=lambda found: found.key)), **fields)
