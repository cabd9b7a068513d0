"""The channel between the two processes of a speaker: whole messages as bytes over a pair of sockets, in order.

Made by `speaker.boundary.forking` before either has an event loop; each side wraps its end. Must never make the sender wait: the planning
process goes on planning, and the wire process goes on answering, whatever the other one does.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Self

_LENGTH = struct.Struct("!I")
_READ_AHEAD = 1 << 20

FLUSH_SECONDS = 1.0
"""Who does not read for so long will not read what is left."""


class Channel:
    """One end. All methods belong to one event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._length: int | None = None  # of the message that is being read: who waits for one may be cancelled halfway

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """Takes the socket for its own."""
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_READ_AHEAD))

    def send(self, message: bytes) -> None:
        """Sends it as soon as the other side reads; what cannot be sent any more is lost, and `receive` says so."""
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(message)) + message)

    async def receive(self) -> bytes | None:
        """The next message; None when the other side is gone."""
        try:
            if self._length is None:
                (self._length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            message = await self._reader.readexactly(self._length)
        except (asyncio.IncompleteReadError, OSError):
            return None
        self._length = None
        return message

    async def flushed(self) -> None:
        """Returns when everything was handed to the system, or cannot be within `FLUSH_SECONDS`."""
        with contextlib.suppress(OSError):  # a time-out is one
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._writer.drain()
                while self._writer.transport.get_write_buffer_size():
                    await asyncio.sleep(0.001)

    def close(self) -> None:
        """Ends both directions, once the other side has read what was sent; should it never read again, `abort` does."""
        self._writer.close()

    def abort(self) -> None:
        """Ends both directions at once: what the other side has not taken is lost, and `receive` gives None."""
        self._writer.transport.abort()
