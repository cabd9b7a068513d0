"""Files of commands that can do without a cluster: what is there before manifests are applied, texts to read, and files to write.

Called by render, validate and import. Objects are read by `boundary.sources`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli import errors, values
from cli.boundary import programs, sources, yaml_text


def gathered(place: sources.Place, files: Sequence[Path]) -> tuple[values.Gathered, values.Gathered]:
    """What the snapshot or bundle of the place says, nothing without both, and what the files say.

    A Secret of which nobody knows anything is taken as fitting. Raises `errors.NoAnswerError` as `sources.gather` and `manifests`.
    """
    found = sources.manifests(files, place.namespace)
    if place.snapshot or place.bundle:
        before = sources.gather(place)
    else:
        before = values.Gathered(programs=programs.with_class(found.programs, place.lb_class), unread=("Secret",))
    known = {each.ref: each for each in (*before.documents, *found.documents)}
    completed = sources.completed(values.Gathered(documents=tuple(known.values()), unread=before.unread))
    more = tuple(each for each in completed.documents if each.ref not in known)
    gaps = (*before.gaps, *completed.gaps)
    return dataclasses.replace(before, documents=(*before.documents, *more), gaps=gaps), found


def text(path: Path) -> str:
    """The text of a file. Raises `errors.NoAnswerError`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise errors.NoAnswerError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise errors.NoAnswerError(f"{path}: is no text in UTF-8") from error


def parsed(content: str, name: str) -> Any:
    """The first YAML document of the text, its values as Kubernetes reads them; None without one. Raises `errors.NoAnswerError`."""
    node = next(yaml_text.composed(content, name), None)
    return None if node is None else yaml_text.Builder(name).build(node)


def yaml_map(path: Path) -> values.Json:
    """The file as a map, such as values of a chart. Raises `errors.NoAnswerError`."""
    found = parsed(text(path), str(path))
    if found is not None and not isinstance(found, dict):
        raise errors.NoAnswerError(f"{path}: holds no map; values by name are allowed")
    return found or {}


def written(path: Path, content: str) -> None:
    """Writes the file, over one that is there. Raises `errors.NoAnswerError`."""
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise errors.NoAnswerError(f"{path}: cannot be written: {error.strerror}") from error


def write(directory: Path, texts: Mapping[str, str], *, force: bool) -> tuple[str, ...]:
    """Writes the files, readable by their owner alone; their paths. Overwrites none without `force`.

    Raises `errors.NoAnswerError` before the first one is written when one is there already, or the directory cannot be made.
    """
    paths = {directory / name: content for name, content in texts.items()}
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise errors.NoAnswerError(f"{', '.join(there)}: is there already; --force overwrites")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, content in paths.items():
            path.touch(mode=0o600)
            path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise errors.NoAnswerError(f"{directory}: {error.strerror}") from error
    return tuple(map(str, paths))
