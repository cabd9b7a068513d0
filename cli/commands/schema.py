"""`frr-adapter schema`: what scripts may rely on. The published files in docs/schemas are what this prints."""

from pathlib import Path
from typing import Annotated

import typer

EPILOG = """Examples:
  frr-adapter schema
  frr-adapter schema plan
  frr-adapter schema --output docs/schemas
"""


def command(
    name: Annotated[str, typer.Argument(help="Name of a command; nothing: list those that have a document.")] = "",
    output: Annotated[
        Path | None, typer.Option("--output", help="Directory to write the schemas of all commands to, one file each.")
    ] = None,
) -> None:
    """Print the JSON schema of what a command prints with -o json."""
    from cli.documents import schemas

    known = schemas.names()
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for each in known:
            (output / f"{each}.json").write_text(schemas.text(each), encoding="utf-8")
        typer.echo(f"{len(known)} schemas written to {output}")
    elif not name:
        typer.echo("\n".join(known))
    elif name in known:
        typer.echo(schemas.text(name), nl=False)
    else:
        raise typer.BadParameter(f'"{name}" has no document; allowed are {", ".join(known)}', param_hint="NAME")
