"""Stations that are no speakers and claim addresses of this node: whom people are told about. Time is an argument, in seconds.

Kept by `speaker.boundary.claimant`, made through `speaker.core.layer2`. Remembers and counts only: what to do about a claim is
decided in `speaker.core.holding`, whatever is remembered here.
"""

from collections.abc import Container
from dataclasses import dataclass

from frr_adapter import addresses
from speaker import links

MOST = 256
"""Pairs of address and station that are remembered; anybody on the segment can invent stations."""

STUBBORN_SECONDS = 0.5
"""Who answers for an address that this node does not hold must go on for so long: it may be a speaker of which we shall hear."""

QUIET_SECONDS = 600.0
"""A station that was silent for so long is news when it speaks again."""


@dataclass(slots=True)
class _Record:
    first: float
    last: float
    claims: int = 0
    was_held: bool = False

    def is_present(self, now: float) -> bool:
        is_sure = self.was_held or self.last - self.first >= STUBBORN_SECONDS
        return is_sure and now - self.last < QUIET_SECONDS


class Rivals:
    """All that are known, by address and link-layer address."""

    def __init__(self) -> None:
        self._records: dict[tuple[addresses.Address, links.Mac], _Record] = {}

    def heard(
        self, address: addresses.Address, mac: links.Mac, standing: links.Standing, now: float, *, is_held: bool
    ) -> bool:
        """Counts a claim; whether people are to be told of it and were not a moment ago.

        Speakers that live settle it among themselves. Where nobody watches who lives, only an address that is held can be claimed: who
        answers for another one may be the speaker that holds it.
        """
        if standing not in {links.Standing.STRANGER, links.Standing.UNKNOWN}:
            return False
        if standing is links.Standing.UNKNOWN and not is_held:
            return False
        key = (address, mac)
        record = self._records.get(key)
        if record is None:
            if len(self._records) >= MOST:
                return False
            record = self._records[key] = _Record(now, now)
        was_present = record.is_present(now)
        if now - record.last >= QUIET_SECONDS:
            record.first, record.was_held = now, False
        record.claims += 1
        record.last = now
        record.was_held = record.was_held or is_held
        return not was_present and record.is_present(now)

    def keep(self, wanted: Container[addresses.Address]) -> None:
        """Forgets what is about other addresses than these."""
        for key in [key for key in self._records if key[0] not in wanted]:
            del self._records[key]

    def found(self, now: float) -> tuple[links.Rival, ...]:
        """All that are remembered, sorted by address and link-layer address."""
        return tuple(
            links.Rival(address, mac, record.claims, record.is_present(now))
            for (address, mac), record in sorted(self._records.items(), key=_order)
        )


def _order(item: tuple[tuple[addresses.Address, links.Mac], _Record]) -> tuple[int, int, bytes]:
    (address, mac), _ = item
    return (address.version, int(address), mac)
