"""The sessions as a table."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.documents import sessions
from cli.view import sheet


def draw(document: sessions.SessionsDocument, console: Console) -> None:
    """One line for each session."""
    sheet.draw(console, _parts(document))


def _parts(document: sessions.SessionsDocument) -> Iterator[sheet.Part]:
    counts = f"{document.established} established, {document.down} down"
    if document.unknown:
        counts += f", {document.unknown} unknown"
    yield sheet.heading(counts, sheet.source(document.source, document.taken_at))
    if document.sessions:
        yield Text("")
        yield _table(document)
    yield from sheet.notes(document.gaps)


def _table(document: sessions.SessionsDocument) -> Table:
    has_vrf = any(each.vrf != "default" for each in document.sessions)
    has_counts = any(each.sent_prefixes is not None for each in document.sessions)
    has_bfd = any(each.bfd for each in document.sessions)
    headers = ["NODE", "PEER", "NEIGHBOR", *["VRF"] * has_vrf, "STATE", "SINCE", *["BFD"] * has_bfd]
    table = sheet.table(*headers, *["SENT", "ACC"] * has_counts, "NOTE")
    for each in document.sessions:
        told = "; ".join(filter(None, (each.note, each.last_reset and f"last reset: {each.last_reset}")))
        row: list[Text | str] = [each.node, ", ".join(each.peers) or "(not ours)", each.neighbor]
        row += [each.vrf] * has_vrf
        row += [sheet.mark(each.verdict, each.state), sheet.age(each.since, document.taken_at)]
        row += [_bfd(each.bfd)] * has_bfd
        row += [_count(each.sent_prefixes), _count(each.accepted_prefixes)] * has_counts
        row.append(Text(told or "-", "" if each.note or each.verdict != "ok" else "dim"))
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return table


def _bfd(word: str) -> Text:
    return sheet.mark("ok" if word == "Up" else "bad", word) if word else Text("-")


def _count(number: int | None) -> str:
    return "-" if number is None else str(number)
