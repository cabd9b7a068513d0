"""How tables are put on paper: as wide as the terminal, or in a pipe as wide as they need to be, without blanks at the ends of lines."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_ENDLESS = 10_000


def put(console: Console, table: Table) -> None:
    """Prints the table."""
    if console.is_terminal:
        console.print(table)
        return
    options = console.options.update(width=_ENDLESS, max_width=_ENDLESS)
    console.width = max(console.width, Measurement.get(console, options, table).maximum)
    with console.capture() as captured:
        console.print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
