"""Lets a program inside a network namespace reach the Kubernetes API on 127.0.0.1: copies bytes, understands none.

Started by the supervisor, one per namespace: `python -m lab.relay --netns PATH --port 6443 --unix API_SOCKET`. Stays in
the machine's own network and opens only its listening socket inside. Must never buffer more than a pipe would.
"""

import argparse
import asyncio
import contextlib
from pathlib import Path

from lab import netns

_CHUNK = 65536


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until end of file, then half-close."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()


async def serve(path: Path, port: int, unix: str, host: str, to_port: int) -> None:
    """Relay connections until cancelled: to the unix socket when given, else to host and port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far: asyncio.StreamWriter | None = None
        try:
            if unix:
                far_reader, far = await asyncio.open_unix_connection(unix)
            else:
                far_reader, far = await asyncio.open_connection(host, to_port)
            await asyncio.gather(_copy(reader, far), _copy(far_reader, writer))
        except OSError as error:
            print(f"relay: {unix or host}: {error}", flush=True)
        finally:
            for end in (writer, far):
                if end is not None:
                    end.close()

    server = await asyncio.start_server(talk, sock=netns.listen_tcp(path, "127.0.0.1", port))
    print(f"relay: {path.name} 127.0.0.1:{port} -> {unix or f'{host}:{to_port}'}", flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m lab.relay", description="API relay into one network namespace")
    parser.add_argument("--netns", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--unix", default="")
    parser.add_argument("--host", default="")
    parser.add_argument("--to-port", type=int, default=0)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.netns, arguments.port, arguments.unix, arguments.host, arguments.to_port))


if __name__ == "__main__":
    main()
