import asyncio
import contextlib
import http
import socket

import aiohttp
import pytest

from frr_adapter.boundary import health, logs, metrics
from tests.fakes import log_state


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


@pytest.fixture
async def leveled():
    running = await health.HttpServer.listen("127.0.0.1", 0, health.level_routes(), health.level_changes())
    with log_state.kept():
        yield running
    await running.close()


async def change(server, body, path="/log-level", **more):
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"http://127.0.0.1:{server.port}{path}", data=body, **more) as answer,
    ):
        return answer.status, await answer.text()


async def test_the_log_level_can_be_read_and_changed(leveled):
    assert (await ask(leveled, "/log-level"))[:2] == (200, f"{logs.current_level()}\n")
    for level in logs.Level:
        assert await change(leveled, f"{level}\n".encode()) == (200, f"{level}\n")
        assert logs.current_level() is level
        assert (await ask(leveled, "/log-level"))[:2] == (200, f"{level}\n")


async def test_a_level_that_is_none_changes_nothing(leveled):
    logs.set_level(logs.Level.WARN)
    assert await change(leveled, b"loud") == (400, 'found "loud"; allowed are all, debug, info, warn, error, none\n')
    assert (await change(leveled, b"x" * 65))[0] == 400
    assert (await change(leveled, b"info", path="/readyz"))[0] == 405
    reader, writer = await asyncio.open_connection("127.0.0.1", leveled.port)
    writer.write(b"PUT /log-level HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ninfo\r\n0\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert logs.current_level() is logs.Level.WARN


@pytest.mark.parametrize(
    ("peer", "is_local"),
    [
        (("127.0.0.1", 1), True),
        (("::1", 1, 0, 0), True),
        (("::ffff:127.0.0.1", 1, 0, 0), True),
        (("10.0.0.1", 1), False),
        (("fe80::1%eth0", 1, 0, 2), False),
        (("::ffff:10.0.0.1", 1, 0, 0), False),
        (None, False),
    ],
)
async def test_only_programs_beside_this_one_change_anything(peer, is_local):
    request = health._parse(b"PUT /log-level HTTP/1.1\r\nContent-Length: 0\r\n\r\n", peer)
    assert request.is_local is is_local
    answer = await health._changed(request, asyncio.StreamReader(), lambda _body: health.Answer(200, b""))
    assert answer.status == (200 if is_local else 403)


async def test_a_guard_decides_before_a_route_does():
    seen = []

    async def guard(request):
        seen.append((request.path, request.fields["x-who"]))
        return None if request.fields["x-who"] == "me" else health.Answer(http.HTTPStatus.FORBIDDEN, b"no\n")

    asked = []

    def route():
        asked.append(True)
        return health.Answer(http.HTTPStatus.OK, b"yes\n")

    running = await health.HttpServer.listen("127.0.0.1", 0, {"/a": route}, guard=guard)
    url = f"http://127.0.0.1:{running.port}"
    async with aiohttp.ClientSession() as session:
        for path, who, status in (("/a?b=c", "me", 200), ("/a", "you", 403), ("/b", "me", 404)):
            async with session.get(f"{url}{path}", headers={"X-Who": who}) as answer:
                assert answer.status == status
    assert (seen, asked) == ([("/a", "me"), ("/a", "you")], [True])
    await running.close()
