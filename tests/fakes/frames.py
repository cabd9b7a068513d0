"""In-memory twin of `speaker.boundary.sockets.RawWire`: frames come from the test and go into a list."""

import dataclasses

from frr_adapter import addresses
from speaker import links
from speaker.boundary import ports


@dataclasses.dataclass
class MemoryTap:
    wire: "MemoryWire"
    index: int
    family: addresses.Family
    received: ports.Received
    is_open: bool = True

    def send(self, frame: bytes) -> bool:
        if not self.is_open or self.index in self.wire.gone:
            raise OSError(19, "no such device")
        if self.wire.busy:
            self.wire.busy -= 1
            return False
        self.wire.sent.append((self.index, frame))
        return True

    def close(self) -> None:
        self.is_open = False
        self.wire.taps.pop((self.index, self.family), None)


class MemoryWire:
    def __init__(self) -> None:
        self.taps: dict[tuple[int, addresses.Family], MemoryTap] = {}
        self.sent: list[tuple[int, bytes]] = []
        self.joined: set[links.Membership] = set()
        self.joins = 0
        self.gone: set[int] = set()
        self.busy = 0

    def open(self, interface: links.Interface, family: addresses.Family, received: ports.Received) -> MemoryTap:
        if interface.index in self.gone:
            raise OSError(19, "no such device")
        tap = MemoryTap(self, interface.index, family, received)
        self.taps[interface.index, family] = tap
        return tap

    def join(self, membership: links.Membership) -> None:
        if membership.interface in self.gone:
            raise OSError(19, "no such device")
        self.joins += membership not in self.joined
        self.joined.add(membership)

    def leave(self, membership: links.Membership) -> None:
        self.joined.discard(membership)

    def close(self) -> None:
        self.joined.clear()

    def deliver(self, index: int, family: addresses.Family, frame: bytes, *, is_for_us: bool = True) -> None:
        """The frame arrives on the interface."""
        self.taps[index, family].received(frame, is_for_us)

    def take(self) -> list[tuple[int, bytes]]:
        """What was sent since the last call."""
        sent, self.sent = self.sent, []
        return sent
