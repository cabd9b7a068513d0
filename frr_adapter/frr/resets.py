"""Two configurations -> the sessions that going from the one to the other ends, and why. Pure.

Called by `delta` and, for changes that are left to frr-reload.py, by `boundary.hot`: whichever way a change goes, it is known before
what it costs. The table behind it is measured (docs/frr.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from frr_adapter.frr import changes, config, grammar
from frr_adapter.frr.grammar import Resets


@dataclass(frozen=True, slots=True)
class Reset:
    """A session that ends and comes back. `since` is the major version of FRR from which on it does."""

    neighbor: str
    reason: str
    vrf: str = ""
    since: int = 0

    def __str__(self) -> str:
        where = f" in VRF {self.vrf}" if self.vrf else ""
        return f"{self.neighbor}{where}: {self.reason}"


def resets(applied: config.FrrConfig, wanted: config.FrrConfig) -> tuple[Reset, ...]:
    """Sessions of neighbors that are in both. Those that go, go for good, and are not named.

    Raises `errors.ApplyError` when a value cannot be a word of FRR's language.
    """
    found = changes.instances(applied, wanted)
    before = {router.vrf: router for router in found.removed}
    return (
        *(each for new in found.added if new.vrf in before for each in _moved(before[new.vrf], new)),
        *(each for old, new in found.pairs for each in _of_instance(old, new)),
    )


def on_version(found: tuple[Reset, ...], major: int) -> tuple[Reset, ...]:
    """Those that this major version of FRR does."""
    return tuple(each for each in found if each.since <= major)


def _moved(before: config.Router, after: config.Router) -> Iterator[Reset]:
    for name in _lasting(before, after):
        yield Reset(name, "AS of the node changed", after.vrf)


def _lasting(before: config.Router, after: config.Router) -> tuple[str, ...]:
    return tuple(sorted({item.name for item in before.neighbors} & {item.name for item in after.neighbors}))


def _of_instance(before: config.Router, after: config.Router) -> Iterator[Reset]:
    lasting = _lasting(before, after)
    if before.router_id != after.router_id:
        yield from (Reset(name, "router ID changed", after.vrf) for name in lasting)
    for old, new in changes.neighbors(before, after).kept:
        if old.remote_as != new.remote_as:
            yield Reset(new.name, "AS changed", after.vrf)
        yield from _of_settings(old, new, after.vrf)
    for name, was, shall in changes.families(before, after):
        change = changes.activations(was, shall)
        for each, word in (*((a, "added") for a in change.added), *((a, "removed") for a in change.removed)):
            if each.neighbor in lasting:
                yield Reset(each.neighbor, f"address family {name} {word}", after.vrf)


def _of_settings(before: config.Neighbor, after: config.Neighbor, vrf: str) -> Iterator[Reset]:
    for item in grammar.SETTINGS:
        words, previous = item.write(after), item.write(before)
        if words == previous:
            continue
        match item.resets:
            case Resets.ALWAYS:
                yield Reset(after.name, f"{item.name} changed", vrf)
            case Resets.FROM_FRR_10:
                yield Reset(after.name, f"{item.name} changed", vrf, since=10)
            case Resets.WHEN_REMOVED if words is None:
                yield Reset(after.name, f"{item.name} removed", vrf)
            case _:
                pass
