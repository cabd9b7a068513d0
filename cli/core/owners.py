"""Who answers for the layer-2 addresses of each Service, and who announces each Service over BGP: as said, beside as wanted. Pure.

Called by the commands `owners`, `status` and `watch`. Candidates and elections are those of `layer2`, plans those of `nodes`; here they are
only compared with what the speakers say.
"""

from collections.abc import Iterable, Iterator, Mapping

from cli import errors, values
from cli.core import layer2, running
from cli.core import nodes as node_plans
from cli.core import world as worlds
from cli.documents import owners as documents
from frr_adapter import addresses
from frr_adapter.api import node_report
from frr_adapter.model import pool, service
from speaker import values as speaker_values
from speaker.core import bgp_status, eligibility

_Reports = Mapping[str, node_report.NodeReport]

_IDLE = {
    speaker_values.Reason.NOT_OWNER: "no node can: no ready endpoint, or no node that an L2Advertisement selects",
    speaker_values.Reason.IP_NOT_ALLOWED: "no pool has the address",
    speaker_values.Reason.NO_MATCHING_ADVERTISEMENT: "no L2Advertisement selects it any more",
    speaker_values.Reason.SHARED_IP_WITH_SERVICE_SELECTOR: (
        "a shared address cannot be announced by an L2Advertisement with service selectors"
    ),
}

_ON_LAYER2 = frozenset({"EndpointSlice", "IPAddressPool", "L2Advertisement", "Node"})
_ON_BGP = frozenset({"BGPAdvertisement", "BGPPeer", "EndpointSlice", "IPAddressPool", "Node"})
"""Kinds without which nobody knows who is to announce."""


def document(gathered: values.Gathered, node: str = "") -> documents.OwnersDocument:
    """The answer; with `node`, only where it has a part. Raises `errors.NoAnswerError` for a node that is not there."""
    world = worlds.Course(gathered.programs).advance(gathered.documents)
    seen, plans = running.look(gathered), node_plans.Nodes(world)
    if node and node not in plans.names:
        raise errors.NoAnswerError(f"Node {node} is not there; there are {', '.join(plans.names) or 'none'}")
    return documents.OwnersDocument(
        source=gathered.source,
        taken_at=gathered.taken_at,
        owners=tuple(
            each
            for each in owners(world, seen, gathered.reports)
            if not node or node in (*each.candidates, *each.holders)
        ),
        announcers=tuple(
            each
            for each in announcers(world, plans, seen, gathered.reports)
            if not node or node in (*each.wanted, *each.nodes)
        ),
        gaps=gathered.gaps,
    )


def owners(world: worlds.World, seen: running.Running, reports: _Reports) -> tuple[documents.Owner, ...]:
    """The Services with addresses that are advertised on layer 2, or held there, sorted by key."""
    said = _interfaces(world, reports)
    rivals = _rivals(reports)
    advertised = _advertised(world)
    return tuple(
        _owner(contest, said.get(key, ()), rivals, seen)
        for key, contest in layer2.contests(world, reports).items()
        if contest.candidates or contest.holders or key in advertised
    )


def _owner(
    contest: layer2.Contest,
    interfaces: tuple[str, ...],
    rivals: Mapping[str, tuple[documents.Rival, ...]],
    seen: running.Running,
) -> documents.Owner:
    shown = tuple(map(str, contest.addresses))
    claims = tuple(each for address in shown for each in rivals.get(address, ()))
    verdict, note = _judged(contest, claims, seen)
    return documents.Owner(
        service=contest.service,
        addresses=shown,
        holders=contest.holders,
        elected=contest.elected or "",
        candidates=contest.candidates,
        is_kept=len(contest.holders) == 1 and contest.holders[0] == contest.owner != contest.elected,
        interfaces=interfaces,
        rivals=claims,
        verdict=verdict,
        note=note,
    )


def _judged(
    contest: layer2.Contest, claims: tuple[documents.Rival, ...], seen: running.Running
) -> tuple[documents.Verdict, str]:
    holders, silent = contest.holders, [each for each in contest.holders if seen.silence(each)]
    strangers = [each for each in holders if each not in contest.candidates]
    if len(holders) > 1:
        return "bad", f"{len(holders)} nodes say that they answer: {', '.join(holders)}"
    if claims:
        stations = ", ".join(sorted({each.mac for each in claims}))
        return "bad", f"{stations} claims it too, and is no speaker"
    if silent:
        return "bad", f"on {silent[0]}, {seen.silence(silent[0])}"
    if not (contest.candidates and not strangers) and (lacking := _ON_LAYER2 & seen.unread):
        return "unknown", f"who may answer is not known without {', '.join(sorted(lacking))}"
    if not contest.candidates:
        why = _IDLE.get(speaker_values.Reason(contest.reason), contest.reason)
        return ("bad", f"still held by {holders[0]}, though {why}") if holders else ("idle", why)
    if strangers:
        return "bad", f"{strangers[0]} is no candidate any more; {contest.owner} is to take over"
    if holders:
        return "ok", ""
    if not seen.has_statuses and not seen.answered:
        return "unknown", "nobody says who answers"
    silence = seen.silence(contest.elected or "")
    return "bad", f"nobody answers yet; elected is {contest.elected}{f', where {silence}' if silence else ''}"


def announcers(
    world: worlds.World, plans: node_plans.Nodes, seen: running.Running, reports: _Reports
) -> tuple[documents.Announcer, ...]:
    """The Services that nodes announce over BGP, or are to, sorted by key."""
    wanted, peers = _wanted(plans, reports)
    said = _said(world, reports)
    given = {each.key: each.ingress for each in world.shared.services}
    doubt = "" if seen.has_statuses or reports else "nobody says who announces"
    if lacking := _ON_BGP & seen.unread:
        doubt = f"who is to announce is not known without {', '.join(sorted(lacking))}"
    return tuple(
        _announcer(key, given.get(key, ()), wanted.get(key, ()), said.get(key, ()), peers.get(key, frozenset()), doubt)
        for key in sorted({*wanted, *said})
    )


def _announcer(
    key: str,
    shown: tuple[str, ...],
    wanted: Iterable[str],
    said: Iterable[str],
    peers: Iterable[str],
    doubt: str,
) -> documents.Announcer:
    late, stale = sorted({*wanted} - {*said}), sorted({*said} - {*wanted})
    notes = [f"not announced by {', '.join(late)}"] if late else []
    notes += [f"still announced by {', '.join(stale)}"] if stale else []
    verdict: documents.Verdict = "unknown" if doubt else "bad" if notes else "ok"
    return documents.Announcer(
        service=key,
        addresses=shown,
        nodes=tuple(sorted(said)),
        wanted=tuple(sorted(wanted)),
        peers=tuple(sorted(peers)),
        verdict=verdict,
        note=doubt or "; ".join(notes),
    )


def _wanted(plans: node_plans.Nodes, reports: _Reports) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Service -> nodes that are to announce it, and -> the peers that are to be told."""
    wanted: dict[str, set[str]] = {}
    peers: dict[str, set[str]] = {}
    told: dict[int, Mapping[str, tuple[str, ...]]] = {}
    for node in plans.names:
        routes = plans.plan(node).routes
        # Nodes that are alike share their routes.
        credit = told.get(id(routes))
        if credit is None:
            credit = told[id(routes)] = bgp_status.credit(routes)
            for key, names in credit.items():
                peers.setdefault(key, set()).update(names)
        # A status names only Services that some peer is told of; a report names every decision.
        keys = _decided(plans.decisions(node)) if node in reports else credit
        for key in keys:
            wanted.setdefault(key, set()).add(node)
    return wanted, peers


def _decided(decisions: Iterable[speaker_values.Decision]) -> Iterator[str]:
    return (each.service for each in decisions if isinstance(each.verdict, speaker_values.Announce))


def _said(world: worlds.World, reports: _Reports) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in world.statuses:
        if each.ref.kind == "ServiceBGPStatus" and each.node in world.nodes and each.node not in reports:
            found.setdefault(each.service, set()).add(each.node)
    for node, report in reports.items():
        for decision in report.speaker.decisions:
            if decision.protocol == speaker_values.Protocol.BGP and not decision.reason:
                found.setdefault(decision.service, set()).add(node)
    return found


def _interfaces(world: worlds.World, reports: _Reports) -> dict[str, tuple[str, ...]]:
    """Service -> interfaces on which it is answered for, as the nodes say."""
    found: dict[str, set[str]] = {}
    for each in world.statuses:
        if each.ref.kind == "ServiceL2Status" and each.node not in reports:
            found.setdefault(each.service, set()).update(each.said)
    for report in reports.values():
        held = {each.address: each.interfaces for each in report.speaker.layer2.addresses if each.is_held}
        for decision in report.speaker.decisions:
            if decision.protocol == speaker_values.Protocol.LAYER2 and not decision.reason:
                names = (name for address in decision.addresses for name in held.get(address, ()))
                found.setdefault(decision.service, set()).update(names)
    return {key: tuple(sorted(names)) for key, names in found.items()}


def _rivals(reports: _Reports) -> dict[str, tuple[documents.Rival, ...]]:
    found: dict[str, list[documents.Rival]] = {}
    for node, report in sorted(reports.items()):
        for each in report.speaker.layer2.rivals:
            found.setdefault(each.address, []).append(documents.Rival(each.address, each.mac, node))
    return {address: tuple(each) for address, each in found.items()}


def _advertised(world: worlds.World) -> frozenset[str]:
    """Services from whose pool some L2Advertisement takes addresses."""
    some = next(iter(world.nodes.values()), None)
    if some is None:
        return frozenset()
    pools = some.configuration.pools
    names = {name for each in some.configuration.l2_advertisements for name in each.pools}
    return frozenset(each.key for each in world.shared.services if _pool(each, pools) in names)


def _pool(item: service.Service, pools: tuple[pool.Pool, ...]) -> str:
    given: tuple[addresses.Address, ...] | speaker_values.Reason = eligibility.service_addresses(item)
    if isinstance(given, speaker_values.Reason):
        return ""
    found = eligibility.pool_of(given, pools, eligibility.allocated_from(item))
    return "" if found is None else found.name
