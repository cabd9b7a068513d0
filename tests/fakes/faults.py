"""An API that misbehaves by a seeded plan: as a port around another port, and as an HTTP proxy in front of a real API.

Every fault that may hit a request may hit it before the API saw it or after: an answer that gets lost is the worst of them.
While `is_calm` nothing goes wrong any more.
"""

import asyncio
import enum
import random
import ssl
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any, Self

import aiohttp
from aiohttp import web

from frr_adapter import errors
from frr_adapter.boundary import ports


class Fault(enum.Enum):
    CONFLICT = 409
    GONE = 410
    BUSY = 429
    BROKEN = 500
    UNREACHABLE = 0
    LOST_ANSWER = -1
    SLOW = -2


_ON_READ = (Fault.GONE, Fault.BUSY, Fault.BROKEN, Fault.UNREACHABLE, Fault.SLOW)
_ON_WRITE = (Fault.CONFLICT, Fault.BUSY, Fault.BROKEN, Fault.UNREACHABLE, Fault.LOST_ANSWER, Fault.SLOW)
_LONGEST_DELAY = 0.2


class Plan:
    """What goes wrong next: each request with probability `share`; a watch breaks after at most `patience` events."""

    def __init__(self, seed: int, share: float = 0.25, patience: int = 60) -> None:
        self._chance = random.Random(seed)
        self._share = share
        self._patience = patience
        self.is_calm = False
        self.injected: Counter[str] = Counter()

    def next(self, *, is_read: bool) -> Fault | None:
        if self.is_calm or self._chance.random() >= self._share:
            return None
        fault = self._chance.choice(_ON_READ if is_read else _ON_WRITE)
        self.injected[fault.name] += 1
        return fault

    def events(self) -> int:
        """How many events the next watch brings before it breaks."""
        return self._chance.randrange(1, self._patience)

    def break_watch(self) -> bool:
        """Whether a broken watch says 410 rather than being cut off."""
        is_gone = self._chance.random() < 0.3
        self.injected["GONE in a watch" if is_gone else "watch cut"] += 1
        return is_gone

    def delay(self) -> float:
        return self._chance.random() * _LONGEST_DELAY


def _error(fault: Fault) -> errors.KubernetesError:
    return errors.KubernetesError(max(fault.value, 0), fault.name.title(), "made to fail")


class FaultyPort:
    """A `ports.KubePort` around one that works."""

    def __init__(self, inner: ports.KubePort, plan: Plan) -> None:
        self._inner = inner
        self._plan = plan

    async def _call(self, method: str, *arguments: Any) -> bytes:
        fault = self._plan.next(is_read=method == "get")
        if fault is Fault.SLOW:
            await asyncio.sleep(self._plan.delay())
        elif fault is Fault.LOST_ANSWER:
            await getattr(self._inner, method)(*arguments)
            raise _error(fault)
        elif fault is not None:
            raise _error(fault)
        answer: bytes = await getattr(self._inner, method)(*arguments)
        return answer

    async def get(self, path: str, query: ports.Query = ports.NO_QUERY) -> bytes:
        return await self._call("get", path, query)

    async def patch(
        self, path: str, body: ports.Document, content_type: ports.Patch, query: ports.Query = ports.NO_QUERY
    ) -> bytes:
        return await self._call("patch", path, body, content_type, query)

    async def create(self, path: str, body: ports.Document, query: ports.Query = ports.NO_QUERY) -> bytes:
        return await self._call("create", path, body, query)

    async def update(self, path: str, body: ports.Document, query: ports.Query = ports.NO_QUERY) -> bytes:
        return await self._call("update", path, body, query)

    async def delete(self, path: str, query: ports.Query = ports.NO_QUERY) -> bytes:
        return await self._call("delete", path, query)

    async def stream(self, path: str, query: ports.Query = ports.NO_QUERY) -> AsyncGenerator[bytes, None]:
        left = self._plan.events()
        async for line in self._inner.stream(path, query):
            left -= 1
            if left < 0 and not self._plan.is_calm:
                raise _error(Fault.GONE if self._plan.break_watch() else Fault.UNREACHABLE)
            yield line


class FaultyProxy:
    """Plain HTTP on loopback in front of the API at `url`. Use as an async context manager; `url` is where to connect."""

    def __init__(self, upstream: str, plan: Plan, headers: dict[str, str], tls: ssl.SSLContext | bool) -> None:
        self._upstream = upstream
        self._plan = plan
        self._headers = headers
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls or True, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers, auto_decompress=False)
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        fault = self._plan.next(is_read=request.method == "GET")
        match fault:
            case None:
                return await self._forward(request)
            case Fault.SLOW:
                await asyncio.sleep(self._plan.delay())
                return await self._forward(request)
            case Fault.UNREACHABLE | Fault.LOST_ANSWER:
                if fault is Fault.LOST_ANSWER:
                    await self._forward(request)
                request.transport.abort()
                return web.Response()
            case _:
                body = {"kind": "Status", "reason": fault.name.title(), "message": "made to fail", "code": fault.value}
                return web.json_response(body, status=fault.value)

    def _onward(self, request: web.Request, data: bytes | None = None) -> Any:
        headers = {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
        url = self._upstream + request.path_qs
        timeout = aiohttp.ClientTimeout(total=None)
        return self._session.request(request.method, url, data=data, headers=headers, timeout=timeout)

    async def _forward(self, request: web.Request) -> web.Response:
        async with self._onward(request, await request.read() or None) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), headers={"Content-Type": answer.headers["Content-Type"]}
            )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        left = self._plan.events()
        async with self._onward(request) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
            await response.prepare(request)
            async for line in answer.content:
                left -= 1
                if left < 0 and not self._plan.is_calm:
                    if self._plan.break_watch():
                        await response.write(
                            b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'
                        )
                        return response
                    await response.write(line[: len(line) // 2])  # in the middle of an event
                    request.transport.abort()
                    return response
                await response.write(line)
            return response
