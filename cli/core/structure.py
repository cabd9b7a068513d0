"""Does a JSON value fit an OpenAPI schema as Kubernetes definitions have them? Everything that does not, at once, in words for people.

Called by `core.checking` with the schemas of our kinds. It knows the keywords that those use; a test compares it with what an API server
refuses. Must never know a kind.
"""

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_WORDS = {
    "string": "a string",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a map of fields",
    "array": "a list",
}
_EMPTY = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
_STEP = re.compile(r"\[\d+\]|[^.\[]+")
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One place that does not fit: its path (`spec.addresses[0]`, empty for the value itself), what was found, what is allowed."""

    path: str
    message: str
    wanted: str = ""
    """The type that is wanted instead, where it is the type that is wrong."""


def faults(schema: Json, value: Any, path: str = "") -> Iterator[Fault]:
    """Everything in `value` that the schema does not allow. A field that is null counts as left out, as the API server has it."""
    kind = schema.get("type")
    if kind is not None and not _is(kind, value):
        yield Fault(path, f"found {shown(value)}; {_WORDS[kind]} is allowed", kind)
    elif kind == "object":
        yield from _object(schema, value, path)
    elif kind == "array":
        if len(value) < schema.get("minItems", 0):
            yield Fault(path, f"found {len(value)} entries; at least {schema['minItems']} are required")
        for index, each in enumerate(value):
            yield from faults(schema["items"], each, f"{path}[{index}]")
    else:
        yield from _scalar(schema, value, path)


def repaired(value: Json, found: Iterable[Fault]) -> Json:
    """A copy in which something empty of the wanted type is wherever the type is wrong: so the rest of it can be read."""
    copy: Json = json.loads(json.dumps(value))
    for fault in found:
        if fault.wanted:
            _put(copy, _STEP.findall(fault.path), _EMPTY[fault.wanted]())
    return copy


def _put(value: Any, steps: list[str], empty: Any) -> None:
    *before, last = steps
    for step in before:
        value = value[int(step[1:-1])] if step.startswith("[") else value.setdefault(step, {})
    if last.startswith("["):
        value[int(last[1:-1])] = empty
    else:
        value[last] = empty


def nearest(name: str, allowed: Iterable[str]) -> str:
    """The allowed name that was probably meant; empty when none is near."""
    known = {each.lower(): each for each in allowed}
    found = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.7)
    return known[found[0]] if found else ""


def shown(value: Any) -> str:
    """A value in a message: as JSON, and not longer than is bearable."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _is(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)


def _object(schema: Json, value: Json, path: str) -> Iterator[Fault]:
    fields: Json = schema.get("properties", {})
    dot = f"{path}." if path else ""
    for name in schema.get("required", ()):
        if value.get(name) is None:
            wanted = fields.get(name, {}).get("type", "")
            yield Fault(f"{dot}{name}", "is missing; it is required", wanted)
    for name, each in value.items():
        if each is None:
            continue
        if name in fields:
            yield from faults(fields[name], each, f"{dot}{name}")
        elif "additionalProperties" in schema:
            yield from faults(schema["additionalProperties"], each, f"{dot}{name}")
        elif fields:
            near = nearest(name, fields)
            hint = f"did you mean {near}?" if near else f"allowed are {', '.join(sorted(fields))}"
            yield Fault(f"{dot}{name}", f"is no field that is known here; {hint}")


def _scalar(schema: Json, value: Any, path: str) -> Iterator[Fault]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "enum" in schema and value not in schema["enum"]:
        yield Fault(path, f"found {shown(value)}; allowed are {', '.join(schema['enum'])}")
    elif (low is not None and value < low) or (high is not None and value > high):
        yield Fault(path, f"found {value}; {_bounds(low, high)} is allowed")
    elif "pattern" in schema and not re.search(schema["pattern"], value):
        yield Fault(path, f"found {shown(value)}; what fits {schema['pattern']} is allowed")
    elif len(value if isinstance(value, str) else "") > schema.get("maxLength", len(str(value))):
        yield Fault(path, f"found {len(value)} characters; at most {schema['maxLength']} are allowed")


def _bounds(low: int | None, high: int | None) -> str:
    if low is None or high is None:
        return f"at least {low}" if high is None else f"at most {high}"
    return f"{low} to {high}"
