"""Merging, comparing and cutting objects by their list types.

`apply` builds server-side apply out of these. They return new objects. Pure.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lab.apiserver import fieldset, patch
from lab.apiserver.fieldset import FieldSet, Path
from lab.apiserver.listtypes import ListTypes

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two objects: fields set or given another value, and fields gone."""

    changed: FieldSet
    removed: FieldSet


def merge(live: Any, applied: Any, types: ListTypes) -> Any:
    """The live value with what the applied one states laid over it. Raises `PatchError` for broken map lists."""
    if isinstance(live, dict) and isinstance(applied, dict) and not types.is_atomic:
        result = {name: copy.deepcopy(value) for name, value in live.items() if name not in applied}
        for name, value in applied.items():
            result[name] = merge(live[name], value, types.member(name)) if name in live else copy.deepcopy(value)
        return result
    if isinstance(live, list) and isinstance(applied, list) and types.list_type != "atomic":
        present = dict(fieldset.items(live, types, ()))
        stated = dict(fieldset.items(applied, types, ()))
        order = patch.interleave(list(stated), [step for step in present if step not in stated], list(present))
        return [_merged_item(step, present, stated, types) for step in order]
    return copy.deepcopy(applied)


def _merged_item(step: str, present: dict[str, Any], stated: dict[str, Any], types: ListTypes) -> Any:
    if step not in stated:
        return copy.deepcopy(present[step])
    if step not in present:
        return copy.deepcopy(stated[step])
    return merge(present[step], stated[step], types.item())


def compare(before: Any, after: Any, types: ListTypes) -> Comparison:
    """What changed from one object to the next."""
    changed: set[Path] = set()
    removed: set[Path] = set()
    _compare(before, after, types, (), changed, removed)
    return Comparison(frozenset(changed), frozenset(removed))


def _compare(before: Any, after: Any, types: ListTypes, at: Path, changed: set[Path], removed: set[Path]) -> None:
    one, two = _members(before, types, at), _members(after, types, at)
    if (one is None and two is None) or (not one and not two):
        if after is _ABSENT:
            removed.add(at)
        elif before != after and not (types.is_inline and before is _ABSENT):
            changed.add(at)
        return
    for step in {**(one or {}), **(two or {})}:
        here = (*at, step)
        below = types.member(step[2:]) if step.startswith("f:") else types.item()
        _compare((one or {}).get(step, _ABSENT), (two or {}).get(step, _ABSENT), below, here, changed, removed)
    if types.is_inline or not at:
        return
    if after is _ABSENT:
        removed.add(at)
    elif before is _ABSENT or (one is None) != (two is None):
        changed.add(at)


def _members(value: Any, types: ListTypes, at: Path) -> dict[str, Any] | None:
    """The parts of a value that merge one by one; None for a value that is one piece."""
    if isinstance(value, dict) and not types.is_atomic:
        return {f"f:{name}": member for name, member in value.items()}
    if isinstance(value, list) and types.list_type != "atomic":
        return dict(fieldset.items(value, types, at))
    return None


def without(obj: dict[str, Any], dropped: FieldSet, kept: FieldSet, types: ListTypes) -> dict[str, Any]:
    """The object without the dropped fields, and without the containers this empties unless somebody keeps them."""
    result = copy.deepcopy(obj)
    for path in sorted(dropped, key=lambda path: (-len(path), path)):
        _remove(result, path, types, is_forced=True)
        for length in range(len(path) - 1, 0, -1):
            container = path[:length]
            if container in kept or not container[-1].startswith("f:"):
                break
            _remove(result, container, types, is_forced=False)
    return result


def _remove(root: dict[str, Any], path: Path, types: ListTypes, *, is_forced: bool) -> None:
    parent: Any = root
    keys: Iterable[str] = ()
    for step in path[:-1]:
        parent = _child(parent, step, types)
        keys = types.keys if step.startswith("k:") else ()
        types = types.member(step[2:]) if step.startswith("f:") else types.item()
    last, text = path[-1], path[-1][2:]
    if isinstance(parent, dict) and last.startswith("f:") and text in parent and text not in keys:
        below = _members(parent[text], types.member(text), path)
        if not below and (is_forced or below is not None):
            del parent[text]
    elif isinstance(parent, list) and is_forced:
        parent[:] = [item for step, item in fieldset.items(parent, types, path[:-1]) if step != last]


def _child(parent: Any, step: str, types: ListTypes) -> Any:
    if isinstance(parent, dict) and step.startswith("f:"):
        return parent.get(step[2:])
    if isinstance(parent, list) and types.list_type != "atomic":
        return dict(fieldset.items(parent, types, ())).get(step)
    return None


def without_nulls(value: Any) -> Any:
    """A copy of an applied value without members that are null: they state nothing."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
