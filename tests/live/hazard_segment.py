"""The stage for tests of FRR's hazards: the node `n1` with FRR, and `up`, where a recording router stands.

Each test shows a hazard with raw lines, on a bgpd without a past; then a bgpd without a past is configured our way, and the same
question gets the other answer.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.live import applied_node, living_node, raw_frr
from tests.live import segment_bgp as s

RAW = (
    "bgp route-map delay-timer 1",
    "router bgp 64600",
    "bgp router-id 10.99.0.11",
    "no bgp ebgp-requires-policy",
    "no bgp default ipv4-unicast",
    "no bgp network import-check",
    "neighbor 10.99.0.1 remote-as 64512",
    "neighbor 10.99.0.1 timers connect 1",
)
"""A neighbor that is not yet active in any address family."""

ACTIVE = (*RAW, "address-family ipv4 unicast", "neighbor 10.99.0.1 activate")
"""Leaves bgpd's VTY in the address family."""


class Stage:
    """`node` is our way; `anew` gives a bgpd without a past, which `node` does not know."""

    def __init__(self, net: s.Segment) -> None:
        self.net = net
        self.n1, self.up = net["n1"], net["up"]
        self.node = applied_node.Node(self.n1)

    def anew(self) -> None:
        if "bgpd" in self.n1.processes:
            living_node.end(self.n1, "bgpd")
        living_node.begin(self.n1, "bgpd")
        self.node.forget()

    def raw(self, *lines: str) -> list[raw_frr.Told]:
        """Lines in configuration mode, none of which may be refused."""
        told = raw_frr.configure(self.n1, *lines)
        assert all(each.status == 0 for each in told), list(zip(lines, told, strict=True))
        return told

    def commands(self) -> list[str]:
        return [text for _, text in raw_frr.commands(self.n1)]


@pytest.fixture(scope="module")
def net() -> Iterator[s.Segment]:
    with s.Segment("n1", "up") as made:
        living_node.begin(made["n1"], *living_node.daemons(made["n1"]))
        yield made


@pytest.fixture
async def stage(net: s.Segment) -> AsyncIterator[Stage]:
    made = Stage(net)
    made.anew()
    yield made
    made.node.forget()
