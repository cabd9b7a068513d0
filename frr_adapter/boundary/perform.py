"""Does what the cores decided: turns `effects.Effect` values into requests. The outbox calls it.

It must never decide: an effect that fails is returned, and a later cycle wants it again or does not.
"""

from dataclasses import dataclass
from typing import assert_never

from frr_adapter import effects, errors
from frr_adapter.boundary import (
    configuration_state,
    events,
    node_bgp_status,
    paths,
    ports,
    retry,
    service_status,
)
from frr_adapter.model import service


@dataclass(frozen=True, slots=True)
class Failure:
    """An effect that was not done, and why."""

    effect: effects.Effect
    error: errors.KubernetesError

    @property
    def is_ordinary(self) -> bool:
        """Whether the object was changed or deleted meanwhile: its watch event is under way and brings the next cycle."""
        return self.error.status in {404, 409}


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes: `component` and `instance` of its events, `owner` the owner reference of objects it creates."""

    component: str
    instance: str
    owner: ports.Document | None = None


class Performer:
    """Performs effects for one program. The caller sees to it that those of one object come one after another."""

    def __init__(
        self, kube: ports.KubePort, time: ports.Clock, author: Author, pace: retry.Pace = retry.DEFAULT
    ) -> None:
        self._kube = kube
        self._time = time
        self._author = author
        self._pace = pace
        self._events = events.EventRecorder(kube, time, author.component, author.instance, pace)

    async def perform(self, effect: effects.Effect) -> Failure | None:
        """Does one effect; None when it was done.

        What may pass (no answer, 429, 5xx) is retried a few times first.
        """
        try:
            await self._do(effect)
        except errors.KubernetesError as error:
            return Failure(effect, error)
        return None

    async def _do(self, effect: effects.Effect) -> None:
        match effect:
            case effects.WriteServiceStatus():
                await self._merge(paths.path_of(effect.ref, "status"), service_patch(effect))
            case effects.WritePoolStatus():
                await self._merge(paths.path_of(effect.ref, "status"), pool_patch(effect))
            case effects.EmitEvent():
                await self._events.record(effect)
            case effects.WriteConfigurationState():
                await configuration_state.write(self._kube, self._time, effect, self._author.owner, self._pace)
            case effects.WriteNodeBgpStatus():
                await node_bgp_status.write(self._kube, self._time, effect, self._author.owner, self._pace)
            case effects.WriteAnnouncementStatus():
                await service_status.write(self._kube, effect, self._author.owner, self._pace)
            case _:
                assert_never(effect)

    async def _merge(self, path: str, body: ports.Document) -> None:
        await retry.bounded(lambda: self._kube.patch(path, body, ports.Patch.MERGE), self._pace)


def service_patch(effect: effects.WriteServiceStatus) -> ports.Document:
    """Address and annotation in one merge patch of `services/status`, refused when the Service is no longer that version."""
    return {
        "metadata": {
            **({"uid": effect.uid} if effect.uid else {}),
            "resourceVersion": effect.resource_version,
            "annotations": {service.ALLOCATED_FROM_ANNOTATION: effect.pool},
        },
        "status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in effect.ips] or None}},
    }


def pool_patch(effect: effects.WritePoolStatus) -> ports.Document:
    """The four counters as a merge patch of `ipaddresspools/status`."""
    return {
        "status": {
            "assignedIPv4": effect.assigned_ipv4,
            "assignedIPv6": effect.assigned_ipv6,
            "availableIPv4": effect.available_ipv4,
            "availableIPv6": effect.available_ipv6,
        }
    }
