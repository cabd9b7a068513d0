"""A daemon of FRR as far as its VTY socket goes, for tests of whoever talks to one."""

import asyncio


class Daemon:
    """Answers as a daemon does: `command NUL` in, text, three NULs and a status byte out.

    `raw` maps commands to the very bytes of the answer. While `hangs`, nobody is heard: what was asked is answered afterwards.
    """

    def __init__(self, path):
        self.path = path
        self.server = None
        self.writers = []
        self.heard = []
        self.raw = {}
        self._goes_on = asyncio.Event()
        self._goes_on.set()

    async def start(self):
        self.server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self):
        self.server.close()
        for writer in self.writers:
            writer.close()
        self.writers.clear()
        await self.server.wait_closed()
        self.path.unlink(missing_ok=True)

    def hang(self):
        self._goes_on.clear()

    def go_on(self):
        self._goes_on.set()

    async def _serve(self, reader, writer):
        self.writers.append(writer)
        try:
            while True:
                command = (await reader.readuntil(b"\0"))[:-1].decode()
                await self._goes_on.wait()
                self.heard.append(command)
                if command == "die":
                    break
                status = 2 if command.startswith("bogus") else 0
                text = {"enable": "", "show big json": "x" * 300_000}.get(command, f"heard {command}\n")
                writer.write(self.raw.get(command, text.encode() + b"\0\0\0" + bytes([status])))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
