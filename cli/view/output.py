"""One answer, three forms: a table for people, JSON and YAML for scripts. Called by the commands.

JSON and YAML are the document itself, in the form of the published schemas; the table is made by a function of the command. Colours
and live redrawing only on a terminal (rich sees to that, and to NO_COLOR); a pipe gets plain text that is as wide as it needs to be.
"""

import enum
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:  # rich takes longer to load than most commands to run
    from rich.console import Console

_PIPE_WIDTH = 160
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Terminals obey these: controls, escapes, and what turns the direction of text."""


class Format(enum.StrEnum):
    """What `-o` takes."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def legible(text: str) -> str:
    """The text with a sign in place of every character that a terminal would obey.

    Whoever may write a Service, or made a bundle, must not write to the terminal of whoever looks at it.
    """
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def console(*, stderr: bool = False) -> "Console":
    """Where people read: as wide as the terminal, or wide enough for tables where there is none."""
    from cli.view import paper

    stream = sys.stderr if stderr else sys.stdout
    return paper.Paper(
        stderr=stderr,
        width=None if stream.isatty() else _PIPE_WIDTH,
        highlight=False,
        soft_wrap=not stream.isatty(),
        # What is printed was written by others: brackets in it are brackets, and fd00:cd::1 is an address.
        markup=False,
        emoji=False,
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
