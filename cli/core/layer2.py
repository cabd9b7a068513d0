"""Who contends for the layer-2 addresses of each Service, who is elected, who holds them, and who will. Called by several commands.

The candidates and their order are those of the speakers themselves (`speaker.core.l2_plan`, `speaker.core.election`), said once for all
nodes instead of by each node for itself. Pure. It must never judge a node or a Service by rules of its own.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cli.core import world as worlds
from frr_adapter import addresses
from frr_adapter.api import node_report
from frr_adapter.model import snapshot
from speaker import values
from speaker.core import election, eligibility, l2_plan


@dataclass(frozen=True, slots=True)
class Contest:
    """The addresses of one Service on layer 2.

    `candidates` in the order of election; `holders` are who says that it announces them, sorted; `owner` is who will have them in
    the end: the holder where it may keep them, else who is elected. `reason` says why there are no candidates, empty when there are.
    """

    service: str
    addresses: tuple[addresses.Address, ...]
    candidates: tuple[str, ...] = ()
    elected: str | None = None
    holders: tuple[str, ...] = ()
    owner: str | None = None
    scores: tuple[tuple[str, int], ...] = ()
    """How much single candidates are preferred, sorted by name."""
    reason: str = ""


def contests(
    world: worlds.World,
    reports: Mapping[str, node_report.NodeReport],
    holding: Mapping[str, tuple[str, ...]] | None = None,
    known: Mapping[str, Contest] = MappingProxyType({}),
) -> Mapping[str, Contest]:
    """By key of the Service, sorted; only Services that have addresses. `holding` replaces what `holders` finds.

    `known` are contests of a world before this one; they only save work: the order of nodes that it has is not computed again.
    """
    keeps = world.programs.l2_owner == "keep"
    basis = l2_plan.basis_of(
        _common(world), ignore_exclude=world.programs.ignore_exclude_lb, live=live(reports), keeps=keeps
    )
    if holding is None:
        holding = holders(world, reports)
    found: dict[str, Contest] = {}
    for each in world.shared.candidates:
        item = each.service
        standing = l2_plan.contenders(item, each.endpoints, basis)
        said = holding.get(item.key, ())
        if isinstance(standing, l2_plan.Share):
            decision = standing.decision
            if decision.addresses:
                found[item.key] = Contest(item.key, decision.addresses, holders=said, reason=_reason(decision))
        elif not standing.nodes:
            reason = values.Reason.NOT_OWNER if standing.advertisements else values.Reason.NO_MATCHING_ADVERTISEMENT
            found[item.key] = Contest(item.key, standing.addresses, holders=said, reason=str(reason))
        else:
            found[item.key] = _contest(item.key, standing, said, known.get(item.key), keeps=keeps)
    return found


def inherited(world: worlds.World, before: Mapping[str, Contest]) -> dict[str, tuple[str, ...]]:
    """Who holds the addresses of each Service of this world, when what was before has come to rest: addresses stay with their owners."""
    owners = {
        address: contest.owner
        for contest in before.values()
        for address in contest.addresses
        if contest.owner is not None
    }
    found = {}
    for each in world.shared.services:
        given = eligibility.service_addresses(each)
        if not isinstance(given, values.Reason):
            found[each.key] = tuple(sorted({owners[address] for address in given if address in owners}))
    return found


def holders(world: worlds.World, reports: Mapping[str, node_report.NodeReport]) -> dict[str, tuple[str, ...]]:
    """Key of a Service -> known nodes that announce it on layer 2: as they report themselves, else as their ServiceL2Status says."""
    found: dict[str, set[str]] = {}
    for said in world.statuses:
        if said.ref.kind == "ServiceL2Status" and said.node in world.nodes and said.node not in reports:
            found.setdefault(said.service, set()).add(said.node)
    for node, report in reports.items():
        for decision in report.speaker.decisions:
            if decision.protocol == values.Protocol.LAYER2 and not decision.reason:
                found.setdefault(decision.service, set()).add(node)
    return {service: tuple(sorted(nodes)) for service, nodes in found.items()}


def live(reports: Mapping[str, node_report.NodeReport]) -> values.Live | None:
    """Nodes whose speaker lives, as the speakers see each other, with their interfaces; None where nobody watches that."""
    hearing = [each.speaker.layer2 for each in reports.values() if each.speaker.layer2.live is not None]
    if not hearing:
        return None
    # A fenced one hears too few to know.
    trusted = [each for each in hearing if not each.is_fenced] or hearing
    names: Iterable[str] = sorted({name for each in trusted for name in each.live or ()})
    return {name: frozenset(reports[name].speaker.layer2.interfaces) if name in reports else None for name in names}


def _order(standing: l2_plan.Contenders, scores: Mapping[str, int], before: Contest | None) -> tuple[str, ...]:
    """A node's place among others depends on the address and its own score alone: who is no candidate any more leaves the rest as it was."""
    if (
        before is not None
        and before.addresses[0] == standing.addresses[0]
        and standing.nodes.issubset(before.candidates)
        and before.scores == _scores(scores, before.candidates)
    ):
        return tuple(name for name in before.candidates if name in standing.nodes)
    return election.order(standing.nodes, standing.addresses[0], scores)


def _scores(scores: Mapping[str, int], nodes: Iterable[str]) -> tuple[tuple[str, int], ...]:
    found = frozenset(nodes)
    return tuple(sorted((name, score) for name, score in scores.items() if name in found))


def _contest(
    key: str, standing: l2_plan.Contenders, said: tuple[str, ...], before: Contest | None, *, keeps: bool
) -> Contest:
    scores = l2_plan.scores_of(standing.advertisements)
    order = _order(standing, scores, before)
    staying = [name for name in order if name in said] if keeps else []
    may_stay = [name for name in staying if l2_plan.may_keep(name, standing.nodes, scores)]
    return Contest(
        service=key,
        addresses=standing.addresses,
        candidates=order,
        elected=order[0],
        holders=said,
        owner=may_stay[0] if may_stay else order[0],
        scores=_scores(scores, standing.nodes),
    )


def _common(world: worlds.World) -> snapshot.Snapshot:
    """What all nodes have in common about layer 2: pools and L2 advertisements do not depend on the node that looks."""
    some = next(iter(world.nodes.values()), None)
    return world.shared if some is None else dataclasses.replace(world.shared, configuration=some.configuration)


def _reason(decision: values.Decision) -> str:
    return str(decision.verdict.reason) if isinstance(decision.verdict, values.Abstain) else ""
