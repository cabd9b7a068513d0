"""One command, loaded when it is called: its module, its options and its help. Called by `cli.main` and `cli.completing`."""

import importlib
from typing import Any

import typer

from cli import catalog


def load(name: str) -> Any:
    """The command of that name, ready for `main(arguments, prog_name=..., standalone_mode=False)`."""
    module = importlib.import_module(catalog.module(name))
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    # Examples stand in lines; "\b" keeps a paragraph from being filled again.
    epilog = "\n\n".join(f"\b\n{part}" for part in module.EPILOG.strip("\n").split("\n\n"))
    app.command(name=name, epilog=epilog)(module.command)
    return typer.main.get_command(app)
