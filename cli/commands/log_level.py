"""`frr-adapter log-level`: asks or changes the level of the program in this pod, through `cli.loglevel`."""

from typing import Annotated

import typer

EPILOG = """Examples:
  kubectl -n metallb-system exec ds/speaker -c speaker -- frr-adapter log-level debug
  kubectl -n metallb-system exec deploy/controller -- frr-adapter log-level
"""


def command(
    level: Annotated[str, typer.Argument(help="all, debug, info, warn, error or none; nothing: only ask.")] = "",
    port: Annotated[int, typer.Option(help="The program's --health-probe-port.")] = 17472,
) -> None:
    """Print or change from which level on the program in this pod logs.

    A restart brings back what its flag says.
    """
    from cli import loglevel

    try:
        typer.echo(loglevel.exchange(port, level))
    except loglevel.NoAnswerError as error:
        typer.echo(f"frr-adapter: log-level: {error}", err=True)
        raise typer.Exit(1) from error
