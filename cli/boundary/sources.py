"""Where the objects come from, chosen by the options of a command: files, a bundle, or a live cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli import values


@dataclass(frozen=True, slots=True)
class Place:
    """What the common options say. At most one of `bundle` and `snapshot` is given; without both a live cluster is asked."""

    bundle: Path | None = None
    snapshot: Path | None = None
    """A List of objects as JSON or YAML (`kubectl get ... -o json`), or a bundle."""
    kubeconfig: str = ""
    context: str = ""
    namespace: str = "metallb-system"
    lb_class: str | None = None
    """None: as the source itself says."""
    asks_nodes: bool = True


def gather(place: Place, *, kinds: Sequence[str] | None = None) -> values.Gathered:
    """Everything that the place knows; `kinds` bounds what is read from a live cluster (None: all that a command can need).

    Raises `errors.NoAnswerError` when nothing can be read at all; what is missing in part is named in `gaps`.
    """
    raise NotImplementedError(place, kinds)


def manifests(paths: Sequence[Path]) -> values.Gathered:
    """The objects of files and directories (recursive; .yaml, .yml, .json; `-` is standard input), each with its origin.

    Raises `errors.NoAnswerError` naming file and line for what is no YAML.
    """
    raise NotImplementedError(paths)
