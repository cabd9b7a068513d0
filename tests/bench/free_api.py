"""A Kubernetes API that costs next to nothing: what the controller can do when the API is not the limit.

A program of its own. It keeps no objects beyond what the controller is to see: one pool, `--existing` Services that have
their addresses, and those of a burst. `GET /burst?count=N&name=x` makes N Services appear on the watch at once and answers
with the seconds until the last status was written, and how many addresses were different.
`GET /clear` makes the Services of the last burst go, once an event was written for every Service there has been.
"""

import argparse
import asyncio
import json
import re
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

_STATUS = re.compile(r"^/api/v1/namespaces/default/services/([^/]+)/status$")
_POOL = {
    "metadata": {"name": "default", "namespace": "metallb-system", "resourceVersion": "2", "generation": 1},
    "spec": {"addresses": ["10.128.0.0/16"]},
}


def service(name: str, version: int, ip: str = "") -> dict[str, Any]:
    annotations = {"metallb.io/ip-allocated-from-pool": "default"} if ip else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": annotations,
        },
        "spec": {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": False,
            "selector": {"app": "demo"},
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}],
            "clusterIP": "10.96.0.10",
            "clusterIPs": ["10.96.0.10"],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "externalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"}]} if ip else {}},
    }


class World:
    def __init__(self, existing: int) -> None:
        self.version = 10
        self.watchers: list[asyncio.Transport] = []
        self.missing: set[str] = set()
        self.given: set[str] = set()
        self.standing: list[str] = []
        self.made = 0
        self.told = 0
        self.heard = asyncio.Event()
        self.done = asyncio.Event()
        self.services = [
            service(f"old-{number:05}", 3, f"10.128.{number // 256}.{number % 256}") for number in range(existing)
        ]

    def tell(self, kind: str, each: dict[str, Any]) -> None:
        line = json.dumps({"type": kind, "object": each}, separators=(",", ":")).encode() + b"\n"
        for watcher in self.watchers:
            watcher.write(b"%x\r\n%s\r\n" % (len(line), line))

    def next_version(self) -> int:
        self.version += 1
        return self.version

    async def burst(self, count: int, name: str) -> dict[str, float]:
        self.standing = [f"{name}-{number:05}" for number in range(count)]
        self.missing = set(self.standing)
        self.made += count
        self.given.clear()
        self.done.clear()
        begun = time.monotonic()
        for each in self.standing:
            self.tell("ADDED", service(each, self.next_version()))
        await self.done.wait()
        return {"seconds": time.monotonic() - begun, "different": len(self.given)}

    async def clear(self) -> dict[str, int]:
        while self.told < self.made:
            self.heard.clear()
            await self.heard.wait()
        for name in self.standing:
            self.tell("DELETED", service(name, self.next_version()))
        return {"gone": len(self.standing)}

    def write_status(self, name: str, body: bytes) -> None:
        ip = json.loads(body)["status"]["loadBalancer"]["ingress"][0]["ip"]
        self.given.add(ip)
        self.tell("MODIFIED", service(name, self.next_version(), ip))
        self.missing.discard(name)
        if not self.missing:
            self.done.set()


class Connection(asyncio.Protocol):
    def __init__(self, world: World) -> None:
        self._world = world
        self._data = b""
        self._tasks: set[asyncio.Task[None]] = set()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        if self.transport in self._world.watchers:
            self._world.watchers.remove(self.transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            found = re.search(rb"(?i)content-length: (\d+)", head)
            size = end + 4 + (int(found[1]) if found else 0)
            if len(self._data) < size:
                return
            body, self._data = self._data[end + 4 : size], self._data[size:]
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self._answer(method, target, body)

    def _answer(self, method: str, target: str, body: bytes) -> None:
        parts = urlsplit(target)
        path, query = parts.path, parse_qs(parts.query)
        if method == "GET" and "watch" in query:
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            if path == "/api/v1/services":
                self._world.watchers.append(self.transport)
        elif path == "/burst":
            self._later(self._world.burst(int(query["count"][0]), query["name"][0]))
        elif path == "/clear":
            self._later(self._world.clear())
        elif method == "GET" and path == "/api/v1/services":
            self._send({"metadata": {"resourceVersion": "10"}, "items": self._world.services})
        elif method == "GET" and path.endswith("/ipaddresspools"):
            self._send({"metadata": {"resourceVersion": "10"}, "items": [_POOL]})
        elif method == "GET" and path.rsplit("/", 1)[-1].endswith(("s", "ies")):
            self._send({"metadata": {"resourceVersion": "10"}, "items": []})
        elif method == "GET":
            self._send({"kind": "Status", "reason": "NotFound", "code": 404}, b"404 Not Found")
        else:
            if method == "POST" and path.endswith("/events"):
                self._world.told += 1
                self._world.heard.set()
            if (found := _STATUS.match(path)) is not None:
                self._world.write_status(found[1], body)
            self._send({"metadata": {"name": "x", "resourceVersion": "11"}})

    def _later(self, answer: Coroutine[Any, Any, Any]) -> None:
        async def send() -> None:
            self._send(await answer)

        task = asyncio.ensure_future(send())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send(self, document: Any, status: bytes = b"200 OK") -> None:
        body = json.dumps(document).encode()
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        self.transport.write(head + body)


async def serve(kubeconfig: Path, existing: int) -> None:
    loop = asyncio.get_running_loop()
    world = World(existing)
    server = await loop.create_server(lambda: Connection(world), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    config = {
        "clusters": [{"name": "free", "cluster": {"server": url}}],
        "users": [{"name": "free", "user": {}}],
        "contexts": [{"name": "free", "context": {"cluster": "free", "user": "free"}}],
        "current-context": "free",
    }
    written = kubeconfig.with_suffix(".new")
    written.write_text(yaml.safe_dump(config))
    written.rename(kubeconfig)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--existing", type=int, default=0)
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.kubeconfig, chosen.existing))


if __name__ == "__main__":
    main()
