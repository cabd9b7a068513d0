"""UDP for the gossip of speakers: the port, and the kernel's sockets behind it. Opened and read by `membership` alone.

Never looks into a datagram, and never fails for what the network does: a datagram that cannot be sent is a lost one.
"""

import contextlib
import select
import socket
from typing import Protocol

Endpoint = tuple[str, int]

_LONGEST = 2048
_BUFFER = 1 << 18
_CLASS_CS6 = 6 << 5
"""Network control (RFC 4594): gossip that waits behind the clients' traffic would fail over for nothing."""


class Datagrams(Protocol):
    """A bound socket. All methods but `wake` and `send` belong to one thread."""

    send_errors: int

    def send(self, datagram: bytes, target: Endpoint) -> None:
        """Sends, or loses it and counts that."""

    def receive(self) -> tuple[bytes, Endpoint] | None:
        """The next datagram and who sent it; None when there is none."""

    def wait(self, seconds: float) -> None:
        """Returns when there is a datagram, after `wake`, or when the time is over."""

    def wake(self) -> None:
        """Ends a `wait` from another thread."""

    def close(self) -> None:
        """Closes the socket. May be called twice."""


class Udp:
    """`Datagrams` on a UDP socket. Raises OSError when the address cannot be bound."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.send_errors = 0
        family = socket.AF_INET6 if ":" in endpoint[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            if family == socket.AF_INET6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _CLASS_CS6)
            else:
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _CLASS_CS6)
            self._socket.bind(endpoint)
        except OSError:
            self._socket.close()
            raise
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)

    def send(self, datagram: bytes, target: Endpoint) -> None:
        """See `Datagrams`."""
        try:
            self._socket.sendto(datagram, target)
        except OSError:
            self.send_errors += 1

    def receive(self) -> tuple[bytes, Endpoint] | None:
        """See `Datagrams`. Longer datagrams than anybody sends come cut short, and are refused for it."""
        try:
            datagram, source = self._socket.recvfrom(_LONGEST)
        except OSError:  # nothing there, or a port somewhere said that it is unreachable
            return None
        return datagram, (source[0], source[1])

    def wait(self, seconds: float) -> None:
        """See `Datagrams`."""
        for descriptor, _ in self._poll.poll(max(seconds, 0) * 1000):
            if descriptor == self._woken.fileno():
                with contextlib.suppress(OSError):
                    self._woken.recv(_LONGEST)

    def wake(self) -> None:
        """See `Datagrams`."""
        with contextlib.suppress(OSError):
            self._waker.send(b"w")

    def close(self) -> None:
        """See `Datagrams`."""
        for each in (self._socket, self._waker, self._woken):
            each.close()
