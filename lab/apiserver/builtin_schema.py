"""Structural schemas of the built-in kinds, read from the models of the official client.

`kinds` asks for them; the write path decodes bodies with them, /openapi/v3 shows them. Must never decide anything
beyond names and JSON types: rules of a kind live in `strategies`.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

from kubernetes.client import models

from lab.apiserver.objects import Json

_SCALARS: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string"},
    "bytes": {"type": "string", "format": "byte"},
}
_ANYTHING: Json = {"x-kubernetes-preserve-unknown-fields": True}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)")
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[-+]\d\d:\d\d)")
_MICRO_FIELDS = frozenset({"acquireTime", "renewTime", "eventTime", "lastObservedTime"})
# Recursive or free-form types: shown and checked as anything.
_OPAQUE = frozenset({"object", "V1JSONSchemaProps", "V1CustomResourceValidation"})
_QUANTITY_MAPS = frozenset({"capacity", "allocatable", "limits", "requests", "overhead", "hard"})


@functools.cache
def schema_of(model: str) -> Json:
    """The structural schema of a client model such as `V1Service`. Treat as read-only."""
    cls: Any = getattr(models, model)
    properties: Json = {}
    for attribute, declared in cls.openapi_types.items():
        field = cls.attribute_map[attribute]
        properties[field] = _field_schema(field, declared)
    return {"type": "object", "properties": properties}


def _field_schema(field: str, declared: str) -> Json:
    listed = re.fullmatch(r"[Ll]ist\[(.+)\]", declared)
    if listed:
        return {"type": "array", "items": _field_schema("", listed[1])}
    mapped = re.fullmatch(r"[Dd]ict\[str, (.+)\]", declared)
    if mapped:
        inner = _ANYTHING if field in _QUANTITY_MAPS else _field_schema("", mapped[1])
        return {"type": "object", "additionalProperties": inner}
    if declared in _SCALARS:
        return _SCALARS[declared]
    return _ANYTHING if declared in _OPAQUE else schema_of(declared)


class WrongTypeError(ValueError):
    """A JSON value of another type than the built-in kind's field has."""


def decode(document: Json, schema: Json, go_type: str) -> list[str]:
    """Reads a body into a built-in type, in place: nulls and unknown fields go, as with Go's decoder.

    Returns the unknown paths; raises WrongTypeError with the decoder's sentence.
    """
    unknown: list[str] = []
    _decode(document, schema, "", go_type, unknown.append)
    return unknown


_GO_TYPES = {"string": "string", "integer": "int32", "boolean": "bool", "number": "float64"}
_FITS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}


def _decode(value: Any, schema: Json, path: str, owner: str, unknown: Callable[[str], None]) -> None:
    declared = schema.get("type")
    if declared == "object":
        if not isinstance(value, dict):
            raise _wrong(value, owner, path, "map[string]string" if "additionalProperties" in schema else "struct")
        _decode_object(value, schema, path, owner, unknown)
    elif declared == "array":
        if not isinstance(value, list):
            raise _wrong(value, owner, path, "[]" + _GO_TYPES.get(schema["items"].get("type", ""), "struct"))
        for index, item in enumerate(value):
            _decode(item, schema["items"], f"{path}[{index}]", owner, unknown)
    elif declared in _FITS and not _FITS[declared](value):
        raise _wrong(value, owner, path, _GO_TYPES[declared])
    elif schema.get("format") == "date-time":
        _check_time(value, path.rpartition(".")[2])


def _check_time(text: str, field: str) -> None:
    """Times are whole seconds or finer, but for the fields that always have six digits of a second."""
    pattern, layout = (_MICRO_TIME, "2006-01-02T15:04:05.000000Z07:00") if field in _MICRO_FIELDS else (
        _TIME, "2006-01-02T15:04:05Z07:00"
    )  # fmt: skip
    if pattern.fullmatch(text) is None:
        raise WrongTypeError(f'parsing time "{text}" as "{layout}": cannot parse "{text}"')


def _decode_object(value: Json, schema: Json, path: str, owner: str, unknown: Callable[[str], None]) -> None:
    properties: Json = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    for field in list(value):
        here = f"{path}.{field}" if path else field
        child = properties.get(field, additional)
        if child is None:
            if not schema.get("x-kubernetes-preserve-unknown-fields"):
                unknown(here)
                del value[field]
        elif value[field] is None:
            del value[field]
        else:
            _decode(value[field], child, here, owner, unknown)


def _wrong(value: Any, owner: str, path: str, wanted: str) -> WrongTypeError:
    match value:
        case bool():
            found = "bool"
        case str():
            found = "string"
        case int() | float():
            found = "number"
        case list():
            found = "array"
        case _:
            found = "object"
    plain = re.sub(r"\[\d+\]", "", path)
    return WrongTypeError(f"json: cannot unmarshal {found} into Go struct field {owner}.{plain} of type {wanted}")
