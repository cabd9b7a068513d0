"""In-memory twin of `speaker.boundary.netlink.KernelLinks`: tests say what the interfaces are."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from speaker import links


class MemoryLinks:
    def __init__(self, interfaces: Iterable[links.Interface] = ()) -> None:
        self._interfaces = MappingProxyType({interface.index: interface for interface in interfaces})
        self._changed: Callable[[], None] | None = None
        self._neighbors: dict[int, tuple[links.Neighbor, ...]] = {}
        self.restarts = 0

    async def start(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def interfaces(self) -> Mapping[int, links.Interface]:
        return self._interfaces

    async def neighbors(self, interface: int) -> tuple[links.Neighbor, ...]:
        return self._neighbors.get(interface, ())

    async def stop(self) -> None:
        self._changed = None

    def set(self, *interfaces: links.Interface) -> None:
        """The interfaces are these from now on."""
        self._interfaces = MappingProxyType({interface.index: interface for interface in interfaces})
        if self._changed is not None:
            self._changed()

    def know(self, interface: int, *neighbors: links.Neighbor) -> None:
        """The kernel's neighbor table of the interface holds these."""
        self._neighbors[interface] = neighbors
