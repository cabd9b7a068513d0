"""The free addresses of one pool and family, lowest first, without walking the pool again and again.

Used by `ledger` only. Places are counted from 0 through the networks in the order they were declared, so "lowest" means
first as the user wrote them. A cursor runs over places that were never free again; places given back below it wait in a heap.
"""

import bisect
import heapq
from collections.abc import Iterable

from frr_adapter import addresses


class FreeAddresses:
    """Free and taken places of one pool and family. Mutable; owned by a ledger."""

    def __init__(self, networks: Iterable[addresses.Network], *, avoid_buggy: bool) -> None:
        self._networks = tuple(networks)
        self._bases: list[int] = []
        size = 0
        for network in self._networks:
            self._bases.append(size)
            size += int(network.num_addresses)
        self._size = size
        order = sorted((int(network.network_address), number) for number, network in enumerate(self._networks))
        self._starts = [start for start, _ in order]
        self._numbers = [number for _, number in order]
        self._avoid_buggy = avoid_buggy and bool(self._networks) and self._networks[0].version == 4
        self._taken: set[int] = set()
        self._returned: list[int] = []
        self._cursor = 0

    def place(self, address: addresses.Address) -> int | None:
        """The place of an address of this family, None when no network holds it."""
        number = bisect.bisect_right(self._starts, int(address)) - 1
        if number < 0 or address not in self._networks[self._numbers[number]]:
            return None
        chosen = self._numbers[number]
        return self._bases[chosen] + int(address) - int(self._networks[chosen].network_address)

    def address(self, place: int) -> addresses.Address:
        """The address at a place below the size of the pool."""
        number = bisect.bisect_right(self._bases, place) - 1
        return self._networks[number][place - self._bases[number]]

    def take(self, address: addresses.Address) -> None:
        """Somebody uses the address now; an address outside is nobody's business here."""
        place = self.place(address)
        if place is not None:
            self._taken.add(place)

    def give_back(self, address: addresses.Address) -> None:
        """Nobody uses the address any more."""
        place = self.place(address)
        if place is not None and place in self._taken:
            self._taken.remove(place)
            if place < self._cursor:
                heapq.heappush(self._returned, place)

    def lowest(self) -> int | None:
        """The lowest free place, None when all are taken. The place stays free until `take`."""
        while self._returned:
            place = self._returned[0]
            if place not in self._taken and not self._is_refused(place):
                return place
            heapq.heappop(self._returned)
        while self._cursor < self._size and (self._cursor in self._taken or self._is_refused(self._cursor)):
            self._cursor += 1
        return self._cursor if self._cursor < self._size else None

    def _is_refused(self, place: int) -> bool:
        return self._avoid_buggy and addresses.is_buggy(self.address(place))
