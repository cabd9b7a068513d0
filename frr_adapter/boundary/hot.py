"""An applier around another: sends only the difference over the daemons' sockets, and leaves to the other what it cannot do.

Called by the speaker's loop. Within milliseconds, without touching a session unless the change asks for it. It must never trust
itself: every answer is checked, what FRR then runs is read back, and whatever is not as wanted is given to the inner applier
(frr-reload.py), which compares everything.
"""

import asyncio
import dataclasses
import enum
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from frr_adapter import errors, secret
from frr_adapter.boundary import files, logs, metrics, ports, vty
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import delta, grammar, loading, machine, reloading, render, resets, statements, verifying
from frr_adapter.frr.grammar import Daemon

_log = logs.get_logger()

_UNKNOWN = 2  # lib/command.h: CMD_ERR_NO_MATCH
_REFUSED = 13  # lib/command.h: CMD_WARNING_CONFIG_FAILED
_VERSION = re.compile(r"FRRouting ((\d+)\S*)")
_FROM_TOP = ("end", "configure terminal")
_ASKED = (Daemon.BGPD, Daemon.BFDD)

# What FRR says although it took the line.
_HARMLESS = re.compile(r"\s*(Graceful restart configuration changed, reset this peer to take effect\s*)?")


class Outcome(enum.StrEnum):
    """How an attempt ended, for metrics."""

    APPLIED = "applied"
    REFUSED = "refused"
    FAILED = "failed"


class _UnfitError(Exception):
    """The hot way did not lead there; the text says why, without passwords."""


@dataclass(frozen=True, slots=True)
class _Tolerated:
    """What a daemon showed after the last reload beside what is ours, and what of ours it does not show."""

    more: statements.Statements = frozenset()
    less: statements.Statements = frozenset()


@dataclass(frozen=True, slots=True)
class _Known:
    """What runs, as last seen. `tolerated` was left by a reload, which compares everything, so it is not for us to mend."""

    config: frr_config.FrrConfig
    tolerated: Mapping[Daemon, _Tolerated]


class HotApplier:
    """An `Applier`. `directory` holds the daemons' VTY sockets, `frr_conf` is the file that the inner applier writes, too."""

    def __init__(
        self,
        inner: ports.Applier,
        directory: Path,
        templates: Mapping[str, str],
        frr_conf: Path,
        counted: metrics.ApplyMetrics,
    ) -> None:
        self._inner = inner
        self._directory = directory
        self._renderer = render.Renderer(templates)
        self._frr_conf = frr_conf
        self._counted = counted
        self._known: _Known | None = None
        self._memory = 0  # counts what was forgotten: an apply under way must not remember what no longer holds
        self._major = 0
        self._version = ""
        self._verifiers: dict[Daemon, verifying.Verifier] = {}
        self._connections: dict[str, vty.Vty] = {}
        self._turn = asyncio.Lock()

    def forget(self) -> None:
        """As `ports.Applier`: the next apply goes through the inner one, which adopts what runs."""
        self._memory += 1
        self._known = None
        self._disconnect()
        self._inner.forget()

    async def apply(self, config: frr_config.FrrConfig) -> reloading.ApplyReport:
        """As `ports.Applier`."""
        # Half of a difference is worse than a late stop: once begun, an apply is finished even when the caller goes away.
        return await asyncio.shield(self._in_turn(config))

    async def _in_turn(self, config: frr_config.FrrConfig) -> reloading.ApplyReport:
        async with self._turn:
            known = self._known
            if known is None:
                return await self._reload(config, "what runs is not known yet")
            difference = _delta(known.config, config)
            if isinstance(difference, delta.NeedsReload):
                ended = self._foretell(_resets(known.config, config), config)
                return dataclasses.replace(await self._reload(config, difference.reason), resets=ended)
            clock = asyncio.get_running_loop().time
            started, memory = clock(), self._memory
            ended = self._foretell(difference.resets, config)
            try:
                await self._send(known, config, difference)
            except (_UnfitError, errors.ApplyError) as problem:
                self._disconnect()  # an answer may still be on its way
                told = reloading.redact(str(problem), known.config.secrets | config.secrets)
                self._counted.observe(reloading.Way.HOT, Outcome.REFUSED, clock() - started)
                _log.warning("difference did not go in; reloading everything", reason=told)
                return dataclasses.replace(await self._reload(config, told), resets=ended)
            if memory == self._memory:
                self._known = dataclasses.replace(known, config=config)
            self._counted.observe(reloading.Way.HOT, Outcome.APPLIED, clock() - started)
            return dataclasses.replace(self._report(difference, known.config.secrets | config.secrets), resets=ended)

    def _foretell(self, found: tuple[resets.Reset, ...], config: frr_config.FrrConfig) -> tuple[str, ...]:
        """Says which sessions are about to end, before anything is sent."""
        ended = resets.on_version(found, self._major)
        # A session that ends for several reasons ends once; the first one counts.
        for each in {(each.vrf, each.neighbor): each for each in reversed(ended)}.values():
            self._counted.reset(each.reason)
        told = tuple(dict.fromkeys(str(each) for each in ended))
        if told:
            _log.warning(
                "this change resets sessions", sessions=list(told), of=sum(len(r.neighbors) for r in config.routers)
            )
        return told

    # ---- The other way ----

    async def _reload(self, config: frr_config.FrrConfig, reason: str) -> reloading.ApplyReport:
        clock = asyncio.get_running_loop().time
        started, memory = clock(), self._memory
        self._known = None
        try:
            report = await self._inner.apply(config)
        except errors.ApplyError:
            self._counted.observe(reloading.Way.RELOAD, Outcome.FAILED, clock() - started)
            raise
        self._counted.observe(reloading.Way.RELOAD, Outcome.APPLIED, clock() - started)
        try:
            known = await self._adopt(config)
        except errors.ApplyError as problem:
            self._disconnect()
            _log.warning("cannot read back what FRR runs; the next change is reloaded too", reason=str(problem))
        else:
            self._known = known if memory == self._memory else None
        return dataclasses.replace(report, way=reloading.Way.RELOAD, reason=reason, version=self._version)

    async def _adopt(self, config: frr_config.FrrConfig) -> _Known:
        tolerated = {}
        self._verifiers = {daemon: verifying.Verifier(daemon) for daemon in _ASKED}
        for daemon, verifier in self._verifiers.items():
            found = verifier.compare(config, await self._shown(daemon))
            tolerated[daemon] = _Tolerated(found.unasked, found.lacking)
        match = _VERSION.search(await (await self._connection(str(Daemon.BGPD))).show("show version"))
        self._version, self._major = (match[1], int(match[2])) if match else ("", 0)
        return _Known(config, tolerated)

    # ---- The hot way ----

    async def _send(self, known: _Known, config: frr_config.FrrConfig, difference: delta.Delta) -> None:
        if difference.is_guarded:
            # Lines that edit an entry would make one that permits everything if somebody has removed it meanwhile.
            await self._check(known, known.config, difference)
        for batch in difference.batches:
            await self._batch(batch)
        await self._check(known, config, difference)
        # Last: the file always holds what is known to work, and a disk may take longer than the whole change.
        try:
            await asyncio.to_thread(files.write_atomic, self._frr_conf, self._renderer.render(config))
        except OSError as problem:
            raise _UnfitError(f"cannot write {self._frr_conf}: {problem.strerror}") from problem

    async def _batch(self, batch: delta.Batch) -> None:
        for process in self._processes(batch.daemon):
            await self._told(batch, process)

    async def _told(self, batch: delta.Batch, process: str) -> None:
        connection = await self._connection(process)
        window = 1 if process == loading.POLICY_DAEMONS[0] else 64
        for enter, lines in _groups(batch.lines):
            await self._lines(connection, batch.daemon, _plain(enter), window)
            await self._lines(connection, batch.daemon, lines, window)
        await self._lines(connection, batch.daemon, _plain(("end",)), window)

    async def _lines(self, connection: vty.Vty, daemon: Daemon, lines: tuple[grammar.Line, ...], window: int) -> None:
        answers = await connection.execute_all([line.text for line in lines], window=window)
        for line, answer in zip(lines, answers, strict=True):
            if line.may_be_absent and answer.status == _REFUSED:
                continue
            if daemon is Daemon.ALL and answer.status == _UNKNOWN:
                continue  # whoever else has a socket here, and neither host name nor log
            if not answer.is_success or not _HARMLESS.fullmatch(answer.text):
                words = " ".join(answer.text.split()) or f"status {answer.status}"
                raise _UnfitError(f"{daemon} refused: {line.text}: {words}")

    async def _check(self, known: _Known, config: frr_config.FrrConfig, difference: delta.Delta) -> None:
        """Raises when a daemon that is concerned does not run exactly this."""
        concerned = {batch.daemon for batch in difference.batches}
        for daemon in _ASKED:
            if daemon not in concerned:
                continue
            differences = self._verifiers[daemon].compare(config, await self._shown(daemon))
            tolerated = known.tolerated[daemon]
            less, more = differences.lacking - tolerated.less, differences.unasked - tolerated.more
            if less or more:
                found = f"lacks: {' / '.join(min(less))}" if less else f"has unasked: {' / '.join(min(more))}"
                raise _UnfitError(f"{daemon} {found} ({len(less) + len(more)} differences)")
        interfaces = {
            line.path[0]
            for batch in difference.batches
            for line in batch.lines
            if batch.daemon is Daemon.POLICY and line.path
        }
        if interfaces:
            # Of the daemon that keeps interfaces nothing else is looked at: the rest of it is other people's.
            wanted = frozenset(each for each in machine.interfaces(config) if each[0] in interfaces)
            if less := wanted - statements.running(await self._shown(Daemon.POLICY)):
                raise _UnfitError(f"{Daemon.ZEBRA} lacks: {' / '.join(min(less))}")

    def _report(self, difference: delta.Delta, secrets: frozenset[secret.Secret]) -> reloading.ApplyReport:
        lines = [
            line
            for batch in difference.batches
            for line in batch.lines
            if batch.daemon in _ASKED and line.path is not None
        ]
        shown = {line: reloading.redact(" / ".join((*(line.path or ()), line.text)), secrets) for line in lines}
        removed = dict.fromkeys(text for line, text in shown.items() if line.text.startswith("no "))
        added = dict.fromkeys(text for line, text in shown.items() if not line.text.startswith("no "))
        return reloading.ApplyReport(reloading.Difference(tuple(removed), tuple(added)), way=reloading.Way.HOT)

    # ---- Daemons ----

    async def _shown(self, daemon: Daemon) -> str:
        (process,) = self._processes(daemon)
        return await (await self._connection(process)).show("show running-config")

    def _processes(self, daemon: Daemon) -> tuple[str, ...]:
        if daemon is Daemon.ALL:
            return tuple(sorted(path.stem for path in self._directory.glob("*.vty")))
        if daemon is not Daemon.POLICY:
            return (str(daemon),)
        newer, older = loading.POLICY_DAEMONS
        return (newer if (self._directory / f"{newer}.vty").exists() else older,)

    def _disconnect(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    async def _connection(self, name: str) -> vty.Vty:
        if name not in self._connections:
            self._connections[name] = await vty.Vty.connect(self._directory / f"{name}.vty")
        return self._connections[name]


def _delta(applied: frr_config.FrrConfig, wanted: frr_config.FrrConfig) -> delta.Delta | delta.NeedsReload:
    try:
        return delta.delta(applied, wanted)
    except errors.ApplyError as problem:  # a value that the sockets' grammar does not know; the file may
        return delta.NeedsReload(str(problem))


def _resets(applied: frr_config.FrrConfig, wanted: frr_config.FrrConfig) -> tuple[resets.Reset, ...]:
    try:
        return resets.resets(applied, wanted)
    except errors.ApplyError:  # as above; then only the reload itself shows it
        return ()


def _groups(lines: Iterable[grammar.Line]) -> Iterator[tuple[tuple[str, ...], tuple[grammar.Line, ...]]]:
    """Lines that go together, and how their block is entered from the top.

    A line at the top may open a block of its own, so each of them starts anew. One that makes a new entry takes the lines of that
    entry along: they leave in one write, and bgpd reads them at once. Until its `match` is in, an entry concerns every class.
    """
    opened: tuple[grammar.Line, ...] = ()
    for path, group in itertools.groupby(lines, key=lambda line: line.path):
        block = tuple(group)
        if opened and path == (opened[0].text,):
            yield _FROM_TOP, (*opened, *block)
            opened = ()
            continue
        for single in (opened, *((line,) for line in block if path == grammar.TOP)):
            if single and not (single[0] is block[-1] and grammar.opens_entry(single[0])):
                yield _FROM_TOP, single
        opened = block[-1:] if path == grammar.TOP and grammar.opens_entry(block[-1]) else ()
        if path != grammar.TOP:
            yield ("end",) if path is None else (*_FROM_TOP, *path), block
    if opened:
        yield _FROM_TOP, opened


def _plain(texts: tuple[str, ...]) -> tuple[grammar.Line, ...]:
    return tuple(grammar.Line(None, text, "") for text in texts)
