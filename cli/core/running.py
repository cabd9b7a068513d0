"""What runs: the pods of controller and speakers, who leads, and what the programs say about themselves. Pure.

Called by the commands that show how things are. It reads objects that nothing is decided by, so the programs have no decoders for them;
it must never judge what the programs say.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli import values
from cli.core.explain import sayings
from frr_adapter.api import kinds

_COMPONENT = ("app.kubernetes.io/component", "component")
_LEASE = "frr-adapter-controller"
_OTHER_CLOCKS = 60.0
"""Seconds by which the holder's clock may differ from ours."""
_REPORTER = re.compile(r"speaker-(.+)")
_BEFORE = "configuration error: "
_UNANSWERED = re.compile(r"node ([^\s:]+): ")
"""How a gap begins that is about a node which was asked (cli.boundary.nodes)."""


@dataclass(frozen=True, slots=True, order=True)
class Pod:
    """A pod of one of the programs: `program` is controller or speaker."""

    program: str
    node: str
    name: str
    is_ready: bool


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """One line that a program says about the configuration: `reporter` is `controller` or `speaker NODE`."""

    line: str
    reporter: str


@dataclass(frozen=True, slots=True)
class Running:
    """`pods` sorted, None when nobody may see them; `leader` is empty when nobody leads, None when that cannot be seen."""

    pods: tuple[Pod, ...] | None
    leader: str | None
    statuses: Mapping[str, kinds.NodeBGPStatusStatus]
    """NodeBGPStatus by node."""
    complaints: tuple[Complaint, ...]
    has_statuses: bool
    """Whether the status objects of speakers were read: then a missing one says something."""
    answered: frozenset[str] = frozenset()
    """Nodes that were asked and gave a report."""
    unanswered: frozenset[str] = frozenset()
    """Nodes that were asked and gave none."""
    unread: frozenset[str] = frozenset()
    """Kinds of which nothing is known, as `unread` says."""

    def silence(self, node: str) -> str:
        """Why what the speaker of the node said last may no longer be so; empty when it speaks, and when nobody can tell."""
        speakers = [each for each in self.pods or () if each.program == "speaker"]
        if not speakers or node in self.answered:
            return ""
        here = [each for each in speakers if each.node == node]
        if not here:
            return "there is no speaker"
        if not any(each.is_ready for each in here):
            return "the speaker is not ready"
        return "the speaker does not answer" if node in self.unanswered else ""

    def of(self, program: str) -> tuple[Pod, ...]:
        """The pods of a program."""
        return tuple(each for each in self.pods or () if each.program == program)


def look(gathered: values.Gathered) -> Running:
    """What the objects of the source say."""
    namespace = gathered.programs.namespace
    ours = tuple(each for each in gathered.documents if each.ref.namespace == namespace)
    return Running(
        pods=None if "Pod" in gathered.unread else tuple(sorted(_pods(ours))),
        leader=None if "Lease" in gathered.unread else _leader(ours, gathered.taken_at),
        statuses=sayings.statuses({each.ref: each for each in ours if each.ref.kind == "NodeBGPStatus"}),
        complaints=tuple(sorted(set(_complaints(ours)))),
        has_statuses=not {"NodeBGPStatus", "ServiceL2Status"} & {*gathered.unread}
        and any(each.ref.kind in ("NodeBGPStatus", "ConfigurationState", "ServiceL2Status") for each in ours),
        answered=frozenset(gathered.reports),
        unanswered=frozenset(match[1] for gap in gathered.gaps if (match := _UNANSWERED.match(gap))),
        unread=unread(gathered),
    )


def unread(gathered: values.Gathered) -> frozenset[str]:
    """Kinds of which nothing is known, as far as that matters: namespaces do only where a pool selects some by their labels."""
    pools = (each.raw for each in gathered.documents if each.ref.kind == "IPAddressPool")
    is_selecting = any(_at(raw, "spec", "serviceAllocation", "namespaceSelectors") for raw in pools)
    return frozenset(gathered.unread) - (frozenset() if is_selecting else {"Namespace"})


def _pods(documents: Iterable[values.Document]) -> Iterator[Pod]:
    for each in documents:
        if each.ref.kind != "Pod":
            continue
        found = [_at(each.raw, "metadata", "labels", name) for name in _COMPONENT]
        program = next((word for word in ("controller", "speaker") if word in found), "")
        if program and not _is_over(each.raw):
            yield Pod(program, str(_at(each.raw, "spec", "nodeName") or ""), each.ref.name, _is_ready(each.raw))


def _is_over(pod: values.Json) -> bool:
    return _at(pod, "status", "phase") in ("Succeeded", "Failed") or bool(_at(pod, "metadata", "deletionTimestamp"))


def _is_ready(pod: values.Json) -> bool:
    conditions = _at(pod, "status", "conditions")
    listed = conditions if isinstance(conditions, list) else ()
    ready = [each.get("status") for each in listed if isinstance(each, dict) and each.get("type") == "Ready"]
    return ready[0] == "True" if ready else _at(pod, "status", "phase") == "Running"


def _leader(documents: Iterable[values.Document], now: str) -> str | None:
    """Of several leases ours is known by its name; one alone is ours, however it is called. Nobody leads by one that is over."""
    leases = {each.ref.name: each.raw for each in documents if each.ref.kind == "Lease"}
    found = leases.get(_LEASE) or (next(iter(leases.values())) if len(leases) == 1 else None)
    if found is None:
        return None
    return "" if _is_over_since(found, now) else str(_at(found, "spec", "holderIdentity") or "")


def _is_over_since(lease: values.Json, now: str) -> bool:
    seconds = _at(lease, "spec", "leaseDurationSeconds")
    try:
        renewed = dt.datetime.fromisoformat(str(_at(lease, "spec", "renewTime")))
        age = dt.datetime.fromisoformat(now) - renewed
    except (ValueError, TypeError):
        return False  # nobody can tell
    return isinstance(seconds, int) and age.total_seconds() > seconds + _OTHER_CLOCKS


def _complaints(documents: Iterable[values.Document]) -> Iterator[Complaint]:
    for each in documents:
        if each.ref.kind != "ConfigurationState":
            continue
        speaker = _REPORTER.fullmatch(each.ref.name)
        reporter = f"speaker {speaker[1]}" if speaker else each.ref.name
        text = str(_at(each.raw, "status", "errorSummary") or "")
        # Several programs' worth of text may be in one, each with the words before it.
        yield from (Complaint(line.removeprefix(_BEFORE), reporter) for line in text.splitlines() if line.strip())


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
