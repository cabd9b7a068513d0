"""IPv4 and IPv6 addresses, ranges and blocks. Pure arithmetic used by every floor; knows nothing of Kubernetes or FRR."""

import enum
import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNCOUNTABLE = 2**63 - 1
"""Counts saturate here: they travel as signed 64-bit integers in pool status."""


class Family(enum.IntEnum):
    """Address family, ordered IPv4 first as in every list that we write."""

    IPV4 = 4
    IPV6 = 6

    def __str__(self) -> str:
        return f"IPv{self.value}"


def family_of(value: Address | Network) -> Family:
    """The family of an address or a network."""
    return Family.IPV4 if value.version == 4 else Family.IPV6


def parse_address(text: str) -> Address:
    """One address in text form, without zone. Raises ValueError with the text found."""
    if "%" in text:
        raise ValueError(f'"{text}" carries a zone; an address without %zone is allowed')
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f'"{text}" is not an IPv4 or IPv6 address') from None


@dataclass(frozen=True, slots=True)
class Block:
    """One entry of `spec.addresses`: the text as written and the CIDRs it stands for, ascending and disjoint."""

    text: str
    networks: tuple[Network, ...]

    @property
    def family(self) -> Family:
        """An entry has one family."""
        return family_of(self.networks[0])


def parse_block(text: str) -> Block:
    """Parses `CIDR` or `start-end`.

    A CIDR may carry host bits (they are masked away) but no blanks; both ends of a range may be surrounded by blanks.
    Raises ValueError whose text says what was found and what is allowed.
    """
    if "-" in text:
        return Block(text, _parse_range(text))
    if "/" not in text:
        raise ValueError(
            f'invalid CIDR "{text}": allowed is a CIDR such as 192.0.2.0/24 or a range such as 192.0.2.1-192.0.2.9'
        )
    try:
        return Block(text, (ipaddress.ip_network(text, strict=False),))
    except ValueError:
        raise ValueError(
            f'invalid CIDR "{text}": allowed is address/length, such as 192.0.2.0/24 or 2001:db8::/64'
        ) from None


def _parse_range(text: str) -> tuple[Network, ...]:
    first_text, _, last_text = text.partition("-")
    ends: list[Address] = []
    for word, side in ((first_text, "start"), (last_text, "end")):
        try:
            ends.append(parse_address(word.strip()))
        except ValueError:
            raise ValueError(f'invalid IP range "{text}": {side} IP "{word.strip()}" is not an address') from None
    first, last = ends
    if first.version != last.version:
        raise ValueError(f'invalid IP range "{text}": both ends must be of one family')
    ordered = int(first) <= int(last)
    if not ordered:
        raise ValueError(
            f'invalid IP range "{text}": start IP {first} is after the end IP {last}; start must come first'
        )
    return tuple(ipaddress.summarize_address_range(first, last))


def networks_overlap(a: Network, b: Network) -> bool:
    """True when the networks share an address; networks of different families never do."""
    return a.version == b.version and a.overlaps(b)


def contains(networks: Iterable[Network], address: Address) -> bool:
    """True when one of the networks holds the address."""
    return any(address in network for network in networks)


def is_buggy(address: Address) -> bool:
    """True for IPv4 addresses ending in .0 or .255, which some old equipment drops (smurf protection)."""
    return address.version == 4 and int(address) & 0xFF in (0, 255)


def iterate(network: Network, *, avoid_buggy: bool) -> Iterator[Address]:
    """Every address of a network in ascending order, network and broadcast address included."""
    for address in network:  # ipaddress walks lazily, so a /64 costs nothing until consumed
        if not (avoid_buggy and is_buggy(address)):
            yield address


def count(network: Network, *, avoid_buggy: bool) -> int:
    """How many addresses `iterate` would yield, saturated at `UNCOUNTABLE`."""
    if network.version == 6 and network.prefixlen <= 66:
        return UNCOUNTABLE
    total = int(network.num_addresses)
    if not avoid_buggy or network.version == 6:
        return total
    first, last = int(network.network_address), int(network.broadcast_address)
    # addresses n with n mod 256 == 0, and with n mod 256 == 255, in first..last
    zeros = last // 256 - (first - 1) // 256
    full = (last + 1) // 256 - first // 256
    return total - zeros - full


def saturating_sum(counts: Iterable[int]) -> int:
    """Sum that never exceeds `UNCOUNTABLE`."""
    return min(sum(counts), UNCOUNTABLE)


def aggregate(address: Address, length: int) -> Network:
    """The prefix of the given length that holds the address."""
    return ipaddress.ip_network((address, length), strict=False)
