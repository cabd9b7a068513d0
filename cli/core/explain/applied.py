"""Whether FRR runs what is wanted: what speakers say of it, against what these objects give. Called by `chain`.

A node report has the text that FRR took, so it decides; a status object has only fingerprints. Where they are not ours, it is
not known what runs: a speaker may keep the last good version of an object, or runs with another log level.
"""

from dataclasses import dataclass

from cli.core.explain import words
from cli.core.explain.case import Case
from cli.core.explain.sayings import Saying
from cli.documents.explain import Edit, Hop, Status
from frr_adapter import addresses, refs
from frr_adapter.api import kinds, node_report
from frr_adapter.frr import fingerprint

_RANK = ("failed", "unknown", "ok")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one node."""

    node: str
    status: Status
    text: str
    edit: Edit | None = None
    do: str = ""


def hop(case: Case) -> Hop:
    """Whether the announcing nodes run the configuration that announces the Service."""
    if not case.bgp:
        return Hop("applied", "notApplicable", "not announced over BGP")
    if not case.told:
        return Hop("applied", "follows", "there is nothing to apply")
    nodes = tuple(dict.fromkeys(each.node for each in case.told))
    found = [judge(case, node) for node in nodes]
    ranked = sorted(found, key=lambda each: _RANK.index(each.status))
    details = tuple(f"{each.node}: {each.text}" for each in ranked)
    failed = [each for each in found if each.status == "failed"]
    if failed:
        first = failed[0]
        more = f" ({words.counted(len(failed) - 1, 'other node')} as well)" if len(failed) > 1 else ""
        return Hop("applied", "failed", f"{first.node}: {first.text}{more}", details, first.edit, first.do)
    if case.missing and any(each.status == "unknown" for each in found):
        return Hop("applied", "follows", "what runs there is older or lacks the peer", details)
    unknown = [each for each in found if each.status == "unknown"]
    if unknown:
        names = words.listed(each.node for each in unknown)
        return Hop("applied", "unknown", f"{names}: {unknown[0].text}", details)
    return Hop("applied", "ok", f"FRR on {words.listed(nodes)} runs it", details)


def judge(case: Case, node: str) -> Finding:
    """What is known of one node that announces over BGP."""
    refused = _refused(case, node)
    if refused is not None:
        where = words.edit(refused.ref, refused.field)
        return Finding(node, "failed", refused.message, where, "mend the object so that FRR takes it")
    report, status = case.gathered.reports.get(node), case.statuses.get(node)
    if report is not None and (report.speaker.applied or report.speaker.apply_error):
        return _by_report(case, node, report.speaker)
    if status is not None:
        return _by_status(case, node, status)
    speaker = case.speaker(node)
    if case.has_statuses and case.statuses:
        return Finding(
            node, "failed", "there is no NodeBGPStatus of it", words.edit(speaker), "see whether its speaker runs"
        )
    return Finding(node, "unknown", "its speaker was not heard", words.edit(speaker))


def _refused(case: Case, node: str) -> Saying | None:
    """What FRR did not take of what concerns the Service."""
    concerned = _concerned(case, node)
    return next((each for each in case.said[node] if each.is_refusal and each.ref in concerned), None)


def _concerned(case: Case, node: str) -> frozenset[refs.ObjectRef]:
    namespace = case.programs.namespace
    peers = [each.peer for each in case.told if each.node == node]
    return frozenset(
        {
            case.service.ref,
            *(each.ref for each in peers),
            *(refs.ObjectRef("BFDProfile", namespace, each.bfd_profile) for each in peers if each.bfd_profile),
            *(refs.ObjectRef("BGPAdvertisement", namespace, each.name) for each in case.bgp),
        }
    )


def _by_report(case: Case, node: str, said: node_report.Speaker) -> Finding:
    prefixes = sorted({prefix for each in case.told if each.node == node for prefix in each.prefixes}, key=_order)
    lacking = [prefix for prefix in prefixes if f" network {prefix} " not in said.applied]
    if said.apply_error and (lacking or said.applied != said.wanted):
        return _stuck(case, node, said.apply_error)
    if lacking:
        return Finding(
            node,
            "failed",
            f"what FRR runs does not originate {words.listed(map(str, lacking))}",
            words.edit(case.speaker(node)),
            f"see what the speaker says (frr-adapter config {node})",
        )
    behind = "" if said.applied == said.wanted else "; a newer configuration is being applied"
    return Finding(node, "ok", f"FRR runs {words.listed(map(str, prefixes))}{behind}")


def _by_status(case: Case, node: str, status: kinds.NodeBGPStatusStatus) -> Finding:
    said = status.configuration
    if not status.frr.up:
        where = words.edit(case.speaker(node))
        return Finding(
            node, "failed", f"FRR does not answer{_because(said.last_error)}", where, "see why FRR's daemons do not run"
        )
    if said.state != "Applied":
        return _stuck(case, node, said.last_error or "the configuration is being applied")
    ours = fingerprint.fingerprint(case.nodes.config(node))
    if said.applied == ours:
        return Finding(node, "ok", f"FRR runs what these objects give{_because(said.last_error)}")
    text = f"FRR runs {said.applied}, these objects give {ours}: the speaker keeps an earlier version of an object, or was started otherwise"
    return Finding(node, "unknown", text)


def _stuck(case: Case, node: str, error: str) -> Finding:
    """FRR does not take a configuration; the object that it comes from is named as far as somebody said it."""
    blamed = next((each for each in case.said[node] if each.is_refusal), None)
    if blamed is not None:
        return Finding(
            node, "failed", f"not applied: {blamed.message}", words.edit(blamed.ref, blamed.field), "mend the object"
        )
    where = words.edit(refs.ObjectRef("NodeBGPStatus", case.programs.namespace, node), "status.configuration.lastError")
    return Finding(
        node, "failed", f"not applied: {error}", where, f"see what the speaker says (frr-adapter config {node})"
    )


def _because(error: str | None) -> str:
    return f" ({error})" if error else ""


def _order(prefix: addresses.Network) -> tuple[int, int, int]:
    return (prefix.version, int(prefix.network_address), prefix.prefixlen)
