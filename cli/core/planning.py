"""What applying manifests to a cluster would change: problems, addresses, FRR on every node, sessions, owners of layer-2 addresses.

Called by the command `plan`. Before and after are two moments that one set of programs goes through, so that what they remember counts:
the last good version of an object that is edited into a mistake, and addresses given out. Pure. It must never judge by rules of its
own: the controller's and the speakers' functions decide, here their answers are compared.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from cli import values
from cli.core import (
    allocation,
    assuming,
    blaming,
    checking,
    layer2,
    merging,
    moment,
    nodes,
    plan_addresses,
    plan_nodes,
    plan_owners,
    running,
    world,
)
from cli.documents import plan as document
from controller.core import memory
from frr_adapter import refs
from frr_adapter.frr import fingerprint
from frr_adapter.model import snapshot
from frr_adapter.resolve import view


@dataclass(frozen=True, slots=True)
class Options:
    """`nodes` are those whose FRR is looked at, all when empty; `prune` and `delete` as `merging.apply`."""

    nodes: tuple[str, ...] = ()
    prune: bool = False
    delete: tuple[refs.ObjectRef, ...] = ()
    is_offline: bool = False
    """Nothing is known before: nodes that are asked for by name are taken to be there."""


def plan(
    before: values.Gathered, manifests: values.Gathered, options: Options, templates: Mapping[str, str]
) -> document.PlanDocument:
    """The whole answer; `templates` as `render.render`."""
    programs = manifests.programs if options.is_offline else before.programs
    course = world.Course(programs)
    known = {each.ref: each for each in map(checking.current, before.documents)}
    old = _moment(course, known.values(), before, None)
    merged = merging.apply(
        old.world.documents,
        tuple(map(checking.current, manifests.documents)),
        namespace=programs.namespace,
        prune=options.prune,
        delete=options.delete,
    )
    wanted, guesses = assuming.nodes(merged.documents, options.nodes if options.is_offline else ())
    wanted, more = assuming.endpoints(wanted, merged.changes)
    new = _moment(course, wanted.values(), before, old)
    blame = blaming.Blame(merged.changes, programs.namespace)
    versions = _versions(before)
    changed = plan_nodes.Comparison(old, new, templates, versions, blame, options.nodes).changes()
    problems = _problems(old, new, manifests)
    addresses = plan_addresses.changes(old, new)
    owners = plan_owners.changes(old, new)
    found = document.PlanDocument(
        source="" if options.is_offline else before.source,
        taken_at=before.taken_at,
        gaps=(*before.gaps, *manifests.gaps, *_unread(before), *_astray(old, before)),
        assumptions=(*guesses, *more),
        objects=tuple(_object(each) for each in merged.changes),
        problems=problems,
        addresses=addresses,
        nodes=changed.nodes,
        owners=owners,
        warnings=(
            *plan_addresses.warnings(old, new, addresses),
            *_kept(old, new, problems, merged.changes),
            *_unannounced(old, new),
        ),
    )
    return _summed(found, changed, len(_chosen(new, options)))


def _chosen(after: moment.Moment, options: Options) -> frozenset[str]:
    return frozenset(after.world.nodes) & frozenset(options.nodes or after.world.nodes)


def _moment(
    course: world.Course,
    documents: Iterable[values.Document],
    gathered: values.Gathered,
    before: moment.Moment | None,
) -> moment.Moment:
    """The world with these documents once the controller has written what it wants, and addresses are with their owners."""
    seen = course.advance(documents)
    rounds = allocation.rounds(course, seen, memory.NO_MEMORY if before is None else before.last.memory)
    settled, last = rounds[-1]
    if before is None:
        contests = layer2.contests(settled, gathered.reports)
    else:
        holding = layer2.inherited(settled, before.contests)
        contests = layer2.contests(settled, gathered.reports, holding, before.contests)
    alike = nodes.Nodes(settled, None if before is None else before.nodes)
    return moment.Moment(settled, rounds[0][1], last, alike, contests)


def _versions(gathered: values.Gathered) -> dict[str, int]:
    """Major version of FRR by node: as FRR said when it was asked, else as the node's NodeBGPStatus says."""
    found = {node: str(values.part(status, "frr").get("version") or "") for node, status in _statuses(gathered)}
    found |= {node: report.frr_version for node, report in gathered.reports.items() if report.frr_version}
    majors = {node: text.partition(".")[0] for node, text in found.items()}
    return {node: int(major) for node, major in majors.items() if major.isdigit()}


def _statuses(gathered: values.Gathered) -> Iterator[tuple[str, values.Json]]:
    """What nodes say of BGP, by node."""
    for each in gathered.documents:
        if each.ref.kind == "NodeBGPStatus":
            yield each.ref.name, each.part("status")


def _unread(gathered: values.Gathered) -> Iterator[str]:
    """A line when objects may be there that nobody could read: then the plan compares with less than there is."""
    deciding = {*view.ALLOCATING_KINDS, *view.ANNOUNCING_KINDS} - {
        "Secret"
    }  # those are taken as fitting, which is told
    if lacking := sorted(deciding & running.unread(gathered)):
        yield f"without {', '.join(lacking)}, what is said of addresses, sessions and owners may be wrong"


def _astray(old: moment.Moment, gathered: values.Gathered) -> Iterator[str]:
    """A line when nodes run something else than their objects say: then what changes there is not known for sure."""
    wanted = {node: values.part(status, "configuration").get("wanted") for node, status in _statuses(gathered)}
    found: list[str] = []
    for names in old.nodes.groups() if any(wanted.values()) else ():
        ours = fingerprint.fingerprint(old.nodes.config(names[0]))
        found += (name for name in names if wanted.get(name) and wanted[name] != ours)
    if found:
        yield (
            f"{', '.join(sorted(found))}: the speaker wants another frr.conf than the objects say; "
            "it may hold earlier versions of objects that have mistakes now, or be behind"
        )


def _object(change: merging.Changed) -> document.ObjectChange:
    ref = change.ref
    where = f"{change.origin.file}:{change.origin.line}" if change.origin is not None else ""
    return document.ObjectChange(ref.kind, ref.namespace, ref.name, change.change.value, change.fields, where)


# ---- Problems ----


def _problems(old: moment.Moment, new: moment.Moment, manifests: values.Gathered) -> tuple[document.Problem, ...]:
    """Those of the world after, errors first, in the order of the files."""
    known = {(each.ref, each.field, each.message) for each in checking.everything(old.world)}
    # Of an older version only the file itself tells: what the programs read has been converted.
    former = [each for each in manifests.documents if checking.current(each) is not each]
    found = dict.fromkeys((*checking.everything(new.world), *checking.problems(former, new.world.programs.namespace)))
    return tuple(
        document.Problem(
            each.ref.kind,
            each.ref.namespace,
            each.ref.name,
            each.field,
            "; ".join(each.message.splitlines()),
            each.where,
            each.severity.value,
            is_new=(each.ref, each.field, each.message) not in known,
        )
        for each in found
    )


_IN_FORCE: Mapping[str, Callable[[snapshot.Configuration], tuple[Any, ...]]] = MappingProxyType(
    {
        "BGPAdvertisement": lambda found: found.bgp_advertisements,
        "BGPPeer": lambda found: found.peers,
        "BFDProfile": lambda found: found.bfd_profiles,
        "IPAddressPool": lambda found: found.pools,
        "L2Advertisement": lambda found: found.l2_advertisements,
    }
)


def _kept(
    old: moment.Moment, new: moment.Moment, problems: Iterable[document.Problem], changes: Iterable[merging.Changed]
) -> Iterator[str]:
    """Objects that are edited into a mistake, and of which the last good version stays in force."""
    bad = {(each.kind, each.name) for each in problems if each.severity == "error" and each.is_new}
    for change in changes:
        kind, name = change.ref.kind, change.ref.name
        if change.change is not merging.Change.CHANGED or (kind, name) not in bad or kind not in _IN_FORCE:
            continue
        before = _in_force(old, kind, name)
        if any(before.values()) and before == _in_force(new, kind, name):
            yield f"{change.ref}: its last good version stays in force until the mistake is mended, or the programs restart"


def _in_force(at: moment.Moment, kind: str, name: str) -> dict[str, Any]:
    """The object as it is resolved on each node, None where there is none."""
    found = {node: each.configuration for node, each in at.world.nodes.items()}
    found |= {"": at.world.controller.configuration}
    distinct = {id(each): each for each in found.values()}
    chosen = {key: next((i for i in _IN_FORCE[kind](each) if i.name == name), None) for key, each in distinct.items()}
    return {node: chosen[id(each)] for node, each in found.items()}


def _unannounced(old: moment.Moment, new: moment.Moment) -> Iterator[str]:
    """Services that keep their addresses, while nobody speaks for them any more."""
    was, shall = _announced(old), _announced(new)
    before, after = old.last.outcomes, new.last.outcomes
    for key in sorted(was - shall):
        if key in after and plan_addresses.held(before.get(key)) == plan_addresses.held(after.get(key)) != ():
            yield f"Service {key} keeps its address, but no node announces it any more"


def _announced(at: moment.Moment) -> set[str]:
    found = {key for key, contest in at.contests.items() if contest.owner is not None}
    for first, *_ in at.nodes.groups():
        for route in at.nodes.plan(first).routes:
            found.update(route.services)
    return found


# ---- Figures ----


def _summed(found: document.PlanDocument, changed: plan_nodes.Changes, count: int) -> document.PlanDocument:
    errors = [each for each in found.problems if each.severity == "error"]
    addresses = [each.change for each in found.addresses]
    owners = [each.change for each in found.owners]
    summary = document.Summary(
        problems=len(errors),
        new_problems=sum(each.is_new for each in errors),
        addresses_gained=addresses.count("gained"),
        addresses_lost=addresses.count("lost"),
        addresses_changed=addresses.count("changed"),
        addresses_pending=addresses.count("pending"),
        session_resets=changed.resets,
        sessions_gained=changed.gained,
        sessions_lost=changed.lost,
        nodes=count,
        nodes_changed=changed.count,
        nodes_reset=changed.reset_nodes,
        owners_moved=owners.count("moved"),
        owners_lost=owners.count("lost"),
        owners_gained=owners.count("gained"),
    )
    return msgspec.structs.replace(found, summary=summary)
