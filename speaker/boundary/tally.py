"""What layer 2 counts: frames by address, refusals by reason, errors.

Fed by `speaker.boundary.layer2` and `speaker.boundary.announcing` with every frame, read by metrics. Counting must cost the same
however many addresses there are.
"""

import collections
from dataclasses import dataclass

from frr_adapter import addresses
from speaker import links


@dataclass(slots=True)
class _Row:
    requests: int = 0
    responses: int = 0
    gratuitous: int = 0

    def shown(self, address: addresses.Address) -> links.AddressCounts:
        return links.AddressCounts(address, self.requests, self.responses, self.gratuitous)


class Tally:
    """Everything since the start. Numbers never go back."""

    def __init__(self) -> None:
        self._rows: collections.defaultdict[addresses.Address, _Row] = collections.defaultdict(_Row)
        self._fresh: dict[addresses.Address, _Row] = {}
        self._refusals: collections.Counter[links.Refusal] = collections.Counter()
        self._send_errors = 0

    def asked(self, address: addresses.Address) -> None:
        """A request came for which this node answers."""
        self._changed(address).requests += 1

    def answered(self, address: addresses.Address) -> None:
        """An answer was sent."""
        self._changed(address).responses += 1

    def announced(self, address: addresses.Address) -> None:
        """A gratuitous frame was sent."""
        self._changed(address).gratuitous += 1

    def refused(self, reason: links.Refusal) -> None:
        """A frame got no answer."""
        self._refusals[reason] += 1

    def failed(self, frames: int = 1) -> None:
        """So many frames could not be sent."""
        self._send_errors += frames

    def counts(self, netlink_restarts: int) -> links.Counts:
        """All of it. Takes milliseconds where thousands of addresses were seen; see `fresh`."""
        seen = sorted(self._rows.items(), key=lambda row: (row[0].version, int(row[0])))
        return links.Counts(
            addresses=tuple(row.shown(address) for address, row in seen),
            refusals=tuple(sorted(self._refusals.items())),
            send_errors=self._send_errors,
            netlink_restarts=netlink_restarts,
        )

    def fresh(self, most: int, netlink_restarts: int) -> links.Counts:
        """The same, with only those addresses whose numbers changed since they were given last: at most so many, the oldest news first."""
        lot = list(zip(range(most), self._fresh.items(), strict=False))
        for _, (address, _) in lot:
            del self._fresh[address]
        return links.Counts(
            addresses=tuple(row.shown(address) for _, (address, row) in lot),
            refusals=tuple(sorted(self._refusals.items())),
            send_errors=self._send_errors,
            netlink_restarts=netlink_restarts,
        )

    def _changed(self, address: addresses.Address) -> _Row:
        row = self._rows[address]
        self._fresh[address] = row
        return row
