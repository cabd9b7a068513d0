"""What a user got wrong, as a value: `decode` and `resolve` make problems, the loops turn them into condition, event and log."""

import enum
from dataclasses import dataclass

from frr_adapter import refs


class Reason(enum.StrEnum):
    """Why an object, or a part of it, was left out. Each value names one rule; a house test checks that all are used."""

    MALFORMED = "Malformed"
    REQUIRED = "Required"
    OUT_OF_RANGE = "OutOfRange"
    DUPLICATE = "Duplicate"
    CONFLICT = "Conflict"
    OVERLAP = "Overlap"
    NOT_FOUND = "NotFound"
    UNSUPPORTED = "Unsupported"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. `field` is a JSON path such as `spec.addresses[1]`; `message` says what was found and what is allowed.

    `message` is kept in the words that compatible tests and dashboards look for; `line` is the whole sentence for people.
    """

    ref: refs.ObjectRef
    field: str
    reason: Reason
    message: str

    @property
    def line(self) -> str:
        """One line: object, field, found, allowed."""
        return f"{self.ref}: {self.field}: {self.message}"
