"""`frr-adapter crds`: the definitions of our kinds, for kubectl, for files, for other tools."""

import json
from pathlib import Path
from typing import Annotated

import typer

EPILOG = """Examples:
  frr-adapter crds | kubectl apply -f -
  frr-adapter crds -o json
  frr-adapter crds --output crds/
"""


def command(
    output: Annotated[Path | None, typer.Option(help="Directory to write one file per kind to.")] = None,
    format_: Annotated[str, typer.Option("-o", help="yaml or json.")] = "yaml",
    convert_in: Annotated[
        str,
        typer.Option(help="Namespace whose metallb-webhook-service converts BGPPeer v1beta1, which is then served."),
    ] = "",
) -> None:
    """Print the CustomResourceDefinitions of the metallb.io kinds."""
    from frr_adapter.api import crds as definitions

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
