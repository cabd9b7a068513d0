"""Wait until something outside holds. Used by the supervisor and by commands; never sleeps longer than it must."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from lab import netns
from lab.errors import LabError


async def until(what: str, seconds: float, holds: Callable[[], Awaitable[bool]], advice: str = "") -> None:
    """Return as soon as `holds()` is true; `LabError` naming `what` and `advice` after `seconds`."""
    end = time.monotonic() + seconds
    pause = 0.01
    while not await holds():
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {seconds:.0f} s{'; ' if advice else ''}{advice}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, 0.1)


async def vty_answers(path: Path) -> bool:
    """Whether the FRR daemon behind this VTY socket answers `enable` with status 0."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    try:
        writer.write(b"enable\0")
        answer = await asyncio.wait_for(reader.readexactly(4), 1.0)
    except (OSError, EOFError, TimeoutError):
        return False
    else:
        return answer == b"\0\0\0\0"
    finally:
        writer.close()


async def http_ok(namespace: Path, host: str, port: int, path: str) -> bool:
    """Whether `GET path` inside a network namespace is answered with 200 within a second."""
    opened = netns.inside(namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    opened.setblocking(False)
    try:
        async with asyncio.timeout(1.0):
            loop = asyncio.get_running_loop()
            await loop.sock_connect(opened, (host, port))
            await loop.sock_sendall(opened, f"GET {path} HTTP/1.0\r\nHost: lab\r\n\r\n".encode())
            answer = await loop.sock_recv(opened, 64)
    except (OSError, TimeoutError):
        return False
    else:
        return b" 200 " in answer.split(b"\r\n")[0]
    finally:
        opened.close()
