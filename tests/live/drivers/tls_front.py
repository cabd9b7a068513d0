"""TLS in front of a plain HTTP server on this loopback: `tls_front.py FOLDER PORT BEHIND TOKEN`

FOLDER has `tls.crt` and `tls.key`. What comes in is passed on when the first request of its connection shows the bearer token, and cut
off otherwise. Says `listening`, then one line for each connection that was let in. Standard library alone.

Started by `tests.live.image_pod`.
"""

import asyncio
import contextlib
import ssl
import sys
from pathlib import Path


async def main(folder: Path, port: int, behind: int, token: str) -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if f"authorization: bearer {token}".lower().encode() not in head.lower().splitlines():
                writer.close()
                return
            print(head.splitlines()[0].decode(), flush=True)
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", behind)
            inner_writer.write(head)
            await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
