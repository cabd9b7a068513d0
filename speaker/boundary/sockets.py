"""Raw sockets: ARP packets, neighbor solicitations and advertisements of one interface in, whole Ethernet frames out, and group membership.

Used by `speaker.boundary.layer2` through the ports `Wire` and `Tap`. Needs CAP_NET_RAW only. Decides nothing: kernel filters
keep everything else away, so that other traffic costs nothing.
"""

import asyncio
import contextlib
import ctypes
import errno
import socket
import struct
from collections.abc import Sequence

from frr_adapter import addresses
from speaker import links
from speaker.boundary import ports

_ETH_P_ARP = 0x0806
_ETH_P_IPV6 = 0x86DD
_SO_ATTACH_FILTER = 26
_SNAPSHOT = 2048
_FRAMES_PER_WAKEUP = 24
_RECEIVE_BUFFER = 1 << 20

# Classic BPF (include/uapi/linux/filter.h): code, jump if true, jump if false, operand.
_LOAD_HALF, _LOAD_BYTE, _JUMP_EQUAL, _RETURN = 0x28, 0x30, 0x15, 0x06
_Instruction = tuple[int, int, int, int]

_ARP: tuple[_Instruction, ...] = (
    (_LOAD_HALF, 0, 0, 12),
    (_JUMP_EQUAL, 0, 4, _ETH_P_ARP),
    (_LOAD_HALF, 0, 0, 20),
    (_JUMP_EQUAL, 1, 0, 1),  # operation request
    (_JUMP_EQUAL, 0, 1, 2),  # or reply
    (_RETURN, 0, 0, _SNAPSHOT),
    (_RETURN, 0, 0, 0),
)
_NDP: tuple[_Instruction, ...] = (
    (_LOAD_HALF, 0, 0, 12),
    (_JUMP_EQUAL, 0, 6, _ETH_P_IPV6),
    (_LOAD_BYTE, 0, 0, 20),
    (_JUMP_EQUAL, 0, 4, socket.IPPROTO_ICMPV6),
    (_LOAD_BYTE, 0, 0, 54),
    (_JUMP_EQUAL, 1, 0, 135),  # neighbor solicitation
    (_JUMP_EQUAL, 0, 1, 136),  # or advertisement
    (_RETURN, 0, 0, _SNAPSHOT),
    (_RETURN, 0, 0, 0),
)
_BUSY = frozenset({errno.EAGAIN, errno.ENOBUFS})
_FULL = frozenset({errno.ENOBUFS, errno.ENOMEM})


class PacketTap:
    """One AF_PACKET socket on one interface, read by the running event loop."""

    def __init__(
        self,
        interface: links.Interface,
        ethertype: int,
        program: Sequence[_Instruction],
        received: ports.Received,
    ) -> None:
        self._received = received
        self._loop = asyncio.get_running_loop()
        # Protocol 0 receives nothing: the filter is in place before bind lets the first frame in.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        try:
            _attach(self._socket, program)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            _bind(self._socket, interface, ethertype)
        except OSError:
            self._socket.close()
            raise
        self._is_open = True
        self._loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        for _ in range(_FRAMES_PER_WAKEUP):  # a flood may not starve the rest of the loop
            if not self._is_open:
                return
            try:
                frame, sender = self._socket.recvfrom(_SNAPSHOT)
            except BlockingIOError:
                return
            except OSError:  # ENETDOWN, once, when the interface goes down; the owner learns it over netlink
                return
            self._received(frame, sender[2] != socket.PACKET_OTHERHOST)

    def send(self, frame: bytes) -> bool:
        """See `ports.Tap`."""
        try:
            self._socket.send(frame)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            raise
        return True

    def close(self) -> None:
        """See `ports.Tap`."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._socket)
            self._socket.close()


def _bind(packet: socket.socket, interface: links.Interface, ethertype: int) -> None:
    """Python binds by name, and names move: the number is checked afterwards."""
    packet.bind((interface.name, ethertype))
    if socket.if_nametoindex(interface.name) != interface.index:
        raise OSError(errno.ENODEV, f"interface {interface.name} is no longer number {interface.index}")


def _attach(packet: socket.socket, program: Sequence[_Instruction]) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))  # the kernel copies it before setsockopt returns
    packet.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(buffer)))


class RawWire:
    """`ports.Wire` on the network namespace of this process."""

    def __init__(self) -> None:
        self._joined: dict[links.Membership, socket.socket] = {}
        self._sockets: list[socket.socket] = []

    def open(self, interface: links.Interface, family: addresses.Family, received: ports.Received) -> PacketTap:
        """See `ports.Wire`."""
        if family is addresses.Family.IPV4:
            return PacketTap(interface, _ETH_P_ARP, _ARP, received)
        return PacketTap(interface, _ETH_P_IPV6, _NDP, received)

    def join(self, membership: links.Membership) -> None:
        """See `ports.Wire`. Through ordinary IPv6 sockets, so that the kernel sends MLD reports, which snooping switches wait for."""
        if membership not in self._joined:
            self._joined[membership] = self._join(membership)

    def leave(self, membership: links.Membership) -> None:
        """See `ports.Wire`."""
        member = self._joined.pop(membership, None)
        if member is not None:
            with contextlib.suppress(OSError):  # the interface is gone, and the membership with it
                member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, _request(membership))

    def _join(self, membership: links.Membership) -> socket.socket:
        """One socket holds a few hundred memberships (net.core.optmem_max); then the next one is opened."""
        for member in self._sockets:
            try:
                member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _request(membership))
            except OSError as error:
                if error.errno not in _FULL:
                    raise
            else:
                return member
        fresh = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            fresh.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _request(membership))
        except OSError:
            fresh.close()
            raise
        self._sockets.insert(0, fresh)  # the emptiest first
        return fresh

    def close(self) -> None:
        """Closing the sockets leaves every group."""
        for member in self._sockets:
            member.close()
        self._sockets.clear()
        self._joined.clear()


def _request(membership: links.Membership) -> bytes:
    return membership.group.packed + struct.pack("@I", membership.interface)
