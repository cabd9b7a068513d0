"""The three ways to change part of an object: JSON patch, merge patch, strategic merge patch.

The HTTP part calls them with the live object and the body of the request. They return a new object and never touch
the ones they were given.
"""

import copy
import functools
from typing import Any

from lab.apiserver import core_fields

_DELETE_LIST = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


class PatchError(ValueError):
    """A patch that cannot be applied to this object."""


class MalformedPatchError(PatchError):
    """A patch that could not be applied to any object."""


def json_patch(obj: dict[str, Any], ops: list[dict[str, Any]]) -> dict[str, Any]:
    """The object after a list of operations (RFC 6902). Raises `MalformedPatchError`, `PatchError`."""
    import jsonpatch

    try:
        result = jsonpatch.apply_patch(copy.deepcopy(obj), ops)
    except jsonpatch.InvalidJsonPatch as error:
        raise MalformedPatchError(str(error)) from error
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise PatchError(str(error)) from error
    except (TypeError, AttributeError, KeyError) as error:
        raise MalformedPatchError(f"json: cannot read patch: {error}") from error
    if not isinstance(result, dict):
        raise PatchError("the patch leaves no object")
    return result


def merge_patch(obj: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The object after a merge patch: null removes, objects merge, everything else replaces (RFC 7386)."""
    result = copy.deepcopy(obj)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            present = result.get(key)
            result[key] = merge_patch(present if isinstance(present, dict) else {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def strategic_merge(obj: dict[str, Any], patch: dict[str, Any], kind: str) -> dict[str, Any]:
    """The object after a strategic merge patch, with the merge keys of the core kind `kind`.

    Understands `$patch`, `$retainKeys`, `$setElementOrder/...` and `$deleteFromPrimitiveList/...`. Raises `PatchError`.
    Source: Kubernetes, "Update API objects in place using kubectl patch".
    """
    return _merge(copy.deepcopy(obj), copy.deepcopy(patch), "", _merge_keys(kind))


@functools.cache
def _merge_keys(kind: str) -> dict[str, str]:
    return {field.path: field.merge for field in core_fields.fields(kind) if field.merge is not None}


def _merge(original: dict[str, Any], patch: dict[str, Any], path: str, keys: dict[str, str]) -> dict[str, Any]:
    directive = patch.pop("$patch", None)
    if directive == "replace":
        cleaned: dict[str, Any] = _without_directives(patch)
        return cleaned
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise PatchError(f"Unknown patch type found: {directive}")
    _retain(original, patch)
    for name, value in patch.items():
        if name.startswith((_DELETE_LIST, _ORDER)):
            continue
        here = f"{path}.{name}" if path else name
        if value is None:
            original.pop(name, None)
        elif name not in original or type(original[name]) is not type(value):
            original[name] = _without_directives(value)
        elif isinstance(value, dict):
            original[name] = _merge(original[name], value, here, keys)
        elif isinstance(value, list) and here in keys:
            original[name] = _merge_list(original[name], value, here, keys)
        else:
            original[name] = value
    _delete_from_lists(original, patch)
    _order_lists(original, patch, path, keys)
    return original


def _retain(original: dict[str, Any], patch: dict[str, Any]) -> None:
    retained = patch.pop("$retainKeys", None)
    if retained is None:
        return
    if not isinstance(retained, list):
        raise PatchError("invalid patch format of retainKeys")
    for name in [name for name in patch if not name.startswith("$")]:
        if patch[name] is not None and name not in retained:
            raise PatchError(f"fields in the patch is not in the retainKeys list: {name}")
    for name in [name for name in original if name not in retained]:
        del original[name]


def _delete_from_lists(original: dict[str, Any], patch: dict[str, Any]) -> None:
    for name, values in patch.items():
        if name.startswith(_DELETE_LIST):
            field = name.removeprefix(_DELETE_LIST)
            if isinstance(original.get(field), list):
                original[field] = [item for item in original[field] if item not in values]


def _order_lists(original: dict[str, Any], patch: dict[str, Any], path: str, keys: dict[str, str]) -> None:
    for name, order in patch.items():
        field = name.removeprefix(_ORDER)
        present = original.get(field)
        if field == name or not isinstance(present, list) or not isinstance(order, list):
            continue
        key = keys.get(f"{path}.{field}" if path else field)
        if key is None:
            continue
        wanted = [_identity(item, key) for item in order]
        ordered = sorted(
            (item for item in present if _identity(item, key) in wanted),
            key=lambda item, key=key, wanted=wanted: wanted.index(_identity(item, key)),  # type: ignore[misc]
        )
        others = [item for item in present if _identity(item, key) not in wanted]
        original[field] = interleave(ordered, others, present)


def interleave(ordered: list[Any], others: list[Any], before: list[Any]) -> list[Any]:
    """`ordered` in its order with `others` put in where they stood in `before` relative to their neighbours."""
    result: list[Any] = []
    left, right = list(ordered), list(others)
    while left and right:
        is_right_first = left[0] in before and before.index(right[0]) < before.index(left[0])
        result.append(right.pop(0) if is_right_first else left.pop(0))
    return [*result, *left, *right]


def _identity(item: Any, key: str) -> Any:
    if not key:
        return item
    if not isinstance(item, dict) or key not in item:
        raise PatchError(f"map: {item} does not contain declared merge key: {key}")
    return item[key]


def _merge_list(original: list[Any], patch: list[Any], path: str, keys: dict[str, str]) -> list[Any]:
    key = keys[path]
    if not key:
        return [*original, *(item for item in patch if item not in original)]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        kept = [item for item in patch if item.get("$patch") != "replace"]
        return [_without_directives(item) for item in kept]
    result = list(original)
    for item in patch:
        wanted = _identity(item, key)
        position = next((index for index, other in enumerate(result) if _identity(other, key) == wanted), None)
        if item.get("$patch") == "delete":
            result = [other for other in result if _identity(other, key) != wanted]
        elif position is None:
            result.append(_without_directives(item))
        else:
            result[position] = _merge(result[position], item, f"{path}[]", keys)
    return result


def _without_directives(value: Any) -> Any:
    """A patch value that stands alone: nulls and directives are gone, items to delete too."""
    if isinstance(value, dict):
        return {
            name: _without_directives(item)
            for name, item in value.items()
            if item is not None and not name.startswith("$")
        }
    if isinstance(value, list):
        return [
            _without_directives(item)
            for item in value
            if not (isinstance(item, dict) and item.get("$patch") == "delete")
        ]
    return value
