import asyncio
import contextlib
import socket

import aiohttp
import pytest

from frr_adapter.boundary import health, metrics


class Program:
    dead: tuple[str, ...] = ()
    unready: tuple[str, ...] = ("Service not listed yet", "no cycle yet")


@pytest.fixture
def program():
    return Program()


@pytest.fixture
async def server(program):
    registry = metrics.Metrics()
    registry.gauge("some", "A gauge").put(1)
    routes = {**health.probe_routes(lambda: program.dead, lambda: program.unready), **health.metrics_routes(registry)}
    running = await health.HttpServer.listen("127.0.0.1", 0, routes)
    yield running
    await running.close()


async def ask(server, path, method="GET"):
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{server.port}{path}") as answer,
    ):
        return answer.status, await answer.text(), answer.headers


async def test_readiness_tells_what_is_missing_and_then_is_there(server, program):
    assert (await ask(server, "/readyz"))[:2] == (503, "Service not listed yet\nno cycle yet\n")
    program.unready = ()
    assert (await ask(server, "/readyz"))[:2] == (200, "ok\n")


async def test_a_ready_program_may_say_how(program):
    running = await health.HttpServer.listen(
        "127.0.0.1", 0, health.probe_routes(lambda: (), lambda: program.unready, lambda: "ok: standby")
    )
    assert (await ask(running, "/readyz"))[0] == 503
    program.unready = ()
    assert (await ask(running, "/readyz"))[:2] == (200, "ok: standby\n")
    assert (await ask(running, "/healthz"))[:2] == (200, "ok\n")
    await running.close()


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/healthz?verbose"])
async def test_liveness(server, program, path):
    assert (await ask(server, path))[:2] == (200, "ok\n")
    program.dead = ("no cycle for 60 s",)
    assert (await ask(server, path))[:2] == (503, "no cycle for 60 s\n")


async def test_metrics(server):
    status, text, headers = await ask(server, "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "some 1.0\n" in text


async def test_a_head_request_has_no_body(server):
    status, text, headers = await ask(server, "/livez", "HEAD")
    assert (status, text, headers["Content-Length"]) == (200, "", "3")


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/livez", "POST", 405)])
async def test_other_requests_are_refused(server, path, method, status):
    assert (await ask(server, path, method))[0] == status


@pytest.mark.parametrize("sent", [b"hello\r\n\r\n", b"\r\n\r\n", b"\xff\xfe\r\n\r\n"])
async def test_what_is_not_http_is_a_bad_request(server, sent):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_an_endless_request_is_cut_off_and_the_next_one_served(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"x" * 100_000)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    assert (await ask(server, "/livez"))[0] == 200


async def test_port_zero_is_off():
    assert await health.HttpServer.start("127.0.0.1", 0, {}) is None


async def test_a_given_port_is_used_and_a_taken_one_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await health.HttpServer.start("127.0.0.1", taken.getsockname()[1], {})
