"""Items in the order of their places, kept so while single ones come and go.

The planners keep what they planned in it, so that one change among thousands is not sorted into them anew. Pure but for what it keeps.
"""

import bisect
from collections.abc import Mapping
from typing import Generic, TypeVar

Place = tuple[int, ...]
"""What orders an item and tells it from all others."""

_Item = TypeVar("_Item")

_FEW = 64
"""Up to so many changes are put in one by one, which moves the rest each time; more are sorted in at once."""


class Ordered(Generic[_Item]):
    """`items` is the very same tuple until one of them changes."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._rows: list[_Item] = []
        self.items: tuple[_Item, ...] = ()

    def change(self, news: Mapping[Place, _Item | None]) -> None:
        """Puts each item to its place, in the stead of what was there; None clears the place. Equal items change nothing."""
        is_new = self._change_few(news) if len(news) <= _FEW else self._change_many(news)
        if is_new:
            self.items = tuple(self._rows)

    def _change_few(self, news: Mapping[Place, _Item | None]) -> bool:
        is_new = False
        for place, item in news.items():
            index = bisect.bisect_left(self._places, place)
            is_there = index < len(self._places) and self._places[index] == place
            if is_there and item is None:
                del self._places[index], self._rows[index]
            elif is_there and item is not None and self._rows[index] != item:
                self._rows[index] = item
            elif not is_there and item is not None:
                self._places.insert(index, place)
                self._rows.insert(index, item)
            else:
                continue
            is_new = True
        return is_new

    def _change_many(self, news: Mapping[Place, _Item | None]) -> bool:
        before = dict(zip(self._places, self._rows, strict=True))
        changed = {place: item for place, item in news.items() if item is not None and before.get(place) != item}
        after = {place: item for place, item in before.items() if news.get(place, item) is not None} | changed
        self._places = sorted(after)
        self._rows = [after[place] for place in self._places]
        return True
