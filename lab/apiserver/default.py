"""Filling in the defaults of a structural schema.

`schema` re-exports `default` for the write and read paths. Never removes anything but a null that is not allowed.
"""

import copy
from typing import Any


def default(obj: dict[str, Any], schema: dict[str, Any]) -> None:
    """Fills `obj` in place with the schema's defaults.

    A null under a name whose schema is not nullable counts as absent: it is removed, and its default, if there is one,
    takes its place. Defaults are filled into objects that exist (or that a default just made) only. Source: Kubernetes,
    "Custom Resources: defaulting and nullable".
    """
    _default(obj, schema)


def _default(value: Any, schema: dict[str, Any]) -> None:
    if isinstance(value, dict):
        _default_object(value, schema)
    elif isinstance(value, list):
        items = schema.get("items")
        if not isinstance(items, dict):
            return
        for index, item in enumerate(value):
            if item is None and not items.get("nullable") and items.get("default") is not None:
                value[index] = copy.deepcopy(items["default"])
            _default(value[index], items)


def _default_object(value: dict[str, Any], schema: dict[str, Any]) -> None:
    properties: dict[str, Any] = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    for key in [key for key, item in value.items() if item is None]:
        child = properties.get(key, additional)
        if isinstance(child, dict) and not child.get("nullable"):
            del value[key]
    for key, child in properties.items():
        if key not in value and child.get("default") is not None:
            value[key] = copy.deepcopy(child["default"])
        if key in value:
            _default(value[key], child)
    if isinstance(additional, dict):
        for key, item in value.items():
            if key not in properties:
                _default(item, additional)
