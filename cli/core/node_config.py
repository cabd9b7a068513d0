"""One node's FRR: what the objects ask for beside what its speaker and its daemons say. Pure; called by the command `config`.

Statements are compared as the speaker compares them after each change, so that order, blanks and the way FRR prints a default do not
count. No text made here has a password in it.
"""

from collections.abc import Iterator, Mapping

from cli import errors, values
from cli.core import nodes as node_plans
from cli.core import running
from cli.core import world as worlds
from cli.documents import config as documents
from frr_adapter import errors as frr_errors
from frr_adapter.api import kinds, node_report
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import fingerprint, grammar, loading, machine, masking, statements, verifying

_ASKED = (grammar.Daemon.BGPD, grammar.Daemon.BFDD)
_APPLIED = "Applied"
_OTHERWISE = (
    "the speaker wants something else than these objects ask for: it has not seen the last change, holds BFD back until a session "
    "was up once, or leaves out what FRR refused"
)

_ASKING = frozenset(
    {"BFDProfile", "BGPAdvertisement", "BGPPeer", "Community", "ConfigMap", "EndpointSlice", "IPAddressPool", "Service"}
)
"""Kinds that make the configuration."""


def config(gathered: values.Gathered, node: str, templates: Mapping[str, str]) -> documents.ConfigDocument:
    """The answer; `templates` as `render.render`. Raises `errors.NoAnswerError` for a node that is not there, and when the
    configuration cannot be written down.
    """
    seen = running.look(gathered)
    plans = node_plans.Nodes(worlds.Course(gathered.programs).advance(gathered.documents))
    if node not in plans.names:
        known = ", ".join(plans.names) or "none"
        raise errors.NoAnswerError(f"Node {node} is not there; there are {known}")
    wanted = masking.configuration(plans.config(node))
    report = gathered.reports.get(node)
    said = seen.statuses.get(node)
    status = kinds.NodeConfiguration(state="") if said is None else said.configuration
    try:
        rendered = node_plans.text(wanted, templates)
        differences = tuple(_differences(wanted, rendered, report.running)) if report is not None else ()
    except frr_errors.ApplyError as error:
        raise errors.NoAnswerError(f"Node {node}: its configuration cannot be written down: {error}") from None
    prints = documents.Fingerprints(fingerprint.fingerprint(wanted), status.wanted, status.applied)
    is_asked = report is not None and all(str(each) in report.running for each in _ASKED)
    return documents.ConfigDocument(
        node=node,
        source=gathered.source,
        taken_at=gathered.taken_at,
        verdict="unknown"
        if _ASKING & seen.unread
        else _verdict(differences, status, prints, is_asked=is_asked, is_silent=bool(seen.silence(node))),
        state=status.state,
        way=status.way or "",
        last_error=status.last_error or (report.speaker.apply_error if report is not None else ""),
        last_applied_time=status.last_applied_time or "",
        frr_version=_version(said, report),
        fingerprints=prints,
        alike=next((tuple(each for each in group if each != node) for group in plans.groups() if node in group), ()),
        is_asked=is_asked,
        notes=tuple(_notes(gathered, seen, node, rendered, prints)),
        differences=differences,
        rendered=rendered,
        running=dict(report.running) if report is not None else {},
        gaps=gathered.gaps,
    )


def _verdict(
    differences: tuple[documents.Difference, ...],
    status: kinds.NodeConfiguration,
    prints: documents.Fingerprints,
    *,
    is_asked: bool,
    is_silent: bool,
) -> documents.Verdict:
    """The daemons' own words count most; without them, what the speaker says, as long as it runs."""
    if is_asked or differences:
        return "differs" if differences else "ok"
    if not prints.wanted or is_silent:
        return "unknown"
    return "ok" if status.state == _APPLIED and prints.applied == prints.composed else "differs"


def _version(said: kinds.NodeBGPStatusStatus | None, report: node_report.NodeReport | None) -> str:
    if report is not None and report.frr_version:
        return report.frr_version
    return "" if said is None else said.frr.version


def _notes(
    gathered: values.Gathered,
    seen: running.Running,
    node: str,
    rendered: str,
    prints: documents.Fingerprints,
) -> Iterator[str]:
    report = gathered.reports.get(node)
    if lacking := sorted(_ASKING & seen.unread):
        yield f"what the objects ask for is not known without {', '.join(lacking)}"
    if report is None:
        yield "the node was not asked, so what its FRR really runs is not known"
    elif report.frr_error:
        yield f"FRR did not answer everything: {report.frr_error}"
    if silence := seen.silence(node):
        yield f"{silence}: what was said may no longer be so"
    elif report is not None:
        if report.speaker.wanted != rendered:
            yield _OTHERWISE
    elif prints.wanted not in ("", prints.composed):
        yield _OTHERWISE


def _differences(
    wanted: frr_config.FrrConfig, rendered: str, told: Mapping[str, str]
) -> Iterator[documents.Difference]:
    """Of each daemon that answered and does not run just this."""
    # What only the file says, such as the user's own lines, is not verified after a change; FRR shows it with the rest.
    own = statements.running(rendered)
    for daemon in _ASKED:
        if str(daemon) in told:
            found = verifying.Verifier(daemon).compare(wanted, told[str(daemon)])
            if found.lacking or found.unasked - own:
                yield documents.Difference(str(daemon), _shown(found.lacking), _shown(found.unasked - own))
    keeper = next((each for each in loading.POLICY_DAEMONS if each in told), "")
    if keeper and (lacking := machine.interfaces(wanted) - statements.running(told[keeper])):
        yield documents.Difference(keeper, _shown(lacking))


def _shown(found: statements.Statements) -> tuple[str, ...]:
    return tuple(" / ".join(each) for each in sorted(found))
