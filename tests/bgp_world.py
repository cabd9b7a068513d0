"""Small worlds for BGP tests: builders with sane defaults, and `from_yaml` for the case files.

The node is `n1`, its pool `p` holds 192.0.2.0/24 and 2001:db8::/64, its AS is 64600.
"""

from typing import Any

import yaml

from frr_adapter import addresses, refs, secret, selectors
from frr_adapter.model import advertisement, cluster, community, peer, pool, service, snapshot
from speaker import values
from speaker.core import bgp_plan

NAMESPACE = "metallb-system"
NODE = "n1"
POOL = {"p": ["192.0.2.0/24", "2001:db8::/64"]}


def selector(pairs):
    return selectors.Selector(pairs=tuple(sorted(pairs.items())))


def make_peer(name="tor", **fields) -> peer.Peer:
    for key in ("address", "source_address"):
        if isinstance(fields.get(key), str):
            fields[key] = addresses.parse_address(fields[key])
    if "password" in fields:
        fields["password"] = secret.Secret(fields["password"])
    if "node_selectors" in fields:
        fields["node_selectors"] = tuple(selector(item) for item in fields["node_selectors"])
    if "address" not in fields and "interface" not in fields:
        fields["address"] = addresses.parse_address("10.99.0.1")
    if "dynamic_asn" not in fields:
        fields.setdefault("asn", 64512)
    return peer.Peer(refs.ObjectRef("BGPPeer", NAMESPACE, name), **{"my_asn": 64600, **fields})


def make_ad(name="all", **fields) -> advertisement.BgpAdvertisement:
    if "communities" in fields:
        parsed = (community.parse(item) for item in fields["communities"])
        fields["communities"] = tuple(sorted(parsed, key=lambda item: item.sort_key))
    if "selectors" in fields:
        fields["service_selectors"] = tuple(selector(item) for item in fields.pop("selectors"))
    return advertisement.BgpAdvertisement(
        name,
        pools=frozenset(fields.pop("pools", ["p"])),
        nodes=frozenset(fields.pop("nodes", [NODE])),
        peers=frozenset(fields.pop("peers", ())),
        **fields,
    )


def make_pool(name="p", blocks=POOL["p"], **fields) -> pool.Pool:
    return pool.Pool(
        refs.ObjectRef("IPAddressPool", NAMESPACE, name),
        blocks=tuple(addresses.parse_block(text) for text in blocks),
        **fields,
    )


def make_service(key="default/web", *ips, **fields) -> service.Service:
    namespace, name = key.split("/")
    fields["labels"] = frozenset(fields.get("labels", {}).items())
    fields["annotations"] = tuple(sorted(fields.get("annotations", {}).items()))
    return service.Service(refs.ObjectRef("Service", namespace, name), ingress=ips, **fields)


def make_node(name=NODE, **fields) -> cluster.Node:
    fields["labels"] = frozenset(fields.get("labels", {}).items())
    return cluster.Node(refs.ObjectRef("Node", "", name), **fields)


def make_bfd(name="fast", **fields) -> peer.BfdProfile:
    return peer.BfdProfile(refs.ObjectRef("BFDProfile", NAMESPACE, name), **fields)


HERE = cluster.Endpoint(NODE, usable=True)
ELSEWHERE = cluster.Endpoint("n2", usable=True)
UNUSABLE = cluster.Endpoint(NODE, usable=False)


def make_world(
    peers=(), ads=(), services=(), pools=None, nodes=None, endpoints=None, bfd_profiles=(), extras=""
) -> snapshot.Snapshot:
    """Every service has one usable endpoint on `n1` unless `endpoints` says otherwise."""
    return snapshot.Snapshot(
        snapshot.Configuration(
            pools=tuple(pools) if pools is not None else (make_pool(),),
            bgp_advertisements=tuple(ads),
            peers=tuple(peers),
            bfd_profiles=tuple(bfd_profiles),
            extras=extras,
        ),
        services=tuple(sorted(services, key=lambda item: item.key)),
        endpoints={item.key: (HERE,) for item in services} | (endpoints or {}),
        nodes=tuple(nodes) if nodes is not None else (make_node(),),
    )


def plan(world: snapshot.Snapshot, node: str = NODE, *, ignore_exclude: bool = False) -> values.BgpPlan:
    return bgp_plan.plan(world, node, ignore_exclude=ignore_exclude)[0]


def told(world: snapshot.Snapshot, node: str = NODE) -> dict[str, dict[str, tuple[int, str]]]:
    """What each peer hears: peer -> prefix -> (local preference, communities); peers of this node always appear."""
    found = plan(world, node)
    heard: dict[str, dict[str, Any]] = {item.name: {} for item in found.peers}
    for route in found.routes:
        for offer in route.offers:
            heard[offer.peer][str(route.prefix)] = (offer.local_pref, " ".join(map(str, offer.communities)))
    return heard


def reason(world: snapshot.Snapshot, key="default/web", node: str = NODE, *, ignore_exclude: bool = False) -> str:
    """Why the service is not announced; empty when it is."""
    _, decisions = bgp_plan.plan(world, node, ignore_exclude=ignore_exclude)
    verdict = next(item.verdict for item in decisions if item.service == key)
    return str(verdict.reason) if isinstance(verdict, values.Abstain) else ""


def from_yaml(text: str) -> tuple[snapshot.Snapshot, dict[str, str]]:
    """A world and the settings of `compose`. Keys: peers, advertisements, services, pools, bfd_profiles, labels, extras, log_level."""
    data = yaml.safe_load(text) or {}
    settings = {key: data.pop(key) for key in ("log_level", "frr_log_level") if key in data}
    world = make_world(
        peers=[make_peer(name, **fields) for name, fields in data.pop("peers", {}).items()],
        ads=[make_ad(name, **(fields or {})) for name, fields in data.pop("advertisements", {}).items()],
        services=[make_service(key, *ips) for key, ips in data.pop("services", {}).items()],
        pools=[make_pool(name, blocks) for name, blocks in data.pop("pools", POOL).items()],
        bfd_profiles=[make_bfd(name, **(fields or {})) for name, fields in data.pop("bfd_profiles", {}).items()],
        nodes=[make_node(labels=data.pop("labels", {}))],
        extras=data.pop("extras", ""),
    )
    assert not data, f"unknown keys in the case: {sorted(data)}"
    return world, settings
