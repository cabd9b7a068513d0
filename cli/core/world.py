"""From objects as written to the world as the programs see it: decoded, kept, joined and resolved by their own functions.

`Course` makes one world after another, because the programs remember: an object edited into a mistake leaves its last good version in
force. Everything that plans or explains starts here. Pure; it must never decide anything that the programs would decide.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from cli import values
from frr_adapter import problems, refs, resolve
from frr_adapter.boundary import decoders, store, watch
from frr_adapter.model import cluster, snapshot, status
from frr_adapter.resolve import view

KINDS = tuple(sorted({*view.ALLOCATING_KINDS, *view.ANNOUNCING_KINDS, "Pod", "ServiceL2Status", "ServiceBGPStatus"}))
"""Kinds that a decision, or what is told of one, depends on; documents of other kinds are left alone."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class World:
    """One moment. `controller` is the controller's snapshot (every Service), `shared` the part of a speaker's that all nodes have
    in common: its configuration is empty, `at` puts that of a node in.
    """

    programs: values.Programs
    documents: Mapping[refs.ObjectRef, values.Document]
    controller: snapshot.Snapshot
    shared: snapshot.Snapshot
    problems: tuple[problems.Problem, ...]
    """As the controller reports them: of every object, sorted."""
    nodes: Mapping[str, resolve.Resolution]
    """What holds on each node, by name, and what is wrong there."""
    pods: tuple[cluster.Pod, ...] = ()
    statuses: tuple[status.ServiceStatus, ...] = ()
    """Which node says that it announces which service: ServiceBGPStatus and ServiceL2Status."""

    def at(self, node: str) -> snapshot.Snapshot:
        """The snapshot of that node's speaker. KeyError for a node that is not known."""
        return dataclasses.replace(self.shared, configuration=self.nodes[node].configuration)


class Course:
    """The worlds that one set of programs sees one after another."""

    def __init__(self, programs: values.Programs) -> None:
        self._programs = programs
        self._store = store.Store(KINDS)
        self._documents: dict[refs.ObjectRef, values.Document] = {}
        self._controller = view.View(lb_class=None)
        self._speakers = view.View(lb_class=programs.lb_class)
        self._nodes: dict[str, resolve.Resolution] = {}

    def advance(self, documents: Iterable[values.Document]) -> World:
        """The world when exactly these objects exist; those of a former call that are not among them are deleted."""
        newest = {each.ref: each for each in documents}
        for ref in self._documents.keys() - newest.keys():
            if ref.kind in KINDS:
                self._store.apply(watch.Deleted(ref.kind, ref))
        for ref, document in newest.items():
            known = self._documents.get(ref)
            if ref.kind not in KINDS or known is document:
                continue
            if known is None or known.raw != document.raw:
                read = decoders.DECODERS[ref.kind](msgspec.Raw(_encode(document.raw)))
                self._store.apply(watch.Upserted(ref.kind, read))
        self._documents = newest
        return self._world()

    def _world(self) -> World:
        listed = {kind: self._store.objects(kind) for kind in KINDS}
        controller_kinds = {kind: listed[kind] for kind in view.ALLOCATING_KINDS}
        seen, left_out = self._controller.look(controller_kinds)
        shared, _ = self._speakers.look({kind: listed[kind] for kind in view.ANNOUNCING_KINDS})
        objects = view.config_objects(listed, for_speaker=True)
        before = {name: found.configuration for name, found in self._nodes.items()}
        self._nodes = {
            node.name: resolve.configuration(objects, node=node.name, previous=before.get(node.name))
            for node in listed["Node"]
        }
        return World(
            programs=self._programs,
            documents=self._documents,
            controller=seen,
            shared=dataclasses.replace(shared, configuration=snapshot.Configuration()),
            problems=tuple(sorted({*self._store.all_problems, *left_out})),
            nodes=self._nodes,
            pods=listed["Pod"],
            statuses=(*listed["ServiceBGPStatus"], *listed["ServiceL2Status"]),
        )
