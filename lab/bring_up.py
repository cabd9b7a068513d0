"""The order in which a lab comes to life, each part as soon as what it needs is there, each step told to who watches.

Run by `lab.supervise` inside the lab's mount and process namespaces. Must never touch anything outside the state
directory and the namespaces it made.
"""

import asyncio
import importlib.util
import os
import re
import secrets
import socket
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from lab import doors, kube, objects, router, topology, waiting
from lab.catalog import ApiAddress, Catalog
from lab.child import Child
from lab.errors import LabError
from lab.plan import CONTROL, HEALTH_PORT, ROUTER, Plan
from lab.supervisor import Supervisor

STEPS = ("network", "kubernetes api", "frr", "cluster objects", "backends", "controller", "speakers")
_PATIENCE = 30.0
"""Seconds for one part; all of them together usually take less than ten."""

_OLDEST = (1, 21)
"""The first Kubernetes with EndpointSlices in discovery.k8s.io/v1."""
_TRIES = 2
"""Starts of a program after which waiting for it makes no sense."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `lab up` was asked for; `assets` is a directory with etcd and kube-apiserver."""

    demo: bool = True
    programs: bool = True
    kubeconfig: Path | None = None
    assets: Path | None = None


class BringUp:
    """One lab's coming to life; `run` once. `changed` wants to be told about every child's start and end."""

    def __init__(self, supervisor: Supervisor, catalog: Catalog, options: Options) -> None:
        self._supervisor = supervisor
        self._catalog = catalog
        self._plan: Plan = catalog.plan
        self._places = catalog.places
        self._options = options
        self._network = asyncio.Event()
        self._api = asyncio.Event()
        self._kinds = asyncio.Event()
        self._objects = asyncio.Event()
        self._router_changed = asyncio.Event()
        self._router_loaded = asyncio.Event()
        self._backends: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()

    def changed(self, child: Child) -> None:
        """Restarted router daemons need their configuration, and a backend's end makes its Pod unready."""
        name, _, program = child.spec.target.partition("/")
        if name == ROUTER and child.running:
            self._router_loaded.clear()
            self._router_changed.set()
        if program == "backend":
            self._backends.put_nowait((name, child.running))

    async def run(self) -> None:
        """Bring everything up; then keep the router configured and Pods truthful until cancelled."""
        for name in STEPS:
            await self._supervisor.step(name, "waiting")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_router_configured())
            group.create_task(self._keep_pods_truthful())
            for name, work in (
                ("network", self._make_network()),
                ("kubernetes api", self._start_api()),
                ("frr", self._start_frr()),
                ("cluster objects", self._make_objects()),
                ("backends", self._start_backends()),
                ("controller", self._start_controller()),
                ("speakers", self._start_speakers()),
            ):
                group.create_task(self._told(name, work))

    async def _told(self, name: str, work: Awaitable[str]) -> None:
        """Run one step and say how it went; a failure is shown and leaves the rest for looking at."""
        await self._supervisor.step(name, "working")
        try:
            detail = await work
        except Exception as error:
            detail = str(error) if isinstance(error, LabError) else f"{error!r}: see {self._places.supervisor_log}"
            await self._supervisor.step(name, "failed", detail)
        else:
            await self._supervisor.step(name, "done", detail)

    async def _make_network(self) -> str:
        await asyncio.to_thread(topology.build, self._plan, self._places)
        self._network.set()
        return f"{len(self._plan.namespaces)} namespaces, 1 bridge"

    async def _start_api(self) -> str:
        places = self._places
        if self._options.kubeconfig is not None:
            _write_secret(places.kubeconfig, self._options.kubeconfig.read_bytes())
            address = _address(kube.read_kubeconfig(places.kubeconfig).server)
        elif self._options.assets is not None:
            from lab import apiserver_real  # only with given binaries

            real = await asyncio.to_thread(apiserver_real.prepare, self._options.assets, places.state / "api")
            for spec in self._catalog.real_api(real.programs):
                self._supervisor.add(spec)

            async def serves() -> bool:
                return await asyncio.to_thread(apiserver_real.is_ready, real)

            await waiting.until("kube-apiserver", apiserver_real.START_SECONDS, serves, f"see {places.log('api')}")
            _write_secret(places.kubeconfig, real.kubeconfig.read_bytes())
            address = _address(real.url)
        else:
            _write_secret(places.doors_file, doors.encoded(self._plan, places))
            self._supervisor.add(self._catalog.api(_free_port()))
            address = ApiAddress(unix=str(places.api_socket))

        async def written() -> bool:
            return places.kubeconfig.exists()

        await waiting.until("the Kubernetes API", _PATIENCE, written, f"see {places.log('api')}")
        config = yaml.safe_load(places.kubeconfig.read_text(encoding="utf-8"))
        _write_secret(places.inner_kubeconfig, yaml.safe_dump(objects.inner_kubeconfig(config)).encode())
        access = kube.read_kubeconfig(places.kubeconfig)
        async with kube.Api(access) as api:
            await waiting.until("the Kubernetes API", _PATIENCE, api.ready, f"see {places.log('api')}")
            _check_version(await api.call("GET", "/version"))
        await self._network.wait()
        for spec in self._catalog.relays(address):
            self._supervisor.add(spec)
        self._api.set()
        return access.server

    async def _start_frr(self) -> str:
        await self._network.wait()
        install = self._catalog.install
        owner = install.user if self._catalog.root else (0, 0)
        await asyncio.gather(*(self._start_router(name, owner) for name in self._plan.routers))
        await waiting.until("the router's configuration", _PATIENCE, self._router_is_loaded)
        return f"FRR {install.version} on {ROUTER} and {len(self._plan.nodes)} nodes"

    async def _start_router(self, name: str, owner: tuple[int, int]) -> None:
        """FRR on the router or a node, one daemon after the other: who starts before zebra looks for it again only
        ten seconds later.
        """
        directory = self._places.node(name)
        _prepare_directory(directory, owner)
        for tool in ("vtysh", "frr-reload"):
            path = directory / tool
            pid = self._supervisor.facts["pid"]
            text = self._catalog.install.wrapper(tool, directory, self._places.netns(name), pid)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
        command = directory / doors.COMMAND
        command.write_text(doors.command(), encoding="utf-8")
        command.chmod(0o755)
        for spec in self._catalog.frr(name):
            self._supervisor.add(spec)
            if spec.target.endswith(("/mgmtd", "/zebra")):
                await self._wait_for_daemon(name, spec.target.partition("/")[2])
        await self._wait_for_frr(name)

    async def _wait_for_frr(self, name: str) -> None:
        for daemon in self._catalog.install.daemons:
            await self._wait_for_daemon(name, daemon)

    async def _wait_for_daemon(self, name: str, daemon: str) -> None:
        path = self._places.node(name) / f"{daemon}.vty"
        log = self._places.log(f"{name}/{daemon}")
        await waiting.until(f"FRR's {daemon} on {name}", _PATIENCE, lambda: waiting.vty_answers(path), f"see {log}")

    async def _router_is_loaded(self) -> bool:
        return self._router_loaded.is_set()

    async def _keep_router_configured(self) -> None:
        directory = self._places.node(ROUTER)
        while True:
            await self._router_changed.wait()
            self._router_changed.clear()
            try:
                await self._wait_for_frr(ROUTER)
            except LabError as error:
                print(f"router: {error}", flush=True)
                self._router_changed.set()
                continue
            conf = directory / "frr.conf"
            conf.write_text(router.config(), encoding="utf-8")
            process = await asyncio.create_subprocess_exec(
                str(directory / "vtysh"), "-f", str(conf),
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            said, _ = await process.communicate()
            if process.returncode:
                print(f"router configuration refused: {said.decode()}", flush=True)
            elif not self._router_changed.is_set():
                self._router_loaded.set()

    async def _make_objects(self) -> str:
        await self._api.wait()
        from frr_adapter.api import crds  # only needed here, and slow to build

        async with kube.Api(kube.read_kubeconfig(self._places.kubeconfig)) as api:
            definitions = crds.documents()
            await asyncio.gather(*(api.apply(definition) for definition in definitions))
            self._kinds.set()
            names = ("default", objects.SYSTEM_NAMESPACE)
            await asyncio.gather(*(api.apply(objects.namespace(name)) for name in names))
            await asyncio.gather(*(api.apply(objects.node(node)) for node in self._plan.nodes))
            await asyncio.gather(*(api.apply(objects.pod(node, ready=False)) for node in self._plan.nodes))
            await asyncio.gather(*(api.apply(objects.speaker_pod(node)) for node in self._plan.nodes))
            shared = secrets.token_urlsafe(32)
            self._places.speakers_secret.mkdir(mode=0o700, exist_ok=True)
            _write_secret(self._places.speakers_secret / objects.SECRET_KEY, shared.encode())
            await api.apply(objects.memberlist(shared))
            self._objects.set()
            demo = objects.demo() if self._options.demo else ()
            for document in demo:
                await _apply_when_served(api, document)
            if self._options.kubeconfig is not None:
                # The cluster outlives the lab: what is ours in it must go with the lab.
                self._places.created_file.write_text("".join(f"{path}\n" for path in api.created), encoding="utf-8")
        return f"{len(definitions)} CRDs, {len(self._plan.nodes)} nodes, {len(demo)} demo objects"

    async def _start_backends(self) -> str:
        await self._network.wait()
        for spec in self._catalog.backends():
            self._supervisor.add(spec)
        await self._objects.wait()
        self._supervisor.add(self._catalog.endpoints())
        self._supervisor.add(self._catalog.forwarding())
        return f"{len(self._plan.nodes)} backends, endpoints, forwarding"

    async def _keep_pods_truthful(self) -> None:
        await self._objects.wait()
        async with kube.Api(kube.read_kubeconfig(self._places.kubeconfig)) as api:
            while True:
                name, ready = await self._backends.get()
                node = self._plan.node(name)
                path = kube.path_of("v1", "Pod", "default", f"demo-{name}") + "/status"
                body = {"status": objects.pod_status(node, ready)}
                try:
                    await api.call("PATCH", path, body, "application/merge-patch+json")
                except kube.ApiError as error:
                    print(f"pod demo-{name}: {error}", flush=True)
                    if error.status != 404:
                        await asyncio.sleep(0.5)
                        self._backends.put_nowait((name, self._supervisor.children[f"{name}/backend"].running))

    async def _start_controller(self) -> str:
        if missing := self._left_out("controller"):
            return missing
        await self._kinds.wait()
        spec = self._catalog.controller()
        self._supervisor.add(spec)
        await self._wait_ready(CONTROL, spec.target)
        return "ready"

    async def _start_speakers(self) -> str:
        if missing := self._left_out("speaker"):
            return missing
        specs = self._catalog.speakers()
        for spec in specs:
            await self._wait_for_frr(spec.target.partition("/")[0])
        await self._objects.wait()
        for spec in specs:
            self._supervisor.add(spec)
        for spec in specs:
            await self._wait_ready(spec.target.partition("/")[0], spec.target)
        return f"{len(specs)} ready"

    def _left_out(self, package: str) -> str:
        """Why a program is not started; empty when it is."""
        if not self._options.programs:
            return "left out (--no-programs)"
        if importlib.util.find_spec(f"{package}.__main__") is None:
            return f"left out (python -m {package} does not exist here)"
        return ""

    async def _wait_ready(self, namespace: str, target: str) -> None:
        """Until its readiness probe answers; at once a `LabError` with its last words when it keeps ending."""
        path, log = self._places.netns(namespace), self._places.log(target)

        async def ready() -> bool:
            if self._supervisor.children[target].starts > _TRIES:
                last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
                raise LabError(f"{target} keeps ending; its last words: {''.join(last)}; see {log}")
            return await waiting.http_ok(path, "127.0.0.1", HEALTH_PORT, "/readyz")

        await waiting.until(f"{target} ready", _PATIENCE, ready, f"see {log}")


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_bytes(content)


def _check_version(version: kube.Json) -> None:
    """`LabError` for a Kubernetes that lacks discovery.k8s.io/v1."""
    text = str(version.get("gitVersion", ""))
    if (match := re.match(r"v(\d+)\.(\d+)", text)) and (int(match[1]), int(match[2])) < _OLDEST:
        raise LabError(f"this Kubernetes API is {text}; the lab needs v{_OLDEST[0]}.{_OLDEST[1]} or later")


def _prepare_directory(directory: Path, owner: tuple[int, int]) -> None:
    """A node directory in which FRR may make its sockets."""
    directory.mkdir(parents=True, exist_ok=True)
    # Daemons start from none.conf, which stays empty: without this line in vtysh.conf, `write` (frr-reload does it
    # for any file but frr.conf) would save each daemon's configuration there.
    files = {directory / "none.conf": "", directory / "vtysh.conf": "service integrated-vtysh-config\n"}
    for path, text in files.items():
        path.write_text(text, encoding="ascii")
    for path in (directory, *files):
        os.chown(path, *owner)
    directory.chmod(0o755)


async def _apply_when_served(api: kube.Api, document: kube.Json) -> None:
    """Apply an object whose kind may have been defined a moment ago."""
    end = asyncio.get_running_loop().time() + 10
    while True:
        try:
            await api.apply(document)
        except kube.ApiError as error:
            if error.status != 404 or asyncio.get_running_loop().time() > end:
                raise
            await asyncio.sleep(0.05)
        else:
            return


def _free_port() -> int:
    """A TCP port of the loopback that is free now; kept over restarts of the API."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _address(server: str) -> ApiAddress:
    url = urlsplit(server)
    return ApiAddress(host=url.hostname or "", port=url.port or (443 if url.scheme == "https" else 80))
