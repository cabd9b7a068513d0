"""The mistakes as lines that people read and editors jump to: `file:line: error: object: field: what`. Called by validate."""

from rich.console import Console
from rich.text import Text

from cli.documents import validate as documents

_STYLES = {"error": ("✗", "red"), "warning": ("!", "yellow")}


def show(console: Console, document: documents.ValidateDocument) -> None:
    """One line for each, then what was read and what was not."""
    for each in document.findings:
        symbol, style = _STYLES[each.severity]
        place = f"{each.where}: " if each.where else ""
        field = f"{each.field}: " if each.field else ""
        rest = f": {each.object}: {field}{each.message}"
        console.print(Text.assemble(place, (f"{symbol} {each.severity}", style), rest))
    for line in document.gaps:
        console.print(Text(f"note: {line}", style="dim"))
    console.print(_summary(document))


def _summary(document: documents.ValidateDocument) -> Text:
    objects = f"{document.objects} object{'s' * (document.objects != 1)}"
    read_by = f", read by FRR {document.frr_version} as well" if document.frr_version else ""
    if not document.findings:
        return Text.assemble(("✓ nothing wrong", "green"), f" in {objects}{read_by}")
    counts = [(document.errors, "error"), (document.warnings, "warning")]
    told = ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts if count)
    return Text(f"{told} in {objects}{read_by}")
