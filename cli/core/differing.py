"""Two texts -> a unified diff, fast where thousands of lines are equal. Pure; called wherever configurations are compared for people."""

import difflib
from collections.abc import Iterator, Sequence

from frr_adapter.frr import windows

_CONTEXT = 3

_Opcode = tuple[str, int, int, int, int]


def unified(before: str, after: str) -> str:
    """As `diff -u` prints it, without the two lines that name files; empty when the texts are equal."""
    return "".join(f"{line}\n" for line in _lines(before.splitlines(), after.splitlines()))


def _lines(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    for group in _hunks(_opcodes(before, after)):
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@"
        for tag, old_start, old_stop, new_start, new_stop in group:
            if tag == "equal":
                yield from (f" {line}" for line in before[old_start:old_stop])
                continue
            yield from (f"-{line}" for line in before[old_start:old_stop])
            yield from (f"+{line}" for line in after[new_start:new_stop])


def _opcodes(before: Sequence[str], after: Sequence[str]) -> list[_Opcode]:
    """As difflib gives them; only the part between the common beginning and end is really compared."""
    window = windows.window(before, after)
    if not window:
        return []
    middle = difflib.SequenceMatcher(
        None, before[window.start : window.before_stop], after[window.start : window.after_stop], autojunk=False
    )
    start = window.start
    return [
        ("equal", 0, start, 0, start),
        *((tag, a + start, b + start, c + start, d + start) for tag, a, b, c, d in middle.get_opcodes()),
        ("equal", window.before_stop, len(before), window.after_stop, len(after)),
    ]


def _hunks(opcodes: list[_Opcode]) -> Iterator[list[_Opcode]]:
    """Changes with the lines around them; those that are near each other together."""
    group: list[_Opcode] = []
    for place, (tag, a, b, c, d) in enumerate(opcodes):
        if tag != "equal":
            group.append((tag, a, b, c, d))
            continue
        is_first, is_last = place == 0, place == len(opcodes) - 1
        if not is_first and not is_last and b - a <= 2 * _CONTEXT:
            group.append((tag, a, b, c, d))
            continue
        if not is_first:
            stop = min(b - a, _CONTEXT)
            yield [*group, ("equal", a, a + stop, c, c + stop)]
        start = min(b - a, _CONTEXT)
        group = [("equal", b - start, b, d - start, d)]


def _range(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return f"{start + 1}"
    return f"{start + 1 if length else start},{length}"
