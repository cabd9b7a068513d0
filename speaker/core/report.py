"""From this cycle's decisions, and the last one's, to what people are told: events, metrics and log lines. Pure."""

import bisect
import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from frr_adapter import addresses, effects, problems, refs
from frr_adapter.frr import refusal, windows
from frr_adapter.model import service, snapshot
from speaker import links, values

Key = tuple[str, values.Protocol]

CONDITION_TYPE = "configReconcilerValid"

_FEW = 64


@dataclass(frozen=True, slots=True)
class Change:
    """A service that this node began or ceased to announce by one protocol; `reason` is empty for a beginning."""

    service: str
    protocol: values.Protocol
    addresses: tuple[addresses.Address, ...]
    reason: str = ""


Announced = Mapping[Key, tuple[addresses.Address, ...]]
NOTHING_ANNOUNCED: Announced = MappingProxyType({})


def announced(decisions: Iterable[values.Decision]) -> Announced:
    """What the decisions announce: service and protocol -> addresses."""
    return MappingProxyType(
        {
            (each.service, each.protocol): each.addresses
            for each in decisions
            if isinstance(each.verdict, values.Announce)
        }
    )


def changes(decisions: Iterable[values.Decision], before: Announced) -> tuple[Change, ...]:
    """What begins and what ends, compared with what was announced before, sorted by service and protocol."""
    found: list[Change] = []
    decided: set[Key] = set()
    for each in decisions:
        key = (each.service, each.protocol)
        decided.add(key)
        match each.verdict:
            case values.Announce():
                if before.get(key) != each.addresses:
                    found.append(Change(each.service, each.protocol, each.addresses))
            case values.Abstain(reason):
                if key in before:
                    found.append(Change(each.service, each.protocol, before[key], reason.value))
    gone = values.Reason.SERVICE_DELETED.value
    found += [Change(*key, shown, gone) for key, shown in before.items() if key not in decided]
    return tuple(sorted(found, key=lambda change: (change.service, change.protocol)))


class Diary:
    """`announced` and `changes` with a memory: only decisions that are new are looked at. It must give what those give from scratch."""

    def __init__(self) -> None:
        self._parts: tuple[tuple[values.Decision, ...], ...] = ()
        self._announced: dict[Key, tuple[addresses.Address, ...]] = {}

    @property
    def announced(self) -> Announced:
        """What the decisions announce now; the view changes with them."""
        return MappingProxyType(self._announced)

    def follow(self, parts: tuple[tuple[values.Decision, ...], ...]) -> tuple[Change, ...]:
        """What begins and what ends. `parts` are the decisions of each protocol, one per service."""
        found: list[Change] = []
        for before, after in itertools.zip_longest(self._parts, parts, fillvalue=()):
            window = windows.window(before, after)
            gone, come = before[window.start : window.before_stop], after[window.start : window.after_stop]
            kept = set(map(id, gone)).intersection(map(id, come))
            new = [each for each in come if id(each) not in kept]
            old = {(each.service, each.protocol) for each in gone if id(each) not in kept}
            concerned = {key: self._announced[key] for key in old if key in self._announced}
            now = announced(new)
            found += changes(new, concerned)
            for key in concerned.keys() - now.keys():
                del self._announced[key]
            self._announced.update(now)
        self._parts = parts
        return tuple(sorted(found, key=lambda change: (change.service, change.protocol)))


def events(found: Iterable[Change], world: snapshot.Snapshot, node: str) -> tuple[effects.EmitEvent, ...]:
    """A `nodeAssigned` event on the Service for everything that begins."""
    beginning = [change for change in found if not change.reason]
    services = _services(world, {change.service for change in beginning})
    return tuple(
        effects.EmitEvent(
            services[change.service].ref,
            services[change.service].uid,
            effects.EventType.NORMAL,
            "nodeAssigned",
            f'announcing from node "{node}" with protocol "{change.protocol}"',
        )
        for change in beginning
        if change.service in services
    )


def _services(world: snapshot.Snapshot, keys: Collection[str]) -> Mapping[str, service.Service]:
    """Those of the keys that there are. Few are looked for in the order in which a view has them, many one after the other."""
    found: dict[str, service.Service] = {}
    if len(keys) <= _FEW:
        for key in keys:
            namespace, _, name = key.partition("/")
            index = bisect.bisect_left(
                world.services, (namespace, name), key=lambda each: (each.ref.namespace, each.ref.name)
            )
            if index < len(world.services) and world.services[index].key == key:
                found[key] = world.services[index]
    if len(found) < len(keys):
        found = {each.key: each for each in world.services if each.key in keys}
    return found


def unreachable_events(
    entries: Iterable[values.L2Entry], shown: Announced, world: snapshot.Snapshot, node: str
) -> tuple[effects.EmitEvent, ...]:
    """A warning on every Service whose layer-2 addresses have none of their interfaces on this node."""
    lost = {entry.address: entry for entry in entries}
    if not lost:
        return ()
    services = {each.key: each for each in world.services}
    return tuple(
        effects.EmitEvent(
            services[key].ref,
            services[key].uid,
            effects.EventType.WARNING,
            "announceFailed",
            f'failed to announce "{address}" from node "{node}" with protocol "{protocol}": none of the interfaces '
            f"{', '.join(sorted(lost[address].interfaces))} exists on the node",
        )
        for (key, protocol), held in sorted(shown.items())
        if protocol is values.Protocol.LAYER2 and key in services
        for address in held
        if address in lost
    )


def conflict_events(
    rivals: Iterable[links.Rival],
    held: Collection[addresses.Address],
    decisions: Iterable[values.Decision],
    world: snapshot.Snapshot,
    node: str,
) -> tuple[effects.EmitEvent, ...]:
    """A warning on every Service one of whose layer-2 addresses a station claims that is no speaker."""
    claimed: dict[addresses.Address, list[links.Rival]] = {}
    for rival in rivals:
        if rival.is_present:
            claimed.setdefault(rival.address, []).append(rival)
    if not claimed:
        return ()
    concerned = {each.service: each.addresses for each in decisions if each.wish is not None}
    return tuple(
        effects.EmitEvent(
            item.ref,
            item.uid,
            effects.EventType.WARNING,
            "addressConflict",
            f'"{address}" is also claimed by {links.format_mac(rival.mac)}, as node "{node}" hears'
            if address in held
            else f'"{address}" cannot be announced from node "{node}": {links.format_mac(rival.mac)} answers for it',
        )
        for item in world.services
        for address in concerned.get(item.key, ())
        for rival in claimed.get(address, ())
    )


def refused(found: Iterable[refusal.LeftOut]) -> tuple[problems.Problem, ...]:
    """What FRR refused, as mistakes of the objects behind it."""
    return tuple(
        problems.Problem(
            each.refs[0],
            "data[extras]" if each.refs[0].kind == "ConfigMap" else "spec",
            problems.Reason.REFUSED,
            each.message,
        )
        for each in found
        if each.refs
    )


def state_ref(node: str, namespace: str) -> refs.ObjectRef:
    """The name of this speaker's ConfigurationState."""
    return refs.ObjectRef("ConfigurationState", namespace, f"speaker-{node}")


def configuration_state(
    found: Iterable[problems.Problem], apply_error: str, node: str, namespace: str
) -> effects.WriteConfigurationState:
    """The ConfigurationState object of this speaker: what is wrong with objects, and what FRR refused (empty for nothing)."""
    return effects.WriteConfigurationState(
        state_ref(node, namespace),
        CONDITION_TYPE,
        (("metallb.io/component-type", "speaker"), ("metallb.io/node-name", node)),
        (*(each.summary for each in found), *((apply_error,) if apply_error else ())),
    )
