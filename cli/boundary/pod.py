"""What the speaker and the FRR of this very pod say: the one asked over its probe port, the other over the daemons' VTY sockets.

Called by `cli.commands.node_report`, in the speaker's container. It must never configure anything, wait longer than `SECONDS` in all,
or give away a password.
"""

import asyncio
import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cli import errors
from frr_adapter import errors as base
from frr_adapter.api import node_report
from frr_adapter.boundary import vty
from frr_adapter.frr import masking, show

SECONDS = 5.0

_NEEDED = ("zebra", "bgpd", "bfdd")
_OTHERS = ("mgmtd", "staticd")
"""Asked where they run: who misses them is told by the others."""

_FAMILIES = ("ipv4", "ipv6")
_PATH = "/node-report"


async def report(port: int, directory: Path | None = None) -> node_report.NodeReport:
    """Everything; `directory` is that of the sockets, None for the one that the speaker uses.

    Raises errors.NoAnswerError when the speaker does not answer. What FRR does not answer is told in the report.
    """
    deadline = asyncio.get_running_loop().time() + SECONDS
    speaker = await _speaker(port, deadline)
    if directory is None:
        if not speaker.flags.frr_vty_dir:
            return node_report.NodeReport(speaker)
        directory = Path(speaker.flags.frr_vty_dir)
    found = await _Asking(directory, deadline).all()
    return node_report.NodeReport(
        speaker=speaker,
        frr_version=found.version,
        frr_error="; ".join(found.troubles),
        running=dict(sorted(found.running.items())),
        sessions=tuple(found.sessions),
        advertised=tuple(found.advertised),
    )


async def _speaker(port: int, deadline: float) -> node_report.Speaker:
    where = f"the speaker at port {port} of 127.0.0.1 (--port)"
    try:
        async with asyncio.timeout_at(deadline):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read()
            finally:
                writer.close()
    except TimeoutError:
        raise errors.NoAnswerError(f"{where}: no answer within {SECONDS:g} s") from None
    except OSError as problem:
        # asyncio's own words name its function; those of the number say what is wrong.
        why = os.strerror(problem.errno) if problem.errno else str(problem)
        raise errors.NoAnswerError(f"{where}: {why}") from problem
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.partition(b"\r\n")[0].decode("latin-1")
    if " 200 " not in status:
        raise errors.NoAnswerError(f"{where}: {status or 'no answer'}: {body.decode(errors='replace').strip()}")
    try:
        return msgspec.json.decode(body, type=node_report.Speaker)
    except msgspec.DecodeError as problem:
        raise errors.NoAnswerError(f"{where}: no report of ours: {problem}") from problem


@dataclass(slots=True)
class _Found:
    """What was heard by now; what comes too late is missing, and `troubles` says so."""

    version: str = ""
    running: dict[str, str] = field(default_factory=dict)
    sessions: list[node_report.Session] = field(default_factory=list)
    advertised: list[node_report.Advertised] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


class _Asking:
    """All daemons at once, each on a connection of its own."""

    def __init__(self, directory: Path, deadline: float) -> None:
        self._directory = directory
        self._deadline = deadline
        self._found = _Found()

    async def all(self) -> _Found:
        """What they say until the time is over."""
        others = [name for name in _OTHERS if self._path(name).exists()]
        await asyncio.gather(*(self._ask(name) for name in (*_NEEDED, *others)))
        return self._found

    def _path(self, daemon: str) -> Path:
        return self._directory / f"{daemon}.vty"

    @property
    def _left(self) -> float:
        return max(0.01, self._deadline - asyncio.get_running_loop().time())

    async def _ask(self, daemon: str) -> None:
        try:
            connection = await vty.Vty.connect(self._path(daemon), self._left)
            try:
                self._found.running[daemon] = masking.text(await connection.show("show running-config", self._left))
                if daemon == "bgpd":
                    await self._ask_bgpd(connection)
            finally:
                connection.close()
        except (base.ApplyError, ValueError) as problem:
            self._found.troubles.append(f"{daemon}: {problem}" if isinstance(problem, ValueError) else str(problem))

    async def _ask_bgpd(self, connection: vty.Vty) -> None:
        text = await connection.show("show version", self._left)
        self._found.version = show.version(text)
        sessions = show.sessions(await connection.show(show.BGP_NEIGHBORS, self._left))
        self._found.sessions += [_session(each) for each in sessions]
        for session in sessions:
            if session.is_established:
                prefixes: list[str] = []
                for family in _FAMILIES:
                    answer = await connection.execute(show.advertised_command(session, family), self._left)
                    if answer.is_success:  # a session that does not carry the family is no trouble
                        prefixes += show.advertised_prefixes(answer.text)
                self._found.advertised.append(_advertised(session, prefixes))


def _session(session: show.Session) -> node_report.Session:
    return node_report.Session(
        vrf=session.vrf,
        neighbor=session.neighbor,
        state=session.state,
        remote_as=session.remote_as,
        last_reset=session.last_reset,
        bfd=session.bfd,
        sent_prefixes=session.sent_prefixes,
        accepted_prefixes=session.accepted_prefixes,
        connections_dropped=session.connections_dropped,
    )


def _advertised(session: show.Session, prefixes: list[str]) -> node_report.Advertised:
    found = sorted(map(ipaddress.ip_network, prefixes), key=lambda each: (each.version, each))
    return node_report.Advertised(session.vrf, session.neighbor, tuple(map(str, found)))
