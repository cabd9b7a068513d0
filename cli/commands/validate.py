"""`frr-adapter validate`: every mistake in manifests and FRR snippets at once, each with file and line."""

from pathlib import Path
from typing import Annotated

import typer

from cli.commands import options
from cli.view.output import Format

EPILOG = """Examples:
  frr-adapter validate -f manifests/
  frr-adapter validate -f manifests/ --frr-snippets extra.conf
  kustomize build . | frr-adapter validate -f - -o json
  frr-adapter validate -f peers.yaml --snapshot cluster.json
"""


def command(
    *,
    files: Annotated[
        list[Path], typer.Option("-f", "--filename", help="Manifest, or directory of them; - is standard input.")
    ],
    snippets: Annotated[
        Path | None,
        typer.Option("--frr-snippets", help="File with lines of FRR, as they would stand in the ConfigMap bgpextras."),
    ] = None,
    snapshot: Annotated[
        Path | None, typer.Option("--snapshot", help="What is in the cluster already: a List of objects, or a bundle.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings, too, make exit status 1.")] = False,
    vtysh: Annotated[Path, typer.Option("--vtysh", help="FRR's program that reads the configuration.")] = Path(
        "/usr/bin/vtysh"
    ),
    form: options.Output = Format.TABLE,
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
) -> None:
    """Find all mistakes in manifests and FRR snippets, with file and line.

    No cluster is asked. Where FRR is installed, it reads the configuration that each kind of node would get. Exit status 1 when there is
    an error; a warning is something that is probably not meant.
    """
    from cli.boundary import offline, proofreading, sources
    from cli.core import validating
    from cli.errors import Exit, NoAnswerError
    from cli.view import output, validate
    from frr_adapter.boundary import files as templates

    place = sources.Place(snapshot=snapshot, namespace=namespace, lb_class=lb_class, asks_nodes=False)
    before, found = offline.gathered(place, files)
    if not (found.documents or snippets):
        # A pipe that broke before must not look as if all were well.
        raise NoAnswerError("; ".join(("the files have no object in them", *found.gaps)))
    given = None if snippets is None else (str(snippets), offline.text(snippets))
    judged = validating.judge(before, found, given)
    try:
        version = proofreading.version(vtysh)
    except NoAnswerError as error:
        document = judged.document(gaps=(f"FRR itself has not read anything: {error}",))
    else:
        texts = judged.configurations(templates.read_templates())
        answers = {node: proofreading.refusals(vtysh, text) for node, text in texts.items()}
        document = judged.document(version, answers)
    output.emit(document, form, lambda console: validate.show(console, document))
    if document.errors or (strict and document.warnings):
        raise typer.Exit(Exit.FINDINGS)
