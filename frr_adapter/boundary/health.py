"""Probes and metrics over HTTP: a very small server, because a whole web framework would cost every node megabytes.

The programs' wiring starts one server for the probes and one for the metrics. It answers GET and HEAD of known paths and
closes; it must never do work of its own: routes are functions that look at values.
"""

import asyncio
import http
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from frr_adapter.boundary import logs, metrics

_log = logs.get_logger()

_HEAD_BYTES = 16 * 1024
_PATIENCE_SECONDS = 10.0
_TEXT = "text/plain; charset=utf-8"
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route gives."""

    status: http.HTTPStatus
    body: bytes
    content_type: str = _TEXT


Route = Callable[[], Answer]
Reasons = Callable[[], tuple[str, ...]]
Word = Callable[[], str]


def _ok() -> str:
    return "ok"


def probe_routes(dead: Reasons, unready: Reasons, ready: Word = _ok) -> Mapping[str, Route]:
    """`/healthz` and `/livez` answer 200 while `dead` gives no reason, `/readyz` while `unready` gives none; else 503.

    `dead` is for what only a new start mends; the probe is answered by the event loop that does the work, so a program that is
    stuck gives no answer at all, which says the same. `unready` is for everything that keeps the program from doing its work now.
    The reasons are the body, one per line; `ready` is the body of a ready `/readyz`.
    """
    return {
        "/healthz": lambda: _probe(dead),
        "/livez": lambda: _probe(dead),
        "/readyz": lambda: _probe(unready, ready),
    }


def metrics_routes(registry: metrics.Metrics) -> Mapping[str, Route]:
    """`/metrics` in the Prometheus text format."""
    return {"/metrics": lambda: Answer(http.HTTPStatus.OK, registry.render(), _EXPOSITION)}


def _probe(reasons: Reasons, word: Word = _ok) -> Answer:
    found = reasons()
    if found:
        return Answer(http.HTTPStatus.SERVICE_UNAVAILABLE, "".join(f"{line}\n" for line in found).encode())
    return Answer(http.HTTPStatus.OK, f"{word()}\n".encode())


class HttpServer:
    """Serves routes until closed."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = routes
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(cls, host: str | None, port: int, routes: Mapping[str, Route]) -> Self | None:
        """Listens on `host`:`port`, on all addresses of both families when `host` is None; port 0 means off and gives None.

        OSError when the port cannot be had.
        """
        return await cls.listen(host, port, routes) if port else None

    @classmethod
    async def listen(cls, host: str | None, port: int, routes: Mapping[str, Route]) -> Self:
        """Like `start`, but port 0 takes any free port; see `port`."""
        server = cls(routes)
        server._server = await asyncio.start_server(server._serve, host, port, limit=_HEAD_BYTES)
        return server

    @property
    def port(self) -> int:
        """The port it listens on, 0 when closed."""
        sockets = self._server.sockets if self._server is not None else ()
        return int(sockets[0].getsockname()[1]) if sockets else 0

    async def close(self) -> None:
        """Stops listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._respond(head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # Whoever asked is gone, or is no HTTP client; there is nobody to tell.
            pass
        finally:
            writer.close()

    def _respond(self, head: bytes) -> bytes:
        line = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        method, target = (line[0], line[1]) if len(line) == 3 else ("", "")
        answer = self._answer(method, target.partition("?")[0])
        fields = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(answer.body)}",
            "Connection: close",
        )
        return "\r\n".join((*fields, "", "")).encode() + (b"" if method == "HEAD" else answer.body)

    def _answer(self, method: str, path: str) -> Answer:
        if not method:
            return Answer(http.HTTPStatus.BAD_REQUEST, b"not an HTTP request\n")
        if method not in {"GET", "HEAD"}:
            return Answer(http.HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n")
        route = self._routes.get(path)
        if route is None:
            return Answer(http.HTTPStatus.NOT_FOUND, b"unknown path\n")
        try:
            return route()
        except Exception as problem:
            # Whoever asks for our health must hear of a mistake of ours, not wait for an answer.
            _log.exception("no answer to a request", path=path)
            return Answer(http.HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(problem).__name__}\n".encode())
