"""What speakers tell each other about themselves, beyond that they live: value <-> bytes in the gossip. Pure.

Each says on which interfaces it can serve layer 2 and which link-layer addresses are its own; who stops hands its addresses over in
messages. Bytes from others are read as carefully as frames: what makes no sense says nothing.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from frr_adapter import addresses
from speaker import links, values


class _Wire(msgspec.Struct, frozen=True, array_like=True):
    interfaces: tuple[str, ...] | None = None
    macs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Presence:
    """One speaker. `interfaces` are those that serve layer 2 and have carrier, None when it did not say."""

    interfaces: frozenset[str] | None = None
    macs: frozenset[links.Mac] = frozenset()


def encode(interfaces: Iterable[links.Interface], longest: int) -> bytes:
    """What this speaker says, at most so many bytes: names are left out first, then link-layer addresses."""
    present = sorted(interfaces, key=lambda interface: interface.index)
    names = tuple(sorted(each.name for each in present if each.is_served and each.has_carrier))
    macs = tuple(dict.fromkeys(each.mac for each in present if each.mac is not None and each.is_served))
    for said in (_Wire(names, macs), *(_Wire(None, macs[:count]) for count in range(len(macs), -1, -1))):
        found = msgspec.msgpack.encode(said)
        if len(found) <= longest:
            return found
    return b""


def decode(data: bytes) -> Presence:
    """What another speaker said; nothing when it makes no sense."""
    try:
        said = msgspec.msgpack.decode(data, type=_Wire)
    except msgspec.DecodeError:
        return Presence()
    names = None if said.interfaces is None else frozenset(said.interfaces)
    return Presence(names, frozenset(links.Mac(mac) for mac in said.macs if len(mac) == 6))


def live(present: Mapping[str, bytes]) -> values.Live:
    """Live nodes and what they said about themselves -> candidates."""
    return {name: decode(said).interfaces for name, said in present.items()}


def nodes(present: Mapping[str, bytes]) -> Mapping[links.Mac, str]:
    """Link-layer address -> the node that has it; of several that say so, the first by name."""
    return {mac: name for name, said in sorted(present.items(), reverse=True) for mac in decode(said).macs}


_SIZES = {4: 4, 6: 16}


def encode_handover(given: Iterable[addresses.Address], longest: int) -> tuple[bytes, ...]:
    """Messages that hand addresses over, each at most so many bytes: the version of IP, then the addresses."""
    found = []
    ordered = sorted(given, key=lambda address: (address.version, int(address)))
    for version, size in _SIZES.items():
        packed = [address.packed for address in ordered if address.version == version]
        share = (longest - 1) // size
        found += [bytes([version]) + b"".join(packed[start : start + share]) for start in range(0, len(packed), share)]
    return tuple(found)


def decode_handover(data: bytes) -> tuple[addresses.Address, ...]:
    """The addresses in a message; none when it makes no sense."""
    size = _SIZES.get(data[0]) if data else None
    if size is None or (len(data) - 1) % size:
        return ()
    return tuple(ipaddress.ip_address(data[start : start + size]) for start in range(1, len(data), size))
