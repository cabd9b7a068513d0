"""Objects as a meta.k8s.io/v1 Table, which is what `kubectl get` prints.

The HTTP part answers with it when a client accepts `as=Table`. Never changes the objects.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from lab.apiserver import ages, builtin_columns, jsonpath
from lab.apiserver.builtin_columns import NAME, Cells, Definition


class Column(Protocol):
    """One additional printer column of a CustomResourceDefinition."""

    @property
    def name(self) -> str:
        """The heading."""

    @property
    def type(self) -> str:
        """One of string, integer, number, boolean, date."""

    @property
    def json_path(self) -> str:
        """Where the cell's value is, such as `.spec.addresses`."""

    @property
    def description(self) -> str:
        """What `kubectl` users may read about it; may be empty."""

    @property
    def format(self) -> str:
        """The format of the type; may be empty."""

    @property
    def priority(self) -> int:
        """0 for always, more for `-o wide`."""


@dataclass(frozen=True, slots=True)
class TableKind:
    """What decides the columns: the kind for built-in ones, `columns` (possibly none) for a custom resource's."""

    kind: str
    columns: tuple[Column, ...] | None = None


def table(
    kind_info: TableKind,
    objects: list[dict[str, Any]],
    *,
    list_meta: dict[str, Any],
    include_object: str,
    now: datetime,
) -> dict[str, Any]:
    """The Table of some objects.

    `list_meta` becomes its metadata, `include_object` (None, Metadata, Object; empty text means Metadata) says what of
    each object stands beside its cells.
    """
    columns = kind_info.columns
    if columns is None:
        definitions, cells = builtin_columns.of_kind(kind_info.kind)
    else:
        definitions, cells = _custom(columns)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(list_meta),
        "columnDefinitions": [_definition(item) for item in definitions],
        "rows": [_row(cells(obj, now), obj, include_object) for obj in objects],
    }


def _definition(item: Definition) -> dict[str, Any]:
    return {
        "name": item.name,
        "type": item.type,
        "format": item.format,
        "description": item.description,
        "priority": item.priority,
    }


def _row(cells: list[Any], obj: dict[str, Any], include_object: str) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": cells}
    if include_object == "Object":
        row["object"] = obj
    elif include_object != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj.get("metadata", {}),
        }
    return row


def _custom(columns: tuple[Column, ...]) -> tuple[tuple[Definition, ...], Cells]:
    if not columns:
        age = Definition("Age", "date", "When the object was made.")
        return (NAME, age), lambda obj, now: [_name(obj), ages.since(obj["metadata"].get("creationTimestamp"), now)]
    definitions = tuple(
        Definition(
            column.name,
            column.type,
            column.description or f"Custom resource definition column (in JSONPath format): {column.json_path}",
            column.priority,
            column.format,
        )
        for column in columns
    )

    def cells(obj: dict[str, Any], now: datetime) -> list[Any]:
        return [_name(obj), *(_cell(column, obj, now) for column in columns)]

    return (NAME, *definitions), cells


def _name(obj: dict[str, Any]) -> str:
    name: str = obj["metadata"].get("name", "")
    return name


def _cell(column: Column, obj: dict[str, Any], now: datetime) -> Any:
    """The first result of the column's path as its type; None where there is none or it is of another type."""
    found = jsonpath.find(obj, column.json_path)
    if not found or found[0] is None:
        return None
    value = found[0]
    match column.type, value:
        case "string", str():
            return value
        case "string", _:
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        case ("boolean", bool()):
            return value
        case (_, bool()):
            return None
        case "integer", int() | float():
            return int(value)
        case "number", int() | float():
            return float(value)
        case "date", str():
            return ages.since(value, now)
        case _:
            return None
