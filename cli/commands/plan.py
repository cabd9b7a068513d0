"""`frr-adapter plan`: what applying manifests would change, before anybody applies them."""

import dataclasses
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands import options
from cli.view.output import Format

if TYPE_CHECKING:
    from cli import values
    from cli.boundary import sources
    from frr_adapter import refs

EPILOG = """Examples:
  frr-adapter plan -f manifests/
  frr-adapter plan -f manifests/ --snapshot cluster.json --node n1
  frr-adapter plan -f manifests/ --prune --fail-on problems,resets,moves
  frr-adapter plan -f manifests/ --offline -o json
  frr-adapter plan --delete IPAddressPool/metallb-system/old
"""


def command(
    *,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "-f",
            "--filename",
            metavar="PATH",
            help="Manifest, or directory of them; - is standard input; may be repeated.",
        ),
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            "--snapshot", help="Compare with this List of objects (kubectl get -o json); no cluster is asked."
        ),
    ] = None,
    bundle: options.FromBundle = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Compare with nothing, even if there is a cluster.")
    ] = False,
    node: Annotated[
        list[str] | None,
        typer.Option("--node", metavar="NODE", help="Show the frr.conf of this node only; may be repeated."),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Pools, peers, advertisements and the like that are in no file go.")
    ] = False,
    delete: Annotated[
        list[str] | None,
        typer.Option("--delete", metavar="KIND/NAMESPACE/NAME", help="An object that goes; may be repeated."),
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="WORDS",
            help="What makes the exit status 1: problems, resets, address-changes, moves, gaps, any; separated by commas.",
        ),
    ] = "problems",
    form: options.Output = Format.TABLE,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
    no_nodes: options.NoNodes = False,
) -> int:
    """Show what would change if these manifests were applied.

    Mistakes, addresses, the frr.conf of every node and how it is applied, BGP sessions that would be reset with the line that does it,
    and layer-2 addresses that would move. Nothing is written anywhere. The cluster is the one of kubectl; without one, or with
    --offline, the manifests are compared with nothing.
    """
    from cli.boundary import sources
    from cli.core import failing, planning
    from cli.errors import Exit
    from cli.view import output
    from cli.view import plan as view
    from frr_adapter.boundary import files as templates

    try:
        forbidden = failing.words(fail_on)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--fail-on") from None
    going = tuple(_ref(text) for text in delete or ())
    if not (files or going):
        raise typer.BadParameter("nothing to plan: give manifests with -f, or objects with --delete", param_hint="-f")
    place = sources.Place(
        bundle=bundle,
        snapshot=snapshot,
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        lb_class=lb_class,
        asks_nodes=not no_nodes,
    )
    before, found, is_offline = _gathered(place, files or [], offline=offline)
    _check_nodes(node or [], before, found, is_offline=is_offline)
    _check_given(going, before, found)
    chosen = planning.Options(tuple(node or ()), prune, going, is_offline)
    gc.disable()  # hardly anything that is made is garbage before the end, and looking for it takes a tenth of the time
    try:
        document = planning.plan(before, found, chosen, templates.read_templates())
    finally:
        gc.enable()
    output.emit(document, form, lambda console: view.draw(document, console))
    return Exit.FINDINGS if failing.happens(document) & forbidden else Exit.OK


def _gathered(
    place: "sources.Place", files: list[Path], *, offline: bool
) -> tuple["values.Gathered", "values.Gathered", bool]:
    """What is there before, what the files say, and whether nothing is there because nothing was asked."""
    from cli import values
    from cli.boundary import programs, sources

    found = sources.manifests(files, namespace=place.namespace)
    is_offline = offline or not sources.is_reachable(place)
    if is_offline:
        said = programs.with_class(found.programs, place.lb_class)
        before = values.Gathered(programs=said, source="", unread=("Secret",))
        found = dataclasses.replace(found, programs=said)
    else:
        before = sources.gather(place)
        found = sources.comparable(before, found)
    # A Secret that nobody could read is taken as fitting, whether a peer of the cluster or one of the files names it.
    known = {each.ref: each for each in (*before.documents, *found.documents)}
    whole = values.Gathered(documents=tuple(known.values()), unread=before.unread)
    completed = sources.completed(whole)
    more = tuple(each for each in completed.documents if each.ref not in known)
    before = dataclasses.replace(before, documents=(*before.documents, *more), gaps=(*before.gaps, *completed.gaps))
    return before, found, is_offline


def _check_nodes(names: list[str], before: "values.Gathered", found: "values.Gathered", *, is_offline: bool) -> None:
    """A name that no node has is a slip of the pen, unless nothing at all is known."""
    from cli.errors import NoAnswerError

    there = sorted({each.ref.name for each in (*before.documents, *found.documents) if each.ref.kind == "Node"})
    for name in names:
        if not is_offline and name not in there:
            raise NoAnswerError(f"--node {name}: there is no such node; known are {', '.join(there) or 'none'}")


def _check_given(going: tuple["refs.ObjectRef", ...], before: "values.Gathered", found: "values.Gathered") -> None:
    """A plan of nothing would look as if all were well: of a path with no objects, or for a name that no object has."""
    from cli.errors import NoAnswerError

    there = {each.ref for each in before.documents}
    for ref in going:
        if ref not in there:
            near = sorted(str(each) for each in there if each.name == ref.name)
            hint = f"; there is {', '.join(near[:3])}" if near else ""
            raise NoAnswerError(f"--delete: {ref} is not there (KIND/NAMESPACE/NAME){hint}")
    if not (going or found.documents):
        raise NoAnswerError("; ".join(("the files have no object in them", *found.gaps)))


def _ref(text: str) -> "refs.ObjectRef":
    from frr_adapter import refs

    match text.split("/"):
        case [kind, name]:
            return refs.ObjectRef(kind, "", name)
        case [kind, namespace, name]:
            return refs.ObjectRef(kind, namespace, name)
        case _:
            raise typer.BadParameter(f'found "{text}"; KIND/NAMESPACE/NAME is allowed', param_hint="--delete")
