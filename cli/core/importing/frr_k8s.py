"""FRRConfiguration, the object of frr-k8s: its routers, neighbors and BFD profiles as our kinds, where they mean the same there.

Called by `importing.setup`. What nodes learn from routers, EVPN and leaking between VRFs have no counterpart, and are named.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cli import values
from cli.core.importing import reading
from cli.core.importing.reading import Outcome
from frr_adapter import addresses

GROUP = "frrk8s.metallb.io"

_NEIGHBOR = {
    "asn": "peerASN",
    "dynamicASN": "dynamicASN",
    "localASN": "localASN",
    "address": "peerAddress",
    "interface": "interface",
    "sourceaddress": "sourceAddress",
    "port": "peerPort",
    "holdTime": "holdTime",
    "keepaliveTime": "keepaliveTime",
    "connectTime": "connectTime",
    "ebgpMultiHop": "ebgpMultiHop",
    "enableGracefulRestart": "enableGracefulRestart",
    "dualStackAddressFamily": "dualStackAddressFamily",
    "disableMP": "disableMP",
    "bfdProfile": "bfdProfile",
}
_OF_METALLB = "metallb-"
"""How MetalLB's speakers name the objects that they write."""
_READ_APART = ("password", "passwordSecret", "toAdvertise", "toReceive", "addressFamilies")
_UNSUPPORTED_IN_ROUTER = {
    "imports": "routes are not leaked between VRFs; let the router do that, or use lines of bgpextras",
    "evpn": "there is no EVPN; keep frr-k8s or another FRR for it, on other nodes or in another network namespace",
}

Pools = Mapping[str, tuple[addresses.Block, ...]]
"""Pool name -> its blocks."""
Sessions = dict[tuple[str, str], str]
"""Address or interface, and VRF -> name of the BGPPeer that has it already."""


@dataclass(slots=True)
class _Place:
    """Where one neighbor stands, and what is known of the rest of the setup."""

    notes: reading.Notes
    namespace: str
    pools: Pools
    sessions: Sessions
    to_all: Sequence[str]
    selectors: list[values.Json]


def read(
    document: values.Document, namespace: str, pools: Pools, sessions: Sessions, to_all: Sequence[str]
) -> reading.Reading:
    """The object's parts. `sessions` is extended by what is made, so that a session of several objects is one BGPPeer;
    `to_all` are the names of BGPAdvertisements that choose no peers.
    """
    notes = reading.of(document)
    if document.ref.name.startswith(_OF_METALLB):
        notes.say(Outcome.LEFT, "MetalLB's speaker wrote it from BGPPeers and Services; delete it with frr-k8s")
        return notes.reading
    spec = reading.mapping(document.raw.get("spec"))
    selector = spec.get("nodeSelector")
    place = _Place(
        notes, namespace, pools, sessions, to_all, [selector] if isinstance(selector, dict) and selector else []
    )
    bgp = reading.mapping(spec.get("bgp"))
    for index, raw in enumerate(reading.maps(bgp.get("bfdProfiles"))):
        name = reading.named(str(raw.get("name", "")))
        profile = {key: value for key, value in raw.items() if key != "name"}
        notes.make(reading.V1BETA1, "BFDProfile", namespace, name, profile)
        notes.say(Outcome.CONVERTED, f"BFDProfile {name}", f"spec.bgp.bfdProfiles[{index}]")
    for index, router in enumerate(reading.maps(bgp.get("routers"))):
        _router(place, document.ref.name, router, f"spec.bgp.routers[{index}]")
    return notes.reading


def _router(place: _Place, owner: str, router: values.Json, path: str) -> None:
    for field, text in _UNSUPPORTED_IN_ROUTER.items():
        if router.get(field):
            place.notes.say(Outcome.UNSUPPORTED, text, f"{path}.{field}")
    common = {"myASN": router.get("asn"), "routerID": router.get("id"), "vrf": router.get("vrf")}
    common = {field: value for field, value in common.items() if value}
    advertised: set[str] = set()
    for index, neighbor in enumerate(reading.maps(router.get("neighbors"))):
        where = f"{path}.neighbors[{index}]"
        name = _neighbor(place, owner, common, neighbor, where)
        advertised |= set(_advertised(place, name, router, neighbor, where))
    for prefix in reading.texts(router.get("prefixes")):
        if prefix not in advertised:
            place.notes.say(Outcome.LEFT, f"{prefix} is told to no neighbor of this object", f"{path}.prefixes")


def _neighbor(place: _Place, owner: str, common: values.Json, raw: values.Json, path: str) -> str:
    """The name of the BGPPeer that has the session."""
    key = (str(raw.get("address") or raw.get("interface") or ""), str(common.get("vrf", "")))
    if known := place.sessions.get(key):
        place.notes.say(Outcome.SAME, f"BGPPeer {known} has this session; compare the two", path)
        return known
    name = reading.named(owner, key[0], key[1])
    place.sessions[key] = name
    spec = {**common, **{new: raw[old] for old, new in _NEIGHBOR.items() if raw.get(old) not in (None, "")}}
    secret = raw.get("passwordSecret")
    if raw.get("password"):
        spec["passwordSecret"] = reading.secret_for(place.notes, place.namespace, name, f"{path}.password")
    elif isinstance(secret, dict) and secret.get("name"):
        spec["passwordSecret"] = {"name": secret["name"]}
        text = f"the Secret {secret['name']} must be in {place.namespace}"
        place.notes.say(Outcome.CONVERTED, text, f"{path}.passwordSecret")
    if place.selectors:
        spec["nodeSelectors"] = place.selectors
    if "holdTime" not in spec:
        spec |= {"holdTime": "180s", "keepaliveTime": "60s"}  # what frr-k8s takes where nothing is said
    if spec.get("disableMP"):
        place.notes.say(Outcome.SAME, "has no effect, there and here", f"{path}.disableMP")
    place.notes.make(reading.V1BETA2, "BGPPeer", place.namespace, name, spec)
    place.notes.say(Outcome.CONVERTED, f"BGPPeer {name}", path)
    if place.to_all:
        text = f"BGPPeer {name} gets what has no peers, too; give these some where it should not: {', '.join(place.to_all)}"
        place.notes.say(Outcome.DIFFERS, text, path)
    if "evpn" in reading.texts(raw.get("addressFamilies")):
        place.notes.say(
            Outcome.UNSUPPORTED, "there is no EVPN; the session carries IPv4 and IPv6 only", f"{path}.addressFamilies"
        )
    received = raw.get("toReceive")
    allowed = received.get("allowed") if isinstance(received, dict) else None
    if isinstance(allowed, dict) and (allowed.get("mode") == "all" or allowed.get("prefixes")):
        entry = f"route-map {key[0]}-in permit 10"
        text = f'nodes learn no routes here unless the ConfigMap bgpextras lets them in: "{entry}" for all'
        place.notes.say(Outcome.UNSUPPORTED, text, f"{path}.toReceive")
    for field in raw:
        if field not in _NEIGHBOR and field not in _READ_APART:
            place.notes.say(Outcome.UNSUPPORTED, "is no field that is known; it is left out", f"{path}.{field}")
    return name


# ---- What is announced ----


def _advertised(place: _Place, peer: str, router: values.Json, raw: values.Json, path: str) -> Iterator[str]:
    """Prefixes told to the neighbor; a BGPAdvertisement for those that lie in pools and carry something."""
    told = raw.get("toAdvertise")
    if not isinstance(told, dict):
        return
    path = f"{path}.toAdvertise"
    if told.get("nextHop"):
        place.notes.say(Outcome.UNSUPPORTED, "the next hop is the node itself", f"{path}.nextHop")
    allowed = reading.mapping(told.get("allowed"))
    prefixes = reading.texts(router.get("prefixes") if allowed.get("mode") == "all" else allowed.get("prefixes"))
    for prefix in prefixes:
        yield prefix
        pool = _pool_of(place.pools, prefix)
        if pool is None:
            text = (
                f"{prefix} lies in no IPAddressPool: only addresses of Services are announced here; make it a pool and a Service of it,"
                " or announce it with another program"
            )
            place.notes.say(Outcome.UNSUPPORTED, text, f"{path}.allowed")
            continue
        spec: values.Json = {"ipAddressPools": [pool], "peers": [peer], **_attributes(told, prefix)}
        length = ipaddress.ip_network(prefix, strict=False).prefixlen
        is_v4 = ":" not in prefix
        if length != (32 if is_v4 else 128):
            spec["aggregationLength" if is_v4 else "aggregationLengthV6"] = length
        if place.selectors:
            spec["nodeSelectors"] = place.selectors
        name = reading.named(peer, prefix)
        place.notes.make(reading.V1BETA1, "BGPAdvertisement", place.namespace, name, spec)
        text = (
            f"BGPAdvertisement {name} of pool {pool}: {prefix} is announced only while a Service has an address of it"
        )
        place.notes.say(Outcome.DIFFERS, text, f"{path}.allowed")


def _attributes(told: values.Json, prefix: str) -> values.Json:
    found: values.Json = {}
    for each in reading.maps(told.get("withLocalPref")):
        if prefix in reading.texts(each.get("prefixes")):
            found["localPref"] = each.get("localPref")
    communities = [
        str(each.get("community"))
        for each in reading.maps(told.get("withCommunity"))
        if prefix in reading.texts(each.get("prefixes"))
    ]
    return found | ({"communities": communities} if communities else {})


def _pool_of(pools: Pools, prefix: str) -> str | None:
    """The pool that holds the whole prefix."""
    try:
        (wanted,) = addresses.parse_block(prefix).networks
    except ValueError:
        return None
    return next((name for name, blocks in pools.items() if any(_holds(block, wanted) for block in blocks)), None)


def _holds(block: addresses.Block, wanted: addresses.Network) -> bool:
    first, last = wanted[0], wanted[-1]
    return addresses.contains(block.networks, first) and addresses.contains(block.networks, last)


# ---- Lines of FRR ----


def raw_lines(documents: Sequence[values.Document], namespace: str) -> reading.Reading:
    """All `spec.raw` in the order in which frr-k8s appends them, as the ConfigMap bgpextras."""
    found = []
    for document in documents:
        spec = document.raw.get("spec")
        raw = spec.get("raw") if isinstance(spec, dict) else None
        if isinstance(raw, dict) and raw.get("rawConfig"):
            found.append((_number(raw.get("priority")), document.ref.name, str(raw["rawConfig"]), document, spec))
    rows: list[reading.Row] = []
    for _, _, _, document, spec in sorted(found, key=lambda each: each[:2]):
        notes = reading.of(document)
        if isinstance(spec, dict) and spec.get("nodeSelector"):
            text = "these lines go to ConfigMap bgpextras, which every node reads: spec.nodeSelector is lost for them"
            notes.say(Outcome.DIFFERS, text, "spec.raw")
        else:
            notes.say(Outcome.CONVERTED, "ConfigMap bgpextras", "spec.raw")
        rows += notes.rows
    if not found:
        return reading.Reading()
    lines = "\n".join(each[2].strip("\n") for each in sorted(found, key=lambda each: each[:2])) + "\n"
    collected = reading.Notes("ConfigMap bgpextras")
    collected.make_config_map(namespace, "bgpextras", {"extras": lines})
    return reading.Reading(tuple(rows), tuple(collected.produced))


def _number(found: object) -> int:
    return found if isinstance(found, int) else 0
