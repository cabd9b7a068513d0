"""Whether this node may answer for addresses: the quorum that fences it. Pure; time is an argument, in monotonic seconds.

The wiring keeps one `Quorum`, renews it whenever `speaker.boundary.membership` hands over what it heard, and asks `is_fenced`
before each answer. A node that heard no majority of the members it should see for `fence_after` is silent before the others, who count from the same
question and answer, hold it for dead (`dead_after`, which is longer) and take over (`takeover_after` later still).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from speaker import settings

MOST_ASKED = 4
"""So many others are asked in each round. Where those are all, a majority must have told that it hears us; in larger clusters one
member must, and the majority is counted from what the members tell of each other."""

NEVER = float("-inf")


class Evidence(Protocol):
    """What was heard: see `speaker.boundary.roster.Hearing`."""

    @property
    def expected(self) -> frozenset[str]:
        """The other members that should be seen."""

    @property
    def heard(self) -> Mapping[str, float]:
        """Until when each surely lived."""

    @property
    def confirmed(self) -> Mapping[str, float]:
        """Until when each surely knew that we live."""

    @property
    def resumed(self) -> float:
        """When this process started or came back from standing still."""


@dataclass(frozen=True, slots=True)
class Quorum:
    """The last judgement. A node starts fenced and stays so until a majority was heard for `unfence_after` without a break."""

    timing: settings.Timing = settings.LAN
    good_until: float = NEVER
    """While nothing else is heard, the majority counts until then."""
    good_since: float | None = None
    """Since when there is a majority; None while there is none."""
    counted: frozenset[str] = frozenset()
    """The other members that should be seen, less those that were silent for `forget_after` while this node was not fenced."""
    missed_since: Mapping[str, float] = field(default_factory=dict)

    def is_fenced(self, now: float) -> bool:
        """Whether the node must not answer. Asked after a stall or a stop of the process it says yes until new evidence comes."""
        if self.good_since is None or now >= self.good_until:
            return True
        return bool(self.counted) and now < self.good_since + self.timing.unfence_after

    def observed(self, evidence: Evidence, now: float) -> "Quorum":
        """The judgement after a look at the evidence. From equal evidence at the same moment comes an equal judgement."""
        limit = self.timing.fence_after(1 + len(evidence.expected))
        silent = {name for name in evidence.expected if now - evidence.heard.get(name, NEVER) >= limit}
        missed = {name: self.missed_since.get(name, now) for name in sorted(silent)}
        was_fenced = self.is_fenced(now)
        if was_fenced:  # a node that hears too little learns nothing about the others by waiting
            missed = {name: now if name in self.counted else since for name, since in missed.items()}
        gone = {name for name, since in missed.items() if now - since > self.timing.forget_after}
        counted = evidence.expected - gone
        good_until = self._good_until(counted, evidence, limit, now)
        has_lasted = self.good_since is not None and now < self.good_until
        since = (self.good_since if has_lasted else now) if now < good_until else None
        return replace(self, good_until=good_until, good_since=since, counted=counted, missed_since=missed)

    def _good_until(self, counted: frozenset[str], evidence: Evidence, limit: float, now: float) -> float:
        """When the youngest majority will be too old."""
        if not counted:
            return float("inf")
        if len(counted) == 1:
            (other,) = counted
            return self._good_until_as_two(other, evidence, limit, now)
        needed = (1 + len(counted)) // 2  # of the others: with ourselves that is more than half
        heard = _youngest(evidence.heard, counted, needed)
        confirmed = _youngest(evidence.confirmed, counted, needed if len(counted) <= MOST_ASKED else 1)
        return min(heard, confirmed) + limit

    def _good_until_as_two(self, other: str, evidence: Evidence, limit: float, now: float) -> float:
        """Of two no majority can be left: who survives goes on, and the wire is asked before anything is taken over.

        Only a process that stood still waits, until it hears the other one or until that one would have been held for dead.
        """
        if evidence.heard.get(other, NEVER) >= evidence.resumed:
            return now + limit
        patience = self.timing.dead_after(2) + self.timing.takeover_after
        return now + limit if now - evidence.resumed >= patience else NEVER


def _youngest(stamps: Mapping[str, float], counted: frozenset[str], needed: int) -> float:
    """The oldest of the `needed` youngest stamps."""
    ordered = sorted((stamps.get(name, NEVER) for name in counted), reverse=True)
    return ordered[needed - 1]
