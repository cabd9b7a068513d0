"""What each service adds to a plan, kept in the order of the services and decided again only where something is new.

Both planners keep one. Pure but for what it keeps, which depends on nothing but the last candidates and how they were decided: whoever
decides by other rules starts with a new one.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from frr_adapter.frr import windows
from frr_adapter.model import snapshot
from speaker import values


class Decided(Protocol):
    """A share says at least what was decided."""

    @property
    def decision(self) -> values.Decision:
        """About one service."""


_Share = TypeVar("_Share", bound=Decided)


class Shares(Generic[_Share]):
    """One share per candidate. `decisions` is the very same tuple until one of them changes."""

    def __init__(self) -> None:
        self._candidates: tuple[snapshot.Candidate, ...] = ()
        self._rows: list[_Share] = []
        self._decisions: list[values.Decision] = []
        self.decisions: tuple[values.Decision, ...] = ()

    def follow(
        self, candidates: tuple[snapshot.Candidate, ...], decide: Callable[[snapshot.Candidate], _Share]
    ) -> tuple[list[_Share], list[_Share]]:
        """The shares that no longer count, and those that are new. `decide` is asked about candidates that were not there."""
        window = windows.window(self._candidates, candidates)
        if not window:
            return [], []
        before = zip(
            self._candidates[window.start : window.before_stop],
            self._rows[window.start : window.before_stop],
            strict=True,
        )
        # By identity: a service that did not change is the same object, wherever it stands now.
        known = {id(candidate.service): (candidate, share) for candidate, share in before}
        rows, come = [], []
        for candidate in candidates[window.start : window.after_stop]:
            last = known.get(id(candidate.service))
            if last is not None and (last[0] is candidate or last[0].endpoints == candidate.endpoints):
                rows.append(last[1])
                del known[id(candidate.service)]
            else:
                share = decide(candidate)
                rows.append(share)
                come.append(share)
        self._candidates = candidates
        self._rows[window.start : window.before_stop] = rows
        self._decisions[window.start : window.before_stop] = [share.decision for share in rows]
        self.decisions = tuple(self._decisions)
        return [share for _, share in known.values()], come
