"""The operator's command. Each subcommand is a thin shell over pure functions of the floors below."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli import loglevel
from frr_adapter.api import crds as definitions

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Look at frr-adapter from the outside: what it would do, and why.",
)


@app.callback()
def main() -> None:
    """Keeps subcommands as subcommands even while there is one."""


@app.command(
    epilog="Examples:  frr-adapter crds | kubectl apply -f -      frr-adapter crds -o json      frr-adapter crds --output crds/"
)
def crds(
    output: Annotated[Path | None, typer.Option(help="Directory to write one file per kind to.")] = None,
    format_: Annotated[str, typer.Option("-o", help="yaml or json.")] = "yaml",
    convert_in: Annotated[
        str,
        typer.Option(help="Namespace whose metallb-webhook-service converts BGPPeer v1beta1, which is then served."),
    ] = "",
) -> None:
    """Print the CustomResourceDefinitions of the metallb.io kinds."""
    documents = definitions.documents(definitions.Conversion(convert_in) if convert_in else None)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for document in documents:
            (output / f"{document['spec']['names']['plural']}.yaml").write_text(definitions.yaml_text(document))
        typer.echo(f"{len(documents)} CustomResourceDefinitions written to {output}")
    elif format_ == "json":
        typer.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}, indent=2))
    elif format_ == "yaml":
        typer.echo("".join(definitions.yaml_text(document) for document in documents), nl=False)
    else:
        raise typer.BadParameter(f'"{format_}" is not known; yaml and json are allowed', param_hint="-o")


@app.command(
    name="log-level",
    epilog="Example:  kubectl -n metallb-system exec ds/speaker -c speaker -- frr-adapter log-level debug",
)
def log_level(
    level: Annotated[str, typer.Argument(help="all, debug, info, warn, error or none; nothing: only ask.")] = "",
    port: Annotated[int, typer.Option(help="The program's --health-probe-port.")] = 17472,
) -> None:
    """Print or change from which level on the program in this pod logs; a restart brings back what its flag says."""
    try:
        typer.echo(loglevel.exchange(port, level))
    except loglevel.NoAnswerError as error:
        typer.echo(f"frr-adapter: log-level: {error}", err=True)
        raise typer.Exit(1) from error
