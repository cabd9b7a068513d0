"""The last hops: sessions, what neighbors were sent, and what is seen on the wire. Called by `chain`.

Only what FRR and the speakers said: of the router's side nothing can be seen from here.
"""

from dataclasses import dataclass

from cli.core.explain import applied, words
from cli.core.explain.case import Case, Told
from cli.core.explain.sayings import Session
from cli.documents.explain import Hop
from frr_adapter import refs
from frr_adapter.api import node_report
from frr_adapter.frr import show
from speaker import values

_ABSENT = "FRR has no such session"

_HINTS = (
    ("bad peer as", "spec.peerASN", "the router is in another AS: compare peerASN with its configuration"),
    ("bad bgp identifier", "spec.routerID", "two ends have the same router ID"),
    ("bfd", "spec.bfdProfile", "see whether the router has BFD for this neighbor with timers that fit"),
    ("hold timer", "spec.holdTime", "the router fell silent: see whether it and the path to it are up"),
    ("no route", "spec.peerAddress", "the node has no route to the router"),
    ("unacceptable hold", "spec.holdTime", "the router wants another hold time"),
    ("afi/safi", "spec.dualStackAddressFamily", "no address family in common: activate the neighbor on the router"),
)
"""FRR's words about the last reset, in small letters, what to look at, and what to do."""


@dataclass(frozen=True, slots=True)
class _Line:
    told: Told
    session: Session | None
    """None: FRR has none."""

    @property
    def wants_bfd(self) -> bool:
        return bool(self.told.peer.bfd_profile)

    @property
    def is_well(self) -> bool:
        if self.session is None or not self.session.is_established:
            return False
        return not self.wants_bfd or self.session.bfd == "Up"

    @property
    def name(self) -> str:
        return f"{self.told.node} to {self.told.peer.name} ({self.told.peer.endpoint})"

    @property
    def text(self) -> str:
        if self.session is None:
            return f"{self.name}: {_ABSENT}"
        reset = f", last reset: {self.session.last_reset}" if self.session.last_reset and not self.is_well else ""
        bfd = f", BFD {self.session.bfd or 'none'}" if self.wants_bfd else ""
        return f"{self.name}: {self.session.state}{bfd}{reset}"


def sessions_hop(case: Case) -> Hop:
    """The session of every peer that is to be told; the first one that is not well says what to look at."""
    if not case.bgp:
        return Hop("sessions", "notApplicable", "not announced over BGP")
    if not case.reached:
        return Hop("sessions", "follows", "no peer is to be told")
    known, silent = _lines(case)
    known.sort(key=lambda each: each.is_well)
    details = (*(each.text for each in known), *(f"{name}: nobody says how its sessions are" for name in silent))
    ill = [each for each in known if not each.is_well]
    bad = [each for each in ill if applied.judge(case, each.told.node).status != "failed"]
    if ill and not bad:
        return Hop("sessions", "follows", _sentence(ill[0]), details)
    if bad:
        first = min(bad, key=lambda each: each.session is not None and each.session.is_established)
        field, do = _look_at(first)
        more = f" ({words.counted(len(bad) - 1, 'other')} not well either)" if len(bad) > 1 else ""
        where = words.edit(first.told.peer.ref, field)
        return Hop("sessions", "failed", f"{_sentence(first)}{more}", details, where, do)
    if silent:
        return Hop("sessions", "unknown", f"of {words.listed(silent)} nobody says how the sessions are", details)
    bfd = ", BFD Up" if all(each.wants_bfd for each in known) else ""
    return Hop("sessions", "ok", f"{len(known)} of {len(known)} Established{bfd}", details)


def advertised_hop(case: Case) -> Hop:
    """What FRR has sent to the peers and not withdrawn; only nodes that were asked can tell."""
    if not case.bgp:
        return Hop("advertised", "notApplicable", "not announced over BGP")
    if not case.reached:
        return Hop("advertised", "follows", "no peer is to be told")
    sent: list[str] = []
    lacking: list[str] = []
    down: list[str] = []
    unknown: list[str] = []
    ill = {(each.told.node, each.told.peer.name) for each in _lines(case)[0] if not _is_up(each)}
    for each in case.reached:
        who = f"{each.node} to {each.peer.name}"
        report = case.gathered.reports.get(each.node)
        prefixes = None if report is None else _sent(report, each)
        if (each.node, each.peer.name) in ill:
            down.append(who)
        elif prefixes is None:
            unknown.append(who)
        else:
            missing = [str(prefix) for prefix in each.prefixes if str(prefix) not in prefixes]
            (lacking if missing else sent).append(f"{who} ({words.listed(missing)})" if missing else who)
    details = tuple(
        f"{word}: {words.listed(found, at_most=12)}"
        for word, found in (("sent", sent), ("not sent", lacking), ("no session", down), ("not known", unknown))
        if found
    )
    if lacking:
        where = refs.ObjectRef("BGPAdvertisement", case.programs.namespace, case.bgp[0].name)
        text = f"FRR has not sent it: {words.listed(lacking)}"
        return Hop(
            "advertised",
            "failed",
            text,
            details,
            words.edit(where),
            "see the route-maps of the neighbor, and your own lines",
        )
    if sent:
        return Hop("advertised", "unknown" if unknown else "ok", f"sent by {words.listed(sent)}", details)
    if down and not unknown:
        return Hop("advertised", "follows", "no session is up", details)
    return Hop("advertised", "unknown", f"not known: {_why_unasked(case)}", details)


def wire_hop(case: Case) -> Hop:
    """Layer 2: what was asked and answered, and who else claims the address. BGP: only what FRR sent."""
    if case.layer2 and case.contest is not None and case.contest.candidates:
        return _layer2(case)
    if case.reached:
        return Hop(
            "wire",
            "notApplicable",
            f"{_first_sent(case)}the router's side cannot be seen from here",
            tuple(f"on the router: show bgp {_family(each)} unicast {each.prefixes[0]}" for each in case.told[:1]),
        )
    return Hop("wire", "follows", "nothing is announced")


def _first_sent(case: Case) -> str:
    reports = case.gathered.reports
    for each in case.told:
        sent = _sent(reports[each.node], each) if each.node in reports else None
        if sent and sent.issuperset(map(str, each.prefixes)):
            return f"FRR sent it to {each.peer.name} ({each.peer.endpoint}); "
    return ""


def _layer2(case: Case) -> Hop:
    contest = case.contest
    node = case.question.node
    holder = contest.holders[0] if contest is not None and contest.holders else None
    watched = node or holder or (contest.owner if contest is not None else None) or ""
    if node and holder not in (None, node):
        return Hop("wire", "notApplicable", f"{holder} answers, not {node}")
    report = case.gathered.reports.get(watched)
    rivals = [
        (name, each)
        for name, found in sorted(case.gathered.reports.items())
        for each in found.speaker.layer2.rivals
        if each.address in map(str, case.ips)
    ]
    if rivals:
        name, first = rivals[0]
        on = f" on {first.interface}" if first.interface else ""
        return Hop(
            "wire",
            "failed",
            f"{first.mac} also claims {first.address}, as {name} hears{on}",
            tuple(f"{seer}: {each.mac} claims {each.address}" for seer, each in rivals),
            words.edit(refs.ObjectRef("IPAddressPool", case.programs.namespace, case.pool.name), "spec.addresses")
            if case.pool is not None
            else None,
            "find the station with this MAC address and take the address from it, or leave the address out of the pool",
        )
    if report is None:
        return Hop("wire", "unknown", f"not known: {_why_unasked(case)}")
    return _counted(case, watched, report.speaker.layer2)


def _counted(case: Case, node: str, said: node_report.Layer2) -> Hop:
    mine = [each for each in said.addresses if each.address in map(str, case.ips)]
    details = tuple(
        f"{each.address}: announced {each.gratuitous_sent} times, asked {each.requests_received} times, "
        f"answered {each.responses_sent}"
        for each in mine
    )
    where = refs.ObjectRef("L2Advertisement", case.programs.namespace, case.layer2[0].name)
    if said.is_fenced:
        text = f"{node} hears no majority of the speakers, so it answers nobody"
        pod = case.speaker(node)
        return Hop("wire", "failed", text, details, words.edit(pod), "see whether the speakers reach each other")
    homeless = [each for each in mine if each.interfaces and not _has_one(said.interfaces, each.interfaces)]
    if homeless:
        named = words.listed(homeless[0].interfaces)
        text = f"{node} has none of the interfaces {named}: nobody hears it"
        return Hop(
            "wire", "failed", text, details, words.edit(where, "spec.interfaces"), "name interfaces that the node has"
        )
    if not any(each.is_held for each in mine):
        return Hop("wire", "follows" if mine else "unknown", f"{node} does not hold the address", details)
    if lacking := [each.address for each in mine if not each.is_held]:
        return Hop(
            "wire", "unknown", f"{node} does not hold {words.listed(lacking)}, though it holds the other", details
        )
    return Hop("wire", "ok", f"{node}: {'; '.join(details)}")


def _has_one(present: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return any(values.is_named(interface, wanted) for interface in present)


def _lines(case: Case) -> tuple[list[_Line], list[str]]:
    """The sessions of those that somebody tells of, and the nodes of which nobody does."""
    known, silent = [], []
    for each in case.reached:
        sessions = case.sessions[each.node]
        if sessions is None:
            silent.append(each.node)
        else:
            known.append(_Line(each, sessions.get(each.session)))
    return known, list(dict.fromkeys(silent))


def _is_up(line: _Line) -> bool:
    return line.session is not None and line.session.is_established


def _sentence(line: _Line) -> str:
    session = line.session
    if session is not None and session.is_established:
        why = "the router sends no BFD packets that fit" if session.bfd else "FRR has not turned it on"
        return f"{line.name}: BGP is Established, but BFD is {session.bfd or 'not there'}: {why}"
    if session is not None and session.last_reset and "bfd" in session.last_reset.lower():
        return f"{line.text}: BFD ended the session"
    return line.text


def _look_at(line: _Line) -> tuple[str, str]:
    """The field of the BGPPeer to look at, and what to do."""
    peer, session = line.told.peer, line.session
    if session is None:
        return "spec", f"see what the speaker of {line.told.node} says (frr-adapter config {line.told.node})"
    if session.is_established:
        return (
            "spec.bfdProfile",
            "turn BFD on at the router for this neighbor, with timers that fit, or leave bfdProfile out",
        )
    said = session.last_reset.lower()
    for word, field, do in _HINTS:
        if word in said:
            return field, do
    who = f"AS {peer.my_asn} from {line.told.node}"
    return "spec.peerAddress", f"see whether the router at {peer.endpoint} runs BGP, can be reached and expects {who}"


def _sent(report: node_report.NodeReport, told: Told) -> frozenset[str] | None:
    """What FRR has sent to the peer; None when it did not say."""
    found = [each for each in report.advertised if (each.vrf or show.DEFAULT_VRF, each.neighbor) == told.session]
    if report.frr_error and not found:
        return None
    return frozenset(prefix for each in found for prefix in each.prefixes)


def _family(told: Told) -> str:
    return f"ipv{told.prefixes[0].version}"


def _why_unasked(case: Case) -> str:
    if case.gathered.reports:
        return "that node's FRR did not answer"
    return "no speaker was asked (that needs the right to exec into the pods, and not --no-nodes)"
