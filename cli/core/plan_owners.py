"""Layer-2 addresses that another node answers for after a change. Called by `planning`. Pure; compares contests, judges nothing."""

from collections.abc import Iterator

from cli.core import layer2, moment
from cli.documents import plan
from frr_adapter.model import cluster


def changes(before: moment.Moment, after: moment.Moment) -> tuple[plan.OwnerChange, ...]:
    """Sorted by Service. A Service that goes, or loses its addresses, loses its owner with them; that is told there."""
    return tuple(_changes(before, after))


def _changes(before: moment.Moment, after: moment.Moment) -> Iterator[plan.OwnerChange]:
    for key, new in after.contests.items():
        old = before.contests.get(key)
        was = old.owner if old is not None else None
        addresses = tuple(str(address) for address in new.addresses)
        if was is None and new.owner is not None:
            yield plan.OwnerChange(key, addresses, "gained", "", new.owner)
        elif was is not None and new.owner is None:
            yield plan.OwnerChange(key, addresses, "lost", was, "", new.reason)
        elif was is not None and new.owner is not None and was != new.owner:
            yield plan.OwnerChange(key, addresses, "moved", was, new.owner, _why(was, new, after))


def _why(was: str, new: layer2.Contest, after: moment.Moment) -> str:
    """Why the owner that was is not the owner any more."""
    node = next((each for each in after.world.shared.nodes if each.name == was), None)
    if node is None:
        return f"node {was} is gone"
    if was not in new.candidates:
        return f"{was} is no candidate any more{_excluded(node, after)}"
    if was not in new.holders:
        return "the address is another one"
    scores = dict(new.scores)
    if new.owner is not None and scores.get(new.owner, 0) > scores.get(was, 0):
        return f"{new.owner} is preferred ({scores.get(new.owner, 0)} to {scores.get(was, 0)})"
    return f"{new.owner} comes first in the election"


def _excluded(node: cluster.Node, after: moment.Moment) -> str:
    if node.network_unavailable:
        return ": its network is unavailable"
    if node.is_excluded and not after.world.programs.ignore_exclude_lb:
        return f": it has the label {cluster.EXCLUDE_LABEL}"
    return ""
