"""A `KubePort` whose writes pass only while this replica leads: the last check before a request leaves the process.

The controller's outbox writes through it. The check stands here, not in the loop, because a process may be suspended at any
point for longer than its lease lasts. Reads always pass. It must never write anything of its own.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator

from frr_adapter import errors
from frr_adapter.boundary import ports


class Fence:
    """`may_write` is asked before every single request, those of retries too."""

    def __init__(self, kube: ports.KubePort, may_write: Callable[[], bool]) -> None:
        self._kube = kube
        self._may_write = may_write
        self._is_open = True
        self._under_way = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def close(self) -> None:
        """Nothing new leaves from now on; what is under way goes on."""
        self._is_open = False

    async def drained(self, seconds: float) -> bool:
        """Waits until no write is under way, at most `seconds`; says whether that came true."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_idle.wait()
        return not self._under_way

    async def get(self, path: str, query: ports.Query = ports.NO_QUERY) -> bytes:
        """As the port."""
        return await self._kube.get(path, query)

    def stream(self, path: str, query: ports.Query = ports.NO_QUERY) -> AsyncGenerator[bytes, None]:
        """As the port."""
        return self._kube.stream(path, query)

    async def patch(
        self, path: str, body: ports.Document, content_type: ports.Patch, query: ports.Query = ports.NO_QUERY
    ) -> bytes:
        """As the port, while we lead."""
        with self._write():
            return await self._kube.patch(path, body, content_type, query)

    async def create(self, path: str, body: ports.Document, query: ports.Query = ports.NO_QUERY) -> bytes:
        """As the port, while we lead."""
        with self._write():
            return await self._kube.create(path, body, query)

    async def update(self, path: str, body: ports.Document, query: ports.Query = ports.NO_QUERY) -> bytes:
        """As the port, while we lead."""
        with self._write():
            return await self._kube.update(path, body, query)

    async def delete(self, path: str, query: ports.Query = ports.NO_QUERY) -> bytes:
        """As the port, while we lead."""
        with self._write():
            return await self._kube.delete(path, query)

    @contextlib.contextmanager
    def _write(self) -> Iterator[None]:
        if not self._is_open or not self._may_write():
            raise errors.KubernetesError(0, "NotLeading", "this replica does not lead; nothing was sent")
        self._under_way += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._is_idle.set()
