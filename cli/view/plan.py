"""The plan for people: one line that says it all, then only those sections where something happens."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from cli.documents import plan
from cli.view import output

_SHOWN_NODES = 3
_SHOWN_OBJECTS = 30
_NARROWEST = 30

_OBJECTS = {"created": ("+", "green"), "changed": ("~", "yellow"), "deleted": ("-", "red")}
_ADDRESSES = {"gained": ("+", "green"), "lost": ("-", "red"), "changed": ("~", "yellow"), "pending": ("?", "yellow")}
_OWNERS = {"gained": ("+", "green"), "lost": ("-", "red"), "moved": ("~", "yellow")}
_WAYS = {
    "hot": "applied while FRR runs",
    "reload": "needs a reload of FRR",
    "comments": "comments only, nothing for FRR",
    "start": "all of it is new",
    "stop": "the node is gone",
}


def draw(document: plan.PlanDocument, console: Console) -> None:
    """The whole answer."""
    against = f"Compared with {document.source}{_taken(document.taken_at)}."
    console.print(against if document.source else "Compared with nothing: no cluster and no snapshot were given.")
    console.print(Text(summary(document.summary), style="bold"))
    _objects(document.objects, console)
    _problems(document.problems, console)
    _addresses(document.addresses, console)
    for change in document.nodes:
        _node(change, console)
    _owners(document.owners, console)
    _lines("Warnings", "!", document.warnings, console)
    _lines("Assumed", "·", document.assumptions, console)
    _lines("Not known", "?", document.gaps, console)


def summary(found: plan.Summary) -> str:
    """One line; zeros are said, since they are the good news."""
    problems = _count(found.problems, "problem")
    if found.new_problems != found.problems:
        problems += f" ({found.new_problems} new)"
    moving = found.addresses_lost + found.addresses_changed
    parts = [problems, f"{_count(found.addresses_gained, 'address', 'addresses')} gained", f"{moving} lost or changed"]
    if found.addresses_pending:
        parts.append(f"{found.addresses_pending} pending")
    resets = f"{_count(found.session_resets, 'session')} reset"
    if found.session_resets:
        resets += f" on {found.nodes_reset} of {_count(found.nodes, 'node')}"
    parts.append(resets)
    if found.sessions_gained:
        parts.append(f"{found.sessions_gained} new")
    if found.sessions_lost:
        parts.append(f"{found.sessions_lost} gone")
    owners = _count(found.owners_moved, "owner")
    parts.append(f"{owners} {'moves' if found.owners_moved == 1 else 'move'}")
    if found.owners_lost:
        parts.append(f"{found.owners_lost} lost")
    return ", ".join(parts)


def names(nodes: Sequence[str]) -> str:
    """A few names, or the first and the last with their number."""
    if len(nodes) <= _SHOWN_NODES:
        return ", ".join(nodes)
    return f"{nodes[0]}..{nodes[-1]} ({len(nodes)} nodes)"


def _objects(objects: Iterable[plan.ObjectChange], console: Console) -> None:
    changing = [each for each in objects if each.change != "unchanged"]
    if not changing:
        return
    rows = [
        (
            *_mark(_OBJECTS[each.change], each.change),
            Text(f"{each.kind} {_key(each.namespace, each.name)}"),
            Text(", ".join(each.fields)),
            Text(each.where, style="dim"),
        )
        for each in changing[:_SHOWN_OBJECTS]
    ]
    _section("Objects", rows, console)
    if len(changing) > _SHOWN_OBJECTS:
        console.print(f"  and {len(changing) - _SHOWN_OBJECTS} more")


def _problems(problems: Iterable[plan.Problem], console: Console) -> None:
    rows = []
    for each in problems:
        is_error = each.severity == "error"
        mark = ("✗", "red") if is_error else ("!", "yellow")
        was = "" if each.is_new else " (was there before)"
        where = f"{each.where}: " if each.where else ""
        field = f"{each.field}: " if each.field else ""
        text = f"{where}{each.kind} {_key(each.namespace, each.name)}: {field}{each.message}{was}"
        rows.append((*_mark(mark, each.severity), Text(text)))
    _section("Problems", rows, console)


def _addresses(changes: Iterable[plan.AddressChange], console: Console) -> None:
    rows = []
    for each in changes:
        before, after = ", ".join(each.before), ", ".join(each.after)
        moved = f"{before} → {after}" if before and after else after or before
        why = "; ".join(filter(None, (f"pool {each.pool}" if each.pool else "", each.reason, *each.verdicts)))
        rows.append((*_mark(_ADDRESSES[each.change], each.change), Text(each.service), Text(moved), Text(why)))
    _section("Addresses", rows, console)


def _node(change: plan.NodeChange, console: Console) -> None:
    console.print()
    way = _WAYS[change.way]
    if change.way == "hot":
        way = f"{_count(change.lines, 'line')} {way}"
    if change.reason:
        way = f"{way}: {change.reason}"
    console.print(Text.assemble((f"frr.conf of {names(change.nodes)}", "bold"), f": {way}"))
    for reset in change.resets:
        where = f" in VRF {reset.vrf}" if reset.vrf else ""
        since = f" (from FRR {reset.since_frr} on)" if reset.since_frr else ""
        console.print(Text.assemble(("  ✗ reset  ", "red"), f"{reset.neighbor}{where}: {reset.reason}{since}"))
        if reset.statement:
            console.print(Text(f"      by       {reset.statement}"))
        cause = ", ".join(f"BGPPeer {peer}" for peer in reset.peers)
        if reset.field:
            cause = ": ".join(filter(None, (cause, reset.field)))
        if reset.where:
            cause = f"{cause} ({reset.where})"
        if cause:
            console.print(Text(f"      because  {cause}"))
    for session, mark, word, style in (
        *((each, "+", "new    ", "green") for each in change.sessions_gained),
        *((each, "-", "gone   ", "red") for each in change.sessions_lost),
    ):
        where = f" in VRF {session.vrf}" if session.vrf else ""
        peers = f" (BGPPeer {', '.join(session.peers)})" if session.peers else ""
        console.print(Text.assemble((f"  {mark} {word}", style), f"session with {session.neighbor}{where}{peers}"))
    _diff(change.diff, console)


def _diff(text: str, console: Console) -> None:
    if not console.is_terminal:  # thousands of lines; nothing is to be folded or coloured
        console.file.write("".join(f"  {line}\n" for line in output.legible(text).splitlines()))
        return
    for line in text.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        console.print(Text(f"  {line}", style=style))


def _owners(changes: Iterable[plan.OwnerChange], console: Console) -> None:
    rows = []
    for each in changes:
        moved = f"{each.before} → {each.after}" if each.before and each.after else each.after or each.before
        rows.append(
            (
                *_mark(_OWNERS[each.change], each.change),
                Text(each.service),
                Text(", ".join(each.addresses)),
                Text(moved),
                Text(each.reason),
            )
        )
    _section("Layer-2 owners", rows, console)


def _lines(title: str, mark: str, lines: Iterable[str], console: Console) -> None:
    rows = [(Text(mark, style="yellow"), Text(line)) for line in lines]
    _section(title, rows, console)


def _section(title: str, rows: Sequence[tuple[Text, ...]], console: Console) -> None:
    """Columns as wide as they need to be; on a terminal the last one is folded between words, below itself."""
    if not rows:
        return
    console.print()
    console.print(Text(title, style="bold"))
    widths = [max(each.cell_len for each in column) for column in zip(*rows, strict=True)][:-1]
    indent = 2 + sum(width + 2 for width in widths)
    for row in rows:
        head = Text("  ")
        for cell, width in zip(row, widths, strict=False):
            head.append_text(cell).append(" " * (width - cell.cell_len + 2))
        if not console.is_terminal:  # as wide as it needs to be, and many times faster than rich
            console.file.write(output.legible(f"{head.plain}{row[-1].plain}".rstrip()) + "\n")
            continue
        room = max(_NARROWEST, console.width - indent)
        parts = row[-1].wrap(console, room) if row[-1].cell_len > room else [row[-1]]
        for number, part in enumerate(parts):
            line = (head if number == 0 else Text(" " * indent)).append_text(part)
            line.rstrip()
            console.print(line)


def _mark(mark: tuple[str, str], word: str) -> tuple[Text, ...]:
    sign, style = mark
    return (Text(f"{sign} {word}", style=style),)


def _key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _taken(at: str) -> str:
    return f", taken at {at}" if at else ""


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
