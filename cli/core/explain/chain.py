"""All hops in order, the first that failed marked, and one line that sums them up. Called by the command.

Pure: the same cluster gives the same answer. Nothing is judged here that a hop has not judged.
"""

import msgspec

from cli import values
from cli.core import running
from cli.core.explain import advertising, allocated, announced, applied, heard, intended, words
from cli.core.explain.case import Case, Question
from cli.documents.explain import ExplainDocument, Hop

_HOPS = (
    allocated.type_hop,
    allocated.pools_hop,
    allocated.address_hop,
    announced.endpoints_hop,
    advertising.hop,
    announced.nodes_hop,
    announced.owner_hop,
    intended.hop,
    applied.hop,
    heard.sessions_hop,
    heard.advertised_hop,
    heard.wire_hop,
)

_POOLS = frozenset({"IPAddressPool", "Namespace"})
_SPEAKING = frozenset({"IPAddressPool", "Node"})
_LAYER2 = _SPEAKING | {"EndpointSlice", "L2Advertisement"}
_BGP = _SPEAKING | {"BGPAdvertisement", "BGPPeer", "EndpointSlice"}
_RESTS_ON = {
    "pools": _POOLS,
    "address": _POOLS,
    "endpoints": frozenset({"EndpointSlice"}),
    "advertisements": _SPEAKING | {"BGPAdvertisement", "L2Advertisement"},
    "nodes": _LAYER2 | {"BGPAdvertisement"},
    "owner": _LAYER2,
    "intent": _BGP,
    "applied": _BGP,
    "sessions": _BGP,
    "advertised": _BGP,
    "wire": _LAYER2 | _BGP,
}
"""Kinds of which no object may be missing for a hop to say that something is wrong, or not there."""


def explain(gathered: values.Gathered, question: Question) -> ExplainDocument:
    """The whole answer. Raises `errors.NoAnswerError` when what is asked about does not exist."""
    case = Case(gathered, question)
    unread = running.unread(gathered)
    hops = _marked([_known(make(case), unread) for make in _HOPS])
    cause = next((each for each in hops if each.is_cause), None)
    addresses = tuple(map(str, case.ips))
    return ExplainDocument(
        service=case.service.key,
        node=question.node,
        peer=question.peer,
        source=gathered.source,
        taken_at=gathered.taken_at,
        addresses=addresses,
        pool=case.pool.name if case.pool is not None else "",
        works=cause is None,
        summary=f"{' '.join((case.service.key, *addresses))}: {_summary(case, hops, cause)}",
        hops=tuple(hops),
        gaps=gathered.gaps,
    )


def _known(hop: Hop, unread: frozenset[str]) -> Hop:
    """That there is no object of a kind proves nothing where the kind could not be read."""
    needed = _RESTS_ON.get(hop.name, frozenset())
    # Without an advertisement it is not announced, whatever endpoints and peers there are.
    lacking = sorted((needed - {"BGPPeer", "EndpointSlice"} if hop.status == "notApplicable" else needed) & unread)
    if not lacking or hop.status in ("ok", "unknown") or (hop.name == "wire" and hop.status == "notApplicable"):
        return hop
    return Hop(hop.name, "unknown", f"not known without {words.listed(lacking)}, which could not be read")


def _marked(hops: list[Hop]) -> list[Hop]:
    """The first failure is the cause. What could only follow, though nothing before it failed, is not known."""
    first = next((place for place, each in enumerate(hops) if each.status == "failed"), len(hops))
    found = []
    for place, each in enumerate(hops):
        if place == first:
            found.append(msgspec.structs.replace(each, is_cause=True))
        elif place < first and each.status == "follows":
            found.append(msgspec.structs.replace(each, status="unknown"))
        else:
            found.append(each)
    return found


def _summary(case: Case, hops: list[Hop], cause: Hop | None) -> str:
    if cause is not None:
        return f"{'' if case.ips else 'no address: '}{cause.text}"
    parts = []
    if case.told:
        peers = sorted({each.peer.name for each in case.told})
        telling = dict.fromkeys(each.node for each in case.told)
        parts.append(f"announced by {words.listed(telling)} over BGP to {words.listed(peers)}")
    contest = case.contest
    if contest is not None and contest.holders:
        parts.append(f"answered for by {words.listed(contest.holders)} on layer 2")
    elif contest is not None and contest.owner:
        parts.append(f"to be answered for by {contest.owner} on layer 2")
    unknown = [each.name for each in hops if each.status == "unknown"]
    doubt = f"; not known: {words.listed(unknown)}" if unknown else ""
    return (" and ".join(parts) or "nothing wrong is seen") + doubt
