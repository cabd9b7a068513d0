"""Objects in files, as people keep them: YAML or JSON, Lists, whole directories. Called by `sources`.

Each object knows file and line, and finds the line of a field when somebody asks for it. Must never guess: what is no object of
Kubernetes is left out with a line that says so.
"""

import functools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from cli import errors, values
from cli.boundary import naming, yaml_text
from frr_adapter import refs

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
STANDARD_INPUT = Path("-")


@dataclass(frozen=True, slots=True)
class Text:
    """A file that was read; `name` as the user wrote it, or as it is below a directory that the user wrote."""

    name: str
    content: str
    is_named: bool = True


class Read:
    """What the files say: objects by reference, and lines about what was left out."""

    def __init__(self) -> None:
        self.documents: dict[refs.ObjectRef, values.Document] = {}
        self.gaps: list[str] = []

    def add(self, raw: Any, namespace: str, origin: values.Origin) -> None:
        """One object; of two with the same name the last one stays."""
        place = f"{origin.file}:{origin.line}"
        try:
            found = naming.document(raw, namespace, origin)
        except naming.NotOursError as error:
            self.gaps.append(f"{place}: {error}")
            return
        before = self.documents.pop(found.ref, None)
        if before is not None and before.origin is not None:
            first = f"{before.origin.file}:{before.origin.line}"
            self.gaps.append(f"{found.ref} stands in {first} and in {place}: the last one counts")
        self.documents[found.ref] = found


class Lines(Mapping[str, int]):
    """The lines of one object's fields, found when the first one is asked for: most objects have no mistake."""

    def __init__(self, text: Text, document: int, item: int | None) -> None:
        self._text, self._document, self._item = text, document, item
        self._found: dict[str, int] | None = None

    def __getitem__(self, path: str) -> int:
        return self._known()[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> dict[str, int]:
        if self._found is None:
            self._found = self._look()
        return self._found

    def _look(self) -> dict[str, int]:
        nodes = _composed(self._text)
        node: yaml.Node | None = nodes[self._document] if self._document < len(nodes) else None
        if node is not None and self._item is not None:
            items = yaml_text.items(node)
            node = items[self._item] if self._item < len(items) else None
        return {} if node is None else yaml_text.lines(node)


@functools.lru_cache(maxsize=4)
def _composed(text: Text) -> tuple[yaml.Node, ...]:
    """Kept for a while: mistakes come in numbers, and mostly in the same file."""
    try:
        return tuple(yaml_text.composed(text.content, text.name))
    except errors.NoAnswerError:
        return ()  # JSON that is no YAML, because of tabs


def files(paths: Iterable[Path]) -> tuple[tuple[Text, ...], tuple[str, ...]]:
    """The texts of files, directories (recursive, sorted, nothing hidden) and standard input (`-`), and lines about empty directories.

    Raises `errors.NoAnswerError` for what cannot be read.
    """
    found: list[Text] = []
    gaps: list[str] = []
    for path in paths:
        if path == STANDARD_INPUT:
            found.append(Text("<stdin>", _decoded(sys.stdin.buffer.read(), "<stdin>")))
        elif path.is_dir():
            inside = sorted(each for each in path.rglob("*") if _is_manifest(each, path))
            found += (_read(each, is_named=False) for each in inside)
            if not inside:
                gaps.append(f"{path}: no file ends in {', '.join(sorted(SUFFIXES))}")
        else:
            found.append(_read(path))
    return tuple(found), tuple(gaps)


def objects(texts: Sequence[Text], namespace: str, read: Read) -> None:
    """Adds every object of the texts; Lists are taken apart. Raises `errors.NoAnswerError` with file and line for what is no YAML."""
    for text in texts:
        if text.content.lstrip()[:1] in ("{", "["):
            found = _json(text.content)
            if found is not None:
                for index, raw in enumerate(found):
                    _add(read, raw, namespace, text, index, None)
                continue
        try:
            _add_yaml(text, namespace, read)
        except yaml_text.TemplateError as error:
            if text.is_named:
                raise
            read.gaps.append(f"{error}; left out")


def flattened(raw: Any) -> Iterator[tuple[int | None, Any]]:
    """The object, or each item of a List with its position; an item that does not say what it is takes that from the List."""
    is_list = isinstance(raw, dict) and str(raw.get("kind", "")).endswith("List")
    items = raw.get("items") or [] if is_list else raw
    if not isinstance(items, list) or (not is_list and not any(map(naming.is_object, items))):
        yield None, raw
        return
    for index, item in enumerate(items):
        if isinstance(item, dict) and is_list and raw["kind"] != "List":
            item.setdefault("kind", raw["kind"].removesuffix("List"))
            item.setdefault("apiVersion", raw.get("apiVersion", ""))
        yield index, item


def _add_yaml(text: Text, namespace: str, read: Read) -> None:
    builder = yaml_text.Builder(text.name)
    for index, node in enumerate(yaml_text.composed(text.content, text.name)):
        raw = builder.build(node)
        if raw is not None:  # nothing but comments
            _add(read, raw, namespace, text, index, node)
    read.gaps += (
        f'{text.name}:{line}: "{key}" stands twice in a mapping: the last one counts' for line, key in builder.doubled
    )


def _add(read: Read, raw: Any, namespace: str, text: Text, index: int, node: yaml.Node | None) -> None:
    items = () if node is None else yaml_text.items(node)
    for item, each in flattened(raw):
        at = node if item is None or item >= len(items) else items[item]
        line = 1 if at is None else yaml_text.line_of(at)
        read.add(each, namespace, values.Origin(text.name, line, Lines(text, index, item)))


def _json(content: str) -> list[Any] | None:
    """The values of JSON, one or several after another; None when it is something else."""
    try:
        return [msgspec.json.decode(content)]
    except (msgspec.DecodeError, RecursionError):
        pass
    found: list[Any] = []
    decoder, position = json.JSONDecoder(), 0
    try:
        while rest := content[position:].lstrip():
            value, length = decoder.raw_decode(rest)
            found.append(value)
            position = len(content) - len(rest) + length
    except (ValueError, RecursionError):
        return None
    return found


def _is_manifest(path: Path, root: Path) -> bool:
    inside = path.relative_to(root)
    return path.suffix in SUFFIXES and path.is_file() and not any(part.startswith(".") for part in inside.parts)


def _read(path: Path, *, is_named: bool = True) -> Text:
    try:
        return Text(str(path), _decoded(path.read_bytes(), str(path)), is_named)
    except OSError as error:
        raise errors.NoAnswerError(f"{path}: cannot be read: {error.strerror or error}") from None


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise errors.NoAnswerError(f"{name}:{line}: is not YAML: not in UTF-8") from None
