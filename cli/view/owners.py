"""Owners of layer-2 addresses, and announcers over BGP, as tables."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.documents import owners
from cli.view import sheet


def draw(document: owners.OwnersDocument, console: Console, *, has_bgp: bool) -> None:
    """The layer-2 part, and the BGP part when asked for."""
    sheet.draw(console, _parts(document, has_bgp=has_bgp))


def _parts(document: owners.OwnersDocument, *, has_bgp: bool) -> Iterator[sheet.Part]:
    where = sheet.source(document.source, document.taken_at)
    yield sheet.heading(f"Layer 2: {_services(len(document.owners))}", where)
    if document.owners:
        yield Text("")
        yield _owners(document)
    if has_bgp:
        yield Text("")
        yield sheet.heading(f"BGP: {_services(len(document.announcers))}")
        if document.announcers:
            yield Text("")
            yield _announcers(document)
    elif document.announcers:
        yield Text("")
        yield Text(f"{_services(len(document.announcers))} over BGP: --bgp lists them", style="dim")
    yield from sheet.notes(document.gaps)


def _owners(document: owners.OwnersDocument) -> Table:
    has_interfaces = any(each.interfaces for each in document.owners)
    table = sheet.table("SERVICE", "ADDRESSES", "HOLDER", "ELECTED", *["ON"] * has_interfaces, "NEXT", "NOTE")
    for each in document.owners:
        # Who would take over, in that order: everybody but the one who has it.
        following = [name for name in each.candidates if name not in each.holders]
        kept = "kept, though another node comes first" if each.is_kept else ""
        row = [
            Text(each.service),
            Text(sheet.names(each.addresses)),
            sheet.mark(each.verdict, ", ".join(each.holders) or "nobody"),
            Text(each.elected or "-"),
            *[Text(", ".join(each.interfaces) or "all")] * has_interfaces,
            Text(sheet.names(following)),
            Text(each.note or kept, style="dim" if not each.note else ""),
        ]
        table.add_row(*row)
    return table


def _announcers(document: owners.OwnersDocument) -> Table:
    table = sheet.table("SERVICE", "ADDRESSES", "ANNOUNCED BY", "TO", "NOTE")
    for each in document.announcers:
        table.add_row(
            Text(each.service),
            Text(sheet.names(each.addresses)),
            sheet.mark(each.verdict, f"{len(each.nodes)}/{len(each.wanted)}: {sheet.names(each.nodes)}"),
            Text(sheet.names(each.peers)),
            Text(each.note),
        )
    return table


def _services(number: int) -> str:
    return f"{number} Service{'' if number == 1 else 's'}"
