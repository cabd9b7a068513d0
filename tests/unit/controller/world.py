"""A cluster in memory for tests of the controller's core: services, pools, and the writes of a decision put into effect."""

import dataclasses
from collections.abc import Iterable

from controller.core import allocator
from controller.core import memory as memories
from frr_adapter import effects
from frr_adapter.model import pool as pools
from frr_adapter.model import service as services
from frr_adapter.model import snapshot as snapshots
from tests import build


def written(service: services.Service, write: effects.WriteServiceStatus) -> services.Service:
    """The Service as it is after the write."""
    annotations = dict(service.annotations)
    annotations.pop(services.ALLOCATED_FROM_ANNOTATION, None)
    if write.pool is not None:
        annotations[services.ALLOCATED_FROM_ANNOTATION] = write.pool
    return dataclasses.replace(
        service,
        ingress=write.ips,
        annotations=tuple(sorted(annotations.items())),
        resource_version=str(int(service.resource_version) + 1),
    )


class World:
    """Every decision is also made from scratch, and both must agree."""

    def __init__(self, *some_pools: pools.Pool, lb_class: str = "") -> None:
        self.lb_class = lb_class
        self.allocator = allocator.Allocator(lb_class)
        self.memory = memories.NO_MEMORY
        self.services: dict[str, services.Service] = {}
        self.pools: dict[str, pools.Pool] = {}
        self.set_pools(*some_pools)

    def set_pools(self, *some_pools: pools.Pool) -> None:
        self.pools = {pool.name: pool for pool in some_pools}

    def put(self, *some_services: services.Service) -> None:
        for service in some_services:
            self.services[service.key] = service

    def change(self, name: str, **fields: object) -> None:
        """Changes fields of a Service as a user's update would: what the controller wrote stays."""
        service = self.services[f"default/{name}"]
        version = str(int(service.resource_version) + 1)
        self.services[service.key] = dataclasses.replace(service, resource_version=version, **fields)

    def remove(self, *names: str) -> None:
        for name in names:
            del self.services[f"default/{name}"]

    def restart(self) -> None:
        """A new process: nothing is remembered."""
        self.allocator = allocator.Allocator(self.lb_class)
        self.memory = memories.NO_MEMORY

    @property
    def snapshot(self) -> snapshots.Snapshot:
        return build.snapshot(self.services.values(), self.pools.values())

    def decide(self) -> memories.Decision:
        snapshot = self.snapshot
        oracle = allocator.decide(snapshot, lb_class=self.lb_class, previous=self.memory)
        decision = self.allocator.decide(snapshot)
        assert decision.outcomes == oracle.outcomes
        assert decision.effects == oracle.effects
        assert dict(decision.ledger.claims) == dict(oracle.ledger.claims)
        assert decision.counts == oracle.counts
        assert decision.changed == oracle.changed
        self.memory = decision.memory
        return decision

    def perform(self, wanted: Iterable[effects.Effect]) -> None:
        for effect in wanted:
            match effect:
                case effects.WriteServiceStatus():
                    service = self.services[effect.ref.key]
                    assert (service.uid, service.resource_version) == (effect.uid, effect.resource_version)
                    self.services[service.key] = written(service, effect)
                case effects.WritePoolStatus():
                    status = pools.PoolStatus(
                        effect.assigned_ipv4, effect.assigned_ipv6, effect.available_ipv4, effect.available_ipv6
                    )
                    self.pools[effect.ref.name] = dataclasses.replace(self.pools[effect.ref.name], status=status)
                case _:
                    pass

    def cycle(self) -> memories.Decision:
        """One decision put into effect; the one after it must be silent."""
        decision = self.decide()
        self.perform(decision.effects)
        assert self.decide().effects == ()
        return decision

    def ips(self, name: str) -> tuple[str, ...]:
        """The addresses in the Service's status."""
        return self.services[f"default/{name}"].ingress

    def pool_of(self, name: str) -> str | None:
        """The Service's annotation."""
        return dict(self.services[f"default/{name}"].annotations).get(services.ALLOCATED_FROM_ANNOTATION)


def writes(decision: memories.Decision) -> dict[str, tuple[str, ...]]:
    """Addresses to write, by key of the Service."""
    return {e.ref.key: e.ips for e in decision.effects if isinstance(e, effects.WriteServiceStatus)}


def events(decision: memories.Decision) -> list[tuple[str, str, str]]:
    """Type, reason and message of every event, in order."""
    return [(str(e.type), e.reason, e.message) for e in decision.effects if isinstance(e, effects.EmitEvent)]


def warnings(decision: memories.Decision) -> list[str]:
    """Reasons of the warnings."""
    return [reason for kind, reason, _ in events(decision) if kind == "Warning"]
