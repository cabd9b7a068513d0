"""What may follow on a command line that is not finished: the answer to the scripts of `frr-adapter completion`, and to kubectl.

Called by `cli.main` for the hidden command `__complete`. Names of commands come from the catalog alone; a command is loaded only to
complete its own options.
"""

import enum
import importlib
import inspect
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli import catalog

_FILES = 0
_NOTHING_ELSE = 4
"""The last line, as kubectl and other programs built on the same library know it: whether names of files may follow as well."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Words with a description each (may be empty), and whether the names of files are right as well."""

    words: tuple[tuple[str, str], ...] = ()
    files: bool = False


def answer(words: Sequence[str]) -> str:
    """The candidates for the last of the words (those after the program's name), one on each line; then `:` and a number."""
    found = candidates(words)
    lines = [f"{word}\t{text}" if text else word for word, text in found.words]
    return "\n".join((*lines, f":{_FILES if found.files else _NOTHING_ELSE}")) + "\n"


def candidates(words: Sequence[str]) -> Candidates:
    """What may stand in place of the last word, which may be empty or begun."""
    begun = words[-1] if words else ""
    if len(words) <= 1:
        return _beginning(begun, catalog.SUMMARIES.items())
    if words[0] not in catalog.SUMMARIES:
        return Candidates()
    return _of_command(_parameters(words[0]), list(words[1:-1]), begun)


@dataclass(frozen=True, slots=True)
class _Parameter:
    """An option (`names`, as on the command line) or an argument (no names)."""

    names: tuple[str, ...]
    text: str
    values: tuple[str, ...]
    is_flag: bool
    is_path: bool


def _parameters(name: str) -> tuple[_Parameter, ...]:
    command = importlib.import_module(catalog.module(name)).command
    hints = typing.get_type_hints(command, include_extras=True)
    return tuple(_parameter(each, hints[each]) for each in inspect.signature(command).parameters)


def _parameter(name: str, hint: Any) -> _Parameter:
    import typer

    kind, info = typing.get_args(hint)
    kinds = {each for each in (kind, *typing.get_args(kind)) if isinstance(each, type)}
    enums = [each for each in kinds if issubclass(each, enum.Enum)]
    given: Mapping[str, Any] = vars(info)
    names: tuple[str, ...] = ()
    if isinstance(info, type(typer.Option())):
        # typer keeps the first name where others have the default.
        named = (given.get("default"), *(given.get("param_decls") or ()))
        names = tuple(part for each in named if str(each).startswith("-") for part in str(each).split("/"))
        names = names or (f"--{name.replace('_', '-')}",)
    return _Parameter(
        names=names,
        text=_first_sentence(given.get("help") or ""),
        values=tuple(str(item.value) for each in enums for item in each),
        is_flag=bool in kinds,
        is_path=Path in kinds,
    )


def _of_command(params: Sequence[_Parameter], before: list[str], begun: str) -> Candidates:
    options = [each for each in params if each.names]
    # Bash hands over "--option=value" as three words.
    if begun == "=":
        begun = ""
    elif before[-1:] == ["="]:
        before.pop()
    option, equals, value = begun.partition("=")
    if equals and (found := _option(options, option)):
        return Candidates(tuple((f"{option}={word}", text) for word, text in _values(found, value).words))
    if before and (found := _option(options, before[-1])):
        return _values(found, begun)
    if begun.startswith("-"):
        listed = [(max(each.names, key=len), each.text) for each in options]
        return _beginning(begun, [*listed, ("--help", "Show this message and exit")])
    arguments = [each for each in params if not each.names]
    if not arguments:
        return Candidates()
    return _values(arguments[min(_arguments_before(options, before), len(arguments) - 1)], begun)


def _option(options: Iterable[_Parameter], word: str) -> _Parameter | None:
    """The option of that name, when it takes a value."""
    return next((each for each in options if word in each.names and not each.is_flag), None)


def _arguments_before(options: Sequence[_Parameter], before: Sequence[str]) -> int:
    plain = 0
    for index, word in enumerate(before):
        is_value = index > 0 and _option(options, before[index - 1]) is not None
        plain += not word.startswith("-") and not is_value
    return plain


def _values(param: _Parameter, begun: str) -> Candidates:
    found = _beginning(begun, [(each, "") for each in param.values])
    return Candidates(found.words, files=param.is_path)


def _beginning(begun: str, words: Iterable[tuple[str, str]]) -> Candidates:
    return Candidates(tuple((word, text) for word, text in words if word.startswith(begun)))


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition("; ")[0].partition(". ")[0].removesuffix(".")
