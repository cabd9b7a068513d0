"""A statement that FRR refused -> the objects it may come from; and a configuration with another version of such an object, or none.

Called by `boundary.quarantine`. Pure. It names suspects in the order of probability; who of them it was, FRR alone can tell.
"""

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from frr_adapter import refs
from frr_adapter.frr import config, grammar

EXTRAS_CONFIG_MAP = "bgpextras"


class Kind(enum.StrEnum):
    """What part of the configuration an object is behind."""

    EXTRAS = "extras"
    PROFILE = "profile"
    CLASS = "class"
    PREFIX = "prefix"
    NEIGHBOR = "neighbor"
    ROUTER_ID = "router ID"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True, order=True)
class Suspect:
    """One part of a configuration. `key` is, by kind: nothing; profile; class name; prefix; VRF and neighbor; VRF; VRF."""

    kind: Kind
    key: tuple[str, ...] = ()


def suspects(settings: config.FrrConfig, statement: str) -> tuple[Suspect, ...]:
    """Who may have brought in a statement (blocks and line, joined by ` / `), the likeliest first.

    The user's own extra lines come first when they hold the line and nothing of ours does, and when they speak of the same thing.
    """
    path = [" ".join(part.split()).removeprefix("no ") for part in statement.split(" / ")]
    ours = tuple(dict.fromkeys(_ours(settings, path)))
    theirs = [" ".join(line.split()).removeprefix("no ") for line in settings.extras]
    words = {word for line in theirs for word in line.split()}
    if path[-1] in theirs or words & {word for each in ours for word in each.key if word}:
        return (Suspect(Kind.EXTRAS), *ours)
    return ours


def _ours(settings: config.FrrConfig, path: list[str]) -> Iterator[Suspect]:
    head = path[0] if path[0].startswith("router bgp ") else ""
    routers = [router for router in settings.routers if grammar.in_router(router)[0] == head] or settings.routers
    for part in reversed(path):
        match part.split():
            case ["neighbor", name, *_]:
                yield from _neighbors(routers, name)
            case ["interface", name, *_]:
                yield from _neighbors(routers, name)
            case ["network", prefix, *_]:
                yield Suspect(Kind.PREFIX, (prefix,))
            case ["profile", name]:
                yield from (Suspect(Kind.PROFILE, (name,)) for item in settings.bfd_profiles if item.name == name)
            case ["route-map", name, *rest]:
                yield from _of_route_map(settings, name, rest)
            case ["match", "tag", tag]:
                yield from (Suspect(Kind.CLASS, (item.name,)) for item in settings.classes if str(item.tag) == tag)
            case ["bgp", "router-id", router_id] if part is path[-1]:
                yield from (Suspect(Kind.ROUTER_ID, (r.vrf,)) for r in routers if r.router_id == router_id)
            case ["router", "bgp", *_] if part is path[-1]:
                yield from (Suspect(Kind.INSTANCE, (r.vrf,)) for r in routers if grammar.in_router(r)[0] == part)
            case _:
                yield from _by_line(settings, part)


def _neighbors(routers: Iterable[config.Router], name: str) -> Iterator[Suspect]:
    for router in routers:
        if any(item.name == name for item in router.neighbors):
            yield Suspect(Kind.NEIGHBOR, (router.vrf, name))


def _of_route_map(settings: config.FrrConfig, name: str, rest: list[str]) -> Iterator[Suspect]:
    names = {str(item.tag): item.name for item in settings.classes}
    if name in names.values():
        yield Suspect(Kind.CLASS, (name,))
        return
    for policy in settings.policies:
        if name not in (policy.inbound, policy.outbound):
            continue
        if name == policy.outbound and rest[-1:] and rest[-1] in names:
            yield Suspect(Kind.CLASS, (names[rest[-1]],))
        for router in settings.routers:
            users = {a.neighbor for f in router.families for a in f.activations if name in (a.inbound, a.outbound)}
            yield from (Suspect(Kind.NEIGHBOR, (router.vrf, user)) for user in sorted(users))


def _by_line(settings: config.FrrConfig, line: str) -> Iterator[Suspect]:
    """A line whose block is not known: everybody who says just this."""
    for profile in settings.bfd_profiles:
        if line in grammar.bfd_settings(profile).values():
            yield Suspect(Kind.PROFILE, (profile.name,))
    names = {item.tag: item.name for item in settings.classes}
    for policy in settings.policies:
        for entry in policy.entries:
            if entry.tag in names and line in grammar.settings_of(entry).values():
                yield Suspect(Kind.CLASS, (names[entry.tag],))


def objects(settings: config.FrrConfig, suspect: Suspect, namespace: str) -> tuple[refs.ObjectRef, ...]:
    """The Kubernetes objects behind it; `namespace` is that of MetalLB's own kinds."""
    first = suspect.key[0] if suspect.key else ""
    found: list[tuple[str, tuple[str, ...]]]
    match suspect.kind:
        case Kind.EXTRAS:
            return (refs.ObjectRef("ConfigMap", namespace, EXTRAS_CONFIG_MAP),)
        case Kind.PROFILE:
            found = [("BFDProfile", (item.source,)) for item in settings.bfd_profiles if item.name == first]
        case Kind.CLASS:
            found = [("BGPAdvertisement", item.advertisements) for item in settings.classes if item.name == first]
        case Kind.PREFIX:
            found = [
                ("Service", item.services)
                for router in settings.routers
                for family in router.families
                for item in family.originations
                if str(item.prefix) == first
            ]
        case Kind.NEIGHBOR | Kind.ROUTER_ID | Kind.INSTANCE:
            found = [
                ("BGPPeer", item.peers)
                for router in settings.routers
                for item in router.neighbors
                if router.vrf == first and suspect.key[1:] in ((), (item.name,))
            ]
    return tuple(dict.fromkeys(ref for kind, keys in found for key in keys for ref in _ref(kind, key, namespace)))


def _ref(kind: str, key: str, namespace: str) -> Iterator[refs.ObjectRef]:
    """Lists of names are shortened for comments ("and 3 more"); that is no name."""
    if " " not in key:
        where, _, name = key.rpartition("/")
        yield refs.ObjectRef(kind, where or namespace, name)
