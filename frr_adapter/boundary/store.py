"""The newest of every object: what the watches told so far. The loops read it at the start of a cycle.

It keeps values and compares them; it must never resolve references or decide anything. All in one thread, no awaiting.
"""

from collections.abc import Iterable
from typing import Any, assert_never

from frr_adapter import problems, refs
from frr_adapter.boundary import watch
from frr_adapter.decode import decoded


class Store:
    """Objects of the given kinds. A kind counts as listed once its first listing has ended."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._unlisted = set(kinds)
        self._values: dict[str, dict[refs.ObjectRef, Any]] = {kind: {} for kind in self._unlisted}
        self._problems: dict[refs.ObjectRef, tuple[problems.Problem, ...]] = {}
        self._sorted: dict[str, tuple[Any, ...]] = {}
        self._sorted_problems: tuple[problems.Problem, ...] | None = ()

    @property
    def all_listed(self) -> bool:
        """Whether the world is known as a whole; no cycle may run before."""
        return not self._unlisted

    @property
    def unlisted(self) -> tuple[str, ...]:
        """Kinds whose first listing has not ended yet, sorted."""
        return tuple(sorted(self._unlisted))

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
                is_known = self._values[kind].pop(ref, None) is not None
                if is_known:
                    self._sorted.pop(kind, None)
                return is_known | self._complain(ref, ())
            case _:
                assert_never(event)

    def objects(self, kind: str) -> tuple[Any, ...]:
        """All usable values of a kind, sorted by reference; the very same tuple until one of them changes."""
        found = self._sorted.get(kind)
        if found is None:
            values = self._values[kind]
            found = tuple(values[ref] for ref in sorted(values))
            self._sorted[kind] = found
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
        values[newest.ref] = newest.value
        self._sorted.pop(kind, None)
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
