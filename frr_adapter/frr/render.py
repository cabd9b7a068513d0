"""`FrrConfig` -> the text of `frr.conf`, through Jinja templates that are handed in as name -> source.

Called by the applier and by everything that shows the file to people. Pure: opens no file. The templates print what the value says;
a missing field is an error, never an empty word.
"""

import functools
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

import jinja2

from frr_adapter import errors
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import statements, windows

MAIN = "frr.conf.j2"
PREFIXES = "prefixes.conf.j2"

_CHUNK = 128
_GAP = "\0"
"""Where prefixes go; no value can hold it."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f]")

_Prefixes = tuple[frr_config.Origination, ...]
Printed = dict[int, tuple[frr_config.Origination, str]]
"""Prefixes and their text, by the identity of the object."""


def render(config: frr_config.FrrConfig, templates: Mapping[str, str]) -> str:
    """The file as text, ending with a newline.

    Raises `errors.ApplyError` when a value holds a control character: FRR reads one statement per line, and a line break
    inside a name or password would smuggle in another one.
    """
    environment = _environment(tuple(sorted(templates.items())))
    return environment.get_template(MAIN).render(config=config, prefixes=lambda items: _prefixes(environment, items))


class Renderer:
    """`render` with a memory: of thousands of prefixes only those near a change are printed again, and the rest when it changes.

    Renderers that are given the same `printed` print no `Origination` object twice; what is in it stays there.
    """

    def __init__(self, templates: Mapping[str, str], printed: "Printed | None" = None) -> None:
        self._printed = printed
        self._environment = _environment(tuple(sorted(templates.items())))
        self._rest: frr_config.FrrConfig | None = None
        self._around: tuple[str, ...] = ()
        self._lists: tuple[_List, ...] = ()

    def render(self, config: frr_config.FrrConfig) -> str:
        """As the function."""
        rest = statements.without_prefixes(config)
        if rest != self._rest:
            found = self._environment.get_template(MAIN).render(config=rest, prefixes=lambda _: _Printed(_GAP))
            self._around, self._rest = tuple(found.split(_GAP)), rest
        families = [family.originations for router in config.routers for family in router.families]
        # Which of them was which the last time is but a guess, by their order.
        before = (*self._lists, *(_List() for _ in families))
        self._lists = tuple(each.followed(items, self._print) for each, items in zip(before, families, strict=False))
        texts = ("".join(each.texts) for each in self._lists)
        return "".join(itertools.chain.from_iterable(itertools.zip_longest(self._around, texts, fillvalue="")))

    def _print(self, items: _Prefixes) -> str:
        known = self._printed
        if known is None:
            return _prefixes(self._environment, items)
        texts = []
        for item in items:
            found = known.get(id(item))
            if found is None:
                # With the object itself, so that no other one gets its number.
                found = known[id(item)] = (item, _prefixes(self._environment, (item,)))
            texts.append(found[1])
        return "".join(texts)


class _Printed(str):
    """Text that a template has printed already."""

    __slots__ = ()


class _List:
    """Prefixes and their text, in pieces."""

    def __init__(self, items: _Prefixes = (), counts: tuple[int, ...] = (), texts: tuple[str, ...] = ()) -> None:
        self._items = items
        self._counts = counts
        self.texts = texts

    def followed(self, items: _Prefixes, print_: Callable[[_Prefixes], str]) -> "_List":
        """The list with other prefixes."""
        window = windows.window(self._items, items)
        if not window:
            return self
        head, start = _count(self._counts, window.start)
        tail, behind = _count(self._counts[head:][::-1], len(self._items) - window.before_stop)
        stop = len(items) - behind
        # Parts of one length: cutting off a full one each time would leave ever more short ones.
        length = -(-(stop - start) // max(1, -(-(stop - start) // _CHUNK))) or 1
        pieces = [items[first : min(first + length, stop)] for first in range(start, stop, length)]
        end = len(self._counts) - tail
        return _List(
            items,
            (*self._counts[:head], *map(len, pieces), *self._counts[end:]),
            (*self.texts[:head], *map(print_, pieces), *self.texts[end:]),
        )


def _count(counts: tuple[int, ...], limit: int) -> tuple[int, int]:
    """How many whole pieces are within the limit, and how much that is."""
    total = 0
    for number, count in enumerate(counts):
        if total + count > limit:
            return number, total
        total += count
    return len(counts), total


def _prefixes(environment: jinja2.Environment, items: _Prefixes) -> _Printed:
    return _Printed(environment.get_template(PREFIXES).render(originations=items))


@functools.lru_cache(maxsize=4)
def _environment(sources: tuple[tuple[str, str], ...]) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.DictLoader(dict(sources)),
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  the output is read by FRR, not by a browser; _printable guards it
    )


def _printable(value: Any) -> Any:
    if isinstance(value, _Printed):
        return value
    if value is None:
        raise errors.ApplyError("a template prints a field that is not set")
    text = str(value)
    if _CONTROL.search(text):
        raise errors.ApplyError(
            "a value of the configuration holds a control character (value hidden); one line of text is allowed"
        )
    return text
