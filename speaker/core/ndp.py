"""Neighbor solicitations and advertisements of IPv6 over Ethernet: frame <-> value. Source: RFC 4861 sections 4.3, 4.4, 7.1.

Called by `responder` and `gratuitous`. Decodes what anybody on the segment may send, so anything but a valid message raises
FrameError and nothing else.
"""

import ipaddress
import struct
from dataclasses import dataclass

from frr_adapter import errors
from speaker import links

ETHERTYPE = 0x86DD
ALL_NODES = ipaddress.IPv6Address("ff02::1")

_ETHERNET = struct.Struct("!6s6sH")
_IPV6 = struct.Struct("!IHBB16s16s")
_ICMPV6 = struct.Struct("!BBH")
_HOP_LIMIT = 255
_NEXT_HEADER = 58
_SOLICITATION = 135
_ADVERTISEMENT = 136
_SOURCE_LINK_LAYER = 1
_TARGET_LINK_LAYER = 2
_SHORTEST = 24
_SOLICITED_NODE_BASE = int(ipaddress.IPv6Address("ff02::1:ff00:0"))


@dataclass(frozen=True, slots=True)
class Solicitation:
    """Who has `target`? `source_link_layer` is None when the option is missing, as in duplicate address detection."""

    destination: links.Mac
    source: links.Mac
    sender: ipaddress.IPv6Address
    receiver: ipaddress.IPv6Address
    target: ipaddress.IPv6Address
    source_link_layer: links.Mac | None = None


@dataclass(frozen=True, slots=True)
class Advertisement:
    """`target` is at `target_link_layer`."""

    destination: links.Mac
    source: links.Mac
    sender: ipaddress.IPv6Address
    receiver: ipaddress.IPv6Address
    target: ipaddress.IPv6Address
    is_router: bool = False
    is_solicited: bool = False
    is_override: bool = False
    target_link_layer: links.Mac | None = None


Message = Solicitation | Advertisement


def solicited_node_group(address: ipaddress.IPv6Address) -> ipaddress.IPv6Address:
    """The multicast group in which solicitations for the address arrive (RFC 4291 section 2.7.1)."""
    return ipaddress.IPv6Address(_SOLICITED_NODE_BASE | (int(address) & 0xFFFFFF))


def group_mac(group: ipaddress.IPv6Address) -> links.Mac:
    """The Ethernet address of an IPv6 multicast group (RFC 2464 section 7)."""
    return links.Mac(b"\x33\x33" + group.packed[-4:])


def decode(frame: bytes) -> Message:
    """Reads and validates a frame as RFC 4861 section 7.1 demands. Raises FrameError with what was found and is allowed."""
    if len(frame) < _ETHERNET.size + _IPV6.size + _SHORTEST:
        raise errors.FrameError(f"NDP frame: {len(frame)} bytes; at least 78 are allowed")
    destination, source, ethertype = _ETHERNET.unpack_from(frame)
    version, length, next_header, hop_limit, sender, receiver = _IPV6.unpack_from(frame, _ETHERNET.size)
    if ethertype != ETHERTYPE or version >> 28 != 6 or next_header != _NEXT_HEADER:
        raise errors.FrameError(
            f"NDP frame: Ethernet type {ethertype:#06x}, version {version >> 28}, next header {next_header}; ICMPv6 is allowed"
        )
    if hop_limit != _HOP_LIMIT:
        raise errors.FrameError(
            f"NDP frame: hop limit {hop_limit}; 255 is allowed, so that it cannot come from off-link"
        )
    start = _ETHERNET.size + _IPV6.size
    message = frame[start : start + length]
    if len(message) != length or length < _SHORTEST:
        raise errors.FrameError(f"NDP frame: payload length {length}, {len(message)} present; at least 24 are allowed")
    if _checksum(sender, receiver, message) != 0:
        raise errors.FrameError("NDP frame: checksum does not match")
    return _message(links.Mac(destination), links.Mac(source), sender, receiver, message)


def _message(destination: links.Mac, source: links.Mac, sender: bytes, receiver: bytes, message: bytes) -> Message:
    kind, code, _ = _ICMPV6.unpack_from(message)
    if code != 0:
        raise errors.FrameError(f"NDP frame: code {code}; 0 is allowed")
    flags = message[4]
    target = ipaddress.IPv6Address(message[8:24])
    if target.is_multicast:
        raise errors.FrameError(f"NDP frame: target {target} is a multicast group; a unicast address is allowed")
    options = _options(message[_SHORTEST:])
    from_, to = ipaddress.IPv6Address(sender), ipaddress.IPv6Address(receiver)
    if from_.is_multicast:
        raise errors.FrameError(f"NDP frame: source {from_} is a multicast group; a unicast address is allowed")
    match kind:
        case 135:
            link_layer = options.get(_SOURCE_LINK_LAYER)
            if from_.is_unspecified and (link_layer is not None or to != solicited_node_group(target)):
                raise errors.FrameError(
                    "NDP frame: source :: with a link-layer option or outside the solicited-node group; neither is allowed"
                )
            return Solicitation(destination, source, from_, to, target, link_layer)
        case 136:
            is_solicited = bool(flags & 0x40)
            if is_solicited and to.is_multicast:
                raise errors.FrameError("NDP frame: solicited advertisement to a group; unicast is allowed")
            return Advertisement(
                destination,
                source,
                from_,
                to,
                target,
                is_router=bool(flags & 0x80),
                is_solicited=is_solicited,
                is_override=bool(flags & 0x20),
                target_link_layer=options.get(_TARGET_LINK_LAYER),
            )
        case _:
            raise errors.FrameError(f"NDP frame: type {kind}; 135 (solicitation) and 136 (advertisement) are allowed")


def _options(data: bytes) -> dict[int, links.Mac]:
    """Link-layer options by type; others are skipped, as section 4.6 demands. The first of a type counts."""
    found: dict[int, links.Mac] = {}
    position = 0
    while position < len(data):
        if position + 2 > len(data) or data[position + 1] == 0 or position + data[position + 1] * 8 > len(data):
            raise errors.FrameError(
                "NDP frame: option with length 0 or beyond the end; whole units of 8 bytes are allowed"
            )
        kind, units = data[position], data[position + 1]
        if kind in (_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER) and units == 1:
            found.setdefault(kind, links.Mac(data[position + 2 : position + 8]))
        position += units * 8
    return found


def encode(message: Message) -> bytes:
    """Writes the frame with checksum and hop limit 255."""
    match message:
        case Solicitation():
            kind, flags, option, link_layer = _SOLICITATION, 0, _SOURCE_LINK_LAYER, message.source_link_layer
        case Advertisement():
            kind, option, link_layer = _ADVERTISEMENT, _TARGET_LINK_LAYER, message.target_link_layer
            flags = message.is_router << 7 | message.is_solicited << 6 | message.is_override << 5
    tail = bytes((flags, 0, 0, 0)) + message.target.packed
    if link_layer is not None:
        tail += bytes((option, 1)) + link_layer
    sender, receiver = message.sender.packed, message.receiver.packed
    checksum = _checksum(sender, receiver, _ICMPV6.pack(kind, 0, 0) + tail)
    return (
        _ETHERNET.pack(message.destination, message.source, ETHERTYPE)
        + _IPV6.pack(6 << 28, len(tail) + _ICMPV6.size, _NEXT_HEADER, _HOP_LIMIT, sender, receiver)
        + _ICMPV6.pack(kind, 0, checksum)
        + tail
    )


def _checksum(sender: bytes, receiver: bytes, message: bytes) -> int:
    """The Internet checksum over pseudo-header and message (RFC 8200 section 8.1); 0 over a message that carries its own."""
    data = sender + receiver + struct.pack("!II", len(message), _NEXT_HEADER) + message
    if len(data) % 2:
        data += b"\x00"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
