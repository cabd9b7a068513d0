"""`frr-adapter sessions`: the BGP sessions of all nodes."""

from typing import Annotated

import typer

from cli.commands import options
from cli.view.output import Format

EPILOG = """Examples:
  frr-adapter sessions
  frr-adapter sessions --down
  frr-adapter sessions --node n2 --peer router-v4 -o json
"""


def command(
    *,
    node: Annotated[str, typer.Option("--node", help="Only those of this node.")] = "",
    peer: Annotated[str, typer.Option("--peer", help="Only those of this BGPPeer, or with this neighbor.")] = "",
    down: Annotated[
        bool, typer.Option("--down", help="Only those that are not established, or not known to be.")
    ] = False,
    output: options.Output = Format.TABLE,
    bundle: options.FromBundle = None,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
    no_nodes: options.NoNodes = False,
) -> None:
    """List the BGP sessions of all nodes, with what FRR says about each.

    Every session that the objects ask for, and every other that FRR has. What a node says just now counts; else what its status
    said last, as long as its speaker runs. How many prefixes were sent and accepted is known only of nodes that were asked.
    """
    from cli.core import sessions
    from cli.view import output as out
    from cli.view import sessions as view

    gathered = options.gathered(
        bundle=bundle,
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        lb_class=lb_class,
        no_nodes=no_nodes,
    )
    document = sessions.document(gathered, sessions.Choice(node, peer, down))
    out.emit(document, output, lambda console: view.draw(document, console))
