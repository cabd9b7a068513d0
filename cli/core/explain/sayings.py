"""What speakers said about their own nodes: status objects and node reports, read into one form. Called by `case`.

A report was asked for just now, so it counts more than a status object. Nothing here judges what was said.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from cli import values
from frr_adapter import refs
from frr_adapter.api import kinds, node_report
from frr_adapter.frr import show

_OBJECT = re.compile(r"\b([A-Z]\w+) ([^\s:/]+/[^\s:]+|[^\s:/]+): ([\w.\[\]]+): (.+)")
_OUR_WORDS = re.compile(r"^configuration error: ")
_COMPATIBLE = (
    (re.compile(r"\bparsing peer (\S+) "), "BGPPeer", "spec.passwordSecret.name"),
    (re.compile(r"\bpeer (\S+) referencing non existing bfd profile"), "BGPPeer", "spec.bfdProfile"),
)
"""Sentences that name their object in their own way, because others compare with them."""


@dataclass(frozen=True, slots=True, order=True)
class Saying:
    """A problem of an object, in one line."""

    ref: refs.ObjectRef
    field: str
    message: str

    @property
    def is_refusal(self) -> bool:
        """Whether FRR did not take it, whereas all that we decide by is in order."""
        return self.message.startswith("FRR refused ")


@dataclass(frozen=True, slots=True)
class Session:
    """A BGP session as FRR says; `bfd` is Up, Down or empty where there is none."""

    state: str
    bfd: str = ""
    last_reset: str = ""

    @property
    def is_established(self) -> bool:
        """True when routes flow."""
        return self.state == "Established"


Sessions = Mapping[show.SessionKey, Session]


def statuses(documents: Mapping[refs.ObjectRef, values.Document]) -> dict[str, kinds.NodeBGPStatusStatus]:
    """The NodeBGPStatus of each node that has one that can be read."""
    found = {}
    for ref, document in documents.items():
        if ref.kind == "NodeBGPStatus":
            try:
                found[ref.name] = msgspec.convert(document.part("status"), kinds.NodeBGPStatusStatus)
            except msgspec.ValidationError:
                continue
    return found


def sessions(status: kinds.NodeBGPStatusStatus | None, report: node_report.NodeReport | None) -> Sessions | None:
    """All sessions of a node by VRF and neighbor; None when nobody says anything about them."""
    if report is not None and (report.sessions or not report.frr_error):
        return {
            (each.vrf, each.neighbor): Session(each.state, _bfd(each.bfd), each.last_reset) for each in report.sessions
        }
    if status is None:
        return None
    return {
        (each.vrf, each.neighbor): Session(each.state, _bfd(each.bfd), each.last_reset or "")
        for each in status.sessions
    }


def problems(
    documents: Mapping[refs.ObjectRef, values.Document],
    node: str,
    report: node_report.NodeReport | None,
    namespace: str,
) -> tuple[Saying, ...]:
    """What the node's speaker says is wrong with objects, sorted."""
    state = documents.get(refs.ObjectRef("ConfigurationState", namespace, f"speaker-{node}"))
    lines: list[str] = []
    if report is not None:
        lines += report.speaker.problems
    elif state is not None:
        summary = str(state.part("status").get("errorSummary") or "")
        lines += _OUR_WORDS.sub("", summary).splitlines()
    return tuple(sorted({found for line in lines for found in _read(line, namespace)}))


def _read(line: str, namespace: str) -> Iterable[Saying]:
    if match := _OBJECT.search(line):
        kind, key, field, message = match.groups()
        where, _, name = key.rpartition("/")
        yield Saying(refs.ObjectRef(kind, where, name), field, message)
        return
    for pattern, kind, field in _COMPATIBLE:
        if match := pattern.search(line):
            yield Saying(refs.ObjectRef(kind, namespace, match[1]), field, line)


def _bfd(word: str) -> str:
    """Two vocabularies: `Unknown` is said before bfdd was asked for it, `N/A` where there is none."""
    return {"N/A": "", "Unknown": "Down"}.get(word, word.capitalize())
