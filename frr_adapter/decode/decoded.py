"""What every decoder returns, and the way they all read JSON: a broken object becomes a problem, never an exception."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from frr_adapter import problems as problem_values
from frr_adapter import refs, selectors
from frr_adapter.api import wire

T = TypeVar("T")
W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Decoded(Generic[T]):
    """One API object after decoding. `value` is None when the object is left out; the problems then say why."""

    ref: refs.ObjectRef
    resource_version: str
    value: T | None
    problems: tuple[problem_values.Problem, ...] = ()
    uid: str = ""


class _Header(wire.Wire, frozen=True):
    metadata: wire.Metadata


_header_decoder = msgspec.json.Decoder(_Header)


class Faults:
    """Collects the problems of one object while it is decoded, so that all are reported at once."""

    def __init__(self, ref: refs.ObjectRef) -> None:
        self._ref = ref
        self._found: list[problem_values.Problem] = []

    def add(self, field: str, reason: problem_values.Reason, message: str, compatible: str = "") -> None:
        """Notes one problem of the object; the arguments are the fields of `Problem`."""
        self._found.append(problem_values.Problem(self._ref, field, reason, message, compatible))

    @property
    def found(self) -> tuple[problem_values.Problem, ...]:
        """Everything noted so far."""
        return tuple(self._found)


def read(
    raw: bytes | msgspec.Raw,
    kind: str,
    decoder: msgspec.json.Decoder[W],
    build: Callable[[refs.ObjectRef, W, Faults], T | None],
) -> Decoded[T]:
    """Decodes `raw` as the wire type of `decoder` and lets `build` make the value.

    Raises msgspec.DecodeError only when the bytes are not JSON with metadata at all: then nobody knows which object it is.
    """
    try:
        document = decoder.decode(raw)
    except msgspec.ValidationError as error:
        header = _header_decoder.decode(raw).metadata
        ref = refs.ObjectRef(kind, header.namespace, header.name)
        message, _, path = str(error).partition(" - at `$")
        faults = Faults(ref)
        faults.add(path.strip("`.") or "object", problem_values.Reason.MALFORMED, message)
        return Decoded(ref, header.resource_version, None, faults.found, header.uid)
    metadata: wire.Metadata = document.metadata  # type: ignore[attr-defined]  # every wire object has it
    ref = refs.ObjectRef(kind, metadata.namespace, metadata.name)
    faults = Faults(ref)
    value = build(ref, document, faults)
    return Decoded(ref, metadata.resource_version, value, faults.found, metadata.uid)


def labels(metadata: wire.Metadata) -> selectors.Labels:
    """Labels as a set of pairs."""
    return frozenset((metadata.labels or {}).items())


def selector(raw: wire.LabelSelector, field: str, faults: Faults) -> selectors.Selector | None:
    """One label selector, canonical: values and requirements sorted. None (and a problem) when it cannot be evaluated."""
    requirements: list[selectors.Requirement] = []
    before = len(faults.found)
    for index, expression in enumerate(raw.match_expressions or ()):
        path = f"{field}.matchExpressions[{index}]"
        requirement = _requirement(expression, path, faults)
        if requirement is None:
            continue
        if requirement in requirements:
            faults.add(
                path, problem_values.Reason.DUPLICATE, f'duplicate definition of match expression "{requirement}"'
            )
        requirements.append(requirement)
    if len(faults.found) > before:
        return None
    return selectors.Selector(tuple(sorted((raw.match_labels or {}).items())), tuple(sorted(requirements)))


def _requirement(raw: wire.SelectorRequirement, path: str, faults: Faults) -> selectors.Requirement | None:
    if not raw.key:
        faults.add(f"{path}.key", problem_values.Reason.REQUIRED, "is empty; a label key is required")
        return None
    try:
        operator = selectors.Operator(raw.operator)
    except ValueError:
        allowed = ", ".join(selectors.Operator)
        faults.add(
            f"{path}.operator",
            problem_values.Reason.UNSUPPORTED,
            f'"{raw.operator}" is not a valid label selector operator; allowed: {allowed}',
        )
        return None
    values = tuple(sorted(raw.values or ()))
    needs_values = operator in (selectors.Operator.IN, selectors.Operator.NOT_IN)
    if needs_values != bool(values):
        wanted = "at least one value is required" if needs_values else "no values are allowed"
        faults.add(
            f"{path}.values", problem_values.Reason.MALFORMED, f"{len(values)} values for operator {operator}; {wanted}"
        )
        return None
    if len(set(values)) != len(values):
        faults.add(
            f"{path}.values",
            problem_values.Reason.DUPLICATE,
            f"duplicate definition of match expression value in {list(values)}",
        )
        return None
    return selectors.Requirement(raw.key, operator, values)


def selector_list(
    raw: tuple[wire.LabelSelector, ...] | None, field: str, faults: Faults, *, name: str
) -> tuple[selectors.Selector, ...]:
    """A list of selectors, sorted by text; duplicates are problems. `name` is the field's own name for the message."""
    found: list[selectors.Selector] = []
    for index, each in enumerate(raw or ()):
        one = selector(each, f"{field}[{index}]", faults)
        if one is None:
            continue
        if one in found:
            faults.add(f"{field}[{index}]", problem_values.Reason.DUPLICATE, f'duplicate definition of {name} "{one}"')
        found.append(one)
    return tuple(sorted(found, key=str))


def name_set(raw: tuple[str, ...] | None, field: str, faults: Faults, *, name: str) -> frozenset[str]:
    """A list of names as a set; duplicates are problems."""
    seen: set[str] = set()
    for index, each in enumerate(raw or ()):
        if each in seen:
            faults.add(f"{field}[{index}]", problem_values.Reason.DUPLICATE, f'duplicate definition of {name} "{each}"')
        seen.add(each)
    return frozenset(seen)
