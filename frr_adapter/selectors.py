"""Label selectors: the one grammar that chooses pools, nodes, namespaces and services.

Pure; `decode` builds selectors from JSON, everybody evaluates them.
Source: Kubernetes meta/v1 LabelSelector.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

Labels = frozenset[tuple[str, str]]
"""Labels of an object as a set of pairs: subset tests decide `matchLabels` in one step."""

NO_LABELS: Labels = frozenset()


class Operator(enum.StrEnum):
    """Operators of `matchExpressions`."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """One match expression; `values` is sorted and holds no duplicates."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Evaluates the expression; a missing key satisfies NotIn, as in Kubernetes."""
        match self.operator:
            case Operator.IN:
                return any((self.key, value) in labels for value in self.values)
            case Operator.NOT_IN:
                return not any((self.key, value) in labels for value in self.values)
            case Operator.EXISTS:
                return any(key == self.key for key, _ in labels)
            case Operator.DOES_NOT_EXIST:
                return all(key != self.key for key, _ in labels)

    def __str__(self) -> str:
        match self.operator:
            case Operator.IN:
                return f"{self.key} in ({','.join(self.values)})"
            case Operator.NOT_IN:
                return f"{self.key} notin ({','.join(self.values)})"
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"


@dataclass(frozen=True, slots=True, order=True)
class Selector:
    """All pairs and all requirements must hold; the empty selector matches everything."""

    pairs: tuple[tuple[str, str], ...] = ()
    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """True when every part matches."""
        return all(pair in labels for pair in self.pairs) and all(r.matches(labels) for r in self.requirements)

    def __str__(self) -> str:
        parts = [(key, f"{key}={value}") for key, value in self.pairs]
        parts += [(requirement.key, str(requirement)) for requirement in self.requirements]
        return ",".join(text for _, text in sorted(parts))


EVERYTHING = Selector()


def any_matches(selectors: Iterable[Selector], labels: Labels) -> bool:
    """Lists of selectors are OR-ed. An empty list matches nothing here: its meaning belongs to the field."""
    return any(selector.matches(labels) for selector in selectors)


def empty_or_matches(selectors: tuple[Selector, ...], labels: Labels) -> bool:
    """For fields where an empty list means "all"."""
    return not selectors or any_matches(selectors, labels)
