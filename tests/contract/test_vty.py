"""The VTY client and the sidecar watcher over real sockets; the daemon at the other end is ours. tests/live asks real ones."""

import asyncio

import pytest

from frr_adapter import errors
from frr_adapter.boundary import vty
from speaker.boundary import sidecar


class Daemon:
    """Answers as a daemon does: `command NUL` in, text, three NULs and a status byte out."""

    def __init__(self, path):
        self.path = path
        self.server = None
        self.writers = []

    async def start(self):
        self.server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self):
        self.server.close()
        for writer in self.writers:
            writer.close()
        self.writers.clear()
        await self.server.wait_closed()
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader, writer):
        self.writers.append(writer)
        try:
            while True:
                command = (await reader.readuntil(b"\0"))[:-1].decode()
                if command == "die":
                    break
                status = 2 if command.startswith("bogus") else 0
                text = {"enable": "", "show big json": "x" * 300_000}.get(command, f"heard {command}\n")
                writer.write(text.encode() + b"\0\0\0" + bytes([status]))
        except asyncio.IncompleteReadError:
            pass
        writer.close()


@pytest.fixture
async def daemon(tmp_path):
    made = Daemon(tmp_path / "bgpd.vty")
    await made.start()
    yield made
    await made.stop()


async def test_commands_and_answers(daemon):
    connection = await vty.Vty.connect(daemon.path)
    assert await connection.execute("show x") == vty.Answer("heard show x\n", 0)
    assert (await connection.execute("bogus")).status == 2
    assert len(await connection.show("show big json")) == 300_000
    with pytest.raises(errors.ApplyError, match=r"bgpd\.vty: bogus line: heard bogus line"):
        await connection.show("bogus line")
    connection.close()


@pytest.mark.parametrize("window", [1, 3, 64])
async def test_many_commands_are_answered_in_order(daemon, window):
    connection = await vty.Vty.connect(daemon.path)
    commands = [f"bogus {n}" if n % 7 == 3 else f"line {n}" for n in range(500)]
    answers = await connection.execute_all(commands, window=window)
    assert [answer.text for answer in answers] == [f"heard {command}\n" for command in commands]
    assert [answer.status for answer in answers] == [2 if n % 7 == 3 else 0 for n in range(500)]
    assert await connection.execute_all([]) == ()
    connection.close()


async def test_a_daemon_that_dies_among_many_commands(daemon):
    connection = await vty.Vty.connect(daemon.path)
    with pytest.raises(errors.ApplyError, match=r"bgpd\.vty: no answer"):
        await connection.execute_all(["line", "die", "line"])
    connection.close()


async def test_a_daemon_that_dies_in_the_middle(daemon):
    connection = await vty.Vty.connect(daemon.path)
    with pytest.raises(errors.ApplyError, match=r"bgpd\.vty: no answer"):
        await connection.execute("die")
    connection.close()


async def test_nobody_listens(tmp_path):
    with pytest.raises(errors.ApplyError, match=r"zebra\.vty: no connection"):
        await vty.Vty.connect(tmp_path / "zebra.vty")


async def test_an_idle_connection_tells_the_end(daemon):
    connection = await vty.Vty.connect(daemon.path)
    waiting = asyncio.create_task(connection.wait_closed())
    await asyncio.sleep(0)
    assert not waiting.done()
    await daemon.stop()
    await asyncio.wait_for(waiting, 5)
    connection.close()
    await daemon.start()


async def test_the_watcher_tells_down_and_up_in_turn(tmp_path):
    daemons = [Daemon(tmp_path / f"{name}.vty") for name in sidecar.DAEMONS]
    happened = asyncio.Queue()
    watcher = sidecar.Sidecar(tmp_path, retry=0.01)
    task = asyncio.create_task(watcher.watch(lambda: happened.put_nowait("down"), lambda: happened.put_nowait("up")))
    for one in daemons[:-1]:
        await one.start()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(happened.get(), 0.1)
    await daemons[-1].start()
    assert await asyncio.wait_for(happened.get(), 5) == "up"
    for one in daemons:
        await one.stop()
        assert await asyncio.wait_for(happened.get(), 5) == "down"
        await one.start()
        assert await asyncio.wait_for(happened.get(), 5) == "up"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for one in daemons:
        await one.stop()
