"""Brings a whole `FrrConfig` into the running daemons through FRR's own `frr-reload.py`.

Called by the speaker's loop, one apply at a time. Never lets a refused file stand: what ran before runs again, and the error says
in one line which statement FRR refused. Passwords never leave this module except in the file itself.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from frr_adapter import errors
from frr_adapter.boundary import files, proofreading
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import refusal, reloading, render


class ReloadApplier:
    """An `Applier`. `frr_conf` must be the very file that FRR's integrated configuration lives in (else FRR overwrites it);
    `frr_reload` is started as `frr_reload [--test|--reload] --stdout FILE`.

    Each step may take `timeout` seconds. What `proofreader` objects to never reaches a daemon.
    """

    def __init__(
        self,
        frr_conf: Path,
        frr_reload: Path,
        templates: Mapping[str, str],
        *,
        timeout: float = 120.0,
        proofreader: proofreading.Proofreader | None = None,
    ) -> None:
        self._frr_conf = frr_conf
        self._frr_reload = frr_reload
        self._templates = templates
        self._timeout = timeout
        self._proofreader = proofreader
        self._turn = asyncio.Lock()

    async def apply(self, config: frr_config.FrrConfig) -> reloading.ApplyReport:
        """Renders, checks, reloads, and reads back what runs.

        Raises `errors.ApplyError` when the file cannot be rendered or written, or FRR refuses it (then what ran before runs again), or
        when a statement of ours is still missing afterwards, as happens while a daemon is down.
        """
        text = render.render(config, self._templates)
        # A half-done reload is worse than a late stop: once begun, an apply is finished even when the caller goes away.
        try:
            return await asyncio.shield(self._apply(config, text))
        except OSError as problem:
            raise errors.ApplyError(f"cannot write {self._frr_conf}: {problem.strerror}") from problem

    def forget(self) -> None:
        """Nothing to forget: every apply asks what runs."""

    async def _apply(self, config: frr_config.FrrConfig, text: str) -> reloading.ApplyReport:
        async with self._turn:
            candidate = self._frr_conf.with_name(f"{self._frr_conf.name}.candidate")
            files.write_atomic(candidate, text)
            try:
                await self._proofread(config, candidate, text)
                wanted = await self._difference(config, candidate)
            finally:
                candidate.unlink(missing_ok=True)
            before = _read(self._frr_conf)
            if not wanted:
                files.write_atomic(self._frr_conf, text)
                return reloading.ApplyReport()
            status, output = await self._load(text, wanted)
            remaining = await self._difference(config, self._frr_conf)
            refusals = reloading.parse_refusals(output)
            lost = reloading.lost(remaining, refusals, config.extras)
            if lost and status != 0:
                told = reloading.redact(reloading.reason(output), config.secrets)
                raise refusal.RefusedError(
                    f"FRR refused the configuration: {told}; {await self._restore(before)}",
                    _hidden(reloading.blamed(lost, refusals), config),
                )
            if lost:
                await self._load(text, remaining)
                remaining = await self._difference(config, self._frr_conf)
                lost = reloading.lost(remaining, refusals, config.extras)
            if lost:
                # Told twice without complaint, and still not there: FRR makes something else of it.
                found = tuple(refusal.Refusal(line, "FRR makes something else of it") for line in lost)
                told = reloading.redact(lost[0], config.secrets)
                raise refusal.RefusedError(f"FRR did not take: {told}", _hidden(found, config))
            return reloading.ApplyReport(_redacted(wanted, config), _redacted(remaining, config))

    async def _proofread(self, config: frr_config.FrrConfig, candidate: Path, text: str) -> None:
        found = _hidden(await self._proofreader.refusals(candidate, text), config) if self._proofreader else ()
        if found:
            raise refusal.RefusedError(f"FRR cannot read the configuration: {found[0]}; nothing was changed", found)

    async def _difference(self, config: frr_config.FrrConfig, path: Path) -> reloading.Difference:
        status, output = await self._run("--test", path)
        if status != 0:
            told = reloading.redact(reloading.reason(output), config.secrets)
            found = _hidden(reloading.parse_refusals(output), config)
            raise refusal.RefusedError(f"FRR cannot use the configuration: {told}", found)
        return reloading.parse_difference(output)

    async def _load(self, text: str, difference: reloading.Difference) -> tuple[int, str]:
        """Reloads the text, which differs so from what runs; the file holds just the text afterwards."""
        helping = "".join(f"{line}\n" for line in reloading.lines_that_help_removing(difference))
        files.write_atomic(self._frr_conf, text + helping)
        try:
            return await self._run("--reload", self._frr_conf)
        finally:
            files.write_atomic(self._frr_conf, text)

    async def _restore(self, before: str | None) -> str:
        if before is None:
            self._frr_conf.unlink(missing_ok=True)
            return "there is no earlier configuration to return to"
        files.write_atomic(self._frr_conf, before)
        _, output = await self._run("--test", self._frr_conf)
        status, _ = await self._load(before, reloading.parse_difference(output))
        # Exit status 1 alone says little (FRR 8.4 gives it for graceful-restart lines that it took): ask what still differs.
        if status != 0:
            status, output = await self._run("--test", self._frr_conf)
            if status != 0 or reloading.parse_difference(output).added:
                return "the earlier configuration could not be brought back entirely"
        return "the earlier configuration runs again"

    async def _run(self, mode: str, path: Path) -> tuple[int, str]:
        try:
            process = await asyncio.create_subprocess_exec(
                self._frr_reload,
                mode,
                "--stdout",  # without it FRR logs the whole file, passwords included, to /var/log/frr
                path,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as problem:
            raise errors.ApplyError(f"cannot start {self._frr_reload}: {problem.strerror}") from problem
        try:
            async with asyncio.timeout(self._timeout):
                output, _ = await process.communicate()
        except TimeoutError:
            # With everything it started: a vtysh that waits for a hung daemon would send old lines when that one goes on.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise errors.ApplyError(f"frr-reload {mode} gave no answer within {self._timeout:g} s") from None
        return process.returncode or 0, output.decode(errors="replace")


def _read(path: Path) -> str | None:
    try:
        # Whoever wrote it before us may have had another encoding; FRR does not care what comments are made of.
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _hidden(refusals: tuple[refusal.Refusal, ...], config: frr_config.FrrConfig) -> tuple[refusal.Refusal, ...]:
    return tuple(
        refusal.Refusal(reloading.redact(each.statement, config.secrets), reloading.redact(each.words, config.secrets))
        for each in refusals
    )


def _redacted(difference: reloading.Difference, config: frr_config.FrrConfig) -> reloading.Difference:
    return reloading.Difference(
        tuple(reloading.redact(line, config.secrets) for line in difference.removed),
        tuple(reloading.redact(line, config.secrets) for line in difference.added),
    )
