"""One answer, three forms: a table for people, JSON and YAML for scripts. Called by the commands.

JSON and YAML are the document itself, in the form of the published schemas; the table is made by a function of the command. Colours
and live redrawing only on a terminal (rich sees to that, and to NO_COLOR); a pipe gets plain text that is as wide as it needs to be.
"""

import enum
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:  # rich takes longer to load than most commands to run
    from rich.console import Console

_PIPE_WIDTH = 160


class Format(enum.StrEnum):
    """What `-o` takes."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def console(*, stderr: bool = False) -> "Console":
    """Where people read: as wide as the terminal, or wide enough for tables where there is none."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=not stream.isatty()
    )


def emit(document: msgspec.Struct, form: Format, table: Callable[["Console"], None]) -> None:
    """Prints the document in that form on standard output; `table` draws it for people."""
    match form:
        case Format.JSON:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
        case Format.YAML:
            import yaml

            yaml.safe_dump(msgspec.to_builtins(document), sys.stdout, sort_keys=False, allow_unicode=True, width=120)
        case Format.TABLE:
            table(console())
