"""The command that asks a running program for its log level, against the server that programs have."""

import asyncio
import socket

import pytest

from frr_adapter.boundary import health, logs
from tests import command
from tests.fakes import log_state


@pytest.fixture
async def port():
    running = await health.HttpServer.listen("127.0.0.1", 0, health.level_routes(), health.level_changes())
    with log_state.kept():
        yield running.port
    await running.close()


async def call(*arguments):
    return await asyncio.to_thread(command.run, "log-level", *arguments)


async def test_it_prints_and_changes_the_level(port):
    logs.set_level(logs.Level.INFO)
    assert (await call(f"--port={port}")).stdout == "info\n"
    found = await call("error", f"--port={port}")
    assert (found.status, found.stdout.splitlines()[-1]) == (0, "error")
    assert logs.current_level() is logs.Level.ERROR


async def test_what_does_not_work_is_one_line(port):
    found = await call("loud", f"--port={port}")
    assert found.status == 1
    assert 'frr-adapter: log-level: found "loud"; allowed are all, debug, info, warn, error, none' in found.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    found = await call(f"--port={free}")
    assert found.status == 1
    assert f"log-level: port {free} of 127.0.0.1 (--port): " in found.stderr
