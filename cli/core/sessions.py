"""BGP sessions of all nodes: what is wanted by the objects, joined with what the nodes say. Pure.

Called by the commands `sessions`, `status` and `watch`. A report was asked for just now and counts more than a status object; what a
speaker said before it stopped is no knowledge.
"""

import collections
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cli import errors, values
from cli.core import nodes as node_plans
from cli.core import running
from cli.core import world as worlds
from cli.documents.sessions import Session, SessionsDocument, Verdict
from frr_adapter.api import kinds, node_report
from frr_adapter.frr import show

ESTABLISHED = "Established"
UNKNOWN = "Unknown"
_NO_BFD = "N/A"
_DOWN = "Down"

_Key = show.SessionKey


@dataclass(frozen=True, slots=True)
class Choice:
    """Which sessions to list; empty means all."""

    node: str = ""
    peer: str = ""
    only_down: bool = False

    def has(self, session: Session) -> bool:
        """Whether it is one of them."""
        is_asked = self.node in ("", session.node) and (
            not self.peer or self.peer in (*session.peers, session.neighbor)
        )
        return is_asked and not (self.only_down and session.verdict == "ok")


def document(gathered: values.Gathered, choice: Choice) -> SessionsDocument:
    """The answer. Raises `errors.NoAnswerError` for a node or a peer that is not there."""
    plans = node_plans.Nodes(worlds.Course(gathered.programs).advance(gathered.documents))
    found = sessions(plans, running.look(gathered), gathered.reports)
    nodes = sorted({*plans.names, *(each.node for each in found)})
    if choice.node and choice.node not in nodes:
        raise errors.NoAnswerError(f"Node {choice.node} is not there; there are {', '.join(nodes) or 'none'}")
    peers = sorted({name for each in found for name in (*each.peers, each.neighbor)})
    written = {ref.ref.name for ref in gathered.documents if ref.ref.kind == "BGPPeer"}
    if choice.peer and choice.peer not in {*peers, *written}:
        raise errors.NoAnswerError(
            f"BGPPeer {choice.peer} is not there; there are {', '.join(sorted(written)) or 'none'}"
        )
    chosen = tuple(each for each in found if choice.has(each))
    counted = collections.Counter(each.verdict for each in chosen)
    return SessionsDocument(
        source=gathered.source,
        taken_at=gathered.taken_at,
        established=counted["ok"],
        down=counted["down"],
        unknown=counted["unknown"],
        sessions=chosen,
        gaps=gathered.gaps,
    )


def sessions(
    plans: node_plans.Nodes, seen: running.Running, reports: Mapping[str, node_report.NodeReport]
) -> tuple[Session, ...]:
    """Every session that is wanted or that a node speaks of, sorted by node, VRF and neighbor."""
    known = plans.names
    # Without the right to list nodes, what their status says is all there is.
    names = known or tuple(sorted({*seen.statuses, *reports}))
    return tuple(each for name in names for each in _of_node(name, plans, seen, reports.get(name)))


def _of_node(
    node: str, plans: node_plans.Nodes, seen: running.Running, report: node_report.NodeReport | None
) -> Iterator[Session]:
    wanted = _wanted(plans, node)
    status = seen.statuses.get(node)
    said = {(each.vrf, each.neighbor): each for each in (status.sessions if status is not None else ())}
    heard = _told(report)
    silence = seen.silence(node)
    for key in sorted({*wanted, *said, *(heard or {})}):
        if heard is not None:
            if key in heard or key in wanted:
                yield _heard(node, key, wanted.get(key, ()), heard.get(key), said.get(key))
        elif key in said:
            yield _said(node, said[key], silence)
        else:
            yield Session(node, *key, wanted[key], note=_unsaid(node, seen))


def _told(report: node_report.NodeReport | None) -> dict[_Key, node_report.Session] | None:
    """What FRR told of its sessions; None when it told nothing of them."""
    if report is None or (report.frr_error and not report.sessions):
        return None
    return {(each.vrf, each.neighbor): each for each in report.sessions}


def _wanted(plans: node_plans.Nodes, node: str) -> dict[_Key, tuple[str, ...]]:
    """Names of the BGPPeers of each session."""
    if node not in plans.names:
        return {}
    return {
        (router.vrf or show.DEFAULT_VRF, neighbor.name): tuple(each.rpartition("/")[2] for each in neighbor.peers)
        for router in plans.config(node).routers
        for neighbor in router.neighbors
    }


def _heard(
    node: str,
    key: _Key,
    peers: tuple[str, ...],
    heard: node_report.Session | None,
    said: kinds.NodeSession | None,
) -> Session:
    if heard is None:
        return Session(node, *key, peers, UNKNOWN, "down", "FRR has no such session", source="report")
    # bgpd says Unknown before it asked bfdd.
    bfd = {_NO_BFD: "", UNKNOWN: _DOWN}.get(heard.bfd, heard.bfd.capitalize())
    return Session(
        node=node,
        vrf=heard.vrf,
        neighbor=heard.neighbor,
        peers=peers,
        state=heard.state,
        verdict=_verdict(heard.state, bfd),
        note=_note(heard.state, bfd),
        since=(said.last_transition_time or "") if said is not None and said.state == heard.state else "",
        bfd=bfd,
        sent_prefixes=heard.sent_prefixes,
        accepted_prefixes=heard.accepted_prefixes,
        last_reset=heard.last_reset,
        source="report",
    )


def _said(node: str, said: kinds.NodeSession, silence: str) -> Session:
    if silence:
        note = f"{silence}; the last word was {said.state}"
        return Session(node, said.vrf, said.neighbor, said.peers, note=note, source="status")
    bfd = "" if said.bfd == _NO_BFD else said.bfd
    return Session(
        node=node,
        vrf=said.vrf,
        neighbor=said.neighbor,
        peers=said.peers,
        state=said.state,
        verdict=_verdict(said.state, bfd),
        note=_note(said.state, bfd),
        since=said.last_transition_time or "",
        bfd=bfd,
        last_reset=said.last_reset or "",
        source="status",
    )


def _unsaid(node: str, seen: running.Running) -> str:
    """Why nobody speaks of a session that is wanted."""
    if silence := seen.silence(node):
        return silence
    if node in seen.statuses:
        return "not in the status of the node"
    return "the node has no NodeBGPStatus" if seen.has_statuses else "no status was read"


def _verdict(state: str, bfd: str) -> Verdict:
    if state == UNKNOWN:
        return "unknown"
    return "ok" if state == ESTABLISHED and bfd != _DOWN else "down"


def _note(state: str, bfd: str) -> str:
    if state == UNKNOWN:
        return "FRR does not say"
    return "BFD is down" if state == ESTABLISHED and bfd == _DOWN else ""
