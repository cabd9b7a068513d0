"""`frr-adapter config`: a node's frr.conf, wanted and running."""

from typing import Annotated

import typer

from cli.commands import options
from cli.view.output import Format

EPILOG = """Examples:
  frr-adapter config n1
  frr-adapter config n1 --diff
  frr-adapter config n1 --rendered > frr.conf
"""


def command(
    *,
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of the node.", show_default=False)],
    rendered: Annotated[bool, typer.Option("--rendered", help="Only the frr.conf that the objects ask for.")] = False,
    running: Annotated[bool, typer.Option("--running", help="Only what the daemons of FRR run.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Only the difference; exit status 1 when there is one, or may be one.")
    ] = False,
    output: options.Output = Format.TABLE,
    bundle: options.FromBundle = None,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
    no_nodes: options.NoNodes = False,
) -> None:
    """Show a node's frr.conf as it is wanted and as it runs, and the difference.

    The wanted one is composed here from the objects, by the functions of the speaker; the running one is what the daemons say, which
    needs the right to exec into the speaker's pod. Statements are compared, not text. Passwords are ***.
    """
    from cli.core import node_config
    from cli.errors import Exit, NoAnswerError
    from cli.view import config as view
    from cli.view import output as out
    from frr_adapter.boundary import files

    if rendered + running + diff > 1:
        raise typer.BadParameter("only one of --rendered, --running and --diff is allowed", param_hint="--diff")
    gathered = options.gathered(
        bundle=bundle,
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        lb_class=lb_class,
        no_nodes=no_nodes or rendered,
    )
    document = node_config.config(gathered, node, files.read_templates())
    if running and not document.running:
        raise NoAnswerError(f"Node {node}: {'; '.join(document.notes)}")
    if output is not Format.TABLE:
        out.emit(document, output, lambda _: None)
    elif rendered:
        view.write(document.rendered, out.console())
    elif running:
        view.write(view.running(document), out.console())
    elif diff:
        view.draw_difference(document, out.console())
    else:
        view.draw(document, out.console())
    if diff and document.verdict != "ok":
        raise typer.Exit(Exit.FINDINGS)
