"""The installation at a glance. Called by `status`, and by `watch` for each picture."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.documents import status
from cli.view import bars, sheet

_SHOWN_REASONS = 8
_SHOWN_PROBLEMS = 20
_SHOWN_POOLS = 20
_SHOWN_NAMES = 3

_WORDS = {
    "ok": "all is well",
    "bad": "something is wrong",
    "unknown": "nothing is known to be wrong, but not everything is known",
}


def draw(document: status.StatusDocument, console: Console) -> None:
    """All of it."""
    sheet.draw(console, parts(document))


def parts(document: status.StatusDocument) -> Iterator[sheet.Part]:
    """The same, to be put together otherwise."""
    yield _head(document)
    yield _programs(document.programs)
    if document.pools:
        yield Text("")
        yield _pools(document)
    if document.peers:
        yield Text("")
        yield _peers(document)
    yield from _nodes(document)
    yield from _services(document)
    yield from _problems(document)
    if document.gaps:
        yield Text("")
        yield from sheet.notes(document.gaps)


def _head(document: status.StatusDocument) -> Text:
    where = sheet.source(document.source, document.taken_at)
    return Text.assemble((where, "bold"), "  ", sheet.mark(document.verdict, _WORDS[document.verdict]))


def _programs(programs: status.Programs) -> Text:
    return Text.assemble(
        "controller ",
        *_controllers(programs),
        "   speakers ",
        _ready(programs.speakers_ready, programs.speakers),
    )


def _controllers(programs: status.Programs) -> tuple[Text | str, ...]:
    if programs.leader and not programs.controllers:
        return (sheet.mark("ok", f"leader {programs.leader}"),)
    ready = _ready(programs.controllers_ready, programs.controllers)
    return ready, f" (leader {programs.leader})" if programs.leader else " (no leader known)"


def _ready(ready: int | None, total: int | None) -> Text:
    if ready is None or total is None:
        return sheet.mark("unknown", "cannot be seen")
    if not total:
        return sheet.mark("unknown", "none seen")
    return sheet.mark("ok" if ready == total else "bad", f"{ready}/{total} ready")


def _pools(document: status.StatusDocument) -> Table:
    table = sheet.table("POOL", "IPV4", "IPV6", "AUTO", "ADDRESSES")
    for each in document.pools[:_SHOWN_POOLS]:
        shown = Text(sheet.names(each.addresses))
        if each.is_broken:
            shown.append("  ✗ some cannot be used", "red")
        table.add_row(
            Text(each.name),
            bars.bar(each.used_ipv4, each.total_ipv4) if each.total_ipv4 or each.used_ipv4 else Text("-", "dim"),
            bars.bar(each.used_ipv6, each.total_ipv6) if each.total_ipv6 or each.used_ipv6 else Text("-", "dim"),
            Text("yes" if each.auto_assign else "no"),
            shown,
        )
    if len(document.pools) > _SHOWN_POOLS:
        table.add_row(Text(f"and {len(document.pools) - _SHOWN_POOLS} more", "dim"))
    return table


def _peers(document: status.StatusDocument) -> Table:
    table = sheet.table("PEER", "NEIGHBOR", "SESSIONS", "BFD")
    for each in document.peers:
        total = each.established + each.down + each.unknown
        nodes = f"{each.established}/{total} established"
        verdict = "bad" if each.down else "unknown" if each.unknown else "ok"
        nodes += f", {each.unknown} unknown" if each.unknown else ""
        bfd = Text("-", "dim")
        if each.bfd_up or each.bfd_down:
            word = f"{each.bfd_up}/{each.bfd_up + each.bfd_down} up"
            bfd = sheet.mark("bad" if each.bfd_down else "ok", word)
        table.add_row(Text(each.name), Text(sheet.names(each.neighbors)), sheet.mark(verdict, nodes), bfd)
    return table


def _nodes(document: status.StatusDocument) -> Iterator[sheet.Part]:
    """Nodes where all is well in one line, the others by what is wrong there."""
    if not document.nodes:
        return
    ill = [each for each in document.nodes if each.troubles]
    owning = ", ".join(f"{each.name} {each.owns}" for each in document.nodes if each.owns)
    word = f"{len(ill)} in trouble" if ill else "none in trouble"
    yield Text("")
    yield Text.assemble(
        ("nodes", "bold"),
        f"  {len(document.nodes)}: ",
        sheet.mark("bad" if ill else "ok", word),
        f"   layer-2 addresses of Services: {owning}" if owning else "",
    )
    yield from _reasons((each.name, trouble) for each in ill for trouble in each.troubles)


def _services(document: status.StatusDocument) -> Iterator[sheet.Part]:
    found = document.services
    parts = [sheet.mark("ok", f"{found.with_address} with address")]
    parts += [sheet.mark("bad", f"{len(found.pending)} pending")] if found.pending else []
    parts += [sheet.mark("bad", f"{len(found.troubled)} in trouble")] if found.troubled else []
    parts += [sheet.mark("idle", f"{len(found.idle)} without ready endpoints")] if found.idle else []
    yield Text("")
    yield Text.assemble(("services", "bold"), f"  {found.total}: ", Text("   ").join(parts))
    yield from _reasons((each.service, each.reason) for each in (*found.pending, *found.troubled))
    yield from _reasons(((each.service, each.reason) for each in found.idle), "idle")


def _reasons(found: Iterable[tuple[str, str]], verdict: str = "bad") -> Iterator[sheet.Part]:
    """One line for each reason, with the names: hundreds may have the same."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in found:
        by_reason.setdefault(reason, []).append(name)
    table = sheet.table("", "", indent=2, has_header=False)
    for reason, names in tuple(by_reason.items())[:_SHOWN_REASONS]:
        table.add_row("", sheet.mark(verdict, sheet.names(names, _SHOWN_NAMES)), Text(reason))
    if len(by_reason) > _SHOWN_REASONS:
        table.add_row("", Text(f"  and {len(by_reason) - _SHOWN_REASONS} more like these"), Text(""))
    if by_reason:
        yield table


def _problems(document: status.StatusDocument) -> Iterator[sheet.Part]:
    if not document.problems:
        return
    yield Text("")
    yield Text.assemble(("problems", "bold"), f"  {len(document.problems)}")
    for each in document.problems[:_SHOWN_PROBLEMS]:
        said = f"  (says {sheet.names(each.reporters)})" if each.reporters and not each.object else ""
        named = f"{each.object}: " if each.object else ""
        yield Text.assemble("  ", ("✗ ", "red"), f"{named}{each.text}", (said, "dim"))
    if len(document.problems) > _SHOWN_PROBLEMS:
        yield Text(f"  and {len(document.problems) - _SHOWN_PROBLEMS} more")
