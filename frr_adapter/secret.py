"""A string that cannot be printed by accident: passwords travel as `Secret` from the API to the rendered file."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Secret:
    """Wraps a password. `str`, `repr` and format give `***`; only `reveal` gives the text."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The password itself. Call it only where it is written to FRR."""
        return self._text

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret(***)"

    def __format__(self, format_spec: str) -> str:
        return format("***", format_spec)
