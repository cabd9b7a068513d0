"""How full something is, as a bar of ten cells: `██████░░░░ 6/10`. Called by `cli.view.status`."""

from rich.text import Text

_CELLS = 10
_FULL, _EMPTY = "█", "░"
_ENDLESS = 2**63 - 1
"""Counts of addresses stop here (frr_adapter.addresses.UNCOUNTABLE)."""
_LONGEST = 99_999
_TIGHT = 0.9


def bar(used: int, total: int) -> Text:
    """Something used is never an empty bar, and only what is full is a full one."""
    share = used / total if total else float(used > 0)
    cells = min(_CELLS, int(share * _CELLS))
    if used and not cells:
        cells = 1
    if used < total:
        cells = min(cells, _CELLS - 1)
    style = "red" if used >= total else "yellow" if share >= _TIGHT else "green"
    if not total and not used:
        style = "dim"
    return Text.assemble((_FULL * cells, style), (_EMPTY * (_CELLS - cells), "dim"), f" {used}/{amount(total)}")


def amount(number: int) -> str:
    """Short where it is large: powers of two as such, `2^63+` from where on nobody counts."""
    if number >= _ENDLESS:
        return "2^63+"
    if number <= _LONGEST:
        return str(number)
    if number & (number - 1) == 0:
        return f"2^{number.bit_length() - 1}"
    for unit, size in (("P", 10**15), ("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g}{unit}" if number < 1000 * size else f"{number // size}{unit}"
    return str(number)
