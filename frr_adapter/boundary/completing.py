"""An applier around another: first gives single daemons what they lack unseen, then lets the other one apply.

`frr_adapter.frr.loading` says what that is and why. It must never send a line that is already there.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from frr_adapter.boundary import logs, ports, vty
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import loading, refusal, reloading, render

_log = logs.get_logger()

_UNKNOWN = 2  # lib/command.h: CMD_ERR_NO_MATCH


class CompletingApplier:
    """An `Applier`. `directory` holds the daemons' VTY sockets."""

    def __init__(self, inner: ports.Applier, directory: Path, templates: Mapping[str, str]) -> None:
        self._inner = inner
        self._directory = directory
        self._templates = templates

    async def apply(self, config: frr_config.FrrConfig) -> reloading.ApplyReport:
        """As `ports.Applier`. The user's own extra lines are left to the inner applier."""
        text = render.render(dataclasses.replace(config, extras=()), self._templates)
        for daemon in (self._policy_daemon(), loading.BGPD):
            await self._complete(daemon, text, config)
        return await self._inner.apply(config)

    def forget(self) -> None:
        """As `ports.Applier`; nothing is remembered here."""
        self._inner.forget()

    def _policy_daemon(self) -> str:
        newer, older = loading.POLICY_DAEMONS
        return newer if (self._directory / f"{newer}.vty").exists() else older

    async def _complete(self, daemon: str, text: str, config: frr_config.FrrConfig) -> None:
        connection = await vty.Vty.connect(self._directory / f"{daemon}.vty")
        try:
            lines = loading.missing(text, await connection.show("show running-config"), daemon)
            if not lines:
                return
            path: list[str] = []
            for line in ("configure terminal", *lines, "end"):
                answer = await connection.execute(line)
                if answer.status == _UNKNOWN and daemon != loading.BGPD:
                    continue  # bgpd's own conditions, such as communities: the other daemon keeps the entry without them
                if not answer.is_success:
                    words = " ".join(answer.text.split()) or f"status {answer.status}"
                    hidden = [
                        reloading.redact(text, config.secrets) for text in (line, " / ".join((*path, line)), words)
                    ]
                    found = refusal.Refusal(hidden[1], hidden[2])
                    raise refusal.RefusedError(f"{daemon} refused: {hidden[0]}: {hidden[2]}", (found,))
                if line.startswith("exit"):
                    path = path[:-1]
                elif line.startswith(("route-map ", "router bgp ", "address-family ")):
                    path.append(line)
            _log.info("daemon completed", daemon=daemon, lines=len(lines))
        finally:
            connection.close()
