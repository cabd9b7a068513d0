"""The metrics endpoint of a program: plain HTTP, or HTTPS for whom the Kubernetes API lets read `/metrics`.

The programs' wiring enters `serving`. Without `Secure` it costs nothing: neither TLS nor the reviews are touched. Must never
look into the metrics.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from frr_adapter import errors, tls
from frr_adapter.boundary import access, health, logs, ports, tls_server

_log = logs.get_logger()


@dataclass(frozen=True, slots=True)
class Secure:
    """How HTTPS is spoken. `folder` has tls.crt and tls.key and is read again and again; None: a self-signed certificate."""

    policy: tls.Policy
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen; port 0 is off."""

    host: str
    port: int


def secure(policy: tls.Policy, folder: str, *, is_on: bool) -> Secure | None:
    """What the flags say: a folder for certificates is enough to want HTTPS, so that nobody gets less than he set up."""
    return Secure(policy, Path(folder) if folder else None) if is_on or folder else None


@contextlib.asynccontextmanager
async def serving(
    api: ports.KubePort,
    time: ports.Clock,
    place: Place,
    routes: Mapping[str, health.Route],
    wanted: Secure | None = None,
) -> AsyncIterator[None]:
    """Serves the routes while inside. errors.SettingsError when the port cannot be had or the policy cannot be followed."""
    if not place.port:
        yield
        return
    context = tls_server.context(wanted.policy) if wanted is not None else None
    guard = access.Access(api, time.monotonic).guard if wanted is not None else None
    try:
        server = await health.HttpServer.listen(place.host, place.port, routes, guard=guard, tls=context)
    except OSError as error:
        raise errors.SettingsError(f"--port: found {place.port}; {error.strerror or error}") from error
    keeping = None
    if context is not None and wanted is not None:
        keeping = asyncio.create_task(_keep(_Certificate(context), wanted.folder, time))
    try:
        yield
    finally:
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait({keeping})
        await server.close()


class _Certificate:
    """What is served, so that the same is not loaded again."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._served: tuple[bytes, bytes] | None = None

    def serve(self, certificate: bytes, key: bytes) -> None:
        if self._served != (certificate, key):
            tls_server.load(self._context, certificate, key)
            self._served = (certificate, key)
            _log.info("metrics are served with a new certificate")


async def _keep(certificate: _Certificate, folder: Path | None, time: ports.Clock) -> NoReturn:
    if folder is not None:
        await tls_server.follow(folder, certificate.serve, "metrics endpoint")
    from frr_adapter.boundary import self_signed  # its library is loaded only where it is needed

    while True:
        certificate.serve(*self_signed.make(socket.gethostname(), time.now()))
        await asyncio.sleep(self_signed.LIFETIME.total_seconds() / 2)
