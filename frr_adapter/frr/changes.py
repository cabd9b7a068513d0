"""What comes, goes and stays between two configurations, part by part. Pure.

Called by `delta`, which makes lines of it, and by `resets`, which names the sessions that it costs. It must never know how FRR is told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from frr_adapter.frr import config

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Change(Generic[Item]):
    """Two tables compared: what comes, what goes, and what is in both and differs (as it was, as it shall be)."""

    added: tuple[Item, ...]
    removed: tuple[Item, ...]
    kept: tuple[tuple[Item, Item], ...]


def compare(before: Mapping[object, Item], after: Mapping[object, Item]) -> Change[Item]:
    """Compares by key, then by value."""
    return Change(
        tuple(item for key, item in after.items() if key not in before),
        tuple(item for key, item in before.items() if key not in after),
        tuple((before[key], item) for key, item in after.items() if key in before and before[key] != item),
    )


@dataclass(frozen=True, slots=True)
class Instances:
    """BGP instances. `pairs` are all that shall run: as it was (empty when it comes), as it shall be. An instance whose AS changes
    goes and comes: FRR has no other way.
    """

    pairs: tuple[tuple[config.Router, config.Router], ...]
    added: tuple[config.Router, ...]
    removed: tuple[config.Router, ...]


def instances(applied: config.FrrConfig, wanted: config.FrrConfig) -> Instances:
    """In the order of their VRFs, the default one first."""
    old, new = ({(r.vrf, r.asn): r for r in sorted(each.routers, key=_order)} for each in (applied, wanted))
    return Instances(
        tuple((old.get(key) or config.Router(item.asn, item.vrf), item) for key, item in new.items()),
        tuple(item for key, item in new.items() if key not in old),
        tuple(item for key, item in old.items() if key not in new),
    )


def _order(router: config.Router) -> tuple[str, int]:
    return router.vrf, router.asn


def neighbors(before: config.Router, after: config.Router) -> Change[config.Neighbor]:
    """The neighbors of one instance."""
    return compare({n.name: n for n in before.neighbors}, {n.name: n for n in after.neighbors})


def activations(before: config.AddressFamily, after: config.AddressFamily) -> Change[config.Activation]:
    """The neighbors that carry one address family."""
    return compare({a.neighbor: a for a in before.activations}, {a.neighbor: a for a in after.activations})


def families(
    before: config.Router, after: config.Router
) -> Iterator[tuple[str, config.AddressFamily, config.AddressFamily]]:
    """Every address family that one of them has: name, as it was, as it shall be."""
    old, new = ({family.name: family for family in router.families} for router in (before, after))
    for name in sorted(old.keys() | new.keys()):
        none = config.AddressFamily(name)
        yield name, old.get(name, none), new.get(name, none)
