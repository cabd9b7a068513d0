"""`BgpPlan` -> `FrrConfig`: all names, numbers and special cases of FRR are answered here, so that templates only print.

Called by `composer`, which remembers what did not change, and by tests as its oracle. Pure. What is written must be what FRR prints back (`frr_adapter.frr.config` says why): defaults are
left out, well-known communities get their names, multihop gets its number.
"""

import hashlib
from collections.abc import Iterable, Mapping

from frr_adapter import addresses, secret
from frr_adapter.frr import config
from frr_adapter.model import community, peer
from speaker import values

HIGHEST_TAG = 65534
"""Tags double as route-map sequence numbers, which end at 65535; that one closes every outbound route-map."""

ClassKey = tuple[str, ...]

_SPEAKER_LEVELS = {
    "all": "debugging",
    "debug": "debugging",
    "info": "informational",
    "warn": "warnings",
    "error": "errors",
    "none": "emergencies",
}

_FRR_LEVELS = (
    "emergencies",
    "alerts",
    "critical",
    "errors",
    "warnings",
    "notifications",
    "informational",
    "debugging",
)

# The words that FRR prints for well-known communities (bgpd/bgp_community.c).
_WELL_KNOWN = {
    (0, 0): "internet",
    (65535, 0): "graceful-shutdown",
    (65535, 1): "accept-own",
    (65535, 2): "route-filter-translated-v4",
    (65535, 3): "route-filter-v4",
    (65535, 4): "route-filter-translated-v6",
    (65535, 5): "route-filter-v6",
    (65535, 6): "llgr-stale",
    (65535, 7): "no-llgr",
    (65535, 8): "accept-own-nexthop",
    (65535, 666): "blackhole",
    (65535, 65281): "no-export",
    (65535, 65282): "no-advertise",
    (65535, 65283): "local-AS",
    (65535, 65284): "no-peer",
}

_FAMILY_NAMES = {addresses.Family.IPV4: "ipv4", addresses.Family.IPV6: "ipv6"}
_MULTIHOP_TTL = 255
_BGP_PORT = 179
_SHOWN_NAMES = 4


def compose(plan: values.BgpPlan, *, log_level: str = "info", frr_log_level: str = "") -> config.FrrConfig:
    """The configuration that carries out the plan.

    `log_level` is the speaker's own word; `frr_log_level`, when given, is FRR's and goes first. Peers with the same neighbor in the
    same VRF share one session: the first by name decides its settings, all of them feed it.
    """
    level = _frr_level(frr_log_level) or _SPEAKER_LEVELS.get(log_level, "informational")
    tags = class_tags(class_key(route) for route in plan.routes)
    sessions: dict[tuple[str, int, tuple[int, int, str]], list[peer.Peer]] = {}
    for item in plan.peers:
        sessions.setdefault((item.vrf, item.my_asn, _neighbor_order(item)), []).append(item)
    grouped = [tuple(sessions[key]) for key in sorted(sessions)]
    told = _told(plan)
    routers: dict[tuple[str, int], list[tuple[peer.Peer, ...]]] = {}
    for group in grouped:
        routers.setdefault((group[0].vrf, group[0].my_asn), []).append(group)
    return config.FrrConfig(
        hostname=plan.node,
        log=_log_statement(level),
        debug=level == "debugging",
        interfaces=tuple(
            config.Interface(group[0].interface, group[0].vrf) for group in grouped if group[0].address is None
        ),
        classes=tuple(
            config.OriginClass(_class_name(tag), tag, _shown(key))
            for key, tag in sorted(tags.items(), key=lambda pair: pair[1])
        ),
        policies=tuple(_policy(group, told, tags) for group in grouped),
        routers=tuple(_router(vrf, asn, groups, plan, tags) for (vrf, asn), groups in routers.items()),
        bfd_profiles=tuple(_bfd_profile(item) for item in plan.bfd_profiles),
        extras=tuple(plan.extras.splitlines()),
    )


def class_tags(classes: Iterable[ClassKey]) -> dict[ClassKey, int]:
    """A tag in 1..`HIGHEST_TAG` for each class, derived from its content: the same world gives the same tags whatever came before.

    Classes whose hashes collide take the next free numbers, in the order of their content.
    """
    tags: dict[ClassKey, int] = {}
    taken: set[int] = set()
    for key in sorted(set(classes)):
        digest = hashlib.sha256("\n".join(key).encode()).digest()
        tag = int.from_bytes(digest[:8], "big") % HIGHEST_TAG + 1
        while tag in taken:
            tag = tag % HIGHEST_TAG + 1
        taken.add(tag)
        tags[key] = tag
    return tags


def _frr_level(text: str) -> str:
    """FRR's own word, spelt out as FRR prints it; empty for none, or for a word that FRR does not know."""
    return next((level for level in _FRR_LEVELS if text and level.startswith(text)), "")


def _log_statement(level: str) -> str | None:
    """FRR prints the lowest level without its name, and nothing at all for the highest."""
    match level:
        case "debugging":
            return "log stdout"
        case "emergencies":
            return None
        case _:
            return f"log stdout {level}"


def origination(route: values.Route, tags: Mapping[ClassKey, int]) -> config.Origination:
    """The `network` statement of a route."""
    return config.Origination(route.prefix, _class_name(tags[class_key(route)]), _shown(route.services))


def class_key(route: values.Route) -> ClassKey:
    """Prefixes are of one class when the same advertisements speak for them; without names, when the offers are equal."""
    return route.advertisements or tuple(str(offer) for offer in route.offers)


def _class_name(tag: int) -> str:
    return f"class-{tag}"


def _neighbor_order(item: peer.Peer) -> tuple[int, int, str]:
    """Identity and order of a neighbor within its VRF: IPv4, IPv6, then interfaces."""
    if item.address is None:
        return (9, 0, item.interface)
    return (item.address.version, int(item.address), "")


def _identity(item: peer.Peer) -> str:
    """The stem of the neighbor's route-map names, kept as users' own extra lines know it: `10.0.0.1-in` or `10.0.0.1-red-in`."""
    return f"{item.endpoint}-{item.vrf}" if item.vrf else item.endpoint


def _told(plan: values.BgpPlan) -> dict[str, dict[ClassKey, values.Offer]]:
    """Peer name -> class -> what the peer is told about it."""
    told: dict[str, dict[ClassKey, values.Offer]] = {}
    for route in plan.routes:
        key = class_key(route)
        for offer in route.offers:
            told.setdefault(offer.peer, {}).setdefault(key, offer)
    return told


def _policy(
    group: tuple[peer.Peer, ...],
    told: Mapping[str, Mapping[ClassKey, values.Offer]],
    tags: Mapping[ClassKey, int],
) -> config.NeighborPolicy:
    offers: dict[ClassKey, values.Offer] = {}
    for item in group:
        offers = {**told.get(item.name, {}), **offers}
    identity = _identity(group[0])
    return config.NeighborPolicy(
        peers=_names(group),
        neighbor=group[0].endpoint,
        inbound=f"{identity}-in",
        outbound=f"{identity}-out",
        entries=tuple(_entry(tags[key], key, offers[key]) for key in sorted(offers, key=lambda key: tags[key])),
    )


def _entry(tag: int, key: ClassKey, offer: values.Offer) -> config.OutboundEntry:
    standard = [item for item in offer.communities if isinstance(item, community.StandardCommunity)]
    large = [item for item in offer.communities if isinstance(item, community.LargeCommunity)]
    return config.OutboundEntry(
        tag=tag,
        advertisements=_shown(key),
        local_preference=offer.local_pref or None,
        communities=tuple(
            _WELL_KNOWN.get((item.high, item.low), str(item)) for item in sorted(standard, key=lambda c: c.sort_key)
        ),
        large_communities=tuple(str(item) for item in sorted(large, key=lambda c: c.sort_key)),
    )


def _router(
    vrf: str,
    asn: int,
    groups: list[tuple[peer.Peer, ...]],
    plan: values.BgpPlan,
    tags: Mapping[ClassKey, int],
) -> config.Router:
    members = frozenset(item.name for group in groups for item in group)
    families = []
    for family, name in _FAMILY_NAMES.items():
        originations = tuple(
            origination(route, tags)
            for route in plan.routes
            if addresses.family_of(route.prefix) is family and any(offer.peer in members for offer in route.offers)
        )
        activations = tuple(
            config.Activation(group[0].endpoint, f"{_identity(group[0])}-in", f"{_identity(group[0])}-out")
            for group in groups
            if family in group[0].families
        )
        if originations or activations:
            families.append(config.AddressFamily(name, originations, activations))
    return config.Router(
        asn=asn,
        vrf=vrf,
        router_id=next((item.router_id for group in groups for item in group if item.router_id), ""),
        neighbors=tuple(_neighbor(group) for group in groups),
        families=tuple(families),
    )


def _neighbor(group: tuple[peer.Peer, ...]) -> config.Neighbor:
    item = group[0]
    is_interface = item.address is None
    over_ipv6 = item.address is not None and item.address.version == 6
    dual = len(item.families) > 1
    return config.Neighbor(
        peers=_names(group),
        name=item.endpoint,
        remote_as=item.dynamic_asn or str(item.asn),
        is_interface=is_interface,
        summary=_summary(item),
        local_as=item.local_asn or None,
        bfd_profile=item.bfd_profile or None,
        password=_password(item),
        # iBGP has no hop limit to lift; FRR prints the number that a bare `ebgp-multihop` stands for.
        ebgp_multihop=_MULTIHOP_TTL if item.ebgp_multihop and item.is_external else None,
        # A directly connected IPv6 router is often known by an address outside the link's own prefixes.
        disable_connected_check=over_ipv6 and not dual and item.is_external and not item.ebgp_multihop,
        # Naming the default port resets the session, so it is never named.
        port=item.port if item.port not in (0, _BGP_PORT) else None,
        update_source=None if item.source_address is None else str(item.source_address),
        timers=_timers(item),
        connect_timer=item.connect_time or None,
        # IPv4 prefixes over an IPv6 session need RFC 8950; FRR turns it on by itself for interfaces.
        extended_nexthop=over_ipv6 and dual,
        graceful_restart=item.graceful_restart,
    )


def _password(item: peer.Peer) -> secret.Secret | None:
    """Secrets made from files often end with a line break, which no statement of FRR can hold and nobody means."""
    text = "" if item.password is None else item.password.reveal().rstrip("\r\n")
    return secret.Secret(text) if text else None


def _timers(item: peer.Peer) -> config.Timers | None:
    """FRR takes both times or none; the missing one follows from RFC 4271's ratio of three."""
    match item.keepalive_time, item.hold_time:
        case None, None:
            return None
        case None, int(hold):
            return config.Timers(hold // 3, hold)
        case int(keepalive), None:
            return config.Timers(keepalive, 3 * keepalive)
        case int(keepalive), int(hold):
            # FRR sends keepalives three times per hold time at least, and prints it so (bgpd/bgpd.c:peer_timers_set).
            return config.Timers(min(keepalive, hold // 3), hold)
    raise AssertionError("keepalive and hold times are integers or None")


def _bfd_profile(item: peer.BfdProfile) -> config.BfdProfile:
    """FRR does not print what equals its defaults (doc/user/bfd.rst: 300, 300, 3, 50, 254), so neither do we."""
    return config.BfdProfile(
        source=item.ref.key,
        name=item.name,
        receive_interval=_unless(300, item.receive_interval),
        transmit_interval=_unless(300, item.transmit_interval),
        detect_multiplier=_unless(3, item.detect_multiplier),
        echo_interval=_unless(50, item.echo_interval),
        echo_mode=item.echo_mode,
        passive_mode=item.passive_mode,
        minimum_ttl=_unless(254, item.minimum_ttl),
    )


def _unless(default: int, value: int | None) -> int | None:
    return None if value == default else value


def _summary(item: peer.Peer) -> str:
    match item.dynamic_asn:
        case "internal":
            return "iBGP"
        case "external":
            return "eBGP with whatever AS answers"
        case _:
            return f"{'eBGP' if item.is_external else 'iBGP'} with AS {item.asn}"


def _names(group: tuple[peer.Peer, ...]) -> tuple[str, ...]:
    return _shown(tuple(item.ref.key for item in group))


def _shown(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names for a comment. FRR cuts lines after 4096 bytes and would read the rest as a statement, so long lists are shortened."""
    if len(names) <= _SHOWN_NAMES:
        return names
    return (*names[:_SHOWN_NAMES], f"and {len(names) - _SHOWN_NAMES} more")
