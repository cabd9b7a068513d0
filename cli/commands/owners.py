"""`frr-adapter owners`: who answers for each layer-2 address, and who announces over BGP."""

from typing import Annotated

import typer

from cli.commands import options
from cli.view.output import Format

EPILOG = """Examples:
  frr-adapter owners
  frr-adapter owners --node n2
  frr-adapter owners --bgp -o yaml
"""


def command(
    *,
    node: Annotated[str, typer.Option("--node", help="Only where this node has a part: as holder or candidate.")] = "",
    bgp: Annotated[bool, typer.Option("--bgp", help="Also which nodes announce each Service over BGP.")] = False,
    output: options.Output = Format.TABLE,
    bundle: options.FromBundle = None,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
    no_nodes: options.NoNodes = False,
) -> None:
    """List which node answers for each layer-2 address, and who would be next.

    The holder is who says so; elected is who comes first among those that can. Two holders, a holder that is no candidate, a strange
    station that claims the address, and an address that nobody answers for are marked.
    """
    from cli.core import owners
    from cli.view import output as out
    from cli.view import owners as view

    gathered = options.gathered(
        bundle=bundle,
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        lb_class=lb_class,
        no_nodes=no_nodes,
    )
    document = owners.document(gathered, node)
    out.emit(document, output, lambda console: view.draw(document, console, has_bgp=bgp))
