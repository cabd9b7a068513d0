"""ARP packets of IPv4 over Ethernet: frame <-> value. Sources: RFC 826, RFC 5227.

Called by `responder` and `gratuitous`. Decodes what anybody on the segment may send, so anything but a well-formed packet
raises FrameError and nothing else.
"""

import enum
import ipaddress
import struct
from dataclasses import dataclass

from frr_adapter import errors
from speaker import links

ETHERTYPE = 0x0806
LENGTH = 42
"""Bytes of a frame; Ethernet pads it to 60 on the wire."""

_PACKET = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_ETHERNET_HARDWARE = 1
_IPV4 = 0x0800


class Operation(enum.IntEnum):
    """The two operations of address resolution."""

    REQUEST = 1
    REPLY = 2


@dataclass(frozen=True, slots=True)
class ArpFrame:
    """One Ethernet frame that carries one ARP packet; fields in the words of RFC 5227."""

    destination: links.Mac
    source: links.Mac
    operation: Operation
    sender_mac: links.Mac
    sender_address: ipaddress.IPv4Address
    target_mac: links.Mac
    target_address: ipaddress.IPv4Address

    @property
    def is_announcement(self) -> bool:
        """Sender and target address are equal: the sender claims the address (RFC 5227 section 3)."""
        return self.sender_address == self.target_address


def decode(frame: bytes) -> ArpFrame:
    """Reads a frame; bytes after the packet are Ethernet padding. Raises FrameError with what was found and is allowed."""
    if len(frame) < LENGTH:
        raise errors.FrameError(f"ARP frame: {len(frame)} bytes; at least {LENGTH} are allowed")
    (destination, source, ethertype, hardware, protocol, hardware_length, protocol_length, operation, *rest) = (
        _PACKET.unpack_from(frame)
    )
    if ethertype != ETHERTYPE:
        raise errors.FrameError(f"ARP frame: Ethernet type {ethertype:#06x}; {ETHERTYPE:#06x} is allowed")
    if (hardware, protocol, hardware_length, protocol_length) != (_ETHERNET_HARDWARE, _IPV4, 6, 4):
        raise errors.FrameError(
            f"ARP frame: hardware {hardware}/{hardware_length}, protocol {protocol:#06x}/{protocol_length}; "
            f"IPv4 over Ethernet (1/6, 0x0800/4) is allowed"
        )
    if operation not in (Operation.REQUEST, Operation.REPLY):
        raise errors.FrameError(f"ARP frame: operation {operation}; 1 (request) and 2 (reply) are allowed")
    sender_mac, sender_address, target_mac, target_address = rest
    return ArpFrame(
        links.Mac(destination),
        links.Mac(source),
        Operation(operation),
        links.Mac(sender_mac),
        ipaddress.IPv4Address(sender_address),
        links.Mac(target_mac),
        ipaddress.IPv4Address(target_address),
    )


def encode(frame: ArpFrame) -> bytes:
    """Writes the frame, without padding (the device pads)."""
    return _PACKET.pack(
        frame.destination,
        frame.source,
        ETHERTYPE,
        _ETHERNET_HARDWARE,
        _IPV4,
        6,
        4,
        frame.operation,
        frame.sender_mac,
        frame.sender_address.packed,
        frame.target_mac,
        frame.target_address.packed,
    )
