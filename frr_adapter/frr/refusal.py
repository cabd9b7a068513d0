"""What FRR refused, as values: the statement, FRR's words, and the object that it comes from.

Made by `boundary.reload`, `boundary.completing` and `extras`; judged by `boundary.quarantine`. Nothing here holds a password.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from frr_adapter import errors, refs


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """A statement that FRR did not take, with the blocks it stands in as far as they are known, joined by ` / `; and FRR's words."""

    statement: str
    words: str

    def __str__(self) -> str:
        return f"{self.words}: {self.statement}"


class RefusedError(errors.ApplyError):
    """FRR was reached, and refused statements. `refs` are the objects that they come from, as far as that is known."""

    def __init__(self, message: str, refusals: Iterable[Refusal] = (), objects: Iterable[refs.ObjectRef] = ()) -> None:
        super().__init__(message)
        self.refusals = tuple(refusals)
        self.refs = tuple(objects)


@dataclass(frozen=True, slots=True, order=True)
class LeftOut:
    """Objects that do not run as they are written, because of one statement. `is_kept`: as they were before they still run."""

    refs: tuple[refs.ObjectRef, ...]
    refusal: Refusal
    is_kept: bool = False

    @property
    def message(self) -> str:
        """One line for people, without the first object's name."""
        others = f" (or of {', '.join(map(str, self.refs[1:]))})" if len(self.refs) > 1 else ""
        instead = "what it said before stays in force" if self.is_kept else "it is left out"
        return f'FRR refused "{self.refusal.statement}"{others}: {self.refusal.words}; {instead} until it changes'
