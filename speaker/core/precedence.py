"""Who comes before whom for one entry of the plan, and who takes it over when this node goes. Pure; the order is the election's.

Asked by the process that answers on layer 2, which knows entries and no Services.
"""

from collections.abc import Iterable, Mapping

from frr_adapter import addresses
from speaker import values
from speaker.core import election


def precedes(entry: values.L2Entry, other: str, own: str) -> bool:
    """Whether another node comes before this one: of two that hold the address, that one keeps it."""
    return election.precedes(other, own, _elected(entry), dict(entry.scores))


def heirs(
    given: Iterable[values.L2Entry], own: str, gone: frozenset[str] = frozenset()
) -> Mapping[str, tuple[addresses.Address, ...]]:
    """Who comes next when this node goes: node -> addresses. Where there is nobody, nobody gets it.

    `gone` are nodes whose speaker went since the entries were planned.
    """
    found: dict[str, list[addresses.Address]] = {}
    for entry in given:
        for heir in election.order(entry.candidates - {own} - gone, _elected(entry), dict(entry.scores))[:1]:
            found.setdefault(heir, []).append(entry.address)
    return {name: tuple(found[name]) for name in sorted(found)}


def _elected(entry: values.L2Entry) -> addresses.Address:
    return entry.address if entry.elected is None else entry.elected
