"""Effects on their way out, performed while cycles go on. Both loops put, `run` sends.

Level-triggered as everything: a newer wish about an object takes the place of an older one that was not begun. It must
never decide: what failed is handed back, and the loop's next cycle wants it again or does not.
"""

import asyncio
import enum
from collections import deque
from collections.abc import Callable, Iterable
from typing import NoReturn, assert_never

from frr_adapter import effects, refs
from frr_adapter.boundary import logs, perform

_log = logs.get_logger()

_IN_FLIGHT = 16
"""Objects at a time: enough to keep an API server busy, too few to trouble one."""

_WORDS_IN_FLIGHT = 4
"""Of these, such whose next effect is an event or the status of one service: an address that comes up meanwhile must find a free hand and a quiet API."""

_COUNTERS_SECONDS = 0.25
"""Least time between two writes of the same counters; they change with every assignment of a burst."""

_WORDS_WAITING = 20_000
"""Events that may wait, some 25 MiB; what comes on top is dropped. Only an API that is overloaded for long gets there."""

Failed = Callable[[tuple[perform.Failure, ...]], None]
Performed = Callable[[effects.Effect], None]


class _Urgency(enum.IntEnum):
    """Who goes first when there is more to send than may be in flight."""

    ADDRESS = 0
    STATE = 1
    WORD = 2


def _ignore(_: effects.Effect) -> None:
    """For loops that need not know."""


class Outbox:
    """Effects of one object are performed in the order they were put, one at a time; objects do not wait for each other.

    Addresses go before counters and those before events, which are the bulk of a burst and help nobody's traffic.
    `performed` is told every effect that the API took.
    """

    def __init__(self, performer: perform.Performer, failed: Failed, performed: Performed = _ignore) -> None:
        self._performer = performer
        self._failed = failed
        self._performed = performed
        self._queues: dict[refs.ObjectRef, deque[effects.Effect]] = {}
        self._ready: dict[_Urgency, deque[refs.ObjectRef]] = {urgency: deque() for urgency in _Urgency}
        self._place: dict[refs.ObjectRef, _Urgency] = {}
        self._busy: set[refs.ObjectRef] = set()
        self._counted_at: dict[refs.ObjectRef, float] = {}
        self._postponed: set[refs.ObjectRef] = set()
        self._workers = 0
        self._words = 0
        self._words_waiting = 0
        self._group: asyncio.TaskGroup | None = None

    @property
    def is_empty(self) -> bool:
        """Whether everything put so far was performed."""
        return not self._queues and not self._busy

    @property
    def is_behind(self) -> bool:
        """Whether more addresses wait to be written than may be in flight."""
        return bool(self._ready[_Urgency.ADDRESS])

    def put(self, wanted: Iterable[effects.Effect]) -> None:
        """Takes effects; never waits."""
        for effect in wanted:
            if isinstance(effect, effects.EmitEvent):
                if self._words_waiting >= _WORDS_WAITING:
                    _log.warning("event dropped, too many are waiting", object=str(effect.ref), reason=effect.reason)
                    continue
                self._words_waiting += 1
            queue = self._queues.setdefault(effect.ref, deque())
            _append(queue, effect)
            if effect.ref not in self._busy:
                self._enlist(effect.ref)
        self._hire()

    async def run(self) -> NoReturn:
        """Performs until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                self._hire()
                while True:
                    await asyncio.Event().wait()
            finally:
                self._group = None

    def _hire(self) -> None:
        words = len(self._ready[_Urgency.WORD])
        waiting = sum(map(len, self._ready.values())) - words + min(words, _WORDS_IN_FLIGHT - self._words)
        while self._group is not None and waiting and self._workers < _IN_FLIGHT:
            waiting -= 1
            self._workers += 1
            self._group.create_task(self._work())

    async def _work(self) -> None:
        try:
            while (taken := self._take()) is not None:
                ref, urgency = taken
                queue = self._queues[ref]
                effect = queue.popleft()
                self._words_waiting -= isinstance(effect, effects.EmitEvent)
                if not queue:
                    del self._queues[ref]
                try:
                    await self._perform(effect)
                finally:
                    self._busy.discard(ref)
                    self._words -= urgency is _Urgency.WORD
                if ref in self._queues:
                    self._enlist(ref)
        finally:
            self._workers -= 1

    async def _perform(self, effect: effects.Effect) -> None:
        failure = await self._performer.perform(effect)
        if isinstance(effect, effects.WritePoolStatus):
            self._counted_at[effect.ref] = asyncio.get_running_loop().time()
        if failure is None:
            self._performed(effect)
            return
        level = _log.debug if failure.is_ordinary else _log.warning
        level("effect failed", object=str(effect.ref), error=str(failure.error))
        self._failed((failure,))

    def _take(self) -> tuple[refs.ObjectRef, _Urgency] | None:
        """The next object to work on, marked as busy."""
        for urgency, ready in self._ready.items():
            while ready and not (urgency is _Urgency.WORD and self._words >= _WORDS_IN_FLIGHT):
                ref = ready.popleft()
                if self._place.get(ref) is urgency:  # else it moved to a more urgent place, and was taken from there
                    del self._place[ref]
                    self._busy.add(ref)
                    self._words += urgency is _Urgency.WORD
                    return ref, urgency
        return None

    def _enlist(self, ref: refs.ObjectRef) -> None:
        queue = self._queues[ref]
        if ref in self._postponed:
            return  # later counters have taken the place of those that wait
        if isinstance(queue[0], effects.WritePoolStatus) and (wait := self._too_early(ref)) > 0:
            self._postponed.add(ref)
            asyncio.get_running_loop().call_later(wait, self._ripe, ref)
            return
        urgency = min(map(_urgency, queue))
        if self._place.get(ref, len(_Urgency)) > urgency:
            self._place[ref] = urgency
            self._ready[urgency].append(ref)

    def _too_early(self, ref: refs.ObjectRef) -> float:
        last = self._counted_at.get(ref)
        return 0.0 if last is None else last + _COUNTERS_SECONDS - asyncio.get_running_loop().time()

    def _ripe(self, ref: refs.ObjectRef) -> None:
        self._counted_at.pop(ref, None)
        self._postponed.discard(ref)
        self._enlist(ref)
        self._hire()


def _append(queue: deque[effects.Effect], effect: effects.Effect) -> None:
    """Adds to what waits for one object; a write takes the place of an older one of its kind, every event stays."""
    if not isinstance(effect, effects.EmitEvent):
        for place, older in enumerate(queue):
            if type(older) is type(effect):
                queue[place] = effect
                return
    queue.append(effect)


def _urgency(effect: effects.Effect) -> _Urgency:
    match effect:
        case effects.WriteServiceStatus():
            return _Urgency.ADDRESS
        case effects.WritePoolStatus() | effects.WriteConfigurationState() | effects.WriteNodeBgpStatus():
            return _Urgency.STATE
        case effects.EmitEvent() | effects.WriteAnnouncementStatus():
            return _Urgency.WORD
        case _:
            assert_never(effect)
