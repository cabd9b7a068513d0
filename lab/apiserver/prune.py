"""Dropping the fields a structural schema does not know.

`schema` re-exports `prune` for the write path. Never looks at values, only at names.
"""

from typing import Any

_TYPE_META = ("apiVersion", "kind", "metadata")
_OBJECT_META = frozenset(
    {
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)


def prune(obj: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Removes in place what `schema` does not name and returns the removed paths, sorted (`spec.list[0].bar`).

    The object's own `apiVersion`, `kind` and `metadata`, and those of an embedded resource, stay; unknown members of a
    `metadata` go. Source: Kubernetes, "Custom Resources: field pruning".
    """
    removed: list[str] = []
    _prune(obj, schema, "", removed, is_resource=True)
    return sorted(removed)


def _prune(value: Any, schema: dict[str, Any], path: str, removed: list[str], *, is_resource: bool = False) -> None:
    if isinstance(value, list):
        items = schema.get("items")
        if items is None and schema.get("x-kubernetes-preserve-unknown-fields"):
            return
        for index, item in enumerate(value):
            _prune(item, items or {}, f"{path}[{index}]", removed)
    elif isinstance(value, dict):
        _prune_object(value, schema, path, removed, is_resource=is_resource)


def _prune_object(
    value: dict[str, Any], schema: dict[str, Any], path: str, removed: list[str], *, is_resource: bool
) -> None:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    keeps_unknown = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    is_resource = is_resource or bool(schema.get("x-kubernetes-embedded-resource"))
    for key in list(value):
        here = f"{path}.{key}" if path else key
        if is_resource and key in _TYPE_META:
            if key == "metadata" and isinstance(value[key], dict):
                _prune_metadata(value[key], here, removed)
            continue
        if key in properties:
            child = properties[key]
            _prune(value[key], child, here, removed)
        elif isinstance(additional, dict):
            _prune(value[key], additional, here, removed)
        elif not keeps_unknown and additional is not True:
            del value[key]
            removed.append(here)


def _prune_metadata(metadata: dict[str, Any], path: str, removed: list[str]) -> None:
    for key in [key for key in metadata if key not in _OBJECT_META]:
        del metadata[key]
        removed.append(f"{path}.{key}")
