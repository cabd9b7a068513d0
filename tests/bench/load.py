"""Load for the controller: a Kubernetes API of its own, Services made by the thousand, and a watch that sees every status."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from frr_adapter import errors
from frr_adapter.api import crds
from frr_adapter.boundary import kube, ports
from lab import apiserver_real

NAMESPACE = "metallb-system"
SERVICES = "/api/v1/namespaces/default/services"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_POOLS = f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/ipaddresspools"
_CREATING = 32
_WRITING = 16
Document = dict[str, Any]
OTHER_CLASS = "bench.example.org/nobody"


class _Ingress(msgspec.Struct):
    ip: str = ""


class _Balancer(msgspec.Struct):
    ingress: list[_Ingress] = []


class _Status(msgspec.Struct, rename="camel"):
    load_balancer: _Balancer = msgspec.field(default_factory=_Balancer)


class _Meta(msgspec.Struct, rename="camel"):
    name: str
    resource_version: str = ""


class _Service(msgspec.Struct):
    metadata: _Meta
    status: _Status = msgspec.field(default_factory=_Status)


class _Event(msgspec.Struct):
    type: str
    object: _Service


_read_event = msgspec.json.Decoder(_Event).decode


Api = Callable[[Path], contextlib.AbstractContextManager[tuple[Path, str]]]


def apis() -> tuple[tuple[str, Api], ...]:
    """What there is to measure on: the embedded API, and a real one where KUBEBUILDER_ASSETS names its programs."""
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/nonexistent")
    return (("2-embedded", embedded_api), *((("3-real", real_api),) if apiserver_real.is_given(assets) else ()))


@contextlib.contextmanager
def real_api(state: Path) -> Iterator[tuple[Path, str]]:
    """A kubeconfig, and the name of the API."""
    running = apiserver_real.start(Path(os.environ["KUBEBUILDER_ASSETS"]), state)
    try:
        yield running.server.kubeconfig, f"kube-apiserver {running.server.version}"
    finally:
        running.stop()


@contextlib.contextmanager
def embedded_api(state: Path) -> Iterator[tuple[Path, str]]:
    with _program(state, "lab.apiserver", "--port", "0") as kubeconfig:
        yield kubeconfig, "the embedded API"


@contextlib.contextmanager
def free_api(state: Path, existing: int = 0) -> Iterator[tuple[Path, "FreeApi"]]:
    """A kubeconfig, and what makes Services appear and go."""
    with _program(state, "tests.bench.free_api", "--existing", str(existing)) as kubeconfig:
        url = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        yield kubeconfig, FreeApi(url)


@dataclass
class FreeApi:
    url: str

    def burst(self, count: int, name: str) -> float:
        """Makes Services appear all at once: seconds until all of them have an address."""
        found = self._ask(f"burst?count={count}&name={name}")
        assert found["different"] == count, "an address was given twice"
        return float(found["seconds"])

    def clear(self) -> None:
        """Makes the Services of the last burst go, once all events of all Services were written."""
        self._ask("clear")

    def _ask(self, what: str) -> Document:
        with urllib.request.urlopen(f"{self.url}/{what}", timeout=300) as answer:  # noqa: S310  our loopback
            return json.load(answer)


@contextlib.contextmanager
def _program(state: Path, module: str, *flags: str) -> Iterator[Path]:
    kubeconfig = state / "kubeconfig"
    command = [sys.executable, "-m", module, "--kubeconfig", str(kubeconfig), *flags]
    with (state / "api.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            while not kubeconfig.exists():
                assert process.poll() is None, (state / "api.log").read_text()
                time.sleep(0.02)
            yield kubeconfig
        finally:
            process.terminate()


def service(name: str, *, lb_class: str = "") -> Document:
    spec: Document = {
        "type": "LoadBalancer",
        "allocateLoadBalancerNodePorts": False,  # there are only 2,768 of them
        "selector": {"app": "demo"},
        "ports": [{"port": 80, "targetPort": 8080}],
        **({"loadBalancerClass": lb_class} if lb_class else {}),
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


async def together(jobs: Iterable[Callable[[], Awaitable[Any]]], width: int) -> None:
    """Does all jobs, `width` at a time."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await job()

    async with asyncio.TaskGroup() as workers:
        for _ in range(width):
            workers.create_task(work())


@dataclass
class Load:
    client: kube.Kube
    ips: dict[str, str] = field(default_factory=dict)
    """Address by name of every Service that has one now."""
    seen_at: dict[str, float] = field(default_factory=dict)
    """When the watch told the address of a Service first."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def install(self) -> None:
        """Definitions, namespace and one pool of 65,536 addresses."""
        for each in crds.documents():
            await self.client.create(_DEFINITIONS, each)
        with contextlib.suppress(errors.KubernetesError):
            await self.client.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        pool = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": {"name": "default", "namespace": NAMESPACE},
            "spec": {"addresses": ["10.128.0.0/16"]},
        }
        deadline = time.monotonic() + 30
        while True:  # a definition is served a moment after it was accepted
            try:
                await self.client.create(_POOLS, pool)
            except errors.KubernetesError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            else:
                return

    async def follow(self) -> None:
        """Watches all Services until cancelled."""
        listed = msgspec.json.decode(await self.client.get(SERVICES, {"limit": "1"}))
        position = listed["metadata"]["resourceVersion"]
        query = {"watch": "true", "resourceVersion": position, "timeoutSeconds": "3600"}
        async for line in self.client.stream(SERVICES, query):
            now = time.monotonic()
            event = _read_event(line)
            name = event.object.metadata.name
            ingress = event.object.status.load_balancer.ingress
            if event.type == "DELETED" or not ingress:
                self.ips.pop(name, None)
                self.seen_at.pop(name, None)
            else:
                self.seen_at.setdefault(name, now)
                self.ips[name] = ingress[0].ip
            self._news.set()
        raise AssertionError("the watch ended")

    async def until(self, holds: Callable[[], bool], seconds: float = 300) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def create(self, names: list[str], *, lb_class: str = "") -> tuple[float, float]:
        """Creates as fast as the API takes them; when that began and when it ended."""
        begun = time.monotonic()
        jobs = [lambda name=name: self.client.create(SERVICES, service(name, lb_class=lb_class)) for name in names]
        await together(jobs, _CREATING)
        return begun, time.monotonic()

    async def delete(self, names: list[str]) -> None:
        await together([lambda name=name: self.client.delete(f"{SERVICES}/{name}") for name in names], _CREATING)

    async def patch(self, names: list[str]) -> float:
        """Bare status merge patches of the shape the controller sends, 16 at a time: seconds for all."""
        begun = time.monotonic()
        await together([lambda name=name: self._status(name) for name in names], _WRITING)
        return time.monotonic() - begun

    async def bare_burst(self, names: list[str]) -> float:
        """The requests of a burst without a controller: seconds until every Service has its status."""
        created: asyncio.Queue[str] = asyncio.Queue()
        told: asyncio.Queue[str] = asyncio.Queue()
        left = len(names)
        last = asyncio.get_running_loop().create_future()

        async def make(name: str) -> None:
            await self.client.create(SERVICES, service(name, lb_class=OTHER_CLASS))
            created.put_nowait(name)

        async def write() -> None:
            nonlocal left
            while True:
                # as the controller: statuses first
                if not created.empty() or told.empty():
                    name = await created.get()
                    await self._status(name)
                    told.put_nowait(name)
                    left -= 1
                    if not left:
                        last.set_result(time.monotonic())
                else:
                    await self._event(told.get_nowait())

        begun = time.monotonic()
        writers = [asyncio.create_task(write()) for _ in range(_WRITING)]
        await together([lambda name=name: make(name) for name in names], _CREATING)
        ended = await last
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        return float(ended - begun)

    async def _status(self, name: str) -> None:
        number = int(name.rsplit("-", 1)[1])
        body = {
            "metadata": {"annotations": {"bench.example.org/pool": "default"}},
            "status": {"loadBalancer": {"ingress": [{"ip": f"10.1.{number // 250}.{number % 250}"}]}},
        }
        await self.client.patch(f"{SERVICES}/{name}/status", body, ports.Patch.MERGE)

    async def _event(self, name: str) -> None:
        about = {"apiVersion": "v1", "kind": "Service", "name": name, "namespace": "default"}
        body = {
            "metadata": {"name": f"{name}.{time.monotonic_ns():x}", "namespace": "default"},
            "involvedObject": about,
            "type": "Normal",
            "reason": "Bench",
            "message": "told",
        }
        await self.client.create("/api/v1/namespaces/default/events", body)


@contextlib.asynccontextmanager
async def load(kubeconfig: Path) -> AsyncIterator[Load]:
    async with await kube.Kube.connect(kubeconfig) as client:
        made = Load(client)
        await made.install()
        watch = asyncio.create_task(made.follow())
        try:
            yield made
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


@dataclass
class Controller:
    """A controller process; a new one is a restart."""

    kubeconfig: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    probe: int = 0

    def start(self) -> float:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.probe = free.getsockname()[1]
        flags = [f"--kubeconfig={self.kubeconfig}", "--port=0", f"--health-probe-port={self.probe}", "--log-level=info"]
        started = time.monotonic()
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "controller", *flags]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        return started

    async def ready(self) -> float:
        """When it said that it is ready."""
        while not await asyncio.to_thread(self._is_ready):
            await asyncio.sleep(0.01)
        return time.monotonic()

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.probe}/readyz", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(20) == 0, self.log.read_text()[-3000:]
            self.process = None

    def resident_mib(self) -> float:
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise LookupError(self.process.pid)

    def cpu_seconds(self) -> float:
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
