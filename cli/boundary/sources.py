"""Where the objects come from, chosen by the options of a command: files, a bundle, or a live cluster."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli import errors, values
from cli.boundary import clusters, programs, stand_ins
from cli.boundary import manifests as files

completed = stand_ins.completed
comparable = stand_ins.comparable


@dataclass(frozen=True, slots=True)
class Place:
    """What the common options say. At most one of `bundle` and `snapshot` is given; without both a live cluster is asked."""

    bundle: Path | None = None
    snapshot: Path | None = None
    """A List of objects as JSON or YAML (`kubectl get ... -o json`), a directory of such files, or a bundle."""
    kubeconfig: str = ""
    context: str = ""
    namespace: str = "metallb-system"
    lb_class: str | None = None
    """None: as the source itself says."""
    asks_nodes: bool = True


def gather(
    place: Place, *, kinds: Sequence[str] | None = None, progress: Callable[[int, int], None] | None = None
) -> values.Gathered:
    """Everything that the place knows; `kinds` bounds what is read from a live cluster (None: all that a command can need).

    `progress` is told how many nodes have answered, and how many there are.
    Raises `errors.NoAnswerError` when nothing can be read at all; what is missing in part is named in `gaps`.
    """
    found = _gathered(place, kinds, progress)
    return dataclasses.replace(found, programs=programs.with_class(found.programs, place.lb_class))


def manifests(paths: Sequence[Path], namespace: str = "metallb-system") -> values.Gathered:
    """The objects of files and directories (recursive; .yaml, .yml, .json; `-` is standard input), each with its origin.

    `namespace` is that of our own kinds where a file does not say it. No stand-ins for Secrets are among them: see `completed`.
    Raises `errors.NoAnswerError` naming file and line for what is no YAML.
    """
    texts, gaps = files.files(paths)
    read = files.Read()
    files.objects(texts, namespace, read)
    found = _with_programs(read, namespace, ("Secret",), "files", (*gaps, *read.gaps))
    # In the order of the files, in which they are applied: the first one is the oldest.
    return dataclasses.replace(found, documents=tuple(read.documents.values()))


def is_reachable(place: Place) -> bool:
    """Whether there is something to gather from: a bundle, a snapshot, a kubeconfig or the rights of a pod. Nothing is asked.

    Raises `errors.NoAnswerError` for a kubeconfig that is named and is not there.
    """
    given = place.bundle is not None or place.snapshot is not None
    return given or clusters.access(place.kubeconfig, place.context, os.environ) is not None


def _gathered(
    place: Place, kinds: Sequence[str] | None, progress: Callable[[int, int], None] | None
) -> values.Gathered:
    if place.bundle is not None or place.snapshot is not None:
        from cli.boundary import bundles
    if place.bundle is not None:
        return bundles.read(place.bundle)
    if place.snapshot is not None:
        return (
            bundles.read(place.snapshot)
            if bundles.is_one(place.snapshot)
            else _snapshot(place.snapshot, place.namespace)
        )
    access = clusters.access(place.kubeconfig, place.context, os.environ)
    if access is None:
        raise errors.NoAnswerError(
            "no cluster: there is no --kubeconfig, $KUBECONFIG or ~/.kube/config, and this is no pod; --from-bundle needs none"
        )
    import asyncio

    from cli.boundary import live

    found = asyncio.run(live.gather(access, place.namespace, kinds, asks_nodes=place.asks_nodes, progress=progress))
    said, unclear = programs.of(found.documents, place.namespace)
    said, differing = programs.corrected(said, found.reports)
    return completed(dataclasses.replace(found, programs=said, gaps=(*found.gaps, *unclear, *differing)))


def _snapshot(path: Path, namespace: str) -> values.Gathered:
    texts, gaps = files.files((path,))
    read = files.Read()
    files.objects(texts, namespace, read)
    kinds = {ref.kind for ref in read.documents}
    unread = ("Secret",) if "Secret" not in kinds else ()
    found = _with_programs(read, namespace, unread, f"snapshot {path}", (*gaps, *read.gaps))
    # It stands for a cluster: nobody edits an object there, so its place in the file is of no use.
    documents = tuple(dataclasses.replace(each, origin=None) for each in found.documents)
    return completed(dataclasses.replace(found, documents=documents))


def _with_programs(
    read: files.Read, namespace: str, unread: tuple[str, ...], source: str, gaps: tuple[str, ...]
) -> values.Gathered:
    documents = tuple(read.documents[ref] for ref in sorted(read.documents))
    said, unclear = programs.of(documents, namespace)
    return values.Gathered(documents=documents, programs=said, source=source, gaps=(*gaps, *unclear), unread=unread)
