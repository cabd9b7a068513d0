"""Which lists are sets or maps, and which maps and structs are one value, as server-side apply needs to know.

Built once per kind by the HTTP part from a custom resource's schema or from the table of the core kinds. Holds facts
only.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lab.apiserver import core_fields


@dataclass(frozen=True, slots=True)
class ListTypes:
    """How one value merges, and the values below it.

    `list_type` is `atomic`, `set` or `map` (with `keys`, and `defaults` for keys that may be left out); `is_atomic` says
    that a map or struct is one value; `is_inline` that it is there in every object, so that nobody adds it. `fields` are
    the named members, `element` what a list's items or a map's values are. What is not described merges plainly: maps
    member by member, lists as one value.
    """

    list_type: str = "atomic"
    keys: tuple[str, ...] = ()
    defaults: tuple[tuple[str, Any], ...] = ()
    is_atomic: bool = False
    is_inline: bool = False
    fields: Mapping[str, "ListTypes"] = field(default_factory=lambda: MappingProxyType({}))
    element: "ListTypes | None" = None

    def member(self, name: str) -> "ListTypes":
        """How the member `name` of a map or struct merges."""
        return self.fields.get(name) or self.element or PLAIN

    def item(self) -> "ListTypes":
        """How an item of a list merges."""
        return self.element or PLAIN


PLAIN = ListTypes()


def list_types(schema: dict[str, Any]) -> ListTypes:
    """The list types of a structural schema; the object's own metadata merges as in every kind."""
    node = _from_schema(schema)
    metadata = core_list_types("").fields["metadata"]
    return ListTypes(fields=MappingProxyType({**node.fields, "metadata": metadata}), element=node.element)


def _from_schema(schema: dict[str, Any]) -> ListTypes:
    properties: dict[str, Any] = schema.get("properties") or {}
    items, additional = schema.get("items"), schema.get("additionalProperties")
    element = items if isinstance(items, dict) else additional
    keys = tuple(sorted(schema.get("x-kubernetes-list-map-keys") or ()))
    described = (items or {}).get("properties") or {} if isinstance(items, dict) else {}
    return ListTypes(
        list_type=schema.get("x-kubernetes-list-type") or "atomic",
        keys=keys,
        defaults=tuple((key, described[key]["default"]) for key in keys if "default" in described.get(key, {})),
        is_atomic=schema.get("x-kubernetes-map-type") == "atomic",
        fields=MappingProxyType({name: _from_schema(child) for name, child in properties.items()}),
        element=_from_schema(element) if isinstance(element, dict) else None,
    )


@functools.cache
def core_list_types(kind: str) -> ListTypes:
    """The list types of a core kind; a kind that is not in the table has those of its metadata only."""
    return _from_paths({tuple(_steps(item.path)): item for item in core_fields.fields(kind)}, ())


def _steps(path: str) -> list[str]:
    return path.replace("[]", ".[]").split(".")


def _from_paths(table: dict[tuple[str, ...], core_fields.CoreField], at: tuple[str, ...]) -> ListTypes:
    depth = len(at)
    names = {path[depth] for path in table if len(path) > depth and path[:depth] == at}
    children = {name: _from_paths(table, (*at, name)) for name in sorted(names)}
    element = children.pop("[]", None)
    own = table.get(at)
    members = MappingProxyType(children)
    if own is None:
        return ListTypes(fields=members, element=element)
    return ListTypes(
        list_type=own.kind if own.kind in {"map", "set"} else "atomic",
        keys=tuple(sorted(own.keys)),
        defaults=own.defaults,
        is_atomic=own.kind == "atomic",
        is_inline=own.is_inline,
        fields=members,
        element=element,
    )
