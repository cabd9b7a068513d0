"""The other speakers, as layer 2 needs them: who lives, on which interfaces, whether enough are heard, and who takes over from us.

Made by the program's wiring. Without membership (no secret, no labels) nobody watches whether others live: every known node counts,
and nothing is ever fenced. It must never decide about addresses: that is the plan's business.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from frr_adapter import addresses
from frr_adapter.boundary import layer2_metrics, logs, watch
from frr_adapter.model import cluster
from speaker import links, values
from speaker import settings as settings_
from speaker.boundary import gossip, ports
from speaker.boundary import membership as membership_
from speaker.core import membership as quorums
from speaker.core import presence

_log = logs.get_logger()

GRACE_SECONDS = 3.0
"""So long after the start, speakers that were not heard yet count as alive: at a start of the whole cluster nobody takes what
another one will have a moment later."""

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
        self._pods: dict[str, cluster.Pod] = {}
        self._is_listed = False
        self._clock = clock
        self._started = clock()
        self._lost: dict[str, float] = {}
        self._left: frozenset[str] = frozenset()
        self._present: Mapping[str, bytes] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def connect(self, changed: Callable[[], None], given: Callable[[tuple[addresses.Address, ...]], object]) -> None:
        """`changed` is called when who lives, or whether enough are heard, changed; `given` with addresses that were handed over to us."""
        self._changed, self._given = changed, given

    async def start(self) -> None:
        """Talks from now on. Raises OSError when the address cannot be bound."""
        if self._membership is None:
            return
        self._started = self._clock()
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(GRACE_SECONDS, self._changed)
        await self._membership.start(membership_.Callbacks(self._members_changed, self._received, self._heard))
        self._look()  # a speaker that is alone hears of no change, and lives all the same

    def pod(self, event: watch.WatchEvent) -> None:
        """News of a speaker's pod."""
        match event:
            case watch.Listed():
                self._is_listed = True
            case watch.Upserted(decoded=newest) if isinstance(newest.value, cluster.Pod):
                self._pods[str(newest.ref)] = newest.value
            case watch.Deleted(ref=ref):
                self._pods.pop(str(ref), None)
            case _:
                pass
        if self._membership is not None and self._is_listed:
            self._membership.set_peers(self._peers())
            self._tell_fence()

    def live(self) -> values.Live | None:
        """Nodes whose speaker lives, with their interfaces; None when nobody watches that."""
        if self._membership is None:
            return None
        unheard = self._peers().keys() - self._lost.keys() - self._left if self._is_in_grace() else frozenset[str]()
        return {**dict.fromkeys(unheard), **presence.live(self._present)}

    def is_fenced(self) -> bool:
        """Whether this node hears too few others to answer for anything."""
        if self._membership is None:
            return False
        return not self._is_listed or self._quorum.is_fenced(self._clock())

    def node_of(self, mac: links.Mac) -> str | None:
        """The live node that has an interface with this link-layer address."""
        return presence.node_of(mac, self._present)

    def since_loss(self, within: float) -> float | None:
        """Seconds since the last sign of life of the speaker that was lost last and is not back; None when that is longer ago.

        Who left in order was not lost.
        """
        found = self._clock() - max(self._lost.values(), default=float("-inf"))
        return found if found < within else None

    def measure(self, counted: layer2_metrics.Layer2Metrics) -> None:
        """Shows what the metrics say about speakers."""
        counted.set_fenced(fenced=self.is_fenced())
        if self._membership is None:
            return
        counts = self._membership.counts()
        counted.set_members(len(self._present), 1 + len(self._membership.hearing().expected))
        refused = {str(reason): number for reason, number in counts.refusals}
        counted.set_gossip(counts.sent, counts.received, counts.send_errors, counts.clashes, refused)

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

    def _peers(self) -> dict[str, addresses.Address]:
        return {
            pod.node: pod.address
            for pod in self._pods.values()
            if pod.node and pod.address is not None and not pod.is_over
        }

    def _is_in_grace(self) -> bool:
        return self._clock() - self._started < GRACE_SECONDS

    def _members_changed(self) -> None:
        self._look()
        self._changed()

    def _look(self) -> None:
        """Notes who lives now."""
        if self._membership is None:
            return
        before, members = self._present, self._membership.members()
        self._present = {each.name: each.metadata for each in members if each.is_live}
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
