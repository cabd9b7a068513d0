"""`GET /node-report` on the probe port: what the speaker knows, as JSON, for `frr-adapter node-report` in the same pod.

Started by the wiring. Whoever asks must never delay what the speaker is there for: only references are taken in the event loop;
texts, the two configurations among them, are made in a thread, for one asker at a time.
"""

import asyncio
import http
from collections.abc import Callable, Mapping

import msgspec

from frr_adapter.api import node_report
from frr_adapter.boundary import health

PATH = "/node-report"

Work = Callable[[], node_report.Speaker]
"""Makes the report from what was taken; runs in a thread and must touch nothing that changes."""


class Reporting:
    """`take` is called in the event loop and must be quick."""

    def __init__(self, take: Callable[[], Work]) -> None:
        self._take = take
        self._turn = asyncio.Lock()

    @property
    def routes(self) -> Mapping[str, health.Slow]:
        """For the server of the probes."""
        return {PATH: self._answer}

    async def _answer(self) -> health.Answer:
        async with self._turn:
            work = self._take()
            body = await asyncio.to_thread(lambda: msgspec.json.encode(work()))
        return health.Answer(http.HTTPStatus.OK, body, "application/json")
