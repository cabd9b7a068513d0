"""What several views are made of: a heading, tables, marks, notes; printed one after another, or kept together to be redrawn.

Called by the views. A symbol stands beside every word that is coloured, so that nothing is said by colour alone.
"""

import datetime as dt
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.view import tables

Part = Text | Table

_MARKS = {"ok": ("✓", "green"), "bad": ("✗", "red"), "unknown": ("?", "yellow"), "idle": ("·", "dim")}
_SAME = {"down": "bad", "differs": "bad"}


def draw(console: Console, parts: Iterable[Part]) -> None:
    """Prints the parts."""
    for part in parts:
        if isinstance(part, Table):
            tables.put(console, part)
        else:
            console.print(part)


def table(*headers: str, indent: int = 0, has_header: bool = True) -> Table:
    """An empty table. Of all columns only the last one is folded where the terminal is too narrow."""
    made = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        show_header=has_header,
        header_style="dim",
        collapse_padding=True,
    )
    if indent:
        made.add_column("", width=indent - 2 if indent > 2 else 1, no_wrap=True)
    for place, header in enumerate(headers):
        made.add_column(header, no_wrap=place < len(headers) - 1, overflow="fold")
    return made


def mark(verdict: str, word: str = "") -> Text:
    """The symbol of a verdict, and a word beside it: the verdict itself unless given."""
    symbol, style = _MARKS[_SAME.get(verdict, verdict)]
    return Text(f"{symbol} {word or verdict}", style=style)


def heading(text: str, more: str = "") -> Text:
    """A line that begins a part."""
    return Text.assemble((text, "bold"), (f"  {more}" if more else "", "dim"))


def source(document_source: str, taken_at: str) -> str:
    """Where the answer comes from, and when it was so."""
    return f"{document_source}, {taken_at}" if taken_at else document_source


def notes(gaps: Iterable[str]) -> list[Part]:
    """What could not be read, one line each."""
    return [Text(f"? not known: {each}", style="yellow") for each in gaps]


def age(since: str, taken_at: str) -> str:
    """How long ago, such as `3h12m`; the time itself where there is nothing to compare it with."""
    begun, now = _time(since), _time(taken_at)
    if begun is None:
        return since or "-"
    if now is None:
        return since
    seconds = max(0, int((now - begun).total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{seconds % 60:02}s" if minutes else f"{seconds}s"


def names(words: Iterable[str], most: int = 4) -> str:
    """A few names, and how many more there are."""
    all_names = tuple(words)
    if len(all_names) <= most:
        return ", ".join(all_names) or "-"
    return f"{', '.join(all_names[: most - 1])} and {len(all_names) - most + 1} more"


def _time(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None
