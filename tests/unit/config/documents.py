"""Kubernetes objects as documents, and the way from documents through decode to resolve, as the programs go it."""

import json
from typing import Any

from frr_adapter import problems, resolve
from frr_adapter.decode import advertisements, core, peers, pools
from frr_adapter.model import snapshot

Json = dict[str, Any]
NAMESPACE = "metallb-system"
DECODERS = {
    "IPAddressPool": ("pools", pools.decode_pool),
    "L2Advertisement": ("l2_advertisements", advertisements.decode_l2_advertisement),
    "BGPAdvertisement": ("bgp_advertisements", advertisements.decode_bgp_advertisement),
    "Community": ("communities", advertisements.decode_community),
    "BGPPeer": ("peers", peers.decode_peer),
    "BFDProfile": ("bfd_profiles", peers.decode_bfd_profile),
    "Secret": ("secrets", core.decode_secret),
    "Namespace": ("namespaces", core.decode_namespace),
    "Node": ("nodes", core.decode_node),
}


def document(kind: str, name: str, spec: Json | None = None, **more: Any) -> Json:
    metadata = {
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "creationTimestamp": more.pop("created", ""),
    }
    if kind not in ("Node", "Namespace"):
        metadata["namespace"] = NAMESPACE
    metadata["labels"] = more.pop("labels", {})
    return {"kind": kind, "metadata": metadata, **({"spec": spec} if spec is not None else {}), **more}


def pool(name: str, *addresses: str, **more: Any) -> Json:
    spec = {"addresses": list(addresses), **more.pop("spec", {})}
    return document("IPAddressPool", name, spec, **more)


def peer(name: str, address: str = "1.2.3.4", my_asn: int = 42, asn: int = 142, **spec: Any) -> Json:
    base = {"myASN": my_asn, "peerASN": asn, "peerAddress": address}
    return document("BGPPeer", name, {key: value for key, value in {**base, **spec}.items() if value is not None})


def node(name: str, **labels: str) -> Json:
    return document("Node", name, labels={"kubernetes.io/hostname": name, **labels})


def load(documents: list[Json]) -> tuple[snapshot.ConfigObjects, tuple[problems.Problem, ...]]:
    found: list[problems.Problem] = []
    values: dict[str, list[Any]] = {}
    for each in documents:
        field, decode = DECODERS[each["kind"]]
        decoded = decode(json.dumps(each).encode())
        found += decoded.problems
        if decoded.value is not None:
            values.setdefault(field, []).append(decoded.value)
    return snapshot.ConfigObjects(**{name: tuple(each) for name, each in values.items()}), tuple(found)


def resolved(
    documents: list[Json], *, node: str | None = None, previous: snapshot.Configuration | None = None
) -> resolve.Resolution:
    """The configuration, with the problems of decoding and of resolving together."""
    objects, found = load(documents)
    answer = resolve.configuration(objects, node=node, previous=previous)
    return resolve.Resolution(answer.configuration, found + answer.problems)
