"""Options that several commands share: where to read from, and how to print. One spelling, one help text."""

from pathlib import Path
from typing import Annotated

import typer

from cli.view.output import Format

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
