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
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. `field` is a JSON path such as `spec.addresses[1]`; `message` says what was found and what is allowed.

    `compatible` is the text that existing tests and dashboards compare with, where there is one.
    """

    ref: refs.ObjectRef
    field: str
    reason: Reason
    message: str
    compatible: str = ""

    @property
    def line(self) -> str:
        """One line for people: object, field, found, allowed."""
        return f"{self.ref}: {self.field}: {'; '.join(self.message.split(chr(10)))}"

    @property
    def summary(self) -> str:
        """What ConfigurationState says: the compatible text, else the line."""
        return self.compatible or self.line
