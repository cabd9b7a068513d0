"""core/v1 Events: one Event object per text about an object, counted up when the text repeats. Used by `perform`.

Must never decide whether something is worth an event; it only keeps a program from flooding the API.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from frr_adapter import effects, errors, refs
from frr_adapter.boundary import clock, logs, paths, ports, retry

_log = logs.get_logger()

_REMEMBERED = 4096  # texts and objects; as the cache of client-go's event correlator
_BURST = 25.0  # events about one object at once...
_REFILL_SECONDS = 300.0  # ...and one more every five minutes; both as client-go
_LONGEST_MESSAGE = 1024  # the API refuses longer ones

K = TypeVar("K")
V = TypeVar("V")


class _Recent(Generic[K, V]):
    """A table that forgets what was not used for longest."""

    def __init__(self) -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > _REMEMBERED:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)


@dataclass(frozen=True, slots=True)
class _Told:
    """An Event object that exists: how often its text occurred, including occurrences not written yet."""

    ref: refs.ObjectRef
    count: int


@dataclass(frozen=True, slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class EventRecorder:
    """Writes the events of one program: `component` such as `metallb-controller`, `instance` its pod or node."""

    def __init__(
        self, kube: ports.KubePort, time: ports.Clock, component: str, instance: str, pace: retry.Pace
    ) -> None:
        self._kube = kube
        self._time = time
        self._component = component
        self._instance = instance
        self._pace = pace
        self._told: _Recent[effects.EmitEvent, _Told] = _Recent()
        self._buckets: _Recent[refs.ObjectRef, _Bucket] = _Recent()
        self._last_name = 0

    async def record(self, event: effects.EmitEvent) -> None:
        """Writes one occurrence, or only counts it when there were too many about its object lately.

        errors.KubernetesError when it could not be written. Not to be called twice at once for the same object.
        """
        told = self._told.get(event)
        if told is not None:
            told = _Told(told.ref, told.count + 1)
            self._told.put(event, told)
        if not self._may_write(event.ref):
            _log.debug("event suppressed", object=str(event.ref), reason=event.reason)
            return
        if told is None or not await self._count_up(told):
            self._told.drop(event)
            self._told.put(event, await self._create(event))

    async def _count_up(self, told: _Told) -> bool:
        body = {"count": told.count, "lastTimestamp": clock.timestamp(self._time.now())}
        try:
            await retry.bounded(lambda: self._kube.patch(paths.path_of(told.ref), body, ports.Patch.MERGE), self._pace)
        except errors.KubernetesError as error:
            if error.status != 404:
                raise
            # Events live for an hour only; the text is told anew.
            return False
        return True

    async def _create(self, event: effects.EmitEvent) -> _Told:
        now = self._time.now()
        # A name of its own for every Event, even for two in one tick of the clock.
        self._last_name = max(self._last_name + 1, int(now.timestamp() * 1_000_000_000))
        ref = refs.ObjectRef("Event", event.ref.namespace or "default", f"{event.ref.name}.{self._last_name:x}")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "involvedObject": {
                "apiVersion": paths.KINDS[event.ref.kind].api_version,
                "kind": event.ref.kind,
                "name": event.ref.name,
                **({"namespace": event.ref.namespace} if event.ref.namespace else {}),
                **({"uid": event.uid} if event.uid else {}),
            },
            "type": event.type.value,
            "reason": event.reason,
            "message": event.message[:_LONGEST_MESSAGE],
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "firstTimestamp": clock.timestamp(now),
            "lastTimestamp": clock.timestamp(now),
            "count": 1,
        }
        collection = paths.KINDS["Event"].collection(ref.namespace)
        try:
            await retry.bounded(lambda: self._kube.create(collection, body), self._pace)
        except errors.KubernetesError as error:
            # The answer to an earlier attempt got lost, but not the Event.
            if error.reason != "AlreadyExists":
                raise
        return _Told(ref, 1)

    def _may_write(self, ref: refs.ObjectRef) -> bool:
        now = self._time.monotonic()
        bucket = self._buckets.get(ref) or _Bucket(_BURST, now)
        tokens = min(_BURST, bucket.tokens + (now - bucket.filled_at) / _REFILL_SECONDS)
        may = tokens >= 1
        self._buckets.put(ref, _Bucket(tokens - may, now))
        return may
