"""Addresses of one pool and family that Services with one sharing key hold: the lowest that still has certain ports free.

Used by `ledger` only. Thousands of services may carry one key and one port, so the search does not begin anew each time: per
set of ports it remembers below which place nothing can be had, and forgets that when something below is given back.
"""

import bisect
from collections.abc import Callable

from frr_adapter.model import service as services

Ports = tuple[services.Port, ...]


class SharedPlaces:
    """Places of addresses in use under one sharing key and backend. Mutable; owned by a ledger."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._nothing_below: dict[Ports, int] = {}
        self._highest = -1

    def add(self, place: int) -> None:
        """The address at the place is in use under the key from now on."""
        bisect.insort(self._places, place)
        self.eased(place)

    def remove(self, place: int) -> None:
        """The address at the place is not in use under the key any more."""
        number = bisect.bisect_left(self._places, place)
        del self._places[number]

    @property
    def is_empty(self) -> bool:
        """Whether no address is in use under the key."""
        return not self._places

    def eased(self, place: int) -> None:
        """The place may have ports free now that it had not before."""
        if place < self._highest:
            self._nothing_below.clear()
            self._highest = -1

    def lowest(self, ports: Ports, has_room: Callable[[int], bool]) -> int | None:
        """The lowest place for which `has_room` holds; the predicate must depend on the ports only."""
        number = bisect.bisect_left(self._places, self._nothing_below.get(ports, 0))
        while number < len(self._places) and not has_room(self._places[number]):
            number += 1
        found = self._places[number] if number < len(self._places) else None
        bound = found if found is not None else (self._places[-1] + 1 if self._places else 0)
        self._nothing_below[ports] = bound
        self._highest = max(self._highest, bound)
        return found
