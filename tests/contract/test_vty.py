"""The VTY client over real sockets; the daemon at the other end is ours. tests/live asks real ones."""

import asyncio

import pytest

from frr_adapter import errors
from frr_adapter.boundary import vty
from tests.fakes.vty_daemon import Daemon


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
    with pytest.raises(errors.ApplyError, match=r"bgpd\.vty: no answer: `die`: the daemon went away after 0 bytes"):
        await connection.execute_all(["line", "die", "line"])
    connection.close()


async def test_a_daemon_that_dies_in_the_middle(daemon):
    connection = await vty.Vty.connect(daemon.path)
    with pytest.raises(errors.ApplyError, match=r"bgpd\.vty: no answer"):
        await connection.execute("die")
    connection.close()


async def test_nobody_listens(tmp_path):
    path = tmp_path / "zebra.vty"
    with pytest.raises(errors.ApplyError, match=r"^zebra\.vty: no connection: \S+/zebra\.vty does not exist$"):
        await vty.Vty.connect(path)
    with pytest.raises(errors.ApplyError, match=r"no connection: \S+/not-mounted: no such directory$"):
        await vty.Vty.connect(tmp_path / "not-mounted/zebra.vty")
    daemon = Daemon(path)
    await daemon.start()
    daemon.server.close()
    await daemon.server.wait_closed()
    with pytest.raises(errors.ApplyError, match=r"no connection: nobody listens at \S+/zebra\.vty$"):
        await vty.Vty.connect(path)


async def test_an_idle_connection_tells_the_end(daemon):
    connection = await vty.Vty.connect(daemon.path)
    waiting = asyncio.create_task(connection.wait_closed())
    await asyncio.sleep(0)
    assert not waiting.done()
    await daemon.stop()
    await asyncio.wait_for(waiting, 5)
    connection.close()
    await daemon.start()


async def test_a_daemon_that_hangs_is_named_with_the_question(daemon):
    connection = await vty.Vty.connect(daemon.path)
    daemon.hang()
    with pytest.raises(errors.ApplyError, match=r"^bgpd\.vty: no answer: `show x`: nothing complete within 0\.05 s$"):
        await connection.execute("show x", 0.05)
    with pytest.raises(errors.ApplyError, match=r"^bgpd\.vty: no answer: `enable`: nothing complete within 0\.05 s$"):
        await vty.Vty.connect(daemon.path, 0.05)
    daemon.go_on()
    connection.close()
    assert (await vty.Vty.connect(daemon.path)).close() is None


async def test_without_a_limit_a_late_answer_is_waited_for(daemon):
    connection = await vty.Vty.connect(daemon.path)
    daemon.hang()
    asking = asyncio.create_task(connection.execute("late", None))
    done, _ = await asyncio.wait({asking}, timeout=0.05)
    assert not done
    daemon.go_on()
    assert (await asking).text == "heard late\n"
    connection.close()


PARTIAL = [
    (b"half an answ", "nothing complete"),
    (b"text\0\0", "nothing complete"),
    (b"text and no status\0\0\0", "nothing complete"),
    (b"", "nothing complete"),
]


@pytest.mark.parametrize(("raw", "why"), PARTIAL, ids=repr)
async def test_a_partial_answer_is_none(daemon, raw, why):
    connection = await vty.Vty.connect(daemon.path)
    daemon.raw["show x"] = raw
    with pytest.raises(errors.ApplyError, match=rf"^bgpd\.vty: no answer: `show x`: {why} within 0\.05 s$"):
        await connection.execute("show x", 0.05)
    connection.close()


async def test_garbage_is_an_answer_that_is_no_success(daemon):
    connection = await vty.Vty.connect(daemon.path)
    daemon.raw["show x"] = b"\xff\xfe a\0b \x1b[2J\0\0\0\xee"
    answer = await connection.execute("show x")
    assert (answer.text, answer.status, answer.is_success) == ("\ufffd\ufffd a\0b \x1b[2J", 0xEE, False)
    with pytest.raises(errors.ApplyError, match=r"bgpd\.vty: show x: "):
        await connection.show("show x")
    assert (await connection.execute("show y")).text == "heard show y\n"
    connection.close()


async def test_an_answer_without_end_is_refused(daemon, monkeypatch):
    monkeypatch.setattr(vty, "_LARGEST_ANSWER", 100_000)
    connection = await vty.Vty.connect(daemon.path)
    with pytest.raises(errors.ApplyError, match=r"`show big json`: more than 100000 bytes"):
        await connection.execute("show big json")
    connection.close()


@pytest.mark.parametrize("command", ["x" * 3584, "show \0 y", "ö" * 1792], ids=["long", "NUL", "long in UTF-8"])
async def test_what_frr_would_take_for_two_commands_is_not_sent(daemon, command):
    connection = await vty.Vty.connect(daemon.path)
    with pytest.raises(
        errors.ApplyError, match=r"^bgpd\.vty: `.{1,200}`: found \d+ bytes; allowed are at most 3583, no NUL$"
    ):
        await connection.execute_all(["line", command])
    assert daemon.heard == ["enable"]
    assert (await connection.execute("x" * 3583)).is_success
    connection.close()


async def test_a_password_is_never_told(daemon):
    connection = await vty.Vty.connect(daemon.path)
    daemon.hang()
    with pytest.raises(errors.ApplyError) as caught:
        await connection.execute("neighbor 10.0.0.1 password hunter2", 0.05)
    assert "`neighbor 10.0.0.1 password ***`" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    connection.close()
