"""The controller's lease: one replica at a time holds it, and only that one writes. Started by the wiring.

Reads and writes one coordination.k8s.io/v1 Lease as the rules say, which come from `controller.core.leadership`. It must
never decide who leads, and never claim to lead a moment longer than the rules allow.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import NoReturn, Protocol, assert_never

import msgspec

from controller import values
from frr_adapter import errors, refs
from frr_adapter.boundary import logs, paths, ports, watch
from frr_adapter.decode import decoded

_log = logs.get_logger()


class Rules(Protocol):
    """What the elector asks; times are monotonic seconds. The real ones are `controller.core.leadership.Rules`."""

    def see(self, before: values.Sight | None, lease: values.Lease | None, version: str, now: float) -> values.Sight:
        """What is known now."""
        ...

    def step(self, sight: values.Sight | None, leads_until: float | None, now: float, today: str) -> values.LeaseStep:
        """What to do now."""
        ...

    def leads_until(self, sent_at: float) -> float:
        """The end of the leadership that a write sent then gives."""
        ...

    def pause(self, leads_until: float | None, now: float, draw: float) -> float:
        """Seconds until the next try."""
        ...

    def patience(self, leads_until: float | None, now: float) -> float:
        """Seconds that a request may take."""
        ...

    def release(self, sight: values.Sight | None, today: str) -> values.Take | None:
        """How to hand over."""
        ...


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""  # noqa: N815 - the API's own name


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()
    spec: _Spec = _Spec()


_decoder = msgspec.json.Decoder(_Lease)


class Elector:
    """Stands for the lease `ref`, then holds it. `gained` is called once, at the moment the leadership begins."""

    def __init__(
        self, kube: ports.KubePort, time: ports.Clock, ref: refs.ObjectRef, rules: Rules, gained: Callable[[], None]
    ) -> None:
        self._kube = kube
        self._time = time
        self._ref = ref
        self._rules = rules
        self._gained = gained
        self._sight: values.Sight | None = None
        self._is_outdated = True
        self._leads_until: float | None = None
        self._error = ""
        self._holder: str | None = None
        self._wake = asyncio.Event()
        self._tried = asyncio.Event()

    @property
    def is_leading(self) -> bool:
        """Whether this process may write at this very moment."""
        return self._leads_until is not None and self._time.monotonic() < self._leads_until

    def trouble(self) -> tuple[str, ...]:
        """Why this replica could not take over; empty for a leader, and while the lease can be read."""
        return () if self.is_leading or not self._error else (f"{self._ref}: {self._error}",)

    async def tried(self) -> None:
        """Returns once the first try is over, however it ended."""
        await self._tried.wait()

    async def run(self) -> str:
        """Stands for the lease and holds it until it is lost; says why, in one line. Failures of the API are tried again."""
        while True:
            lost = await self._try()
            if lost is not None:
                self._leads_until = None
                return f"{self._ref} {lost.why}"
            self._tried.set()
            seconds = self._rules.pause(self._leads_until, self._time.monotonic(), random.random())  # noqa: S311 - jitter
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            self._wake.clear()

    async def attend(self) -> NoReturn:
        """Watches the lease, so that a released one is taken at once and not after the next pause. Only saves time."""
        where = watch.Resource(self._ref.kind, self._ref.namespace, field_selector=f"metadata.name={self._ref.name}")
        await watch.follow(self._kube, where, _decode, self._notice)

    async def resign(self) -> None:
        """Releases the lease, so that another replica takes over at once. Not before the last write has been answered.

        When that fails the lease runs out by itself. `run` must have been cancelled.
        """
        if not self.is_leading:
            return
        patience = self._rules.patience(self._leads_until, self._time.monotonic())
        self._leads_until = None
        try:
            async with asyncio.timeout(patience):
                while True:
                    try:
                        if self._is_outdated:
                            await self._look()
                        step = self._rules.release(self._sight, self._today())
                        if step is not None:
                            await self._write(step)
                    except errors.KubernetesError as error:
                        if error.status != 409:
                            raise
                        self._is_outdated = True  # a renewal that was cut off has arrived all the same
                    else:
                        break
        except (TimeoutError, errors.KubernetesError) as error:
            _log.warning("the lease was not released and will run out", lease=str(self._ref), error=str(error))
        else:
            _log.info("released the lease", lease=str(self._ref))

    async def _try(self) -> values.Lost | None:
        """One reading, one writing, or both."""
        if self._leads_until is None:
            self._is_outdated = True
        for _ in range(3):  # reading, writing, and once more when somebody else wrote in between
            seen = None if self._is_outdated else self._sight
            now = self._time.monotonic()
            step = self._rules.step(seen, self._leads_until, now, self._today())
            try:
                async with asyncio.timeout(self._rules.patience(self._leads_until, now)):
                    match step:
                        case values.Lost():
                            return step
                        case values.Look():
                            await self._look()
                            continue
                        case values.Take():
                            await self._take(step)
                        case values.Stand(holder):
                            self._stand_by(holder)
                        case _:
                            assert_never(step)
            except TimeoutError:
                self._fail("Timeout: no answer")
            except errors.KubernetesError as error:
                if error.status == 409:
                    self._is_outdated = True
                    continue
                self._fail(str(error))
            break
        return None

    async def _look(self) -> None:
        try:
            raw = await self._kube.get(paths.path_of(self._ref))
        except errors.KubernetesError as error:
            if error.status != 404:
                raise
            self._know(None, "")
        else:
            self._understand(raw)

    async def _take(self, step: values.Take) -> None:
        sent_at = self._time.monotonic()
        self._is_outdated = True  # until the answer is here
        await self._write(step)
        is_new = self._leads_until is None
        leads_until = self._rules.leads_until(sent_at)
        if is_new and self._time.monotonic() >= leads_until:
            self._is_outdated = True  # suspended meanwhile; the lease is ours, but it must be renewed before it counts
            return
        self._leads_until = leads_until
        if is_new:
            _log.info("leading", lease=str(self._ref), transitions=step.lease.transitions)
            self._gained()

    async def _write(self, step: values.Take) -> None:
        lease = step.lease
        spec = {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": lease.duration,
            "acquireTime": lease.acquired or lease.renewed,
            "renewTime": lease.renewed,
            "leaseTransitions": lease.transitions,
        }
        meta = {"name": self._ref.name, "namespace": self._ref.namespace}
        kind = paths.KINDS[self._ref.kind]
        if step.version:
            # A patch leaves labels and fields of others alone; the version makes it fail when anybody else wrote.
            body = {"metadata": {"resourceVersion": step.version}, "spec": spec}
            raw = await self._kube.patch(paths.path_of(self._ref), body, ports.Patch.MERGE)
        else:
            body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, "spec": spec}
            raw = await self._kube.create(kind.collection(self._ref.namespace), body)
        self._understand(raw)

    def _understand(self, raw: bytes) -> None:
        try:
            document = _decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise errors.KubernetesError(0, "Garbage", str(error)) from error
        spec = document.spec
        lease = values.Lease(
            spec.holder_identity or "",
            spec.lease_duration_seconds or 0,
            spec.acquire_time or "",
            spec.renew_time or "",
            spec.lease_transitions or 0,
        )
        self._know(lease, document.metadata.resourceVersion)

    def _know(self, lease: values.Lease | None, version: str) -> None:
        self._sight = self._rules.see(self._sight, lease, version, self._time.monotonic())
        self._is_outdated = False
        self._error = ""

    def _stand_by(self, holder: str) -> None:
        if holder != self._holder:
            self._holder = holder
            _log.info("standing by", lease=str(self._ref), leader=holder or "nobody yet")

    def _fail(self, text: str) -> None:
        self._is_outdated = True
        self._error = text
        _log.warning("lease: trying again", lease=str(self._ref), leading=self.is_leading, error=text)

    def _notice(self, event: watch.WatchEvent) -> None:
        """Hurries when somebody let go of the lease, deleted it, or wrote over ours; renewals are no reason to."""
        match event:
            case watch.Upserted(decoded=newest):
                lease = self._sight.lease if self._sight is not None else None
                mine = lease.holder if lease is not None and self.is_leading else ""
                is_urgent = newest.value != mine if self.is_leading else newest.value == ""
            case watch.Deleted():
                is_urgent = True
            case watch.Listed():
                is_urgent = False
            case _:
                assert_never(event)
        if is_urgent:
            self._is_outdated = True
            self._wake.set()

    def _today(self) -> str:
        return self._time.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # metav1.MicroTime


def _decode(raw: msgspec.Raw) -> decoded.Decoded[str]:
    """The holder."""
    document = _decoder.decode(raw)
    ref = refs.ObjectRef("Lease", document.metadata.namespace, document.metadata.name)
    return decoded.Decoded(ref, document.metadata.resourceVersion, document.spec.holder_identity or "")
