"""The configuration of another structure for the same world, to measure against: what a neighbor is told stands in prefix-lists of its own.

Per neighbor and family one list with a line per prefix, numbered by position; a route-map permits what is on a list. One more
Service is so one line per neighbor, and renumbers what sorts behind it. Printed here as data for `bgp_bench`; nothing else uses it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ASN = 64600


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A router and the address of this node that its session comes from."""

    address: str
    source: str
    asn: int = 64512


def text(neighbors: Sequence[Neighbor], prefixes: Sequence[str]) -> str:
    """The whole file. Prefixes are IPv4 and in order."""
    return "\n".join((*_lines(neighbors, prefixes), ""))


def _lines(neighbors: Sequence[Neighbor], prefixes: Sequence[str]) -> Iterator[str]:
    yield from ("log stdout informational", "log timestamp precision 3", "hostname n1")
    yield from ("ip nht resolve-via-default", "ipv6 nht resolve-via-default")
    for each in neighbors:
        yield from _filters(each.address, prefixes)
    yield f"router bgp {ASN}"
    yield from (" no bgp ebgp-requires-policy", " no bgp network import-check", " no bgp default ipv4-unicast")
    yield " bgp graceful-restart preserve-fw-state"
    for each in neighbors:
        yield f" neighbor {each.address} remote-as {each.asn}"
        yield f" neighbor {each.address} timers connect 1"
        yield f" neighbor {each.address} update-source {each.source}"
    yield " address-family ipv4 unicast"
    for each in neighbors:
        yield f"  neighbor {each.address} activate"
        yield f"  neighbor {each.address} route-map {each.address}-in in"
        yield f"  neighbor {each.address} route-map {each.address}-out out"
    yield from (f"  network {prefix}" for prefix in prefixes)
    yield " exit-address-family"
    yield "exit"


def _filters(name: str, prefixes: Sequence[str]) -> Iterator[str]:
    yield from (f"route-map {name}-in deny 20", "exit")
    if not prefixes:
        yield f"ip prefix-list {name}-allowed-ipv4 seq 1 deny any"
    for number, prefix in enumerate(prefixes, 1):
        yield f"ip prefix-list {name}-allowed-ipv4 seq {number} permit {prefix}"
    yield f"ipv6 prefix-list {name}-allowed-ipv6 seq 1 deny any"
    for number, kind in enumerate(("ip", "ipv6"), 1):
        family = "ipv4" if kind == "ip" else "ipv6"
        yield f"route-map {name}-out permit {number}"
        yield f" match {kind} address prefix-list {name}-allowed-{family}"
        yield "exit"
