"""Sets of field paths: who owns what, as metadata.managedFields writes it (fieldsV1).

`apply` computes with them. A path is a tuple of steps in the wire's spelling: `f:name` a member, `k:{...}` an item of a
map list, `v:...` an item of a set. Pure.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lab.apiserver.listtypes import ListTypes
from lab.apiserver.patch import PatchError

Path = tuple[str, ...]
FieldSet = frozenset[Path]

EMPTY: FieldSet = frozenset()


def decode(fields: dict[str, Any]) -> FieldSet:
    """The set a fieldsV1 object writes."""
    return frozenset(_decode(fields, ()))


def _decode(fields: dict[str, Any], at: Path) -> Iterator[Path]:
    for step, below in fields.items():
        if step == ".":
            yield at
        elif below:
            yield from _decode(below, (*at, step))
        else:
            yield (*at, step)


def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """The fieldsV1 object of a set, in a fixed order."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return _without_leaf_dots(root)


def _without_leaf_dots(node: dict[str, Any]) -> dict[str, Any]:
    return {step: {} if set(below) == {"."} else _without_leaf_dots(below) for step, below in node.items()}


def of_object(obj: Any, types: ListTypes) -> FieldSet:
    """Every field an applied object states. Raises `PatchError` for an item of a map list without its keys."""
    return frozenset(_owned(obj, types, ()))


def _owned(value: Any, types: ListTypes, at: Path) -> Iterator[Path]:
    if isinstance(value, dict) and value and not types.is_atomic:
        for name, member in value.items():
            here = (*at, f"f:{name}")
            yield from _owned(member, types.member(name), here)
            if name not in types.fields and types.element is not None:
                yield here
    elif isinstance(value, list) and types.list_type != "atomic":
        for step, item in items(value, types, at):
            yield from _owned(item, types.item(), (*at, step))
            yield (*at, step)
    elif at:
        yield at


def items(values: list[Any], types: ListTypes, at: Path) -> list[tuple[str, Any]]:
    """The items of a set or map list with the steps that name them, in order. Raises `PatchError`."""
    found: dict[str, Any] = {}
    for index, item in enumerate(values):
        step = _step(item, types, at, index)
        if step in found:
            raise PatchError(f"{show(at)}: duplicate entries for key {_show_step(step)}")
        found[step] = item
    return list(found.items())


def _step(item: Any, types: ListTypes, at: Path, index: int) -> str:
    if types.list_type == "set":
        return f"v:{_json(item)}"
    defaults = dict(types.defaults)
    keys: dict[str, Any] = {}
    for key in types.keys:
        value = item.get(key, defaults.get(key)) if isinstance(item, dict) else None
        if value is None:
            raise PatchError(f"{show(at)}: element {index}: {_without_key(item, types.keys, defaults, key)}")
        keys[key] = value
    return f"k:{_json(keys)}"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def show(path: Path) -> str:
    """A path as conflict messages print it: `.status.conditions[type="Ready"].status`."""
    return "".join(_show_step(step) for step in path)


def _show_step(step: str) -> str:
    kind, text = step[:1], step[2:]
    match kind:
        case "f":
            return f".{text}"
        case "k":
            return "[" + ",".join(f"{key}={_json(value)}" for key, value in json.loads(text).items()) + "]"
        case "v":
            return f"[={text}]"
        case _:
            return f"[{text}]"


def _without_key(item: Any, keys: Sequence[str], defaults: Mapping[str, Any], key: str) -> str:
    """How the API server says that a map list's item cannot be told apart."""
    text = "associative list with keys has an element that omits "
    if isinstance(item, dict) and not defaults and all(item.get(other) is None for other in keys):
        listed = ", ".join(f'"{other}"' for other in keys)
        return f"{text}all key fields [{listed}] (and doesn't have default values for any key fields)"
    return f'{text}key field "{key}"'
