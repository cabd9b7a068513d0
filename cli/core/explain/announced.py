"""The hops on the nodes: endpoints, which nodes may announce, and who answers on layer 2. Called by `chain`.

Verdicts are the speakers' own (`eligibility`, `bgp_plan`, `l2_plan`, the contest); only their reasons are put into words here.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from cli.core.explain import words
from cli.core.explain.case import Case
from cli.core.layer2 import Contest
from cli.documents.explain import Edit, Hop
from frr_adapter import refs
from frr_adapter.model import cluster
from speaker import values
from speaker.core import eligibility

_OTHER = values.Reason.NOT_OWNER
_ENDPOINTS = {values.Reason.NO_ENDPOINTS, values.Reason.NO_LOCAL_ENDPOINTS}


class _Lack(enum.Enum):
    """What a node lacks for layer 2, where the speakers have one word for all of it."""

    SPEAKER = enum.auto()
    INTERFACE = enum.auto()


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a node may not announce: the speakers' reason, and a sentence."""

    reason: values.Reason
    text: str
    lack: _Lack | None = None


def endpoints_hop(case: Case) -> Hop:
    """Endpoints that can take traffic, and on which nodes."""
    found, ready = case.endpoints, case.ready
    if ready:
        where = sorted({each.node for each in ready if each.node})
        policy = "; only those nodes take traffic (Local)" if case.service.is_local else ""
        on = f" on {words.listed(where)}" if where else ""
        return Hop("endpoints", "ok", f"{words.counted(len(ready), 'ready endpoint')}{on}{policy}")
    selector = ",".join(f"{key}={value}" for key, value in case.service.selector)
    if found:
        where = sorted({each.node for each in found if each.node})
        text = f"{words.counted(len(found), 'endpoint')}, none of them ready" + (
            f" (on {words.listed(where)})" if where else ""
        )
        do = f"see why the pods are not ready{f' (kubectl get pods -l {selector})' if selector else ''}"
    elif selector:
        text = f"there are no endpoints: no pod has the labels {selector}"
        do = "start pods with these labels, or change the selector"
    else:
        text, do = "there are no endpoints, and the Service selects no pods", "give it a selector, or EndpointSlices"
    return Hop("endpoints", "failed", text, edit=words.edit(case.service.ref, "spec.selector"), do=do)


def nodes_hop(case: Case) -> Hop:
    """Which nodes may announce, over BGP and on layer 2, and why the others may not."""
    if not (case.bgp or case.layer2):
        return Hop("nodes", "follows", "no advertisement speaks for it")
    parts: dict[str, list[str]] = {}
    details: list[str] = []
    silent: dict[str, _Refusal] = {}
    if case.bgp:
        refused = {
            name: _Refusal(verdict.reason, words.NODE_WORDS[verdict.reason])
            for name, verdict in case.verdicts.items()
            if isinstance(verdict, values.Abstain)
        }
        parts.setdefault(_part(case.speaking, refused), []).append("BGP")
        details += [f"BGP: {name}: {each.text}" for name, each in refused.items()]
        silent |= {} if case.speaking else refused
    if case.layer2:
        candidates = tuple(name for name in (case.contest.candidates if case.contest else ()) if name in case.asked)
        refused = {name: _refusal(case, name) for name in case.asked if name not in candidates}
        parts.setdefault(_part(candidates, refused), []).append("layer 2")
        details += [f"layer 2: {name}: {each.text}" for name, each in refused.items()]
        silent |= {} if candidates else refused
    text = "; ".join(f"{words.listed(protocols)}: {part}" for part, protocols in parts.items())
    if not silent:
        otherwise = _decided_otherwise(case)
        return Hop("nodes", "unknown" if otherwise else "ok", "; ".join((text, *otherwise)), tuple(details))
    if not case.ready and {each.reason for each in silent.values()} <= _ENDPOINTS:
        return Hop("nodes", "follows", text)
    where, do = _remedy(case, silent)
    return Hop("nodes", "failed", text, tuple(details), where, do)


def owner_hop(case: Case) -> Hop:
    """Who answers on layer 2: candidates in the order of election, who holds the addresses, and why not the node in question."""
    contest = case.contest
    if not case.layer2:
        return Hop("owner", "notApplicable", "not announced on layer 2")
    if contest is None or not contest.candidates:
        return Hop("owner", "follows", "no node may answer")
    order = "order: " + ", ".join(
        f"{name} ({dict(contest.scores)[name]})" if name in dict(contest.scores) else name
        for name in contest.candidates[:_MOST]
    )
    if len(contest.candidates) > _MOST:
        order += f" and {len(contest.candidates) - _MOST} more"
    node = case.question.node
    if node and node not in contest.candidates:
        return Hop("owner", "follows", f"{node} may not answer; {contest.owner} does", (order,))
    if len(contest.holders) > 1:
        text = (
            f"{words.listed(contest.holders)} say that they answer: an address moves just now, or the segment is parted"
        )
        return Hop("owner", "unknown", text, (order,))
    if contest.holders:
        return _held(contest, contest.holders[0], node, order)
    return _unheld(case, contest, order)


_MOST = 8


def _held(contest: Contest, holder: str, node: str, order: str) -> Hop:
    kept = holder != contest.elected and contest.owner == holder
    moving = contest.owner != holder
    how = f" ({contest.elected} would come first; {holder} keeps what it holds)" if kept else ""
    text = f"{holder} answers{how}"
    if moving:
        text = f"{holder} answers, {contest.owner} is to take over"
    if node and node != holder:
        place = contest.candidates.index(node) + 1
        return Hop("owner", "notApplicable", f"not {node}, number {place} in the order: {text}", (order,))
    return Hop("owner", "ok", text, (order,))


def _unheld(case: Case, contest: Contest, order: str) -> Hop:
    node, elected = case.question.node, contest.elected or ""
    if node and node != contest.owner:
        return Hop("owner", "notApplicable", f"not {node}: {contest.owner} comes first", (order,))
    is_told = case.has_statuses and not any("servicel2status" in gap.lower() for gap in case.gathered.gaps)
    if not is_told and elected not in case.gathered.reports:
        return Hop("owner", "unknown", f"{elected} comes first; whether it answers is not known", (order,))
    return Hop(
        "owner",
        "failed",
        f"{elected} comes first, but no node says that it answers",
        (order, *_conflicts(case)),
        words.edit(case.speaker(elected)),
        f"see whether the speaker of {elected} runs and what its log says; another station may hold the address",
    )


def _conflicts(case: Case) -> tuple[str, ...]:
    """Warnings of speakers about the addresses of the Service, the newest ones."""
    found = [
        str(event.get("message") or event.get("note") or "")
        for event in case.gathered.events
        if event.get("reason") in ("addressConflict", "announceFailed") and _is_about(event, case.service.ref)
    ]
    return tuple(f"event: {text}" for text in found[-2:] if text)


def _is_about(event: Mapping[str, object], ref: refs.ObjectRef) -> bool:
    about = event.get("involvedObject") or event.get("regarding")
    if not isinstance(about, dict):
        return False
    return (about.get("kind"), about.get("namespace"), about.get("name")) == (ref.kind, ref.namespace, ref.name)


def _part(yes: tuple[str, ...], no: Mapping[str, _Refusal]) -> str:
    why = ", ".join(f"{words.listed(names)}: {each.text}" for each, names in _grouped(no).items())
    if not yes:
        return f"no node may ({why})" if len(no) != 1 else f"not {why}"
    return f"{words.listed(yes)} may{f', not {why}' if no else ''}"


def _decided_otherwise(case: Case) -> tuple[str, ...]:
    """Nodes whose speaker says that it does not announce over BGP, though by these objects it should: it sees other ones."""
    found: list[str] = []
    for name in case.speaking:
        report = case.gathered.reports.get(name)
        said = report.speaker.decisions if report is not None else ()
        found += [
            f"but the speaker of {name} decided otherwise ({each.reason})"
            for each in said
            if (each.service, each.protocol) == (case.service.key, values.Protocol.BGP) and each.reason
        ]
    return tuple(found)


def _grouped(no: Mapping[str, _Refusal]) -> dict[_Refusal, list[str]]:
    found: dict[_Refusal, list[str]] = {}
    for name, each in no.items():
        found.setdefault(each, []).append(name)
    return found


def _refusal(case: Case, node: str) -> _Refusal:
    """Why a node is no candidate on layer 2."""

    def because(reason: values.Reason) -> _Refusal:
        return _Refusal(reason, words.NODE_WORDS[reason])

    if case.contest is not None and case.contest.reason == values.Reason.SHARED_IP_WITH_SERVICE_SELECTOR:
        return because(values.Reason.SHARED_IP_WITH_SERVICE_SELECTOR)
    if not case.ready:
        return because(values.Reason.NO_ENDPOINTS)
    mine = [each for each in case.candidacies if node in each.advertisement.nodes]
    if not mine:
        return because(_OTHER)
    refusal = eligibility.node_refusal(case.node(node), ignore_exclude=case.programs.ignore_exclude_lb)
    if refusal is not None:
        return because(refusal)
    if case.live is not None and node not in case.live:
        return _Refusal(_OTHER, "the other speakers do not hear its speaker", _Lack.SPEAKER)
    if not any(node in each.nodes for each in mine):
        named = sorted({name for each in mine for name in each.advertisement.interfaces})
        text = f"no interface {' or '.join(named)} there" if named else "no usable interface there"
        return _Refusal(_OTHER, text, _Lack.INTERFACE)
    return because(values.Reason.NO_LOCAL_ENDPOINTS)


def _remedy(case: Case, silent: Mapping[str, _Refusal]) -> tuple[Edit, str]:
    """Of the first node that may not announce, among those with the commonest reason."""
    groups = _grouped(silent)
    refusal = max(groups, key=lambda each: len(groups[each]))
    node = refs.ObjectRef("Node", "", groups[refusal][0])
    first_bgp = refs.ObjectRef("BGPAdvertisement", case.programs.namespace, case.bgp[0].name if case.bgp else "NAME")
    first = first_bgp
    if case.layer2:
        first = refs.ObjectRef("L2Advertisement", case.programs.namespace, case.layer2[0].name)
    if refusal.lack is _Lack.INTERFACE:
        return words.edit(first, "spec.interfaces"), "name interfaces that the node has"
    if refusal.lack is _Lack.SPEAKER:
        return words.edit(case.speaker(node.name)), "see whether the speaker runs and can be reached by the others"
    match refusal.reason:
        case values.Reason.NODE_EXCLUDED:
            do = f"take the label away (kubectl label node {node.name} {cluster.EXCLUDE_LABEL}-), or start the speakers with --ignore-exclude-lb"
            return words.edit(node, f"metadata.labels[{cluster.EXCLUDE_LABEL}]"), do
        case values.Reason.NODE_NETWORK_UNAVAILABLE:
            do = "mend the network of the node; its network plugin clears the condition"
            return words.edit(node, "status.conditions[NetworkUnavailable]"), do
        case values.Reason.NO_LOCAL_ENDPOINTS:
            do = "let a pod run on the node, or set externalTrafficPolicy to Cluster"
            return words.edit(case.service.ref, "spec.externalTrafficPolicy"), do
        case values.Reason.CONFLICTING_ADVERTISEMENTS:
            return words.edit(
                first_bgp, "spec.localPref"
            ), "let the advertisements agree on localPref, or differ in peers"
        case values.Reason.SHARED_IP_WITH_SERVICE_SELECTOR:
            return words.edit(first, "spec.serviceSelectors"), "leave serviceSelectors out, or do not share the address"
        case _:
            return words.edit(
                first, "spec.nodeSelectors"
            ), "change the selector, or give the node a label that it matches"
