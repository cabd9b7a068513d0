"""The part of a configuration that one suspect stands for: taking it out, and putting an earlier version of it in. Pure.

Called by `boundary.quarantine`. Everything else of the configuration stays the very same, so that a later difference is small.
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from frr_adapter.frr import config
from frr_adapter.frr.blame import Kind, Suspect

Part = object
"""A value that equals itself as long as nobody changes the object; None when there is none."""


@dataclass(frozen=True, slots=True)
class _Session:
    neighbor: config.Neighbor
    activations: tuple[tuple[str, config.Activation], ...]


def part(settings: config.FrrConfig, suspect: Suspect) -> Part:
    """What the suspect says in this configuration."""
    key = suspect.key
    match suspect.kind:
        case Kind.EXTRAS:
            return settings.extras or None
        case Kind.PROFILE:
            return next((item for item in settings.bfd_profiles if item.name == key[0]), None)
        case Kind.CLASS:
            tag = next((item.tag for item in settings.classes if item.name == key[0]), None)
            entries = tuple((p.outbound, e) for p in settings.policies for e in p.entries if e.tag == tag)
            return None if tag is None else entries
        case Kind.PREFIX:
            originations = (o for r in settings.routers for f in r.families for o in f.originations)
            return tuple(o.policy for o in originations if str(o.prefix) == key[0]) or None
        case Kind.ROUTER_ID:
            return next((r.router_id for r in settings.routers if r.vrf == key[0] and r.router_id), None)
        case Kind.INSTANCE:
            return next((r.asn for r in settings.routers if r.vrf == key[0]), None)
        case Kind.NEIGHBOR:
            for router in settings.routers:
                for item in router.neighbors:
                    if (router.vrf, item.name) == key:
                        activations = ((f.name, a) for f in router.families for a in f.activations)
                        return _Session(item, tuple(pair for pair in activations if pair[1].neighbor == item.name))
            return None


def with_part(settings: config.FrrConfig, suspect: Suspect, wanted: Part) -> config.FrrConfig:
    """The configuration with this part instead of the present one; without any when it is None."""
    key = suspect.key
    match suspect.kind:
        case Kind.EXTRAS:
            return dataclasses.replace(settings, extras=wanted if isinstance(wanted, tuple) else ())
        case Kind.PROFILE:
            # A neighbor that names a profile that is not there has FRR's default timers.
            kept = (wanted if item.name == key[0] else item for item in settings.bfd_profiles)
            profiles = tuple(item for item in kept if isinstance(item, config.BfdProfile))
            return dataclasses.replace(settings, bfd_profiles=profiles)
        case Kind.CLASS:
            return _with_class(settings, key[0], wanted)
        case Kind.PREFIX:
            return _in_families(settings, lambda item: str(item.prefix) != key[0])
        case Kind.ROUTER_ID:
            router_id = wanted if isinstance(wanted, str) else ""
            return _in_router(settings, key[0], lambda router: dataclasses.replace(router, router_id=router_id))
        case Kind.INSTANCE if isinstance(wanted, int):
            return _in_router(settings, key[0], lambda router: dataclasses.replace(router, asn=wanted))
        case Kind.INSTANCE:
            return _swept(settings, tuple(router for router in settings.routers if router.vrf != key[0]))
        case Kind.NEIGHBOR:
            return _with_session(settings, key[0], key[1], wanted if isinstance(wanted, _Session) else None)


def _with_class(settings: config.FrrConfig, name: str, wanted: Part) -> config.FrrConfig:
    tags = {item.tag for item in settings.classes if item.name == name}
    entries = dict(wanted) if isinstance(wanted, tuple) else {}
    policies = tuple(
        dataclasses.replace(
            policy,
            entries=tuple(
                instead
                for entry in policy.entries
                if (instead := entry if entry.tag not in tags else entries.get(policy.outbound)) is not None
            ),
        )
        for policy in settings.policies
    )
    settings = dataclasses.replace(settings, policies=policies)
    if wanted is not None:
        return settings
    classes = tuple(item for item in settings.classes if item.name != name)
    return _in_families(dataclasses.replace(settings, classes=classes), lambda item: item.policy != name)


def _in_families(settings: config.FrrConfig, is_kept: Callable[[config.Origination], bool]) -> config.FrrConfig:
    routers = tuple(
        dataclasses.replace(
            router,
            families=tuple(
                dataclasses.replace(family, originations=tuple(o for o in family.originations if is_kept(o)))
                for family in router.families
            ),
        )
        for router in settings.routers
    )
    return dataclasses.replace(settings, routers=routers)


def _in_router(
    settings: config.FrrConfig, vrf: str, change: Callable[[config.Router], config.Router]
) -> config.FrrConfig:
    routers = tuple(change(router) if router.vrf == vrf else router for router in settings.routers)
    return dataclasses.replace(settings, routers=routers)


def _with_session(settings: config.FrrConfig, vrf: str, name: str, wanted: _Session | None) -> config.FrrConfig:
    routers = tuple(_router_with(router, name, wanted) if router.vrf == vrf else router for router in settings.routers)
    return _swept(settings, tuple(router for router in routers if router.neighbors))


def _router_with(router: config.Router, name: str, wanted: _Session | None) -> config.Router:
    there = {family.name: family for family in router.families}
    activations = dict(wanted.activations) if wanted else {}
    for each in activations:
        there.setdefault(each, config.AddressFamily(each))
    families = tuple(
        dataclasses.replace(family, activations=_replaced(router, family.activations, name, activations.get(each)))
        for each, family in sorted(there.items())
    )
    neighbors = (wanted.neighbor if wanted and item.name == name else item for item in router.neighbors)
    return dataclasses.replace(
        router,
        neighbors=tuple(item for item in neighbors if wanted or item.name != name),
        families=tuple(family for family in families if family.originations or family.activations),
    )


def _replaced(
    router: config.Router, items: tuple[config.Activation, ...], name: str, wanted: config.Activation | None
) -> tuple[config.Activation, ...]:
    """In the order of the neighbors, as always."""
    found = {item.neighbor: item for item in items if item.neighbor != name}
    if wanted is not None:
        found[name] = wanted
    return tuple(found[item.name] for item in router.neighbors if item.name in found)


def _swept(settings: config.FrrConfig, routers: Iterable[config.Router]) -> config.FrrConfig:
    """With these instances, and without the policies and interfaces that only others needed."""
    kept = tuple(routers)
    used = {a.outbound for router in kept for family in router.families for a in family.activations}
    interfaces = {(item.name, router.vrf) for router in kept for item in router.neighbors if item.is_interface}
    return dataclasses.replace(
        settings,
        routers=kept,
        policies=tuple(policy for policy in settings.policies if policy.outbound in used),
        interfaces=tuple(item for item in settings.interfaces if (item.name, item.vrf) in interfaces),
    )
