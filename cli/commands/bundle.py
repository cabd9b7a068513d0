"""`frr-adapter bundle`: everything about one moment in one file, for whoever shall look at it elsewhere."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands import options
from cli.view.output import Format

if TYPE_CHECKING:
    from cli import values
    from cli.documents.bundle import BundleDocument

EPILOG = """Examples:
  frr-adapter bundle
  frr-adapter bundle --output before.tar.gz --force
  frr-adapter bundle --no-nodes -o json

Then, anywhere and without the cluster:
  frr-adapter status --from-bundle before.tar.gz
  frr-adapter explain service default/web --from-bundle before.tar.gz
"""


def command(
    output: Annotated[
        Path | None, typer.Option("--output", help="File to write; else frr-adapter-bundle-TIME.tar.gz here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file when it is there already.")] = False,
    form: Annotated[Format, typer.Option("-o", help="table, json or yaml.", case_sensitive=False)] = Format.TABLE,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = options.NAMESPACE,
    lb_class: options.LbClass = None,
    no_nodes: options.NoNodes = False,
) -> None:
    """Collect everything into one file, without passwords, for whoever helps.

    In it are the objects that matter here, events about them, and what the speakers and FRR say of their nodes: rendered and running
    configuration, sessions, recent decisions. Passwords are *** in all of them. Names, addresses and labels are as they are.
    """
    from cli import errors
    from cli.boundary import bundles, sources
    from cli.documents.bundle import BundleDocument
    from cli.view import output as printing

    if output is not None and output.exists() and not force:  # before anybody waits for nodes
        raise errors.NoAnswerError(f"{output}: is there already; --force replaces it")
    place = sources.Place(
        kubeconfig=kubeconfig, context=context, namespace=namespace, lb_class=lb_class, asks_nodes=not no_nodes
    )
    with _progress() as progress:
        gathered = sources.gather(place, progress=progress)
    path = output or Path(f"frr-adapter-bundle-{_stamp(gathered)}.tar.gz")
    content = bundles.packed(gathered)
    bundles.write(path, content, force=force)
    counts: dict[str, int] = {}
    for each in gathered.documents:
        counts[each.ref.kind] = counts.get(each.ref.kind, 0) + 1
    document = BundleDocument(
        file=str(path),
        bytes=len(content),
        source=gathered.source,
        taken_at=gathered.taken_at,
        objects=counts,
        nodes=tuple(gathered.reports),
        events=len(gathered.events),
        gaps=gathered.gaps,
    )
    printing.emit(document, form, lambda console: console.print(_summary(document), markup=False))


def _stamp(gathered: "values.Gathered") -> str:
    return gathered.taken_at.replace("-", "").replace(":", "")


def _summary(document: "BundleDocument") -> str:
    objects = ", ".join(f"{number} {kind}" for kind, number in document.objects.items())
    nodes = f"{len(document.nodes)} nodes" if len(document.nodes) != 1 else "1 node"
    lines = [
        f"{document.file}: {document.bytes / 1024:.0f} KiB of {document.source}",
        f"  objects  {objects or 'none'}",
        f"  reports  {nodes}{': ' if document.nodes else ''}{', '.join(document.nodes)}",
        f"  events   {document.events}",
        *(f"  ? {gap}" for gap in document.gaps),
    ]
    return "\n".join(lines)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while nodes are asked, where somebody watches."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress

    from cli.view import output as printing

    console = printing.console(stderr=True)
    bar = Progress(
        "asking nodes",
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("nodes", total=None)
        yield lambda done, number: bar.update(task, completed=done, total=number)
