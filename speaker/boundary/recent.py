"""The last things that happened on this node, for whoever asks for a report: a ring of lines with their times.

The wiring makes one; the loop, FRR's sidecar and the wire process write to it. It costs an append each; nothing is decided from it.
"""

import collections
import datetime as dt

from frr_adapter.api import node_report
from frr_adapter.boundary import ports

LENGTH = 200


class Recent:
    """The last `LENGTH` lines. A line that says the same as the one before it is not kept again."""

    def __init__(self, clock: ports.Clock) -> None:
        self._clock = clock
        self._lines: collections.deque[tuple[dt.datetime, str]] = collections.deque(maxlen=LENGTH)

    def note(self, *lines: str) -> None:
        """Something happened just now."""
        for line in lines:
            if not self._lines or self._lines[-1][1] != line:
                self._lines.append((self._clock.now(), line))

    def occurrences(self) -> tuple[node_report.Occurrence, ...]:
        """All lines, oldest first."""
        return tuple(node_report.Occurrence(stamp(at), line) for at, line in self._lines)


def stamp(moment: dt.datetime) -> str:
    """RFC 3339 in UTC with milliseconds: things of one second have an order, too."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
