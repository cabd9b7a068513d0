"""`frr-adapter status`: the installation at a glance."""

from typing import Annotated

import typer

from cli.commands import options
from cli.view.output import Format

EPILOG = """Examples:
  frr-adapter status
  frr-adapter status --check -o json
  frr-adapter status --from-bundle frr-adapter-bundle.tar.gz
"""


def command(
    *,
    check: Annotated[bool, typer.Option("--check", help="Exit status 1 when something is wrong.")] = False,
    output: options.Output = Format.TABLE,
    bundle: options.FromBundle = None,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
    no_nodes: options.NoNodes = False,
) -> None:
    """Show the whole installation at a glance: pools, sessions, owners, problems.

    Only what is wrong has lines of its own; -o json has everything. What nobody can tell is unknown, never well, and what could not
    be read is named at the end.
    """
    from cli.core import status
    from cli.core import world as worlds
    from cli.errors import Exit
    from cli.view import output as out
    from cli.view import status as view

    gathered = options.gathered(
        bundle=bundle,
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        lb_class=lb_class,
        no_nodes=no_nodes,
    )
    document = status.document(status.picture(gathered, worlds.Course(gathered.programs)))
    out.emit(document, output, lambda console: view.draw(document, console))
    if check and document.verdict == "bad":
        raise typer.Exit(Exit.FINDINGS)
