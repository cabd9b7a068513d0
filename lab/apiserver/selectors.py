"""Label and field selectors as they stand in the query of a request: parse the text, match objects.

Called by list, watch and delete-collection, once per request. Pure; must never look at the store.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lab.apiserver import objects
from lab.apiserver.objects import Json

_TOKEN = re.compile(r"\s*(==|!=|=|!|<|>|\(|\)|,|[^\s=!<>(),]+)")
_PUNCTUATION = frozenset({"", "=", "==", "!=", "!", "<", ">", "(", ")", ","})
_OPERATORS = frozenset({"=", "==", "!=", "in", "notin", "<", ">"})
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class SelectorError(ValueError):
    """A selector that does not follow the grammar; the message is what the API server answers with 400."""


class Operator(Enum):
    """How a requirement compares a label with its values."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "!"
    LESS = "<"
    GREATER = ">"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector: a key, how it compares, and its values, sorted."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy this term; an absent label satisfies only `notin`, `!=` and `!`."""
        present = self.key in labels
        match self.operator:
            case Operator.EXISTS:
                return present
            case Operator.ABSENT:
                return not present
            case Operator.IN:
                return present and labels[self.key] in self.values
            case Operator.NOT_IN:
                return not present or labels[self.key] not in self.values
            case Operator.LESS | Operator.GREATER:
                if not present or not _is_integer(labels[self.key]):
                    return False
                actual, limit = int(labels[self.key]), int(self.values[0])
                return actual < limit if self.operator is Operator.LESS else actual > limit


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One term of a field selector: equal or not equal to a value."""

    field: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list or watch asks for: label terms and field terms, all of which must hold."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldTerm, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether no term restricts anything."""
        return not self.labels and not self.fields

    def single_name(self) -> str | None:
        """The one name a `metadata.name=` term allows, if there is such a term."""
        for term in self.fields:
            if term.field == "metadata.name" and not term.negated:
                return term.value
        return None

    def matches(self, document: Json) -> bool:
        """Whether an object satisfies every term."""
        labels = document["metadata"].get("labels") or {}
        return matches_labels(self.labels, labels) and all(
            (field_value(document, term.field) == term.value) != term.negated for term in self.fields
        )


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """The terms of a label selector, all of which must hold, in order of key; empty text has none.

    Grammar: `key`, `!key`, `key=v`, `key==v`, `key!=v`, `key in (a,b)`, `key notin (a,b)`, `key<1`, `key>1`. Raises
    `SelectorError`. Source: Kubernetes, "Labels and Selectors".
    """
    tokens = _tokens(text)
    if not tokens:
        return ()
    found: list[Requirement] = []
    position = 0
    while True:
        requirement, position = _requirement(tokens, position)
        found.append(requirement)
        if position == len(tokens):
            return tuple(sorted(found, key=lambda item: item.key))
        if tokens[position] != ",":
            raise _unexpected(tokens, position, "',' or 'end of string'")
        position += 1


def matches_labels(reqs: tuple[Requirement, ...], labels: Mapping[str, str]) -> bool:
    """Whether the labels satisfy every term."""
    return all(requirement.matches(labels) for requirement in reqs)


def parse_fields(text: str) -> tuple[FieldTerm, ...]:
    """The terms of a field selector; empty text has none.

    A backslash escapes `,`, `=` and itself in a value. Raises `SelectorError`.
    """
    terms: list[FieldTerm] = []
    for part in _split_terms(text):
        if not part:
            continue
        match = re.match(r"([^=!]*)(==|!=|=)(.*)$", part, re.DOTALL)
        if match is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
        terms.append(FieldTerm(match[1], _unescape(match[3]), match[2] == "!="))
    return tuple(terms)


def field_value(document: Json, path: str) -> str:
    """The printed value of a dotted field path; empty where the field is absent."""
    at: Any = document
    for step in path.removeprefix(".").split("."):
        if not isinstance(at, dict):
            return ""
        at = at.get(step)
    if at is None:
        return ""
    if isinstance(at, bool):
        return "true" if at else "false"
    return str(at)


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]+", text) is not None


def _tokens(text: str) -> list[str]:
    return [match[1] for match in _TOKEN.finditer(text.rstrip())]


def _at(tokens: list[str], position: int) -> str:
    return tokens[position] if position < len(tokens) else ""


def _unexpected(tokens: list[str], position: int, expected: str) -> SelectorError:
    return SelectorError(f"unable to parse requirement: found '{_at(tokens, position)}', expected: {expected}")


def _requirement(tokens: list[str], start: int) -> tuple[Requirement, int]:
    position = start
    negated = _at(tokens, position) == "!"
    if negated:
        position += 1
    key = _at(tokens, position)
    if key in _PUNCTUATION:
        raise _unexpected(tokens, position, "identifier" if negated else "!, identifier, or 'end of string'")
    _check_key(key)
    position += 1
    if negated:
        return Requirement(key, Operator.ABSENT), position
    operator = _at(tokens, position)
    if operator in {"", ","}:
        return Requirement(key, Operator.EXISTS), position
    if operator not in _OPERATORS:
        raise _unexpected(tokens, position, "in, notin, =, ==, !=, gt, lt")
    position += 1
    if operator in {"in", "notin"}:
        values, position = _value_set(tokens, position)
    elif _at(tokens, position) in {"", ","}:
        values = ("",)
    elif _at(tokens, position) in _PUNCTUATION:
        raise _unexpected(tokens, position, "identifier")
    else:
        values, position = (tokens[position],), position + 1
    return _build(key, operator, values), position


def _value_set(tokens: list[str], start: int) -> tuple[tuple[str, ...], int]:
    if _at(tokens, start) != "(":
        raise _unexpected(tokens, start, "'('")
    position = start + 1
    values: set[str] = set()
    while True:
        word = _at(tokens, position)
        if word in {",", ")"}:
            values.add("")  # `in ()` and `in (a,)` mean the empty value
        elif word in _PUNCTUATION:
            raise _unexpected(tokens, position, "',', ')' or identifier")
        else:
            values.add(word)
            position += 1
        mark = _at(tokens, position)
        if mark == ")":
            return tuple(sorted(values)), position + 1
        if mark != ",":
            raise _unexpected(tokens, position, "',' or ')'")
        position += 1


def _build(key: str, operator: str, values: tuple[str, ...]) -> Requirement:
    for index, value in enumerate(values):
        if len(value) > 63 or _VALUE.fullmatch(value) is None:
            raise SelectorError(f'values[{index}][{key}]: Invalid value: "{value}": {objects.LABEL_VALUE_TEXT}')
    match operator:
        case "in" | "=" | "==":
            return Requirement(key, Operator.IN, values)
        case "notin" | "!=":
            return Requirement(key, Operator.NOT_IN, values)
        case _:
            if not _is_integer(values[0]):
                detail = "for 'Gt', 'Lt' operators, the value must be an integer"
                raise SelectorError(f'values[0]: Invalid value: "{values[0]}": {detail}')
            return Requirement(key, Operator.LESS if operator == "<" else Operator.GREATER, values)


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or _PREFIX.fullmatch(prefix) is None):
        raise SelectorError(f'key: Invalid value: "{key}": prefix part {objects.SUBDOMAIN_TEXT}')
    if not name or len(name) > 63 or _VALUE.fullmatch(name) is None:
        raise SelectorError(f'key: Invalid value: "{key}": {objects.QUALIFIED_TEXT}')


def _split_terms(text: str) -> list[str]:
    parts: list[str] = []
    current, is_escaped = "", False
    for char in text:
        if char == "," and not is_escaped:
            parts.append(current)
            current = ""
            continue
        is_escaped = char == "\\" and not is_escaped
        current += char
    return [*parts, current]


def _unescape(value: str) -> str:
    text, is_escaped = "", False
    for char in value:
        if is_escaped:
            if char not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{char}")
            text, is_escaped = text + char, False
        elif char == "\\":
            is_escaped = True
        elif char == "=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {char}")
        else:
            text += char
    if is_escaped:
        raise SelectorError("invalid field selector: invalid escape sequence: \\")
    return text
