"""In-memory twin of `speaker.boundary.proxies.KernelProxies`: tests say what the node's settings and other programs' entries are."""

import ipaddress

from speaker import links


class MemoryProxies:
    def __init__(self) -> None:
        self.ours: frozenset[links.Target] = frozenset()
        self.foreign: set[links.Target] = set()
        self.gone: set[int] = set()
        self.settings: dict[int, links.Answering] = {}
        self.routes: dict[ipaddress.IPv4Address, int] = {}
        self.refusal: OSError | None = None
        self.changes: list[frozenset[links.Target]] = []
        self.looks = 0

    def keep(self, wanted: frozenset[links.Target]) -> frozenset[links.Target]:
        if self.refusal is not None:
            raise self.refusal
        possible = frozenset(target for target in wanted if target.interface not in self.gone)
        if possible - self.foreign != self.ours:
            self.ours = possible - self.foreign
            self.changes.append(self.ours)
        return possible

    def stands(self, target: links.Target) -> bool:
        self.looks += 1
        return target in self.ours or target in self.foreign

    def answering(self, interface: links.Interface) -> links.Answering:
        return self.settings.get(interface.index, links.Answering())

    def leaves_by(self, address: ipaddress.IPv4Address) -> int | None:
        return self.routes.get(address)

    def close(self) -> None:
        """Entries stay."""
