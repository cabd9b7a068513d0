"""Which services this node announces on layer 2, and on which interfaces: what its ServiceL2Status objects are to say. Pure.

Called by the loop with what is settled: decisions that say Announce are about addresses that the node holds.
"""

from collections.abc import Iterable
from types import MappingProxyType

from frr_adapter import addresses
from speaker import values
from speaker.core import service_status

ALL = frozenset[str]()
"""No names mean all interfaces."""


def told(decisions: Iterable[values.Decision], plan: values.L2Plan) -> service_status.Said:
    """Per announced service the names and patterns of interfaces as configured, whether or not they exist; none when all are meant.

    Services that share an address are credited with the interfaces of both, as that is where it is answered.
    """
    distinct = {entry.interfaces for entry in plan.entries} or {ALL}
    names = {each: tuple(sorted(each)) for each in distinct}
    usual, *others = distinct
    # Most plans name the same interfaces for all addresses: to look up thousands of them takes several times as long.
    interfaces = {entry.address: entry.interfaces for entry in plan.entries} if others else {}
    found: dict[str, tuple[str, ...]] = {}
    for decision in decisions:
        if decision.protocol is not values.Protocol.LAYER2 or not isinstance(decision.verdict, values.Announce):
            continue
        united = _united(decision.addresses, interfaces) if others else usual
        if united not in names:
            names[united] = tuple(sorted(united))
        found[decision.service] = names[united]
    return MappingProxyType(found)


def _united(of: Iterable[addresses.Address], interfaces: dict[addresses.Address, frozenset[str]]) -> frozenset[str]:
    """The interfaces of all these addresses; empty, which means all, as soon as one of them is on all."""
    each = [interfaces.get(address, ALL) for address in of]
    return ALL.union(*each) if all(each) else ALL
