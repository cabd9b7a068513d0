"""What the controller decides in a world, and the world after it has written that. Called by the commands that plan or explain.

The decisions are the controller's own (`controller.core.allocator`); here they are only written into documents, as `boundary.perform`
writes them to the API. Pure but for the `Course`, which remembers as the programs do.
"""

import dataclasses

from cli import values
from cli.core import world as worlds
from controller.core import allocator, memory
from frr_adapter import effects
from frr_adapter.model import service

_MOST_ROUNDS = 8
"""Two are enough for everything known: one that writes, one that finds nothing to write."""


def decide(world: worlds.World, previous: memory.Memory = memory.NO_MEMORY) -> memory.Decision:
    """The controller's decision about every Service of the world, given what it decided before."""
    return allocator.decide(world.controller, lb_class=world.programs.lb_class, previous=previous)


def settle(
    course: worlds.Course, world: worlds.World, previous: memory.Memory = memory.NO_MEMORY
) -> tuple[worlds.World, memory.Decision]:
    """The world once the controller has written all it wants (addresses and the annotation of the pool), and its last decision.

    `world` is the last one of the course, which goes on to the one given back; the very same when there is nothing to write.
    """
    return rounds(course, world, previous)[-1]


def rounds(
    course: worlds.Course, world: worlds.World, previous: memory.Memory = memory.NO_MEMORY
) -> tuple[tuple[worlds.World, memory.Decision], ...]:
    """As `settle`, every step of it: what is decided first says why, what is decided last says what is there in the end."""
    decision = decide(world, previous)
    found = [(world, decision)]
    while decision.unwritten and len(found) < _MOST_ROUNDS:
        documents = dict(world.documents)
        for write in decision.unwritten.values():
            documents[write.ref] = written(documents[write.ref], write)
        world = course.advance(documents.values())
        decision = decide(world, decision.memory)
        found.append((world, decision))
    return tuple(found)


def written(document: values.Document, write: effects.WriteServiceStatus) -> values.Document:
    """The Service as it is once the write is done; everything else of it stays."""
    raw = dict(document.raw)
    metadata = dict(document.part("metadata"))
    annotations = dict(document.part("metadata", "annotations"))
    annotations.pop(service.ALLOCATED_FROM_ANNOTATION, None)
    if write.pool is not None:
        annotations[service.ALLOCATED_FROM_ANNOTATION] = write.pool
    metadata["annotations"] = annotations
    balancer = {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in write.ips]} if write.ips else {}
    raw["metadata"] = metadata
    raw["status"] = {**document.part("status"), "loadBalancer": balancer}
    return dataclasses.replace(document, raw=raw)
