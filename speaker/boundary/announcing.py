"""Gratuitous frames on their way out: bursts when they are due, the same by unicast to stations that the kernel knows.

Used by `speaker.boundary.layer2`, which says what is to be announced and whether it still may be when its turn comes. Sends one
frame per step (`speaker.boundary.turns`), composed when it leaves. Must never send a frame without having `reconsider` called before.
"""

import asyncio
import collections
from collections.abc import Callable, Iterable, Mapping

from frr_adapter import addresses
from speaker import bursts, links
from speaker.boundary import ports, tally, turns

_BUSY_SECONDS = 0.005
"""Wait when a device takes no more frames."""

_DIRECTED_PAUSE = 1.0
"""So often at most the kernel's neighbors are asked for; what is taken meanwhile is told to them together."""

Opened = tuple[ports.Tap, links.Interface]
_Told = tuple[links.Target, collections.deque[links.Neighbor]]


class Announcing:
    """All methods belong to one event loop. `may_send` gives the tap of a target, None when it may not be announced any more."""

    def __init__(
        self,
        followed: ports.Links,
        rules: ports.Layer2Rules,
        may_send: Callable[[links.Target], Opened | None],
        reconsider: Callable[[], object],
        counted: tally.Tally,
        turn: turns.Turns,
    ) -> None:
        self._links = followed
        self._rules = rules
        self._may_send = may_send
        self._reconsider = reconsider
        self._counted = counted
        self._turns = turn
        self._bursts = bursts.Bursts()
        self._frames: collections.deque[tuple[links.Target, bytes]] = collections.deque()
        self._at_once: collections.deque[links.Target] = collections.deque()
        self._directed: collections.deque[_Told] = collections.deque()
        self._undirected: dict[int, list[addresses.Address]] = {}
        self._directing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None

    def start(self, targets: Iterable[links.Target]) -> None:
        """These were taken, or their interface is new: five bursts, and everybody whom the kernel knows."""
        found = tuple(targets)
        if not found:
            return
        self._bursts.start(found, asyncio.get_running_loop().time())
        for target in found:
            self._undirected.setdefault(target.interface, []).append(target.address)
        if self._directing is None or self._directing.done():
            self._directing = asyncio.create_task(self._direct(), name="directed announcements")

    def once(self, targets: Iterable[links.Target]) -> None:
        """One burst, before everything else."""
        self._at_once.extend(targets)

    def clear(self) -> None:
        """Nothing is to be announced any more."""
        self._bursts = bursts.Bursts()
        for kept in (self._frames, self._at_once, self._directed, self._undirected):
            kept.clear()

    async def stop(self) -> None:
        """Ends, and sends nothing more."""
        self.clear()
        for pending in (self._timer, self._pause):
            if pending is not None:
                pending.cancel()
        self._timer = self._pause = None
        if self._directing is not None:
            self._directing.cancel()
            await asyncio.gather(self._directing, return_exceptions=True)
            self._directing = None

    def step(self) -> int:
        """See `speaker.boundary.turns.Source`."""
        if self._pause is not None:
            return 0
        self._reconsider()  # a burst that was due while this process did not run may not go out behind the fence
        if self._frames:
            self._send(*self._frames.popleft())
            return 1
        now = asyncio.get_running_loop().time()
        target = self._at_once.popleft() if self._at_once else self._bursts.next(now)
        if target is not None:
            opened = self._may_send(target)
            if opened is not None:
                frames = self._rules.burst(target.address, opened[1])
                self._frames.extend((target, frame) for frame in frames)
            return 1
        if self._directed:
            self._compose_directed()
            return 1
        self._wake_at(self._bursts.next_at)
        return 0

    def _send(self, target: links.Target, frame: bytes) -> None:
        """A frame that the device does not take now waits; what is no longer ours, or has no interface, is dropped."""
        opened = self._may_send(target)
        if opened is None:
            return
        try:
            is_sent = opened[0].send(frame)
        except OSError:
            self._counted.failed()
            return
        if is_sent:
            self._counted.announced(target.address)
            return
        self._frames.appendleft((target, frame))
        self._pause = asyncio.get_running_loop().call_later(_BUSY_SECONDS, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._turns.go()

    def _wake_at(self, due: float | None) -> None:
        if due is None or (self._timer is not None and self._timer.when() <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._turns.go()

    # Unicast

    async def _direct(self) -> None:
        """Tells the stations that the kernel knows, one interface after the other, until nothing is left to tell."""
        while self._undirected:
            batch, self._undirected = self._undirected, {}
            for index in sorted(batch):
                known = await self._links.neighbors(index)
                interface = self._links.interfaces().get(index)
                if known and interface is not None:
                    told = self._rules.receivers(len(batch[index]), interface, known)
                    if any(told.values()):
                        self._tell(index, dict.fromkeys(batch[index]), told)
            await asyncio.sleep(_DIRECTED_PAUSE)

    def _tell(
        self,
        index: int,
        taken: Iterable[addresses.Address],
        told: Mapping[addresses.Family, tuple[links.Neighbor, ...]],
    ) -> None:
        for address in taken:
            receivers = told[addresses.family_of(address)]
            if receivers:
                self._directed.append((links.Target(index, address), collections.deque(receivers)))
        self._turns.go()

    def _compose_directed(self) -> None:
        target, receivers = self._directed[0]
        opened = self._may_send(target)
        if opened is not None:
            frames = self._rules.directed(target.address, opened[1], receivers.popleft())
            self._frames.extend((target, frame) for frame in frames)
        if opened is None or not receivers:
            self._directed.popleft()
