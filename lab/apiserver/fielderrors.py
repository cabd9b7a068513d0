"""One refused field in the words of a Kubernetes API server.

Schema validation, CEL rules and the Service rules build their answers here; the HTTP part turns them into the causes of
a 422. Never decides whether a value is valid.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong at `path`: `kind` is the cause's reason (`FieldValueInvalid`...), `message` the cause's message."""

    path: str
    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def show(value: Any) -> str:
    """A bad value as the API server prints it: strings quoted, numbers bare, the rest as compact JSON."""
    if value is None:
        return '"null"'
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def quote(text: str) -> str:
    """A string between double quotes, as Go's %q does."""
    return json.dumps(text, ensure_ascii=False)


def number(value: float) -> str:
    """A number without a trailing `.0`."""
    return str(int(value)) if float(value).is_integer() else repr(value)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """A value of the right type that is not allowed."""
    return FieldError(path, "FieldValueInvalid", f"Invalid value: {show(value)}: {detail}")


def type_invalid(path: str, value: Any, detail: str) -> FieldError:
    """A value of the wrong type or format."""
    return FieldError(path, "FieldValueTypeInvalid", f"Invalid value: {show(value)}: {detail}")


def required(path: str, detail: str = "") -> FieldError:
    """A value that has to be there and is not."""
    return FieldError(path, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value")


def forbidden(path: str, detail: str) -> FieldError:
    """A value that may not be there at all."""
    return FieldError(path, "FieldValueForbidden", f"Forbidden: {detail}")


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """A value outside an enumeration."""
    shown = ", ".join(quote(item) for item in supported)
    return FieldError(path, "FieldValueNotSupported", f"Unsupported value: {show(value)}: supported values: {shown}")


def duplicate(path: str, value: Any) -> FieldError:
    """A value that occurs a second time where each may occur once."""
    return FieldError(path, "FieldValueDuplicate", f"Duplicate value: {show(value)}")


def too_long(path: str, limit: int) -> FieldError:
    """A string of more than `limit` bytes."""
    unit = "byte" if limit == 1 else "bytes"
    return FieldError(path, "FieldValueTooLong", f"Too long: may not be more than {limit} {unit}")


def too_many(path: str, actual: int, limit: int) -> FieldError:
    """More than `limit` items."""
    unit = "item" if limit == 1 else "items"
    return FieldError(path, "FieldValueTooMany", f"Too many: {actual}: must have at most {limit} {unit}")
