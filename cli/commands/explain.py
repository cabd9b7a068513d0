"""`frr-adapter explain service`: why a Service is reachable, or the one thing that is in the way."""

from typing import Annotated

import typer

from cli.commands import options
from cli.view.output import Format

EPILOG = """Examples:
  frr-adapter explain service default/web
  frr-adapter explain service default/web --node n2 --peer router-v4
  frr-adapter explain service default/web --from-bundle frr-adapter-bundle.tar.gz -o json
"""


def command(
    *,
    kind: Annotated[str, typer.Argument(metavar="service", help="What to explain: service.", show_default=False)],
    name: Annotated[
        str, typer.Argument(metavar="NAMESPACE/NAME", help="The Service; without a namespace, that of default.")
    ],
    node: Annotated[
        str, typer.Option("--node", help="The chain of this node alone, and why it is not the owner.")
    ] = "",
    peer: Annotated[str, typer.Option("--peer", help="The chain to this BGPPeer alone.")] = "",
    output: options.Output = Format.TABLE,
    bundle: options.FromBundle = None,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
    no_nodes: options.NoNodes = False,
) -> None:
    """Explain hop by hop whether and why a Service is reachable, and mark what to mend.

    From its type over pools, address, advertisements and nodes to FRR, its sessions and the wire: one line each. The first hop that
    failed is marked, with the object and field to edit; what only follows from it is dim. What nobody can tell is unknown, never ok.
    Exit status 1 when a hop failed.
    """
    from cli.core.explain import case, chain
    from cli.errors import Exit
    from cli.view import explain as view
    from cli.view import output as out

    if kind not in ("service", "services", "svc"):
        raise typer.BadParameter(f'"{kind}" cannot be explained; service can', param_hint="kind")
    key = name if "/" in name else f"default/{name}"
    gathered = options.gathered(
        bundle=bundle,
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        lb_class=lb_class,
        no_nodes=no_nodes,
    )
    document = chain.explain(gathered, case.Question(key, node, peer))
    out.emit(document, output, lambda console: view.draw(document, console))
    if not document.works:
        raise typer.Exit(Exit.FINDINGS)
