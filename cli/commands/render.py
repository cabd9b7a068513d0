"""`frr-adapter render`: the file that FRR on a node would get, read by a real FRR where that is asked for."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.commands import options
from cli.view.output import Format

EPILOG = """Examples:
  frr-adapter render -f manifests/ --node n1
  frr-adapter render -f manifests/ --snapshot cluster.json --node n1 --check
  kubectl get svc,ns,no,endpointslices,configmaps,secrets,ipaddresspools,bgppeers -A -o json > cluster.json
"""


def command(
    *,
    files: Annotated[
        list[Path], typer.Option("-f", "--filename", help="Manifest, or directory of them; - is standard input.")
    ],
    node: Annotated[
        str, typer.Option("--node", help="Name of the node; may be left out where all nodes get the same.")
    ] = "",
    snapshot: Annotated[
        Path | None, typer.Option("--snapshot", help="What is in the cluster already: a List of objects, or a bundle.")
    ] = None,
    bundle: options.FromBundle = None,
    check: Annotated[bool, typer.Option("--check", help="Let FRR read it; exit status 1 when it objects.")] = False,
    vtysh: Annotated[
        Path, typer.Option("--vtysh", help="FRR's program that reads it for --check.", show_default=True)
    ] = Path("/usr/bin/vtysh"),
    output: Annotated[Path | None, typer.Option("--output", help="File to write it to.")] = None,
    form: Annotated[Format, typer.Option("-o", help="table (the file as it is), json or yaml.")] = Format.TABLE,
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
) -> None:
    """Print the frr.conf that a node would get from these manifests.

    No cluster is asked: what is there already comes from --snapshot. Passwords are ***. What is left out because of a mistake, and
    what had to be assumed, is said on standard error.
    """
    from cli.boundary import offline, proofreading, sources
    from cli.core import previewing, rendering
    from cli.errors import Exit
    from cli.view import output as out
    from frr_adapter.boundary import files as templates

    place = sources.Place(bundle=bundle, snapshot=snapshot, namespace=namespace, lb_class=lb_class, asks_nodes=False)
    before, found = offline.gathered(place, files)
    preview = previewing.preview(before, found, [node] if node else [])
    document = rendering.render(preview, node, templates.read_templates(), (*before.gaps, *found.gaps))
    if check:
        version = proofreading.version(vtysh)
        document = rendering.checked(document, version, proofreading.refusals(vtysh, document.frr_conf))
    if output is not None:
        offline.written(output, document.frr_conf)
    if output is None or form is not Format.TABLE:
        text = out.legible(document.frr_conf) if sys.stdout.isatty() else document.frr_conf
        out.emit(document, form, lambda _: print(text, end=""))
    for line in rendering.remarks(document):
        print(out.legible(line), file=sys.stderr)
    if document.refusals:
        raise typer.Exit(Exit.FINDINGS)
