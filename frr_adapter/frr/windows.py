"""Where two versions of a long sequence differ, found at the speed of C: the part between their common beginning and end.

Called wherever something follows a sequence of which little changes at a time. Pure. It must compare by equality: that an unchanged
item is the very same object only makes it fast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

_Item = TypeVar("_Item")

_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Window:
    """`before[start:before_stop]` became `after[start:after_stop]`; what stands around is equal. False when nothing differs."""

    start: int
    before_stop: int
    after_stop: int

    def __bool__(self) -> bool:
        return self.before_stop > self.start or self.after_stop > self.start


def window(before: Sequence[_Item], after: Sequence[_Item]) -> Window:
    """The smallest window; both are tuples, or both are lists."""
    shortest = min(len(before), len(after))
    if before is after:
        return Window(shortest, shortest, shortest)
    head = _head(before, after, shortest)
    tail = _tail(before, after, shortest - head)
    return Window(head, len(before) - tail, len(after) - tail)


def _head(before: Sequence[_Item], after: Sequence[_Item], limit: int) -> int:
    for start in range(0, limit, _CHUNK):
        stop = min(start + _CHUNK, limit)
        if before[start:stop] != after[start:stop]:
            return next(n for n in range(start, stop) if _differ(before[n], after[n]))
    return limit


def _tail(before: Sequence[_Item], after: Sequence[_Item], limit: int) -> int:
    ends = (len(before), len(after))
    for start in range(0, limit, _CHUNK):
        stop = min(start + _CHUNK, limit)
        if before[ends[0] - stop : ends[0] - start] != after[ends[1] - stop : ends[1] - start]:
            return next(n for n in range(start, stop) if _differ(before[ends[0] - 1 - n], after[ends[1] - 1 - n]))
    return limit


def _differ(before: _Item, after: _Item) -> bool:
    # Unlike sequences of them, single items would be compared in full although they are the same object.
    return before is not after and before != after
