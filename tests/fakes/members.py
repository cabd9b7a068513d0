"""In-memory twin of `speaker.boundary.membership.Membership`: tests say who lives, and when each was last heard."""

import asyncio
import ipaddress
from collections.abc import Mapping

from frr_adapter import addresses
from speaker.boundary import gossip, membership


class MemoryMembers:
    """One speaker called `own`; the others are what `shows` says. `confirms` are members that take what they are told."""

    def __init__(self, own: str = "n1") -> None:
        self._own = own
        self._callbacks: membership.Callbacks | None = None
        self._members: dict[str, membership.Member] = {own: self._member(own)}
        self._heard: dict[str, float] = {}
        self.peers: dict[str, addresses.Address] = {}
        self.metadata = b""
        self.sent: list[tuple[str, bytes]] = []
        self.confirms: set[str] = set()
        self.did: list[str] = []

    async def start(self, callbacks: membership.Callbacks) -> None:
        self._callbacks = callbacks

    def set_peers(self, peers: Mapping[str, addresses.Address]) -> None:
        self.peers = dict(peers)

    def set_metadata(self, metadata: bytes) -> None:
        self.metadata = metadata

    def members(self) -> tuple[membership.Member, ...]:
        return tuple(self._members[name] for name in sorted(self._members))

    def hearing(self) -> membership.Hearing:
        expected = frozenset(each.name for each in self._members.values() if not each.has_left) - {self._own}
        return membership.Hearing(expected, dict(self._heard), dict(self._heard), 0.0)

    def counts(self) -> membership.Counts:
        return membership.Counts(7, 5, 1, 0, ((gossip.Refusal.STRANGER, 2),))

    async def send(self, name: str, body: bytes, seconds: float) -> None:
        self.did.append("send")
        self.sent.append((name, body))
        if name not in self.confirms:
            await asyncio.sleep(seconds)
            raise TimeoutError

    async def leave(self) -> bool:
        self.did.append("leave")
        return True

    async def stop(self) -> None:
        self.did.append("stop")

    # What tests do to it

    def finds(self, name: str, metadata: bytes = b"") -> None:
        """Somebody lives."""
        self._tell(self._member(name, metadata=metadata))

    def loses(self, name: str, heard: float) -> None:
        """Somebody was silent for too long, last heard of then."""
        self._heard[name] = heard
        self._tell(self._member(name, is_live=False))

    def sees_off(self, name: str) -> None:
        """Somebody says goodbye."""
        self._heard.pop(name, None)
        self._tell(self._member(name, is_live=False, has_left=True))

    def hears(self, now: float, **stamps: float) -> None:
        """A step of the gossip: when each was last heard of."""
        self._heard.update(stamps)
        assert self._callbacks is not None
        self._callbacks.heard(self.hearing(), now)

    def brings(self, sender: str, body: bytes) -> None:
        """A message of a member."""
        assert self._callbacks is not None
        self._callbacks.received(sender, body)

    def _tell(self, member: membership.Member) -> None:
        self._members[member.name] = member
        assert self._callbacks is not None
        self._callbacks.changed()

    @staticmethod
    def _member(name: str, *, is_live: bool = True, has_left: bool = False, metadata: bytes = b"") -> membership.Member:
        address = ipaddress.ip_address(f"10.0.0.{name.removeprefix('n')}")
        return membership.Member(name, address, is_live, metadata, has_left)
