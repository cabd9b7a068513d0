"""How the commands of this lab are written, for messages that say what to type next. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """How this lab's commands are called: `words`, then the command, then `option` unless it is the default lab."""

    words: str
    option: str

    def say(self, command: str, rest: str = "") -> str:
        """The whole command line."""
        return f"{self.words} {command}{self.option}{' ' if rest else ''}{rest}"
