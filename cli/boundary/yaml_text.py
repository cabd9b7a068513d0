"""YAML as kubectl reads it: values as JSON has them, and the line of every field. Called by `manifests`; it knows no Kubernetes.

Composed once by libyaml, then built here: PyYAML's own values would make a time of a date and a number of `64512:10`, which are texts
to Kubernetes. Aliases may not blow up a small file into a large one.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import yaml

from cli import errors

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_DEEPEST = 200
_DEEPEST_BRACKETS = 5000
_MOST_NODES = 5_000_000
_TRUE = frozenset({"yes", "true", "on"})


class TemplateError(errors.NoAnswerError):
    """A template where YAML should be."""


class Builder:
    """Makes values of the nodes of one file; `doubled` are keys that stand twice in a mapping, each with its line."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._left = _MOST_NODES
        self.doubled: list[tuple[int, str]] = []

    def build(self, node: yaml.Node, depth: int = 0) -> Any:
        """The value. Raises `errors.NoAnswerError` for what would not end."""
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            what = "is nested too deeply" if depth > _DEEPEST else "is too large once its aliases are put in"
            raise errors.NoAnswerError(f"{self._file}:{line_of(node)}: {what}")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(each, depth + 1) for each in node.value]
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                self._merge(merged, value, depth)
                continue
            name = key.value if isinstance(key, yaml.ScalarNode) else str(self.build(key, depth + 1))
            if name in found:
                self.doubled.append((line_of(key), name))
            found[name] = self.build(value, depth + 1)
        return {**merged, **found} if merged else found

    def _merge(self, merged: dict[str, Any], node: yaml.Node, depth: int) -> None:
        for each in node.value if isinstance(node, yaml.SequenceNode) else (node,):
            value = self.build(each, depth + 1)
            if isinstance(value, dict):
                for key, inner in value.items():
                    merged.setdefault(key, inner)


def composed(text: str, file: str) -> Iterator[yaml.Node]:
    """One node for each document that is not empty. Raises `errors.NoAnswerError` naming file and line."""
    if _is_bottomless(text):
        raise errors.NoAnswerError(f"{file}:1: is nested too deeply")
    try:
        for node in yaml.compose_all(text, Loader=_LOADER):
            if node is not None:
                yield node
    except yaml.YAMLError as error:
        if line := _template_line(error, text):
            raise TemplateError(f"{file}:{line}: is a template of Helm, which has to be rendered first") from None
        raise errors.NoAnswerError(f"{_place(error, file, text)}: is not YAML: {_words(error)}") from None
    except RecursionError:
        raise errors.NoAnswerError(f"{file}:1: is nested too deeply") from None


def line_of(node: yaml.Node) -> int:
    """Lines count from 1."""
    return int(node.start_mark.line) + 1


def lines(node: yaml.Node) -> dict[str, int]:
    """The line of every field by its path (`spec.addresses[0]`)."""
    found: dict[str, int] = {}
    _note_lines(node, "", found, 0)
    return found


def items(node: yaml.Node) -> tuple[yaml.Node, ...]:
    """The nodes of a sequence, or of what stands under `items` in a mapping."""
    if isinstance(node, yaml.MappingNode):
        found = (value for name, value in node.value if isinstance(name, yaml.ScalarNode) and name.value == "items")
        node = next(found, node)
    return tuple(node.value) if isinstance(node, yaml.SequenceNode) else ()


def _note_lines(node: yaml.Node, path: str, found: dict[str, int], depth: int) -> None:
    if depth > _DEEPEST:
        return
    if isinstance(node, yaml.SequenceNode):
        for index, each in enumerate(node.value):
            inner = f"{path}[{index}]"
            found[inner] = line_of(each)
            _note_lines(each, inner, found, depth + 1)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            inner = f"{path}.{key.value}" if path else key.value
            found[inner] = line_of(key)
            if "." in key.value or "/" in key.value:  # annotations and labels are written either way
                found[f"{path}[{key.value}]"] = line_of(key)
            _note_lines(value, inner, found, depth + 1)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "int":
            return _whole(text.replace("_", ""))
        case "float":
            return text if ":" in text else _fraction(text.replace("_", ""))
        case _:
            return text


def _whole(text: str) -> int | str:
    digits = text.lstrip("+-")
    base = next((base for prefix, base in (("0b", 2), ("0x", 16), ("0", 8)) if digits.startswith(prefix)), 10)
    try:
        return int(text, 10 if digits == "0" else base)
    except ValueError:
        return text  # 64512:10, or a tag that lies


def _fraction(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # .inf and .nan have no place in JSON


def _is_bottomless(text: str) -> bool:
    """Whether brackets in brackets would exhaust the stack of libyaml's composer, which nobody could catch."""
    if text.count("[") + text.count("{") < _DEEPEST_BRACKETS:
        return False
    steps = (1 if bracket in "[{" else -1 for bracket in re.findall(r"[][{}]", text))
    return max(itertools.accumulate(steps)) > _DEEPEST_BRACKETS


def _place(error: yaml.YAMLError, file: str, text: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return f"{file}:{mark.line + 1}"
    position = getattr(error, "position", 0)
    return f"{file}:{text.count(chr(10), 0, position) + 1}"


def _words(error: yaml.YAMLError) -> str:
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
    return str(said)


def _template_line(error: yaml.YAMLError, text: str) -> int:
    """The line of a `{{` close to the error, 0 when there is none."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return 0
    near = range(max(mark.line - 1, 0), mark.line + 1)
    shown = text.splitlines()
    return next((number + 1 for number in near if number < len(shown) and "{{" in shown[number]), 0)
