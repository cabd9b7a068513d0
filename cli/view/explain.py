"""The chain as lines for people: a symbol and a word for each hop, the cause marked, what follows from it dim. Called by the command."""

import textwrap
from typing import TYPE_CHECKING

from cli.documents.explain import ExplainDocument, Hop

if TYPE_CHECKING:
    from rich.console import Console

_SYMBOLS = {"ok": "✓", "failed": "✗", "unknown": "?", "notApplicable": "-", "follows": "·"}
_STYLES = {"ok": "green", "failed": "bold red", "unknown": "yellow", "notApplicable": "dim", "follows": "dim"}
_WORDS = {"ok": "ok", "failed": "FAILED", "unknown": "unknown", "notApplicable": "n/a", "follows": "follows"}
_NAMES = 15
_STATES = 8
_INDENT = " " * (2 + _NAMES + _STATES)
_ENDLESS = 100_000
_MOST = 12
_VERDICTS = ("pools", "advertisements")
_TELLING = (*_VERDICTS, "address", "owner", "intent")


def draw(document: ExplainDocument, console: "Console") -> None:
    """All hops, the summary and what could not be read."""
    width = console.width if console.is_terminal else _ENDLESS
    asked = [f"on {document.node}"] if document.node else []
    asked += [f"to {document.peer}"] if document.peer else []
    told = f" ({', '.join(asked)})" if asked else ""
    _print(console, f"Service {document.service}{told}, from {document.source}", "bold", width)
    for hop in document.hops:
        _draw_hop(console, hop, width)
    console.print()
    _print(console, document.summary, "green" if document.works else "bold red", width)
    for gap in document.gaps:
        _print(console, f"note: {gap}", "yellow", width)


def _draw_hop(console: "Console", hop: Hop, width: int) -> None:
    from rich.text import Text

    mark = "  <-- here" if hop.is_cause else ""
    style = _STYLES[hop.status]
    head = Text.assemble(
        (f"{_SYMBOLS[hop.status]} ", style), (f"{hop.name:{_NAMES}}", ""), (f"{_WORDS[hop.status]:{_STATES}}", style)
    )
    lines = _wrapped(hop.text + mark, width)
    quiet = "dim" if hop.status in ("follows", "notApplicable") else "bold" if hop.is_cause else ""
    head.append(lines[0], quiet)
    console.print(head, soft_wrap=True)
    for line in lines[1:]:
        console.print(Text(f"{_INDENT}{line}", quiet), soft_wrap=True)
    for detail in _details(hop):
        for line in _wrapped(f"  {detail}", width):
            console.print(Text(f"{_INDENT}{line}", "dim"), soft_wrap=True)
    if hop.status == "failed":
        _draw_remedy(console, hop, width)


def _details(hop: Hop) -> tuple[str, ...]:
    """Lines that say more than the first: of what is well, only who else was asked and what FRR is to say."""
    if hop.status == "follows":
        return ()
    if hop.name == "nodes" or (hop.status in ("ok", "unknown") and hop.name not in _TELLING):
        return ()
    if hop.name in _VERDICTS and len(hop.details) < 2:
        return ()
    found = tuple(each for each in hop.details if each not in hop.text)
    if len(found) <= _MOST:
        return found
    return (*found[: _MOST - 1], f"and {len(found) - _MOST + 1} more; -o json has all of them")


def _draw_remedy(console: "Console", hop: Hop, width: int) -> None:
    from rich.text import Text

    field = f", {hop.edit.field}" if hop.edit is not None and hop.edit.field else ""
    where = f"{hop.edit.object}{field}" if hop.edit is not None else ""
    for label, text in (("edit: ", where), ("do:   ", hop.do)):
        for place, line in enumerate(_wrapped(text, width - len(label))):
            if text:
                console.print(Text(f"{_INDENT}{' ' * len(label) if place else label}{line}", "cyan"), soft_wrap=True)


def _wrapped(text: str, width: int) -> list[str]:
    room = max(width - len(_INDENT), 40)
    lead = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(
        text,
        room,
        initial_indent="",
        subsequent_indent=f"{lead}  " if lead else "",
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def _print(console: "Console", text: str, style: str, width: int) -> None:
    from rich.text import Text

    for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
        console.print(Text(line, style), soft_wrap=True)
