"""The embedded Kubernetes API as a running server.

`__main__` runs it as a program; tests start it inside their own event loop. Must never start processes.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

import yaml
from aiohttp import web

from lab.apiserver.backend import Backend, WriteOptions
from lab.apiserver.caretaker import Caretaker
from lab.apiserver.registry import Registry
from lab.apiserver.service_network import ServiceNetwork
from lab.apiserver.settings import Settings
from lab.apiserver.store import Store
from lab.apiserver.web import Surface

CONTEXT = "frr-adapter-lab"
_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. `url` is its plain HTTP address."""

    url: str
    backend: Backend
    runner: web.AppRunner
    caretaker: asyncio.Task[None]


async def start(settings: Settings) -> Running:
    """Starts a server with its four namespaces; it listens when this returns, and the kubeconfig is written."""
    backend = Backend(Store(settings.history), Registry(), ServiceNetwork(settings.networks))
    caretaker = Caretaker(backend)
    kind = backend.registry.get("", "namespaces")
    for name in _NAMESPACES:
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        backend.create(kind, "", document, WriteOptions(manager="kube-apiserver"))
    surface = Surface(backend, settings.bookmark_seconds, settings.doors)
    # Handlers are cancelled when their client goes: a watch ends at once instead of at its next event.
    runner = web.AppRunner(surface.application(), handler_cancellation=True, shutdown_timeout=1.0, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port)
    await site.start()
    if settings.unix is not None:
        settings.unix.unlink(missing_ok=True)
        await web.UnixSite(runner, str(settings.unix)).start()
    host, port = runner.addresses[0][:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if settings.kubeconfig is not None:
        write_kubeconfig(settings.kubeconfig, url)
    return Running(url, backend, runner, asyncio.create_task(caretaker.run()))


async def stop(running: Running) -> None:
    """Ends every watch and stops listening."""
    running.caretaker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running.caretaker
    for shelf in running.backend.store.shelves().values():
        shelf.close()
    await running.runner.cleanup()


def write_kubeconfig(path: Path, url: str) -> None:
    """Writes a kubeconfig for a server without users, complete or not at all."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": {"server": url}}],
        "users": [{"name": CONTEXT, "user": {}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(yaml.safe_dump(document, sort_keys=False))
    draft.replace(path)
