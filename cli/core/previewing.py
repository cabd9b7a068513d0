"""The world once manifests are applied and the controller has written what it wants. Called by render and validate. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from cli import values
from cli.core import allocation, assuming, checking, merging, world


@dataclass(frozen=True, slots=True)
class Preview:
    """`world` is settled; `notes` say what had to be assumed; `written` are the objects of the files as they were read."""

    world: world.World
    notes: tuple[str, ...]
    written: tuple[values.Document, ...]


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
    return Preview(settled, (*added, *guessed), files.documents)
