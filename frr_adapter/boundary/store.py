"""The newest of every object: what the watches told so far. The loops read it at the start of a cycle.

It keeps values and compares them; it must never resolve references or decide anything. All in one thread, no awaiting.
"""

import bisect
from collections.abc import Iterable
from typing import Any, assert_never

from frr_adapter import problems, refs
from frr_adapter.boundary import watch
from frr_adapter.decode import decoded

_Place = tuple[str, str]


def _place(ref: refs.ObjectRef) -> _Place:
    """Orders as the reference does among those of one kind; tuples compare many times faster."""
    return (ref.namespace, ref.name)


class Store:
    """Objects of the given kinds. A kind counts as listed once its first listing has ended."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._unlisted = set(kinds)
        self._values: dict[str, dict[refs.ObjectRef, Any]] = {kind: {} for kind in self._unlisted}
        self._problems: dict[refs.ObjectRef, tuple[problems.Problem, ...]] = {}
        # The same values in order, kept so: sorting thousands again for every change of one would be most of a cycle.
        self._order: dict[str, list[_Place]] = {kind: [] for kind in self._values}
        self._listed: dict[str, list[Any]] = {kind: [] for kind in self._values}
        self._tuples: dict[str, tuple[Any, ...]] = {}
        self._sorted_problems: tuple[problems.Problem, ...] | None = ()

    @property
    def all_listed(self) -> bool:
        """Whether the world is known as a whole; no cycle may run before."""
        return not self._unlisted

    @property
    def unlisted(self) -> tuple[str, ...]:
        """Kinds whose first listing has not ended yet, sorted."""
        return tuple(sorted(self._unlisted))

    def expect_listings(self) -> None:
        """Counts every kind as unlisted until its next listing has ended; the values stay."""
        self._unlisted = set(self._values)

    def apply(self, event: watch.WatchEvent) -> bool:
        """Keeps what the event says; True when a later reading would differ from an earlier one.

        KeyError for a kind that was not given at the start.
        """
        match event:
            case watch.Listed(kind):
                is_first = kind in self._unlisted
                self._unlisted.discard(kind)
                return is_first
            case watch.Upserted(kind, newest):
                # Both must happen, so no short circuit.
                return self._keep(kind, newest) | self._complain(newest.ref, newest.problems)
            case watch.Deleted(kind, ref):
                return self._drop(kind, ref) | self._complain(ref, ())
            case _:
                assert_never(event)

    def objects(self, kind: str) -> tuple[Any, ...]:
        """All usable values of a kind, sorted by reference; the very same tuple until one of them changes."""
        found = self._tuples.get(kind)
        if found is None:
            found = self._tuples[kind] = tuple(self._listed[kind])
        return found

    @property
    def all_problems(self) -> tuple[problems.Problem, ...]:
        """What is wrong with the newest versions, sorted; the very same tuple until something changes."""
        if self._sorted_problems is None:
            self._sorted_problems = tuple(sorted(problem for found in self._problems.values() for problem in found))
        return self._sorted_problems

    def _keep(self, kind: str, newest: decoded.Decoded[Any]) -> bool:
        values = self._values[kind]
        # A version that cannot be used replaces nothing: what works goes on working, and the problem is told.
        if newest.value is None or values.get(newest.ref) == newest.value:
            return False
        order, listed, place = self._order[kind], self._listed[kind], _place(newest.ref)
        index = bisect.bisect_left(order, place)
        if newest.ref in values:
            listed[index] = newest.value
        else:
            order.insert(index, place)
            listed.insert(index, newest.value)
        values[newest.ref] = newest.value
        self._tuples.pop(kind, None)
        return True

    def _drop(self, kind: str, ref: refs.ObjectRef) -> bool:
        if self._values[kind].pop(ref, None) is None:
            return False
        index = bisect.bisect_left(self._order[kind], _place(ref))
        del self._order[kind][index], self._listed[kind][index]
        self._tuples.pop(kind, None)
        return True

    def _complain(self, ref: refs.ObjectRef, found: tuple[problems.Problem, ...]) -> bool:
        if self._problems.get(ref, ()) == found:
            return False
        if found:
            self._problems[ref] = found
        else:
            del self._problems[ref]
        self._sorted_problems = None
        return True
