"""Neighbor proxy entries of the kernel, with which it answers for addresses by itself, and what it says about whether it would.

Used by `speaker.boundary.delegation` through the port `Proxies`, and once by the wiring, to remove what a killed speaker left. The
socket is synchronous on purpose: an entry must be gone when the call returns, not when the event loop gets round to it; the kernel
carries such messages out before `send` returns. Needs CAP_NET_ADMIN to change entries, nothing to read. It must never touch an
entry that does not carry our mark, and never write a sysctl.
"""

import contextlib
import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from frr_adapter import addresses
from speaker import links

MARK = 172
"""Our number in NDA_PROTOCOL of an entry: who made it. None of the numbers in include/uapi/linux/rtnetlink.h."""

_SYSCTLS = Path("/proc/sys/net")

# include/uapi/linux/{netlink,rtnetlink,neighbour}.h
_ERROR, _DONE, _NEW_ROUTE, _GET_ROUTE, _NEW_NEIGHBOR, _DELETE_NEIGHBOR, _GET_NEIGHBOR = 2, 3, 24, 26, 28, 29, 30
_REQUEST, _ACKNOWLEDGE, _DUMP, _CREATE = 0x1, 0x4, 0x300, 0x400
_NDA_DST, _NDA_PROTOCOL, _RTA_DST, _RTA_OIF = 1, 12, 1, 4
_NTF_PROXY = 0x08
_NUD_PERMANENT = 0x80
"""Entries without it go when the carrier does (Linux 6.6 and later)."""
_RTN_UNICAST = 1
_HEADER = struct.Struct("=IHHII")
_NEIGHBOR = struct.Struct("=B3xiHBB")
_ROUTE = struct.Struct("=8BI")
_ATTRIBUTE = struct.Struct("=HH")
_BATCH = 256
_RECEIVE = 1 << 16
_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})
_FAMILIES = {addresses.Family.IPV4: socket.AF_INET, addresses.Family.IPV6: socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class _Entry:
    target: links.Target
    is_ours: bool


class KernelProxies:
    """`ports.Proxies` on the network namespace of this process."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.settimeout(1.0)
        self._socket.bind((0, 0))
        self._sequence = 0

    def keep(self, wanted: frozenset[links.Target]) -> frozenset[links.Target]:
        """See `ports.Proxies`."""
        present = tuple(self._entries())
        ours = {entry.target for entry in present if entry.is_ours}
        foreign = {entry.target for entry in present} - ours
        unremoved = self._change(_DELETE_NEIGHBOR, ours - wanted)
        missing = wanted - ours - foreign
        refused = self._change(_NEW_NEIGHBOR, missing)
        failures = {number for number in (*unremoved.values(), *refused.values()) if number not in _GONE}
        if failures:
            raise OSError(number := min(failures), os.strerror(number))
        return wanted - refused.keys()

    def stands(self, target: links.Target) -> bool:
        """See `ports.Proxies`."""
        family = _FAMILIES[addresses.family_of(target.address)]
        question = _NEIGHBOR.pack(family, target.interface, 0, _NTF_PROXY, 0)
        try:
            answers = tuple(self._ask(_GET_NEIGHBOR, _REQUEST, question + _attribute(_NDA_DST, target.address.packed)))
        except OSError:
            return False
        return any(kind == _NEW_NEIGHBOR for kind, _ in answers)

    def answering(self, interface: links.Interface) -> links.Answering:
        """See `ports.Proxies`."""
        name = interface.name
        return links.Answering(
            forwards_ipv4=_flag(f"ipv4/conf/{name}/forwarding"),
            delay_ipv4=_number(f"ipv4/neigh/{name}/proxy_delay"),
            forwards_ipv6=_flag(f"ipv6/conf/{name}/forwarding"),
            proxies_ipv6=_flag(f"ipv6/conf/{name}/proxy_ndp") or _flag("ipv6/conf/all/proxy_ndp"),
            delay_ipv6=_number(f"ipv6/neigh/{name}/proxy_delay"),
            takes_direct_ipv6=_flag("ipv6/conf/all/proxy_ndp") and _flag("ipv6/conf/all/forwarding"),
        )

    def leaves_by(self, address: ipaddress.IPv4Address) -> int | None:
        """See `ports.Proxies`. The kernel is asked for its output route, which ignores rules about incoming interfaces."""
        body = _ROUTE.pack(socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, 0) + _attribute(_RTA_DST, address.packed)
        try:
            for kind, answer in self._ask(_GET_ROUTE, _REQUEST, body):
                if kind == _NEW_ROUTE and answer[7] == _RTN_UNICAST:
                    device = dict(_attributes(answer[_ROUTE.size :])).get(_RTA_OIF)
                    return int.from_bytes(device, "little") if device else None
        except OSError:  # no route, or one that prohibits
            return None
        return None

    def close(self) -> None:
        """Closes the socket; entries stay."""
        self._socket.close()

    def _entries(self) -> Iterator[_Entry]:
        for number in _FAMILIES.values():
            for kind, answer in self._ask(_GET_NEIGHBOR, _REQUEST | _DUMP, _NEIGHBOR.pack(number, 0, 0, _NTF_PROXY, 0)):
                family, index, _, flags, _ = _NEIGHBOR.unpack_from(answer)
                if kind != _NEW_NEIGHBOR or family != number or not flags & _NTF_PROXY:
                    continue
                found = dict(_attributes(answer[_NEIGHBOR.size :]))
                target = links.Target(index, ipaddress.ip_address(found[_NDA_DST]))
                yield _Entry(target, found.get(_NDA_PROTOCOL) == bytes([MARK]))

    def _change(self, kind: int, targets: Iterable[links.Target]) -> dict[links.Target, int]:
        """What the kernel refused, with its error number. Many in one message: only the last one is acknowledged."""
        refused: dict[links.Target, int] = {}
        todo = sorted(targets, key=lambda target: (target.interface, target.address.version, int(target.address)))
        for start in range(0, len(todo), _BATCH):
            lot = todo[start : start + _BATCH]
            first = self._sequence + 1
            self._sequence += len(lot)
            flags = _REQUEST | (_CREATE if kind == _NEW_NEIGHBOR else 0)
            messages = [_message(kind, flags, first + place, _entry(target)) for place, target in enumerate(lot)]
            messages[-1] = _message(kind, flags | _ACKNOWLEDGE, self._sequence, _entry(lot[-1]))
            self._socket.send(b"".join(messages))
            for _, sequence, answer in self._received(self._sequence):
                number = -int.from_bytes(answer[:4], "little", signed=True)
                if number and sequence >= first:
                    refused[lot[sequence - first]] = number
        return refused

    def _ask(self, kind: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes]]:
        self._sequence += 1
        self._socket.send(_message(kind, flags if flags & _DUMP else flags | _ACKNOWLEDGE, self._sequence, body))
        for found, sequence, answer in self._received(self._sequence):
            if sequence != self._sequence:
                continue  # a leftover of a question that was given up
            if found == _ERROR and (number := -int.from_bytes(answer[:4], "little", signed=True)):
                raise OSError(number, os.strerror(number))
            if found not in (_ERROR, _DONE):
                yield found, answer

    def _received(self, last: int) -> Iterator[tuple[int, int, bytes]]:
        """Messages up to the one that ends the answer with this number."""
        while True:
            data = self._socket.recv(_RECEIVE)
            while data:
                length, kind, _, sequence, _ = _HEADER.unpack_from(data)
                yield kind, sequence, data[_HEADER.size : length]
                if kind in (_ERROR, _DONE) and sequence == last:
                    return
                data = data[_padded(length) :]


def _entry(target: links.Target) -> bytes:
    family = _FAMILIES[addresses.family_of(target.address)]
    return (
        _NEIGHBOR.pack(family, target.interface, _NUD_PERMANENT, _NTF_PROXY, 0)
        + _attribute(_NDA_DST, target.address.packed)
        + _attribute(_NDA_PROTOCOL, bytes([MARK]))
    )


def _message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value.ljust(_padded(len(value)), b"\0")


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[max(_padded(length), _ATTRIBUTE.size) :]


def _number(name: str) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int((_SYSCTLS / name).read_text(encoding="ascii"))
    return None


def _flag(name: str) -> bool:
    return bool(_number(name))
