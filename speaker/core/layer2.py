"""The pure rules of layer 2 under the names that the announcer's port asks for.

Handed to `speaker.boundary.layer2` by the program's wiring, because the boundary may not know the core. Holds no state.
"""

from collections.abc import Container, Iterable, Mapping

from frr_adapter import addresses
from speaker import links
from speaker.core import gratuitous, holding, probing, proxying, responder, rivals


class Rules:
    """Answers, announcements and what makes them due; see the modules that each method names."""

    def answer(self, frame: bytes, interface: links.Interface, table: links.Table) -> links.Answer | links.Refused:
        """`responder.answer`."""
        return responder.answer(frame, interface, table)

    def burst(self, address: addresses.Address, interface: links.Interface) -> tuple[bytes, ...]:
        """`gratuitous.burst`."""
        return gratuitous.burst(address, interface)

    def receivers(
        self, count: int, interface: links.Interface, neighbors: Iterable[links.Neighbor]
    ) -> Mapping[addresses.Family, tuple[links.Neighbor, ...]]:
        """`gratuitous.receivers`."""
        return gratuitous.receivers(count, interface, neighbors)

    def directed(
        self, address: addresses.Address, interface: links.Interface, neighbor: links.Neighbor
    ) -> tuple[bytes, ...]:
        """`gratuitous.directed`."""
        return gratuitous.directed(address, interface, neighbor)

    def gained_by_plan(
        self, old: links.Table, new: links.Table, interfaces: Iterable[links.Interface]
    ) -> frozenset[links.Target]:
        """`gratuitous.gained_by_plan`."""
        return gratuitous.gained_by_plan(old, new, interfaces)

    def gained_by_interface(
        self, old: links.Interface | None, new: links.Interface, table: links.Table
    ) -> frozenset[links.Target]:
        """`gratuitous.gained_by_interface`."""
        return gratuitous.gained_by_interface(old, new, table)

    def memberships(self, table: links.Table, interfaces: Iterable[links.Interface]) -> frozenset[links.Membership]:
        """`gratuitous.memberships`."""
        return gratuitous.memberships(table, interfaces)

    def holder(self, *, is_fenced: bool) -> holding.Holder:
        """`holding.Holder`."""
        return holding.Holder(is_fenced=is_fenced)

    def rivals(self) -> rivals.Rivals:
        """`rivals.Rivals`."""
        return rivals.Rivals()

    def probe(self, address: addresses.Address, interface: links.Interface) -> tuple[bytes, ...]:
        """`probing.probe`."""
        return probing.probe(address, interface)

    def heard(self, frame: bytes, own: Container[links.Mac]) -> links.Heard | None:
        """`probing.heard`."""
        return probing.heard(frame, own)

    def delegated(
        self,
        table: links.Table,
        interfaces: Iterable[links.Interface],
        answering: Mapping[int, links.Answering],
        routes: Mapping[addresses.Address, int | None],
    ) -> links.Delegated:
        """`proxying.choose`."""
        return proxying.choose(table, interfaces, answering, routes)

    def is_left_to_us(self, question: bytes, answering: links.Answering) -> bool:
        """`proxying.is_left_to_us`."""
        return proxying.is_left_to_us(question, answering)
