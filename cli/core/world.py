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
from frr_adapter.resolve import peers, view

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
    unreadable: tuple[tuple[refs.ObjectRef, str], ...] = ()
    """Objects that no API server would have taken, and why; it is as if they had not been written."""

    def at(self, node: str) -> snapshot.Snapshot:
        """The snapshot of that node's speaker. KeyError for a node that is not known."""
        return dataclasses.replace(self.shared, configuration=self.nodes[node].configuration)


class Course:
    """The worlds that one set of programs sees one after another."""

    def __init__(self, programs: values.Programs) -> None:
        self._programs = programs
        resources = decoders.resources(KINDS, programs.namespace)
        self._namespaces = {each.kind: (each.namespace,) for each in resources if each.namespace}
        self._store = store.Store(KINDS)
        self._documents: dict[refs.ObjectRef, values.Document] = {}
        self._controller = view.View(lb_class=None)
        self._speakers = view.View(lb_class=programs.lb_class)
        self._nodes: dict[str, resolve.Resolution] = {}
        self._unreadable: dict[refs.ObjectRef, str] = {}

    def advance(self, documents: Iterable[values.Document]) -> World:
        """The world when exactly these objects exist; those of a former call that are not among them are deleted."""
        newest = {each.ref: each for each in documents}
        for ref in self._documents.keys() - newest.keys():
            if self._is_watched(ref):
                self._unreadable.pop(ref, None)
                self._store.apply(watch.Deleted(ref.kind, ref))
        for ref, document in newest.items():
            known = self._documents.get(ref)
            if known is document or not self._is_watched(ref):
                continue
            if known is None or known.raw != document.raw:
                self._read(ref, document)
        self._documents = newest
        return self._world()

    def _read(self, ref: refs.ObjectRef, document: values.Document) -> None:
        """An object that no API server would have taken changes nothing."""
        self._unreadable.pop(ref, None)
        try:
            read = decoders.DECODERS[ref.kind](msgspec.Raw(_encode(document.raw)))
        except (msgspec.DecodeError, ValueError) as error:
            self._unreadable[ref] = str(error)
        else:
            self._store.apply(watch.Upserted(ref.kind, read))

    def _is_watched(self, ref: refs.ObjectRef) -> bool:
        """Whether the programs see it: of some kinds they look at their own namespace only."""
        return ref.kind in KINDS and ref.namespace in self._namespaces.get(ref.kind, (ref.namespace,))

    def _world(self) -> World:
        listed = {kind: self._store.objects(kind) for kind in KINDS}
        controller_kinds = {kind: listed[kind] for kind in view.ALLOCATING_KINDS}
        seen, left_out = self._controller.look(controller_kinds)
        shared, _ = self._speakers.look({kind: listed[kind] for kind in view.ANNOUNCING_KINDS})
        objects = view.config_objects(listed, for_speaker=True)
        self._nodes = self._resolved(objects)
        return World(
            programs=self._programs,
            documents=self._documents,
            controller=seen,
            shared=dataclasses.replace(shared, configuration=snapshot.Configuration()),
            problems=tuple(sorted({*self._store.all_problems, *left_out})),
            nodes=self._nodes,
            pods=listed["Pod"],
            statuses=(*listed["ServiceBGPStatus"], *listed["ServiceL2Status"]),
            unreadable=tuple(sorted(self._unreadable.items())),
        )

    def _resolved(self, objects: snapshot.ConfigObjects) -> dict[str, resolve.Resolution]:
        """What holds on each node. Nodes that the same peers and advertisements select, and that had the same before, share one answer."""
        known: dict[tuple[object, ...], resolve.Resolution] = {}
        found = {}
        for node in objects.nodes:
            selected = peers.selecting(objects, node.labels)
            last = self._nodes.get(node.name)
            key = (tuple(map(id, selected.peers)), tuple(map(id, selected.bgp_advertisements)), id(last))
            if key not in known:
                previous = None if last is None else last.configuration
                answer = resolve.configuration(objects, node=node.name, previous=previous)
                # What did not change stays the very same, so that whoever plans by it need not compare.
                known[key] = last if last is not None and answer == last else answer
            found[node.name] = known[key]
        return found
