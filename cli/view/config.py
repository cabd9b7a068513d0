"""One node's configuration: what there is to know in a few lines, then the text, or the difference."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from cli.documents import config
from cli.view import output, sheet

_WORDS = {
    "ok": "FRR runs what the objects ask for",
    "differs": "FRR does not run what the objects ask for",
    "unknown": "nobody can tell what FRR runs",
}


def draw(document: config.ConfigDocument, console: Console) -> None:
    """The summary, the difference where there is one, and the rendered text."""
    sheet.draw(console, (*_summary(document), *_blocks(document), Text("")))
    write(document.rendered, console)
    sheet.draw(console, sheet.notes(document.gaps))


def draw_difference(document: config.ConfigDocument, console: Console) -> None:
    """The summary and the difference."""
    sheet.draw(console, (*_summary(document), *_blocks(document), *sheet.notes(document.gaps)))


def write(text: str, console: Console) -> None:
    """The text as it is, so that it can go into a file."""
    shown = output.legible(text)
    console.file.write(shown if shown.endswith("\n") or not shown else f"{shown}\n")


def running(document: config.ConfigDocument) -> str:
    """What the daemons run, one after another."""
    return "\n".join(f"! {daemon}\n{text.strip()}\n" for daemon, text in document.running.items())


def _summary(document: config.ConfigDocument) -> Iterator[sheet.Part]:
    where = sheet.source(document.source, document.taken_at)
    yield sheet.heading(f"Node {document.node}", where)
    word = _WORDS[document.verdict]
    is_hearsay = document.verdict == "ok" and not document.is_asked
    yield sheet.mark(document.verdict, f"the speaker says that {word}" if is_hearsay else word)
    state = [document.state or "not told"]
    state += [f"{document.way} apply"] if document.way else []
    state += [f"{sheet.age(document.last_applied_time, document.taken_at)} ago"] if document.last_applied_time else []
    version = f"FRR {document.frr_version}" if document.frr_version else "FRR"
    prints = document.fingerprints
    table = sheet.table("", "", has_header=False)
    table.add_row(Text("state", style="dim"), Text(", ".join(state)))
    table.add_row(
        Text("configuration", style="dim"),
        Text(f"asked for {prints.composed}, wanted {prints.wanted or '-'}, applied {prints.applied or '-'}"),
    )
    if document.is_asked:
        number = sum(len(each.lacking) + len(each.unasked) for each in document.differences)
        table.add_row(Text("difference", style="dim"), Text(f"{version}: {_statements(number)}"))
    if document.alike:
        table.add_row(Text("alike", style="dim"), Text(sheet.names(document.alike)))
    if document.last_error:
        table.add_row(Text("error", style="dim"), Text(document.last_error, style="red"))
    yield table
    yield from (Text(f"! {each}", style="yellow") for each in document.notes)


def _blocks(document: config.ConfigDocument) -> Iterator[sheet.Part]:
    """The difference, block by block, as `diff` would mark it from what is wanted to what runs."""
    if not document.differences:
        return
    yield Text("")
    yield Text("--- wanted", style="bold")
    yield Text("+++ running", style="bold")
    for difference in document.differences:
        yield Text(f"@@ {difference.daemon} @@", style="cyan")
        lines = [(*each.rsplit(" / ", 1), "-") if " / " in each else ("", each, "-") for each in difference.lacking]
        lines += [(*each.rsplit(" / ", 1), "+") if " / " in each else ("", each, "+") for each in difference.unasked]
        last = ""
        for block, line, sign in sorted(lines):
            if block != last:
                yield Text(f"  {block}")
                last = block
            indent = "  " if block else ""
            yield Text(f"{sign} {indent}{line}", style="red" if sign == "-" else "green")


def _statements(number: int) -> str:
    return "none" if not number else f"{number} statement{'' if number == 1 else 's'}"
