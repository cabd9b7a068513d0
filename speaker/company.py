"""The other speakers, as layer 2 needs them: who lives, on which interfaces, whether enough are heard, and who takes over from us.

Made by the wiring of the wire process. Without membership (no secret, no labels) nobody watches whether others live: every known node counts,
and nothing is ever fenced. It must never decide about addresses: that is the plan's business.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from frr_adapter import addresses
from frr_adapter.boundary import logs
from speaker import links, messages, values
from speaker import settings as settings_
from speaker.boundary import gossip, ports
from speaker.boundary import membership as membership_
from speaker.core import membership as quorums
from speaker.core import presence

_log = logs.get_logger()

HANDOVER_SECONDS = 0.1
"""An heir that did not confirm within this time asks the wire like any other."""


def _ignored(*_: object) -> None:
    pass


class Company:
    """One per program; `connect` comes before `start`. `clock` gives monotonic seconds, as `Callbacks.heard` does."""

    def __init__(
        self, membership: ports.Members | None, timing: settings_.Timing, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._membership = membership
        self._changed: Callable[[], None] = _ignored
        self._given: Callable[[tuple[addresses.Address, ...]], object] = _ignored
        self._quorum = quorums.Quorum(timing)
        self._was_fenced = membership is not None
        self._are_peers_known = False
        self._clock = clock
        self._lost: dict[str, float] = {}
        self._left: frozenset[str] = frozenset()
        self._present: Mapping[str, bytes] = {}
        self._nodes: Mapping[links.Mac, str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def connect(self, changed: Callable[[], None], given: Callable[[tuple[addresses.Address, ...]], object]) -> None:
        """`changed` is called when who lives, or whether enough are heard, changed; `given` with addresses that were handed over to us."""
        self._changed, self._given = changed, given

    async def start(self) -> None:
        """Talks from now on. Raises OSError when the address cannot be bound."""
        if self._membership is None:
            return
        self._loop = asyncio.get_running_loop()
        await self._membership.start(membership_.Callbacks(self._members_changed, self._received, self._heard))
        self._look()  # a speaker that is alone hears of no change, and lives all the same

    @property
    def is_watching(self) -> bool:
        """Whether anybody watches who lives."""
        return self._membership is not None

    def set_peers(self, peers: Mapping[str, addresses.Address]) -> None:
        """The speakers that there should be. As long as nobody says, this node does not know enough to answer."""
        self._are_peers_known = True
        if self._membership is not None:
            self._membership.set_peers(peers)
            self._tell_fence()

    def live(self) -> values.Live:
        """Nodes whose speaker lives, with their interfaces."""
        return presence.live(self._present)

    def gone(self) -> frozenset[str]:
        """Nodes whose speaker was lost, or has left."""
        return self._left | self._lost.keys()

    def is_fenced(self) -> bool:
        """Whether this node hears too few others to answer for anything."""
        if self._membership is None:
            return False
        return not self._are_peers_known or self._quorum.is_fenced(self._clock())

    def node_of(self, mac: links.Mac) -> str | None:
        """The live node that has an interface with this link-layer address."""
        return self._nodes.get(mac)

    def since_loss(self, within: float) -> float | None:
        """Seconds since the last sign of life of the speaker that was lost last and is not back; None when that is longer ago.

        Who left in order was not lost.
        """
        found = self._clock() - max(self._lost.values(), default=float("-inf"))
        return found if found < within else None

    def measured(self) -> messages.Gossip:
        """What the metrics say about speakers."""
        if self._membership is None:
            return messages.Gossip(is_fenced=False, live=0, expected=0)
        counts = self._membership.counts()
        return messages.Gossip(
            self.is_fenced(),
            len(self._present),
            1 + len(self._membership.hearing().expected),
            counts.sent,
            counts.received,
            counts.send_errors,
            counts.clashes,
            {str(reason): number for reason, number in counts.refusals},
        )

    def say_interfaces(self, interfaces: Iterable[links.Interface]) -> None:
        """Tells the others where this node can serve."""
        if self._membership is not None:
            self._membership.set_metadata(presence.encode(interfaces, gossip.LONGEST_METADATA))

    async def hand_over(self, heirs: Mapping[str, tuple[addresses.Address, ...]]) -> None:
        """Gives addresses that this node is silent about now to who comes next, all at once, and then says goodbye."""
        if self._membership is None:
            return
        messages = [
            (heir, message)
            for heir, given in heirs.items()
            for message in presence.encode_handover(given, gossip.LONGEST_BODY)
        ]
        done = await asyncio.gather(
            *(self._membership.send(heir, message, HANDOVER_SECONDS) for heir, message in messages),
            return_exceptions=True,
        )
        failed = sum(isinstance(each, BaseException) for each in done)
        _log.info(
            "addresses handed over", addresses=sum(map(len, heirs.values())), heirs=sorted(heirs), unconfirmed=failed
        )
        await self._membership.leave()

    async def stop(self) -> None:
        """Falls silent."""
        if self._membership is not None:
            await self._membership.stop()

    def _members_changed(self) -> None:
        self._look()
        self._changed()

    def _look(self) -> None:
        """Notes who lives now."""
        if self._membership is None:
            return
        before, members = self._present, self._membership.members()
        self._present = {each.name: each.metadata for each in members if each.is_live}
        self._nodes = presence.nodes(self._present)  # asked for every claim that is heard
        self._left = frozenset(each.name for each in members if each.has_left)
        heard = self._membership.hearing().heard
        for name in sorted(before.keys() - self._present.keys()):
            if name in self._left:
                _log.info("speaker left", member=name)
            else:
                self._lost[name] = heard.get(name, self._clock())
                _log.warning("speaker lost", member=name)
        for name in self._lost.keys() & (self._present.keys() | self._left):
            del self._lost[name]
        for name in sorted(self._present.keys() - before.keys()):
            _log.info("speaker found", member=name)

    def _received(self, sender: str, body: bytes) -> None:
        given = presence.decode_handover(body)
        _log.info("addresses received", member=sender, addresses=len(given))
        self._given(given)

    def _heard(self, hearing: membership_.Hearing, now: float) -> None:
        """In the thread of the gossip."""
        self._quorum = self._quorum.observed(hearing, now)
        if self._quorum.is_fenced(now) is not self._was_fenced and self._loop is not None:
            self._loop.call_soon_threadsafe(self._tell_fence)

    def _tell_fence(self) -> None:
        if (is_fenced := self.is_fenced()) is not self._was_fenced:
            self._was_fenced = is_fenced
            self._changed()
