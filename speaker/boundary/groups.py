"""The multicast groups in which this machine listens, so that switches deliver the solicitations for its IPv6 addresses.

Kept by `speaker.boundary.layer2`, which says which addresses are asked about and which interfaces are there. Addresses share
groups, so each is counted. Joining is a call to the kernel, which takes the longer the more groups there are: when many
addresses are concerned it goes on step by step (`speaker.boundary.turns`). Decides nothing: which groups an address has is
`ports.Layer2Rules`' business.
"""

import collections
import ipaddress
from collections.abc import Iterable

from frr_adapter import addresses
from speaker import links, values
from speaker.boundary import ports

_JOIN_WORTH = 6
"""Joining or leaving one group takes as long as so many ordinary steps."""


class Groups:
    """Level-triggered: whatever fails or changes, an address is looked at as a whole."""

    def __init__(self, wire: ports.Wire, rules: ports.Layer2Rules) -> None:
        self._wire = wire
        self._rules = rules
        self._wanted: dict[addresses.Address, values.L2Entry] = {}
        self._interfaces: tuple[links.Interface, ...] = ()
        self._of: dict[addresses.Address, frozenset[links.Membership]] = {}
        self._users: dict[links.Membership, int] = {}
        self._failed: set[links.Membership] = set()
        self._unsettled: collections.deque[addresses.Address] = collections.deque()
        self._again: collections.deque[links.Membership] = collections.deque()

    def listen(self, entry: values.L2Entry) -> int:
        """Joined when this returns, except where the kernel refuses it. Gives what it was worth in steps."""
        if isinstance(entry.address, ipaddress.IPv4Address) or self._wanted.get(entry.address) is entry:
            return 0
        self._wanted[entry.address] = entry
        return self._settle(entry.address)

    def listen_soon(self, entry: values.L2Entry) -> None:
        """Joined by one of the next steps."""
        if isinstance(entry.address, ipaddress.IPv6Address) and self._wanted.get(entry.address) is not entry:
            self._wanted[entry.address] = entry
            self._unsettled.append(entry.address)

    def forget(self, address: addresses.Address) -> None:
        """Left by one of the next steps."""
        if self._wanted.pop(address, None) is not None:
            self._unsettled.append(address)

    def interfaces_changed(self, interfaces: Iterable[links.Interface]) -> None:
        """These are there now; what failed is tried again."""
        before, self._interfaces = self._interfaces, tuple(each for each in interfaces if each.answers_ndp)
        if {(each.index, each.name) for each in before} != {(each.index, each.name) for each in self._interfaces}:
            self._unsettled.extend(self._wanted)
        returned = {each.index for each in self._interfaces} - {each.index for each in before}
        if returned:  # an interface may be back before its groups were left, and the kernel have forgotten them
            self._again.extend(each for each in self._users if each.interface in returned)
        self._again.extend(self._failed)
        self._failed.clear()

    def step(self) -> int:
        """See `speaker.boundary.turns.Source`."""
        if self._unsettled:
            return 1 + self._settle(self._unsettled.popleft())
        if self._again:
            membership = self._again.popleft()
            if membership in self._users:
                self._wire.leave(membership)
                self._join(membership)
            return 1 + _JOIN_WORTH
        return 0

    def close(self) -> None:
        """Nothing is joined any more."""
        for kept in (self._wanted, self._of, self._users, self._failed, self._unsettled, self._again):
            kept.clear()
        self._wire.close()

    def _settle(self, address: addresses.Address) -> int:
        entry = self._wanted.get(address)
        wanted = frozenset() if entry is None else self._rules.memberships({address: entry}, self._interfaces)
        before = self._of.get(address, frozenset[links.Membership]())
        if wanted == before:
            return 0
        if wanted:
            self._of[address] = wanted
        else:
            del self._of[address]
        worth = 0
        for membership in sorted(wanted - before, key=_order):
            users = self._users.get(membership, 0)
            self._users[membership] = users + 1
            if not users:
                self._join(membership)
                worth += _JOIN_WORTH
        for membership in sorted(before - wanted, key=_order):
            users = self._users.pop(membership)
            if users > 1:
                self._users[membership] = users - 1
            else:
                self._failed.discard(membership)
                self._wire.leave(membership)
                worth += _JOIN_WORTH
        return worth

    def _join(self, membership: links.Membership) -> None:
        try:
            self._wire.join(membership)
        except OSError:  # the interface is going; its return brings the next try
            self._failed.add(membership)


def _order(membership: links.Membership) -> tuple[int, int]:
    return (membership.interface, int(membership.group))
