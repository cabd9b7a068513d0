"""`python -m cli.daemons`: the program of FRR's container. Starts the daemons that the speaker needs and keeps them running.

Takes no arguments; two variables change something. `FRR_BGP_PORT` is the port on which bgpd listens: 0, the default, is none, since
a node may have another BGP program there and the speaker's sessions are opened from here. `FRR_LIMIT_FDS` bounds the
file descriptors of each daemon. Must never be started where another FRR runs on the same volumes.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from frr_adapter import errors
from frr_adapter.boundary import daemons, logs
from frr_adapter.frr import reloading

_log = logs.get_logger()

PROGRAMS = Path("/usr/lib/frr")
VTYSH = "/usr/bin/vtysh"
CONFIG = Path("/etc/frr")
SOCKETS = Path("/var/run/frr")
_LOAD_SECONDS = 60.0
_FIRST_CONFIG = "! Nothing yet: the speaker writes this file.\n"


def plan(environ: Mapping[str, str]) -> tuple[daemons.Daemon, ...]:
    """The daemons in start order: mgmtd serves the others, the others need zebra. Raises errors.SettingsError."""
    port = _number(environ, "FRR_BGP_PORT", 0, 65535)
    limit = _number(environ, "FRR_LIMIT_FDS", 10000, 1048576)
    # No port for telnet. FRR sizes tables by the limit of descriptors, and a container may have a million.
    usual = ("-P", "0", "--log", "stdout", "--limit-fds", str(limit))
    own = {
        "mgmtd": (),
        # A burst of news about many links must fit. Not --v6-rr-semantics: on a node other programs' routes may stand beside ours.
        "zebra": ("-s", "90000000"),
        "bgpd": ("-p", str(port)),
        "bfdd": (),
        "staticd": (),
    }
    return tuple(daemons.Daemon(name, (str(PROGRAMS / name), *usual, *more)) for name, more in own.items())


def _number(environ: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if text.isdigit() and int(text) <= highest:
        return int(text)
    raise errors.SettingsError(f'frr: ${name}: found "{text}"; a number from 0 to {highest} is allowed')


def prepare(directory: Path) -> None:
    """Makes the files that FRR expects in its directory, where they are missing. Raises OSError."""
    for name, text, mode in (
        ("frr.conf", _FIRST_CONFIG, 0o640),
        ("vtysh.conf", "service integrated-vtysh-config\n", 0o644),
    ):
        path = directory / name
        if not path.exists():
            path.touch(mode)
            path.write_text(text, encoding="utf-8")


async def load(sockets: Path, daemon: str) -> None:
    """Gives frr.conf to the daemon, or to all. What it refuses is logged; the speaker puts it right."""
    only = ("-d", daemon) if daemon else ()
    argv = (VTYSH, "--vty_socket", str(sockets), "--config_dir", str(CONFIG), "-b", *only)
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(_LOAD_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        _log.error("frr.conf not loaded", daemon=daemon or "all", reason=f"not done within {_LOAD_SECONDS:g} s")
        return
    said = reloading.redact(output.decode(errors="replace"), ()).strip().splitlines()[-5:]
    if process.returncode:
        _log.error("frr.conf not loaded entirely", daemon=daemon or "all", status=process.returncode, said=said)
    else:
        _log.info("frr.conf loaded", daemon=daemon or "all")


async def _run(environ: Mapping[str, str]) -> None:
    supervisor = daemons.Supervisor(
        # bgpd goes first: when bfdd did, routers would take that for a failure and end sessions that graceful restart keeps.
        plan(environ), SOCKETS, load, leaving=("bgpd", "bfdd"),
    )  # fmt: skip
    prepare(CONFIG)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await supervisor.run(stopped)
    _log.info("stopped")


def main() -> int:
    """The exit status: 1 when FRR cannot run here, with the reason in the log."""
    logs.configure(logs.Level.INFO)
    try:
        asyncio.run(_run(os.environ))
    except (errors.FrrAdapterError, OSError) as problem:
        _log.error("FRR cannot run", reason=str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
