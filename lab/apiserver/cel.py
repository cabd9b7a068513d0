"""The validation rules (`x-kubernetes-validations`) of a schema, evaluated with the Common Expression Language.

`validate` calls `check` once an object's shape is right. The CEL library takes long to import, so that happens at the
first rule. Never changes the object.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from lab.apiserver import fielderrors as errors
from lab.apiserver import formats
from lab.apiserver.fielderrors import FieldError

# Names an expression cannot spell are escaped. Source: Kubernetes, "Custom Resources: validation rules".
_RESERVED = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"}
    | {"let", "loop", "package", "namespace", "return", "var", "void", "while"}
)
_ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_OLD_SELF = re.compile(r"\boldSelf\b")
_MISSING = re.compile(r"no such member in mapping: '(.*)'")


def check(obj: dict[str, Any], schema: dict[str, Any], old: dict[str, Any] | None) -> list[FieldError]:
    """The rules `obj` breaks; a rule that names `oldSelf` runs only where an old value is known."""
    return list(_walk(obj, schema, "", old))


def has_rules(schema: dict[str, Any]) -> bool:
    """Whether there is a rule anywhere in a schema."""
    parts = [*(schema.get("properties") or {}).values(), *(schema.get("allOf") or ())]
    parts += [schema.get("items"), schema.get("additionalProperties")]
    return "x-kubernetes-validations" in schema or any(has_rules(part) for part in parts if isinstance(part, dict))


def identity(item: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """The keys of one item of a map list."""
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    return {key: item[key] for key in keys if key in item} if isinstance(item, dict) else {}


def old_item(item: Any, schema: dict[str, Any], old: Any) -> Any:
    """The old value of a list's item: only items of map lists can be told apart, others have none."""
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return None
    wanted = identity(item, schema)
    return next((other for other in old if identity(other, schema) == wanted), None)


def _walk(value: Any, schema: dict[str, Any], path: str, old: Any) -> Iterator[FieldError]:
    if value is None:
        return
    for rule in schema.get("x-kubernetes-validations") or ():
        error = _broken(rule, value, schema, path, old)
        if error is not None:
            yield error
    for part in schema.get("allOf") or ():
        yield from _walk(value, part, path, None)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, schema.get("items") or {}, f"{path}[{index}]", old_item(item, schema, old))
    elif isinstance(value, dict):
        properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
        previous = old if isinstance(old, dict) else {}
        for name in sorted(value):
            child = properties.get(name, additional)
            if isinstance(child, dict):
                yield from _walk(value[name], child, below(path, name, properties), previous.get(name))


def below(path: str, name: str, properties: dict[str, Any]) -> str:
    """The path of an object's member: `spec.name` for a property, `spec[key]` for a map's key."""
    if name not in properties:
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


def _broken(rule: dict[str, Any], value: Any, schema: dict[str, Any], path: str, old: Any) -> FieldError | None:
    text: str = rule["rule"]
    has_old = _OLD_SELF.search(text) is not None
    if has_old and old is None:
        return None
    if not has_old and old is not None and old == value:
        return None  # ratcheting: what did not change is not checked again
    kind = schema.get("type") or "object"
    names = {"self": to_cel(value, schema)}
    if old is not None:
        names["oldSelf"] = to_cel(old, schema)
    import celpy

    try:
        result = _program(text)(names)
    except (celpy.CELEvalError, celpy.CELParseError) as error:
        return errors.invalid(path, kind, f"{_why(error)} evaluating rule: {rule.get('message', text).strip()}")
    if bool(result):
        return None
    return _by_reason(rule, _field(rule, path), kind, _message(rule, names))


def _why(error: Exception) -> str:
    """The library's reason in one short line, in the API server's words where it has its own."""
    inner = error.args[2] if len(error.args) > 2 and error.args[1] is ValueError else error.args
    text = str(inner[0] if inner else error).strip().partition("\n")[0].partition(" (in activation")[0]
    return _MISSING.sub(r"no such key: \1", text)


def _message(rule: dict[str, Any], names: dict[str, Any]) -> str:
    import celpy

    if "messageExpression" in rule:
        try:
            text = str(_program(rule["messageExpression"])(names)).strip()
        except celpy.CELEvalError:
            text = ""
        if text and "\n" not in text:
            return text
    return _shown(rule)


def _shown(rule: dict[str, Any]) -> str:
    message: str = rule.get("message", "").strip()
    return message or f"failed rule: {rule['rule'].strip()}"


def _field(rule: dict[str, Any], path: str) -> str:
    return f"{path}{rule.get('fieldPath', '')}".removeprefix(".")


def _by_reason(rule: dict[str, Any], path: str, kind: str, message: str) -> FieldError:
    match rule.get("reason"):
        case "FieldValueForbidden":
            return errors.forbidden(path, message)
        case "FieldValueRequired":
            return errors.required(path, message)
        case "FieldValueDuplicate":
            return errors.duplicate(path, kind)
        case _:
            return errors.invalid(path, kind, message)


def escape(name: str) -> str | None:
    """A property's name as expressions spell it, None for one they cannot spell."""
    if name in _RESERVED:
        return f"__{name}__"
    for plain, escaped in _ESCAPES:
        name = name.replace(plain, escaped) if plain != "__" else re.sub(r"__", escaped, name)
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else None


def to_cel(value: Any, schema: dict[str, Any]) -> Any:
    """A JSON value as the CEL value its schema gives it: durations, timestamps, bytes and doubles by type and format."""
    import celpy

    celtypes = celpy.celtypes
    if isinstance(value, dict):
        properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
        members: dict[Any, Any] = {}
        for name, item in value.items():
            child = properties.get(name, additional)
            spelled = escape(name) if name in properties else name
            if spelled is not None:
                members[celtypes.StringType(spelled)] = to_cel(item, child if isinstance(child, dict) else {})
        return celtypes.MapType(members)
    if isinstance(value, list):
        return celtypes.ListType([to_cel(item, schema.get("items") or {}) for item in value])
    if schema.get("type") == "number" and isinstance(value, int | float):
        return celtypes.DoubleType(value)
    if isinstance(value, str) and schema.get("type") == "string":
        match schema.get("format"):
            case "duration":
                return celtypes.DurationType(formats.duration(value))
            case "date-time" | "date":
                return celtypes.TimestampType(value)
            case "byte":
                return celtypes.BytesType(value.encode())
    return celpy.json_to_cel(value)


@functools.cache
def _program(text: str) -> Callable[[dict[str, Any]], Any]:
    import celpy

    environment = celpy.Environment()
    program = environment.program(environment.compile(text), functions=_functions())
    evaluate: Callable[[dict[str, Any]], Any] = program.evaluate
    return evaluate


@functools.cache
def _functions() -> dict[str, Any]:
    """Functions the API server adds to the language, and those the library counts with rounding errors."""
    import celpy

    celtypes = celpy.celtypes

    def duration(value: Any) -> Any:
        # The library also reads days and refuses a bare 0; the API server's durations are those of `formats`.
        return celtypes.DurationType(formats.duration(value) if isinstance(value, str) else value)

    def milliseconds(duration: Any, *_: Any) -> Any:
        # Total milliseconds cut towards zero, in whole numbers: floats lose one in 1.001s.
        micros = (duration.days * 86400 + duration.seconds) * 1_000_000 + duration.microseconds
        return celtypes.IntType(abs(micros) // 1000 * (1 if micros >= 0 else -1))

    def total(values: Any) -> Any:
        return functools.reduce(lambda one, other: one + other, values, celtypes.IntType(0))

    def is_sorted(values: Any) -> Any:
        return celtypes.BoolType(all(a <= b for a, b in itertools.pairwise(values)))

    def index_of(values: Any, wanted: Any) -> Any:
        found = values.find(wanted) if isinstance(values, str) else _position(list(values), wanted)
        return celtypes.IntType(found)

    return {
        "duration": duration,
        "getMilliseconds": milliseconds,
        "sum": total,
        "isSorted": is_sorted,
        "indexOf": index_of,
        "min": min,
        "max": max,
        "lowerAscii": lambda text: celtypes.StringType(text.lower()),
        "upperAscii": lambda text: celtypes.StringType(text.upper()),
        "trim": lambda text: celtypes.StringType(text.strip()),
        "replace": lambda text, old, new: celtypes.StringType(text.replace(old, new)),
        "split": lambda text, by: celtypes.ListType(
            [celtypes.StringType(part) for part in (text.split(by) if by else text)]
        ),
        "join": lambda parts, by="": celtypes.StringType(by.join(parts)),
    }


def _position(values: list[Any], wanted: Any) -> int:
    return values.index(wanted) if wanted in values else -1
