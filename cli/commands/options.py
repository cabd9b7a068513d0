"""Options that several commands share: where to read from, and how to print. One spelling, one help text."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.view.output import Format

if TYPE_CHECKING:  # most help needs nothing of it
    from cli import values

Output = Annotated[Format, typer.Option("-o", "--output", help="table, json or yaml.", case_sensitive=False)]
FromBundle = Annotated[
    Path | None,
    typer.Option("--from-bundle", help="Answer from this file of `frr-adapter bundle`; no cluster is asked."),
]
Kubeconfig = Annotated[
    str,
    typer.Option(
        "--kubeconfig", help="Path of the kubeconfig; else $KUBECONFIG, ~/.kube/config or the pod's own rights."
    ),
]
Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig; else its current one.")]
Namespace = Annotated[
    str, typer.Option("-n", "--namespace", help="Namespace of frr-adapter's own objects.", envvar="METALLB_NAMESPACE")
]
LbClass = Annotated[
    str | None,
    typer.Option(
        "--lb-class", help="loadBalancerClass of this installation; else as the DaemonSet or the bundle says, or none."
    ),
]
NoNodes = Annotated[
    bool,
    typer.Option(
        "--no-nodes", help="Do not ask the speakers themselves (that needs the right to exec into their pods)."
    ),
]
NAMESPACE = "metallb-system"


def gathered(
    *, bundle: Path | None, kubeconfig: str, context: str, namespace: str, lb_class: str | None, no_nodes: bool
) -> "values.Gathered":
    """Everything that the place knows which these options name, with progress on standard error while nodes are asked.

    As `sources.gather`.
    """
    from cli.boundary import sources
    from cli.view import progress

    place = sources.Place(
        bundle=bundle,
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        lb_class=lb_class,
        asks_nodes=not no_nodes,
    )
    with progress.asking() as told:
        return sources.gather(place, progress=told)
