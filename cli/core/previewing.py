"""The world once manifests are applied and the controller has written what it wants. Called by render and validate. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cli import values
from cli.core import allocation, assuming, checking, merging, world

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Preview:
    """`world` is settled; `nodes` and `endpoints` say what had to be assumed about them, one line each."""

    world: world.World
    nodes: tuple[str, ...]
    endpoints: tuple[str, ...]


def preview(before: values.Gathered, files: values.Gathered, nodes: Iterable[str] = ()) -> Preview:
    """What there is before, with the files applied, on the nodes of these names at least."""
    programs = before.programs
    there = {each.ref: checking.current(each) for each in before.documents}
    manifests = [checking.current(each) for each in files.documents]
    merged = merging.apply(there, manifests, namespace=programs.namespace)
    documents, added = assuming.nodes(merged.documents, nodes)
    documents, guessed = assuming.endpoints(documents, merged.changes)
    course = world.Course(programs)
    settled, _ = allocation.settle(course, course.advance(documents.values()))
    return Preview(settled, added, tuple(_together(guessed)))


def _together(lines: Iterable[str]) -> Iterator[str]:
    """Lines that say the same of many objects as one."""
    named: dict[str, list[str]] = {}
    for line in lines:
        name, _, said = line.partition(": ")
        named.setdefault(said, []).append(name)
    for said, names in named.items():
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield f"{', '.join(names[:_SHOWN])}{more}: {said}"
