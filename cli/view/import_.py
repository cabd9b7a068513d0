"""What becomes of each object of a MetalLB setup, as a table. Called by import."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.documents import import_ as documents
from cli.view import tables

_STYLES = {
    "same": ("✓", "green"),
    "left alone": ("-", "dim"),
    "converted": ("✓", "green"),
    "differs": ("!", "yellow"),
    "mistake": ("✗", "red"),
    "not supported": ("✗", "red"),
}


def show(console: Console, document: documents.ImportDocument, *, everything: bool) -> None:
    """The counts, then a line for each object; those that stay the same are only counted unless `everything`."""
    counted = ", ".join(f"{count} {outcome}" for outcome, count in document.counts.items())
    console.print(Text(f"MetalLB setup of {document.source}: {counted or 'nothing of MetalLB'}", style="bold"))
    rows = [each for each in document.rows if everything or each.outcome != "same" or each.text]
    if rows:
        tables.put(console, _table(rows))
    for each in document.gaps:
        console.print(Text(f"note: {each}", style="dim"))
    if document.written:
        console.print(Text(f"written: {', '.join(document.written)}"))
    elif document.produced:
        names = ", ".join(f"{each['kind']} {each['metadata']['name']}" for each in document.produced)
        console.print(Text(f"--output DIR would write: {names}"))


def _table(rows: list[documents.ImportedRow]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("OBJECT", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("WHAT", overflow="fold")
    before = ""
    for each in rows:
        symbol, style = _STYLES[each.outcome]
        name = "" if each.object == before else each.object
        field = f"{each.field}: " if each.field else ""
        table.add_row(name, Text(f"{symbol} {each.outcome}", style=style), f"{field}{each.text}")
        before = each.object
    return table
