"""Probes, metrics and the log level over HTTP: a very small server, because a whole web framework would cost every node megabytes.

The programs' wiring starts one server for the probes; `scraping` starts the one for the metrics. It answers one request and
closes; it must never do work of its own: routes are functions that look at values.
"""

import asyncio
import http
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from frr_adapter.boundary import logs, metrics

_log = logs.get_logger()

_HEAD_BYTES = 16 * 1024
_BODY_BYTES = 64
_PATIENCE_SECONDS = 10.0
_TEXT = "text/plain; charset=utf-8"
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route gives; `fields` are more header lines."""

    status: http.HTTPStatus
    body: bytes
    content_type: str = _TEXT
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: path without query, header fields in lower case, and from where. An empty method is no HTTP."""

    method: str = ""
    path: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    is_local: bool = False


Route = Callable[[], Answer]
Slow = Callable[[], Awaitable[Answer]]
"""A route whose answer takes a while to make; others are served meanwhile."""
Change = Callable[[bytes], Answer]
"""What a PUT of this body does."""
Guard = Callable[[Request], Awaitable[Answer | None]]
"""The answer to who may not ask, None for who may."""
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


def level_routes() -> Mapping[str, Route]:
    """`/log-level` says from which level on the program logs."""
    return {"/log-level": lambda: Answer(http.HTTPStatus.OK, f"{logs.current_level()}\n".encode())}


def level_changes() -> Mapping[str, Change]:
    """A PUT of a level to `/log-level` changes it until the program ends."""
    return {"/log-level": _set_level}


def _set_level(body: bytes) -> Answer:
    word = body.decode(errors="replace").strip()
    try:
        level = logs.Level(word)
    except ValueError:
        text = f'found "{word}"; allowed are {", ".join(logs.Level)}\n'
        return Answer(http.HTTPStatus.BAD_REQUEST, text.encode())
    before, order = logs.current_level(), list(logs.Level)
    # Told under the more talkative of the two: who reads the log later must see why it went quiet.
    is_quieter = order.index(level) > order.index(before)
    if is_quieter:
        _log.warning("log level changes", before=before.value, now=level.value)
    logs.set_level(level)
    if not is_quieter:
        _log.warning("log level changed", before=before.value, now=level.value)
    return Answer(http.HTTPStatus.OK, f"{level}\n".encode())


def _probe(reasons: Reasons, word: Word = _ok) -> Answer:
    found = reasons()
    if found:
        return Answer(http.HTTPStatus.SERVICE_UNAVAILABLE, "".join(f"{line}\n" for line in found).encode())
    return Answer(http.HTTPStatus.OK, f"{word()}\n".encode())


class HttpServer:
    """Serves routes until closed."""

    def __init__(
        self,
        routes: Mapping[str, Route | Slow],
        changes: Mapping[str, Change] | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._routes = routes
        self._changes = changes or {}
        self._guard = guard
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(
        cls,
        host: str | None,
        port: int,
        routes: Mapping[str, Route | Slow],
        changes: Mapping[str, Change] | None = None,
    ) -> Self | None:
        """Listens on `host`:`port`, on all addresses of both families when `host` is None; port 0 means off and gives None.

        `changes` are for programs on the same host (in the same pod) only. OSError when the port cannot be had.
        """
        return await cls.listen(host, port, routes, changes) if port else None

    @classmethod
    async def listen(
        cls,
        host: str | None,
        port: int,
        routes: Mapping[str, Route | Slow],
        changes: Mapping[str, Change] | None = None,
        guard: Guard | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Like `start`, but port 0 takes any free port; see `port`. `guard` is asked before a route is."""
        server = cls(routes, changes, guard)
        server._server = await asyncio.start_server(
            server._serve,
            host,
            port,
            limit=_HEAD_BYTES,
            ssl=tls,
            ssl_handshake_timeout=_PATIENCE_SECONDS if tls is not None else None,
        )
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
                request = _parse(await reader.readuntil(b"\r\n\r\n"), writer.get_extra_info("peername"))
                writer.write(_written(request, await self._answer(request, reader)))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # Whoever asked is gone, or is no HTTP client; there is nobody to tell.
            pass
        finally:
            writer.close()

    async def _answer(self, request: Request, reader: asyncio.StreamReader) -> Answer:
        if not request.method:
            return Answer(http.HTTPStatus.BAD_REQUEST, b"not an HTTP request\n")
        route, change = self._routes.get(request.path), self._changes.get(request.path)
        if request.method == "PUT" and change is not None:
            return await _changed(request, reader, change)
        if request.method not in {"GET", "HEAD"}:
            return Answer(http.HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n")
        if route is None:
            return Answer(http.HTTPStatus.NOT_FOUND, b"unknown path\n")
        refused = await self._guard(request) if self._guard is not None else None
        return refused if refused is not None else await _tried(request, route)


async def _changed(request: Request, reader: asyncio.StreamReader, change: Change) -> Answer:
    if not request.is_local:
        return Answer(http.HTTPStatus.FORBIDDEN, b"only from the same host\n")
    length = request.fields.get("content-length", "")
    if not length.isdecimal() or int(length) > _BODY_BYTES:
        return Answer(http.HTTPStatus.BAD_REQUEST, f"a body of up to {_BODY_BYTES} bytes is allowed\n".encode())
    body = await reader.readexactly(int(length))
    return await _tried(request, lambda: change(body))


async def _tried(request: Request, route: Route | Slow) -> Answer:
    try:
        found = route()
        return found if isinstance(found, Answer) else await found
    except Exception as problem:
        # Whoever asks for our health must hear of a mistake of ours, not wait for an answer.
        _log.exception("no answer to a request", path=request.path)
        return Answer(http.HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(problem).__name__}\n".encode())


def _parse(head: bytes, peer: tuple[str, int] | None) -> Request:
    first, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    line = first.split(" ")
    if len(line) != 3:
        return Request()
    pairs = (each.partition(":") for each in rest)
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Request(line[0], line[1].partition("?")[0], fields, _is_local(peer))


def _is_local(peer: tuple[str, int] | None) -> bool:
    address = ipaddress.ip_address(peer[0].partition("%")[0]) if peer else None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address is not None and (mapped or address).is_loopback


def _written(request: Request, answer: Answer) -> bytes:
    fields = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        *answer.fields,
        "Connection: close",
    )
    return "\r\n".join((*fields, "", "")).encode() + (b"" if request.method == "HEAD" else answer.body)
