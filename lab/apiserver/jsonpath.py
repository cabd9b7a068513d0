"""The simple JSONPath of printer columns and selectable fields.

`table` evaluates columns with it. Never raises for a missing member: there is no result then.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Step = Callable[[Any], Iterator[Any]]

_STEP = re.compile(
    r"""\.?(?:
      \[\?\(\s*@(?P<path>[^=!<>]*?)\s*(?:(?P<operator>==|!=)\s*(?P<wanted>"[^"]*"|'[^']*'|[^)\s]+)\s*)?\)\]
    | \[(?P<index>-?\d+)\]
    | \[['"](?P<quoted>[^'"]*)['"]\]
    | (?P<any>\[\*\]|\*)
    | (?P<name>(?:[^.\[\]\\]|\\.)+)
    )""",
    re.VERBOSE,
)


def find(value: Any, path: str) -> list[Any]:
    """Every value a path such as `.status.conditions[?(@.type=="Ready")].status` leads to.

    Raises `ValueError` for a path that is no JSONPath.
    """
    found = [value]
    for step in _steps(path):
        found = [below for item in found for below in step(item)]
    return found


@functools.cache
def _steps(path: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    position = 0
    text = path.strip()
    while position < len(text) and text != ".":
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f"unrecognized JSONPath {path!r}")
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    name = match["quoted"] if match["quoted"] is not None else match["name"]
    if name is not None:
        return functools.partial(_member, name=re.sub(r"\\(.)", r"\1", name))
    if match["index"] is not None:
        return functools.partial(_item, index=int(match["index"]))
    if match["any"] is not None:
        return _every
    wanted = _literal(match["wanted"]) if match["operator"] else None
    return functools.partial(_filtered, path=match["path"], operator=match["operator"], wanted=wanted)


def _literal(text: str) -> Any:
    if text[0] == "'":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _member(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, dict) and name in value:
        yield value[name]


def _item(value: Any, index: int) -> Iterator[Any]:
    if isinstance(value, list) and -len(value) <= index < len(value):
        yield value[index]


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _filtered(value: Any, path: str, operator: str | None, wanted: Any) -> Iterator[Any]:
    for item in value if isinstance(value, list) else ():
        found = find(item, path)
        if operator is None:
            if found:
                yield item
        elif found and (found[0] == wanted) == (operator == "=="):
            yield item
