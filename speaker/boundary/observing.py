"""Asks bgpd and bfdd about their sessions again and again: for status, for metrics, and for the care of BFD.

Started by the speaker's wiring. On connections of its own, so nothing waits for it; questions of a fraction of a millisecond
each. It must never configure FRR and never decide anything.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from frr_adapter import errors
from frr_adapter.boundary import bgp_metrics, logs, vty
from frr_adapter.frr import show
from speaker import values

_log = logs.get_logger()

QUICK_SECONDS = 0.25
"""Between two looks soon after a change, while not everything is settled."""

UNSETTLED_SECONDS = 1.0
"""Between two looks while a session is not up, and while somebody reads the metrics."""

SETTLED_SECONDS = 5.0

_QUICK_FOR = 15.0
_SCRAPED_FOR = 150.0  # metrics are usually read every 15 to 60 s
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """One round of answers; None from a daemon that does not answer."""

    sessions: tuple[show.Session, ...] | None
    bfd: tuple[show.BfdSession, ...] | None
    bfd_counters: tuple[show.BfdCounters, ...] = ()

    @property
    def observation(self) -> values.Observation:
        """The same for people."""
        return values.Observation(self.sessions or (), self.bfd or ())

    @property
    def is_settled(self) -> bool:
        """Whether everything that is configured is up."""
        if self.sessions is None or self.bfd is None:
            return False
        up = [item for item in self.bfd if item.is_up]
        return all(
            session.is_established and (not session.bfd or any(item.is_of(session) for item in up))
            for session in self.sessions
        )


class Observing:
    """Looks until cancelled. `directory` holds the daemons' VTY sockets; `told` is called after every look."""

    def __init__(self, directory: Path, told: Callable[[Look], None], shown: bgp_metrics.SessionMetrics) -> None:
        self._directory = directory
        self._told = told
        self._shown = shown
        self._connections: dict[str, vty.Vty] = {}
        self._news = asyncio.Event()
        self._quick_until = 0.0
        self._scraped_until = 0.0
        self._sessions: dict[show.SessionKey, show.Session] = {}
        self._bfd: dict[tuple[str, str, str], show.BfdSession] = {}

    def has_session(self) -> bool:
        """Whether a BGP session was up at the last look."""
        return any(session.is_established for session in self._sessions.values())

    def soon(self) -> None:
        """Something changed: looks now, and more often for a while."""
        self._quick_until = asyncio.get_running_loop().time() + _QUICK_FOR
        self._news.set()

    def scraped(self) -> None:
        """Somebody read the metrics: they are kept fresh until nobody has for a while."""
        now = asyncio.get_running_loop().time()
        if now >= self._scraped_until:
            self._news.set()
        self._scraped_until = now + _SCRAPED_FOR

    async def run(self) -> NoReturn:
        """As the class says; daemons that do not answer are asked again."""
        try:
            while True:
                self._news.clear()
                look = await self._look()
                self._log_changes(look)
                self._shown.set_samples(
                    (*show.bgp_samples(look.sessions or ()), *show.bfd_samples(look.bfd or (), look.bfd_counters))
                )
                self._told(look)
                await self._pause(look)
        finally:
            for connection in self._connections.values():
                connection.close()

    async def _pause(self, look: Look) -> None:
        now = asyncio.get_running_loop().time()
        seconds = SETTLED_SECONDS
        if not look.is_settled:
            seconds = QUICK_SECONDS if now < self._quick_until else UNSETTLED_SECONDS
        elif now < self._scraped_until:
            seconds = UNSETTLED_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        # Changes may come by the hundred in a second: each of them is seen, not each of them at once.
        await asyncio.sleep(QUICK_SECONDS)

    async def _look(self) -> Look:
        try:
            sessions = show.sessions(await self._ask("bgpd", show.BGP_NEIGHBORS))
        except (errors.ApplyError, ValueError):
            return Look(None, None)
        found: list[show.BfdSession] = []
        counters: list[show.BfdCounters] = []
        try:
            for vrf in sorted({show.DEFAULT_VRF, *(session.vrf for session in sessions)}):
                found += show.bfd_sessions(await self._ask("bfdd", show.bfd_peers_command(vrf)))
                counters += show.bfd_counters(await self._ask("bfdd", show.bfd_counters_command(vrf)))
        except (errors.ApplyError, ValueError):
            return Look(sessions, None)
        return Look(sessions, tuple(found), tuple(counters))

    async def _ask(self, daemon: str, question: str) -> str:
        try:
            if daemon not in self._connections:
                self._connections[daemon] = await vty.Vty.connect(self._directory / f"{daemon}.vty", _ANSWER_SECONDS)
            return (await self._connections[daemon].execute(question, _ANSWER_SECONDS)).text
        except BaseException:
            if connection := self._connections.pop(daemon, None):
                connection.close()  # an answer may still be on its way
            raise

    def _log_changes(self, look: Look) -> None:
        if look.sessions is not None:
            sessions = {session.key: session for session in look.sessions}
            for key, session in sessions.items():
                self._log_session(self._sessions.get(key), session)
            self._sessions = sessions
        if look.bfd is not None:
            bfd = {(item.vrf, item.peer, item.interface): item for item in look.bfd}
            for place, item in bfd.items():
                before = self._bfd.get(place)
                if item.is_up != (before is not None and before.is_up):
                    log = _log.info if item.is_up else _log.warning
                    log(f"BFD session {item.status}", peer=item.peer, vrf=item.vrf, diagnostic=item.diagnostic)
            self._bfd = bfd

    def _log_session(self, before: show.Session | None, after: show.Session) -> None:
        was_up = before is not None and before.is_established
        if after.is_established and not was_up:
            _log.info("BGP session up", neighbor=after.neighbor, vrf=after.vrf, remote_as=after.remote_as)
        elif was_up and not after.is_established:
            _log.warning("BGP session down", neighbor=after.neighbor, vrf=after.vrf, reason=after.last_reset)
        elif was_up and before is not None and after.connections_dropped > before.connections_dropped:
            _log.warning("BGP session was reset", neighbor=after.neighbor, vrf=after.vrf, reason=after.last_reset)
