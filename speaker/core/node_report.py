"""What the speaker says of itself when it is asked: from what the loop knows to `api.node_report.Speaker`, and lines for its history.

The loop hands over `Facts`, which are references to frozen values only; `assemble` makes texts of them, in a thread of the wiring's.
Pure. Passwords must never get into a report.
"""

import collections
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from frr_adapter import addresses, errors, problems
from frr_adapter.api import node_report
from frr_adapter.frr import config, masking, reloading, render
from speaker import links, settings, values
from speaker.core import report

MANY = 10
"""More changes than these at once are told in one line for each kind: a start with thousands of services is one event."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the loop knows at one moment. `apply_error` and `unready` as people are told them; `decisions` of each protocol."""

    settings: settings.Settings
    wanted: config.FrrConfig | None
    applied: config.FrrConfig | None
    apply_error: str
    unready: tuple[str, ...]
    problems: tuple[problems.Problem, ...]
    decisions: tuple[tuple[values.Decision, ...], ...]
    layer2: values.L2Plan
    held: Collection[addresses.Address]
    rivals: tuple[links.Rival, ...]
    interfaces: Collection[str]
    live: values.Live | None
    counts: links.Counts


@dataclass(frozen=True, slots=True)
class Occasion:
    """What the loop does not know: when the report was asked for, and what happened before."""

    taken_at: str
    is_fenced: bool = False
    history: tuple[node_report.Occurrence, ...] = ()


def assemble(facts: Facts, occasion: Occasion, version: str, templates: Mapping[str, str]) -> node_report.Speaker:
    """The report; `version` is the program's. Takes a fraction of a second for thousands of services."""
    wanted = _text(facts.wanted, templates)
    return node_report.Speaker(
        node=facts.settings.node_name,
        taken_at=occasion.taken_at,
        version=version,
        flags=_flags(facts.settings),
        wanted=wanted,
        applied=wanted if facts.applied == facts.wanted else _text(facts.applied, templates),
        apply_error=facts.apply_error,
        unready=facts.unready,
        problems=tuple(each.line for each in facts.problems),
        decisions=tuple(_decision(each) for part in facts.decisions for each in part),
        layer2=_layer2(facts, is_fenced=occasion.is_fenced),
        history=occasion.history,
    )


def changed(changes: Collection[report.Change]) -> tuple[str, ...]:
    """Lines about services that this node began or ceased to announce."""
    if len(changes) <= MANY:
        return tuple(_change(each) for each in changes)
    found: dict[tuple[str, values.Protocol], list[str]] = collections.defaultdict(list)
    for each in changes:
        found[each.reason, each.protocol].append(each.service)
    return tuple(
        f"{_verb(reason)} {len(services)} services by {protocol}, from {services[0]} to {services[-1]}{_because(reason)}"
        for (reason, protocol), services in sorted(found.items())
    )


def applied(
    outcome: reloading.ApplyReport | errors.ApplyError, refused: Iterable[problems.Problem] = ()
) -> tuple[str, ...]:
    """Lines about an attempt to configure FRR; `refused` are what it left out for the first time. None when nothing happened."""
    if isinstance(outcome, errors.ApplyError):
        return (f"FRR did not take the configuration: {outcome}",)
    lines = tuple(f"FRR refused: {each.line}" for each in refused)
    if not outcome.changed and outcome.way is reloading.Way.HOT:
        return lines
    number = len(outcome.changed.added) + len(outcome.changed.removed)
    took = f"FRR took {number} changed lines" if number else "FRR runs what is wanted"
    reason = f" because {outcome.reason}" if outcome.reason else ""
    resets = "".join(f"; reset {each}" for each in outcome.resets)
    return (*lines, f"{took} ({outcome.way}{reason}){resets}")


def _change(change: report.Change) -> str:
    shown = ", ".join(map(str, change.addresses))
    return f"{_verb(change.reason)} {change.service} by {change.protocol} ({shown}){_because(change.reason)}"


def _verb(reason: str) -> str:
    return "withdrawn" if reason else "announced"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _text(wanted: config.FrrConfig | None, templates: Mapping[str, str]) -> str:
    return "" if wanted is None else render.render(masking.configuration(wanted), templates)


def _flags(chosen: settings.Settings) -> node_report.Flags:
    return node_report.Flags(
        namespace=chosen.namespace,
        lb_class=chosen.lb_class,
        ignore_exclude_lb=chosen.ignore_exclude_lb,
        l2_owner=chosen.l2_owner,
        log_level=chosen.log_level,
        frr_log_level=chosen.frr_log_level,
        frr_vty_dir=chosen.frr_vty_dir,
        has_membership=chosen.has_membership,
    )


def _decision(decision: values.Decision) -> node_report.Decision:
    reason = decision.verdict.reason.value if isinstance(decision.verdict, values.Abstain) else ""
    return node_report.Decision(decision.service, decision.protocol.value, _shown(decision.addresses), reason)


def _shown(found: Iterable[addresses.Address]) -> tuple[str, ...]:
    return tuple(map(str, found))


def _layer2(facts: Facts, *, is_fenced: bool) -> node_report.Layer2:
    counts = {each.address: each for each in facts.counts.addresses}
    served = facts.live.get(facts.settings.node_name) if facts.live is not None else None
    return node_report.Layer2(
        interfaces=tuple(sorted(facts.interfaces if served is None else served)),
        addresses=tuple(_address(entry, facts.held, counts) for entry in facts.layer2.entries),
        rivals=tuple(
            node_report.Rival(str(each.address), links.format_mac(each.mac)) for each in facts.rivals if each.is_present
        ),
        live=None if facts.live is None else tuple(sorted(facts.live)),
        is_fenced=is_fenced,
    )


def _address(
    entry: values.L2Entry,
    held: Collection[addresses.Address],
    counts: Mapping[addresses.Address, links.AddressCounts],
) -> node_report.Layer2Address:
    counted = counts.get(entry.address) or links.AddressCounts(entry.address)
    return node_report.Layer2Address(
        address=str(entry.address),
        is_held=entry.address in held,
        wish=entry.wish.name.lower(),
        interfaces=tuple(sorted(entry.interfaces)),
        requests_received=counted.requests_received,
        responses_sent=counted.responses_sent,
        gratuitous_sent=counted.gratuitous_sent,
    )
