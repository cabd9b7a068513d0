"""An applier around another that looks after BFD: holds it back at first, mends it, and says where it is heard on one side only.

`frr_adapter.frr.bfd_care` decides. Told by `observing` what FRR says. It sends nothing while the inner applier is at work, and it
must never take BFD away from a session that has it and shall have it.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from frr_adapter import errors
from frr_adapter.boundary import bgp_metrics, logs, ports, vty
from frr_adapter.frr import bfd_care, reloading, show
from frr_adapter.frr import config as frr_config

_log = logs.get_logger()


class BfdCare:
    """An `Applier`. `directory` holds the daemons' VTY sockets. Give the same configuration again when `again` says so."""

    def __init__(self, inner: ports.Applier, directory: Path, counted: bgp_metrics.BfdCareMetrics) -> None:
        self._inner = inner
        self._directory = directory
        self._counted = counted
        self._again: Callable[[], None] = lambda: None
        self._memory = bfd_care.NOTHING_SEEN
        self._is_asked = False  # in this life of FRR: a look at an earlier one may still be on its way
        self._lives = 0
        self._wanted = frr_config.FrrConfig("")
        self._one_sided: frozenset[show.SessionKey] = frozenset()
        self._repairs: tuple[show.SessionKey, ...] = ()
        self._due = asyncio.Event()
        self._turn = asyncio.Lock()

    def connect(self, again: Callable[[], None]) -> None:
        """Whom to tell that more of the same configuration may be applied now; it calls `apply`, hence after construction."""
        self._again = again

    def forget(self) -> None:
        """As `ports.Applier`; bgpd is asked before the next apply what it has."""
        self._memory, self._is_asked = bfd_care.NOTHING_SEEN, False
        self._lives += 1
        self._inner.forget()

    async def apply(self, config: frr_config.FrrConfig) -> reloading.ApplyReport:
        """As `ports.Applier`, of everything but BFD that has to wait."""
        async with self._turn:
            self._wanted = config
            wanted = bfd_care.with_bfd(config)
            if wanted and (not self._is_asked or wanted - self._memory.released):
                # Whatever was seen before: a session that has BFD must not lose it by mistake.
                lives = self._lives
                sessions = await self._sessions()
                if lives != self._lives:
                    raise errors.ApplyError("FRR went away while bgpd was asked about its sessions")
                self._is_asked = True
                self._memory = bfd_care.seen(self._memory, wanted, sessions, self._now())
            self._show_held()
            return await self._inner.apply(bfd_care.held(config, self._memory))

    def observed(self, sessions: tuple[show.Session, ...] | None, bfd: tuple[show.BfdSession, ...] | None) -> None:
        """What bgpd and bfdd said just now; None from a daemon that did not answer."""
        if sessions is None or not self._is_asked:
            self._tell_one_sided(frozenset())
            return
        wanted, now = bfd_care.with_bfd(self._wanted), self._now()
        released = self._memory.released
        self._memory = bfd_care.seen(self._memory, wanted, sessions, now)
        if self._memory.released - released:
            self._again()
        self._show_held()
        if bfd is None:
            return
        self._memory, findings = bfd_care.watched(self._memory, wanted, sessions, bfd, now)
        self._tell_one_sided(frozenset(findings.one_sided))
        if findings.repairs:
            self._repairs = findings.repairs
            self._due.set()

    async def run(self) -> NoReturn:
        """Mends what `observed` found, until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                async with self._turn:
                    await self._repair(self._repairs)
            except errors.ApplyError as problem:
                _log.warning("cannot mend BFD sessions", error=str(problem))

    def _tell_one_sided(self, found: frozenset[show.SessionKey]) -> None:
        for vrf, neighbor in sorted(found - self._one_sided):
            _log.warning(
                "BGP is up without BFD: no BFD packets come from the neighbor; with some routers the session will not come "
                "back after its next reset",
                neighbor=neighbor,
                vrf=vrf,
            )
        self._one_sided = found
        self._counted.set_one_sided(found)

    async def _repair(self, keys: tuple[show.SessionKey, ...]) -> None:
        config = bfd_care.held(self._wanted, self._memory)
        lines = bfd_care.repair(config, keys)
        if not lines:
            return
        connection = await vty.Vty.connect(self._directory / "bgpd.vty")
        try:
            for line in lines:
                for command in ("end", "configure terminal", *(line.path or ()), line.text):
                    answer = await connection.execute(command)
                    if not answer.is_success:
                        words = " ".join(answer.text.split()) or f"status {answer.status}"
                        told = reloading.redact(f"bgpd refused: {command}: {words}", config.secrets)
                        raise errors.ApplyError(told)
            await connection.execute("end")
        finally:
            connection.close()
        for key in keys:
            vrf, neighbor = key
            _log.warning("bfdd had lost a BFD session and was told of it anew", neighbor=neighbor, vrf=vrf)
            self._counted.repaired(key)

    async def _sessions(self) -> tuple[show.Session, ...]:
        connection = await vty.Vty.connect(self._directory / "bgpd.vty")
        try:
            answer = await connection.execute(show.BGP_NEIGHBORS)
        finally:
            connection.close()
        try:
            return show.sessions(answer.text)
        except ValueError as problem:
            raise errors.ApplyError(f"bgpd.vty: {show.BGP_NEIGHBORS}: {problem}") from problem

    def _show_held(self) -> None:
        self._counted.set_held(bfd_care.with_bfd(self._wanted) - self._memory.released)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
