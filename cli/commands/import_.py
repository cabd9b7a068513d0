"""`frr-adapter import`: a MetalLB setup of any age, object by object, and the objects that take the place of old ones."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from cli.commands import options
from cli.view.output import Format

EPILOG = """Examples:
  frr-adapter import -f metallb/
  frr-adapter import -f metallb/ --values metallb-values.yaml --output converted/
  kubectl get cm,ds,deploy,bgppeers,ipaddresspools,l2advertisements -n metallb-system -o yaml | frr-adapter import -f -
  frr-adapter import --context production
"""


def command(
    *,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "-f", "--filename", help="Manifest, or directory of them; - is standard input. Else a cluster is asked."
        ),
    ] = None,
    values_: Annotated[
        Path | None, typer.Option("--values", help="Values that MetalLB's Helm chart was given.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Directory to write to what takes the place of old objects.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files in that directory.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Name each object that stays the same, too.")] = False,
    form: Annotated[Format, typer.Option("-o", help="table, json or yaml.", case_sensitive=False)] = Format.TABLE,
    bundle: options.FromBundle = None,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
) -> None:
    """Read a MetalLB setup, and say what would be the same here and what would differ.

    Read are today's objects, BGPPeer v1beta1, AddressPool, the ConfigMap from before MetalLB 0.13, FRRConfigurations of frr-k8s, flags of
    the programs, and values of the Helm chart. Nothing is changed; --output writes files for kubectl apply. Passwords are not copied.
    Exit status 1 when something is not supported or wrong.
    """
    from cli.boundary import offline, sources
    from cli.core.importing import setup
    from cli.errors import Exit
    from cli.view import import_
    from cli.view import output as out

    place = sources.Place(
        bundle=bundle, kubeconfig=kubeconfig, context=context, namespace=namespace, lb_class=lb_class, asks_nodes=False
    )
    helm = None if values_ is None else (str(values_), offline.yaml_map(values_))
    if files:
        # The programs' own flags may be among the files.
        before, found = offline.gathered(place, files)
        found = dataclasses.replace(found, programs=before.programs, gaps=(*before.gaps, *found.gaps))
    else:
        found = sources.gather(place)
    answer = setup.read(found.documents, found.programs, offline.parsed, helm)
    texts = setup.files(answer)
    written = () if output is None else offline.write(output, texts, force=force)
    document = setup.document(answer, found, written)
    out.emit(document, form, lambda console: import_.show(console, document, everything=everything))
    if setup.has_findings(answer):
        raise typer.Exit(Exit.FINDINGS)
