"""Whose configuration FRR refused, and the Warning events that tell it on these objects. Pure; called by the loop."""

from collections.abc import Iterable, Mapping

from frr_adapter import effects, errors, refs
from frr_adapter.frr import refusal, reloading

REASON = "ConfigurationRefused"

Blame = frozenset[tuple[refs.ObjectRef, str]]
"""Objects, and one line each about what FRR did not take."""

NOBODY: Blame = frozenset()


def blamed(outcome: reloading.ApplyReport | errors.ApplyError, before: Blame) -> Blame:
    """The objects that stand in the way after this attempt. An attempt that did not get as far as FRR changes nothing."""
    match outcome:
        case refusal.RefusedError():
            return frozenset((ref, str(outcome)) for ref in outcome.refs)
        case errors.ApplyError():
            return before
        case _:
            return frozenset((ref, each.message) for each in outcome.left_out for ref in each.refs)


def events(
    blame: Iterable[tuple[refs.ObjectRef, str]], uids: Mapping[refs.ObjectRef, str], node: str
) -> tuple[effects.EmitEvent, ...]:
    """One event on each object, sorted; `uids` as far as they are known."""
    return tuple(
        effects.EmitEvent(ref, uids.get(ref, ""), effects.EventType.WARNING, REASON, f'node "{node}": {text}')
        for ref, text in sorted(blame)
    )
