"""Checking a custom resource against its structural schema, in the API server's words.

`schema` re-exports `validate` for the write path; the CEL rules are in `cel`. Never changes the object.
"""

import functools
import re
from collections.abc import Iterator
from typing import Any

from lab.apiserver import cel, formats
from lab.apiserver import fielderrors as errors
from lab.apiserver.fielderrors import FieldError

_BLOCKING = frozenset(
    {
        "FieldValueRequired",
        "FieldValueTypeInvalid",
        "FieldValueNotSupported",
        "FieldValueTooLong",
        "FieldValueTooMany",
    }
)
_NOT_CHECKED = FieldError(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def validate(obj: dict[str, Any], schema: dict[str, Any], old: dict[str, Any] | None = None) -> list[FieldError]:
    """Every reason why `obj` does not satisfy `schema`; empty when it does.

    `old` is the object it replaces: a part equal to its old value is not checked again (ratcheting), and transition
    rules compare with it. CEL rules are left out, and a line says so, when the object's shape is wrong. Sources:
    Kubernetes, "Custom Resources: validation, validation rules, validation ratcheting".
    """
    found = [*_check(obj, schema, "", old), *_lists(obj, schema, "", old)]
    if any(error.kind in _BLOCKING for error in found):
        return [*found, *([_NOT_CHECKED] if cel.has_rules(schema) else [])]
    return [*found, *cel.check(obj, schema, old)]


def type_name(value: Any) -> str:
    """The JSON type of a value, as error messages name it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            # A number beyond 64 bits was never a whole number to the API server.
            return "integer" if -(2**63) <= value < 2**63 else "number"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _is_type(value: Any, wanted: str) -> bool:
    actual = type_name(value)
    if actual == wanted:
        return True
    if wanted == "number":
        return actual == "integer"
    return wanted == "integer" and isinstance(value, float) and value.is_integer()


def _check(value: Any, schema: dict[str, Any], path: str, old: Any) -> Iterator[FieldError]:
    if old is not None and value == old:
        return
    if value is None and schema.get("nullable"):
        return
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if type_name(value) not in {"integer", "string"}:
            yield _wrong_type(path, "integer,string", type_name(value))
            return
    elif wanted and not _is_type(value, wanted):
        yield _wrong_type(path, wanted, type_name(value))
        return
    allowed = schema.get("enum")
    if allowed and value not in allowed:
        yield errors.not_supported(
            path, value, (item if isinstance(item, str) else errors.show(item) for item in allowed)
        )
    match value:
        case bool():
            pass
        case int() | float():
            yield from _check_number(value, schema, path)
        case str():
            yield from _check_string(value, schema, path)
        case list():
            yield from _check_array(value, schema, path, old)
        case dict():
            yield from _check_object(value, schema, path, old)
    yield from _check_combined(value, schema, path)


def _wrong_type(path: str, wanted: str, actual: str) -> FieldError:
    return errors.type_invalid(path, actual, f"{path} in body must be of type {wanted}: {errors.quote(actual)}")


def _check_number(value: float, schema: dict[str, Any], path: str) -> Iterator[FieldError]:
    maximum, minimum, multiple = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if maximum is not None:
        if schema.get("exclusiveMaximum"):
            if value >= maximum:
                yield errors.invalid(path, value, f"{path} in body should be less than {errors.number(maximum)}")
        elif value > maximum:
            detail = f"{path} in body should be less than or equal to {errors.number(maximum)}"
            yield errors.invalid(path, value, detail)
    if minimum is not None:
        if schema.get("exclusiveMinimum"):
            if value <= minimum:
                yield errors.invalid(path, value, f"{path} in body should be greater than {errors.number(minimum)}")
        elif value < minimum:
            detail = f"{path} in body should be greater than or equal to {errors.number(minimum)}"
            yield errors.invalid(path, value, detail)
    if multiple and value % multiple:
        yield errors.invalid(path, value, f"{path} in body should be a multiple of {errors.number(multiple)}")


def _check_string(value: str, schema: dict[str, Any], path: str) -> Iterator[FieldError]:
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        yield errors.too_long(path, longest)
    if shortest is not None and len(value) < shortest:
        yield errors.invalid(path, value, f"{path} in body should be at least {shortest} chars long")
    pattern = schema.get("pattern")
    if pattern and _compiled(pattern).search(value) is None:
        yield errors.invalid(path, value, f"{path} in body should match '{pattern}'")
    name = schema.get("format")
    if name and not formats.is_string_valid(value, name):
        yield errors.type_invalid(path, value, f"{path} in body must be of type {name}: {errors.quote(value)}")


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # The API server's `$` is the end of the text, Python's also stands before a last line feed.
    return re.compile(re.sub(r"(\\.|\[\^?\]?(?:\\.|[^\]])*\])|\$", lambda m: m.group(1) or r"\Z", pattern))


def _check_array(value: list[Any], schema: dict[str, Any], path: str, old: Any) -> Iterator[FieldError]:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        yield errors.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        yield errors.invalid(path, len(value), f"{path} in body should have at least {least} items")
    if schema.get("uniqueItems") and any(item in value[:index] for index, item in enumerate(value)):
        yield errors.invalid(path, "", f"{path} in body shouldn't contain duplicates")
    items = schema.get("items") or {}
    for index, item in enumerate(value):
        yield from _check(item, items, f"{path}[{index}]", cel.old_item(item, schema, old))


def _check_object(value: dict[str, Any], schema: dict[str, Any], path: str, old: Any) -> Iterator[FieldError]:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        yield errors.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        yield errors.invalid(path, len(value), f"{path} in body should have at least {least} properties")
    for name in schema.get("required") or ():
        if name not in value:
            yield errors.required(f"{path}.{name}" if path else name)
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    previous = old if isinstance(old, dict) else {}
    for name in sorted(value):
        child = properties.get(name, additional)
        if isinstance(child, dict):
            yield from _check(value[name], child, f"{path}.{name}" if path else name, previous.get(name))


def _check_combined(value: Any, schema: dict[str, Any], path: str) -> Iterator[FieldError]:
    for part in schema.get("allOf") or ():
        yield from _check(value, part, path, None)
    any_of, one_of, refused = schema.get("anyOf"), schema.get("oneOf"), schema.get("not")
    if any_of and not any(_satisfies(value, part, path) for part in any_of):
        yield errors.invalid(path, "", f'"{path}" must validate at least one schema (anyOf)')
    if one_of:
        count = sum(_satisfies(value, part, path) for part in one_of)
        if count != 1:
            found = f"Found {count} valid alternatives" if count else "Found none valid"
            yield errors.invalid(path, "", f'"{path}" must validate one and only one schema (oneOf). {found}')
    if refused is not None and _satisfies(value, refused, path):
        yield errors.invalid(path, "", f'"{path}" must not validate the schema (not)')


def _satisfies(value: Any, schema: dict[str, Any], path: str) -> bool:
    return next(_check(value, schema, path, None), None) is None


def _lists(value: Any, schema: dict[str, Any], path: str, old: Any) -> Iterator[FieldError]:
    """Items that occur twice in a list that is a set or a map."""
    if isinstance(value, list):
        items = schema.get("items") or {}
        kind = schema.get("x-kubernetes-list-type")
        seen: list[Any] = []
        for index, item in enumerate(value):
            key = cel.identity(item, schema) if kind == "map" else item
            if kind in {"map", "set"} and key in seen and value != old:
                yield errors.duplicate(f"{path}[{index}]", key)
            seen.append(key)
            yield from _lists(item, items, f"{path}[{index}]", cel.old_item(item, schema, old))
    elif isinstance(value, dict):
        properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
        previous = old if isinstance(old, dict) else {}
        for name in sorted(value):
            child = properties.get(name, additional)
            if isinstance(child, dict):
                yield from _lists(value[name], child, cel.below(path, name, properties), previous.get(name))
