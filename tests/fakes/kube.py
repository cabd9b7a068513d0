"""A `cluster.Cluster` behind real HTTP, which can misbehave on request: what `boundary.kube` is tested against."""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import web

from frr_adapter import errors
from frr_adapter.boundary import ports
from tests.fakes import cluster

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class KubeServer:
    """Use as an async context manager. `seen` holds the requests, `watches` and `others` what to do to the next ones."""

    def __init__(self, behind: cluster.Cluster, tls: ssl.SSLContext | None = None, token: str = "") -> None:
        self.cluster = behind
        self.seen: list[web.Request] = []
        self.watches: deque[Behaviour] = deque()
        self.others: deque[Behaviour] = deque()
        self.token = token
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        if self.token and request.headers.get("Authorization", "").lower() != f"bearer {self.token}".lower():
            return _status(errors.KubernetesError(401, "Unauthorized", "who are you"))
        is_watch = request.query.get("watch") == "true"
        queue = self.watches if is_watch else self.others
        if queue:
            answer = await queue.popleft()(request)
            if answer is not None:
                return answer
        try:
            return await self._watch(request) if is_watch else await self._answer(request)
        except errors.KubernetesError as error:
            return _status(error)

    async def _answer(self, request: web.Request) -> web.Response:
        text = await request.read()
        body = json.loads(text) if text else {}
        match request.method:
            case "GET":
                answer = await self.cluster.get(request.path, request.query)
            case "POST":
                answer = await self.cluster.create(request.path, body, request.query)
            case "PUT":
                answer = await self.cluster.update(request.path, body, request.query)
            case "PATCH":
                patch = ports.Patch(request.headers["Content-Type"])
                answer = await self.cluster.patch(request.path, body, patch, request.query)
            case _:
                answer = await self.cluster.delete(request.path, request.query)
        return web.Response(body=answer, content_type="application/json")

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        events = self.cluster.stream(request.path, request.query)
        if int(request.query["resourceVersion"]) < self.cluster._oldest:
            await anext(events)
        response = await begin(request)
        async for line in events:
            await response.write(line + b"\n")
        return response


async def begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    return response


def _status(error: errors.KubernetesError) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "reason": error.reason, "message": error.message}
    return web.json_response({**body, "code": error.status}, status=error.status)


def refuse(status: int, reason: str = "", retry_after: str = "") -> Behaviour:
    """Answers with a failure; without a reason, one that no API wrote."""

    async def behave(_: web.Request) -> web.Response:
        headers = {"Retry-After": retry_after} if retry_after else {}
        if not reason:
            return web.Response(status=status, text="no healthy upstream", headers=headers)
        return web.json_response({"kind": "Status", "reason": reason, "message": "no"}, status=status, headers=headers)

    return behave


def lines(*sent: bytes, cut: bool = False) -> Behaviour:
    """A watch that sends these bytes and then ends, or breaks off when `cut`."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        for piece in sent:
            await response.write(piece)
        if cut:
            # Without the end of the chunked body the client sees a broken connection.
            await asyncio.sleep(0.01)
            request.transport.abort()
        return response

    return behave


def silent(seconds: float = 30.0) -> Behaviour:
    """A watch, or an answer, that says nothing."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await asyncio.sleep(seconds)
        return response

    return behave


def broken() -> Behaviour:
    """Closes the connection instead of answering."""

    async def behave(request: web.Request) -> web.StreamResponse:
        request.transport.abort()
        return web.Response()

    return behave
