"""The Kubernetes API the contract tests run against, and a small client for it.

One server a session: a real one where KUBEBUILDER_ASSETS names its binaries, one somebody else runs where
FRR_ADAPTER_TEST_KUBECONFIG names a kubeconfig, else the embedded one as a program of its own.
"""

import asyncio
import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import secrets
import shutil
import ssl
import subprocess
import sys
import time

import aiohttp
import pytest
import yaml

from lab import apiserver_real

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclasses.dataclass(frozen=True)
class KubeApi:
    """Where the server is. `origin` is embedded, real or given; only embedded ones surely have controllers."""

    url: str
    kubeconfig: pathlib.Path
    origin: str
    headers: dict[str, str]
    ssl: ssl.SSLContext | bool
    version: tuple[int, int]

    def require(self, minor: int, what: str) -> None:
        if self.version < (1, minor):
            pytest.skip(f"{what} came with Kubernetes 1.{minor}; this server is {self.version[0]}.{self.version[1]}")

    def require_controllers(self, what: str) -> None:
        if self.origin == "real":
            pytest.skip(f"{what} needs controllers, and a bare kube-apiserver has none")


def from_kubeconfig(path: pathlib.Path, origin: str) -> KubeApi:
    config = yaml.safe_load(path.read_text())
    context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
    cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
    user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
    tls = False
    if cluster["server"].startswith("https"):
        tls = ssl.create_default_context(
            cafile=cluster.get("certificate-authority"),
            cadata=base64.b64decode(cluster.get("certificate-authority-data", "")).decode() or None,
        )
        if user.get("client-certificate"):
            tls.load_cert_chain(user["client-certificate"], user["client-key"])
    headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}
    bare = KubeApi(cluster["server"], path, origin, headers, tls, (1, 0))
    return dataclasses.replace(bare, version=asyncio.run(_version(bare)))


async def _version(kube: KubeApi) -> tuple[int, int]:
    async with (
        aiohttp.ClientSession(kube.url, headers=kube.headers) as session,
        session.get("/version", ssl=kube.ssl or True) as answer,
    ):
        found = await answer.json()
        return int(found["major"]), int(found["minor"].rstrip("+"))


@contextlib.contextmanager
def embedded(state: pathlib.Path, *flags: str):
    state.mkdir(parents=True, exist_ok=True)
    kubeconfig = state / "kubeconfig"
    command = [sys.executable, "-m", "lab.apiserver", "--port", "0", "--kubeconfig", str(kubeconfig), *flags]
    with (state / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        ends = time.monotonic() + 30
        while not kubeconfig.exists():
            assert process.poll() is None, (state / "log").read_text()
            assert time.monotonic() < ends, "the embedded API did not start"
            time.sleep(0.02)
        yield from_kubeconfig(kubeconfig, "embedded")
        process.terminate()
        assert process.wait(10) == 0, (state / "log").read_text()


@pytest.fixture(scope="session")
def kube_api(tmp_path_factory):
    assets = pathlib.Path(os.environ.get("KUBEBUILDER_ASSETS") or "/nonexistent")
    given = os.environ.get("FRR_ADAPTER_TEST_KUBECONFIG")
    state = tmp_path_factory.mktemp("kube-api")
    if apiserver_real.is_given(assets):
        running = apiserver_real.start(assets, state)
        yield from_kubeconfig(running.server.kubeconfig, "real")
        running.stop()
    elif given:
        yield from_kubeconfig(pathlib.Path(given), "given")
    else:
        with embedded(state) as kube:
            yield kube


@contextlib.contextmanager
def another(state: pathlib.Path):
    """A server with nothing in it, real or embedded."""
    assets = pathlib.Path(os.environ.get("KUBEBUILDER_ASSETS") or "/nonexistent")
    if apiserver_real.is_given(assets):
        running = apiserver_real.start(assets, state)
        yield from_kubeconfig(running.server.kubeconfig, "real")
        running.stop()
    else:
        with embedded(state) as kube:
            yield kube


@pytest.fixture(scope="module")
def own_api(tmp_path_factory):
    """A server for one file, whose tests change what a whole cluster shares: definitions, rights."""
    with another(tmp_path_factory.mktemp("own-api")) as kube:
        yield kube


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    warnings: list[str]
    body: dict

    def ok(self, *codes: int) -> dict:
        assert self.status in (codes or (200, 201)), json.dumps(self.body)
        return self.body

    def refused(self, code: int, reason: str) -> dict:
        assert (self.status, self.body.get("reason")) == (code, reason), json.dumps(self.body)
        assert self.body["kind"] == "Status"
        assert self.body["code"] == code
        return self.body


class Watcher:
    """The events of one watch, read one at a time."""

    def __init__(self, response):
        self._response = response

    async def next(self, seconds=15):
        line = await asyncio.wait_for(self._response.content.readline(), seconds)
        return json.loads(line) if line else None

    async def until(self, event_type, name=None):
        seen = []
        while True:
            event = await self.next()
            assert event is not None, f"the watch ended; seen: {seen}"
            seen.append((event["type"], event["object"].get("metadata", {}).get("name")))
            if event["type"] == event_type and name in {None, seen[-1][1]}:
                return event["object"]


class Client:
    """Plain HTTP to the API, in a namespace of its own."""

    def __init__(self, kube, session, namespace):
        self.kube = kube
        self.namespace = namespace
        self._session = session

    def path(self, plural, name="", *, group="", version="v1", sub="", namespace=""):
        base = f"/apis/{group}/{version}" if group else f"/api/{version}"
        parts = [base, "namespaces", namespace or self.namespace, plural, name, sub]
        return "/".join(part for part in parts if part)

    async def call(self, method, path, body=None, *, media="application/json", accept="application/json", **query):
        data = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
        headers = {"Accept": accept, **({"Content-Type": media} if body is not None else {})}
        async with self._session.request(
            method, path, data=data, headers=headers, params=query, ssl=self.kube.ssl or True
        ) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            found = json.loads(text) if is_json else {"text": text}
            return Answer(answer.status, dict(answer.headers), answer.headers.getall("Warning", []), found)

    async def get(self, path, **more):
        return await self.call("GET", path, **more)

    async def post(self, path, body, **more):
        return await self.call("POST", path, body, **more)

    async def put(self, path, body, **more):
        return await self.call("PUT", path, body, **more)

    async def patch(self, path, body, media=MERGE_PATCH, **more):
        return await self.call("PATCH", path, body, media=media, **more)

    async def apply(self, path, body, manager="tester", **more):
        return await self.call("PATCH", path, body, media=APPLY_PATCH, fieldManager=manager, **more)

    async def delete(self, path, body=None, **more):
        return await self.call("DELETE", path, body, **more)

    @contextlib.asynccontextmanager
    async def watch(self, path, accept="application/json", **query):
        async with self._session.get(
            path, params={"watch": "true", **query}, headers={"Accept": accept}, ssl=self.kube.ssl or True
        ) as response:
            assert response.status == 200, await response.text()
            yield Watcher(response)

    async def eventually(self, path, wanted, seconds=20):
        """Polls until `wanted(answer)` is true."""
        ends = time.monotonic() + seconds
        while True:
            answer = await self.get(path)
            if wanted(answer):
                return answer
            assert time.monotonic() < ends, f"{path}: {answer.status} {json.dumps(answer.body)}"
            await asyncio.sleep(0.05)


@pytest.fixture
async def api(kube_api):
    namespace = f"t-{secrets.token_hex(4)}"
    timeout = aiohttp.ClientTimeout(total=60)
    headers = {"User-Agent": "contract/1", **kube_api.headers}
    async with aiohttp.ClientSession(kube_api.url, timeout=timeout, headers=headers) as session:
        client = Client(kube_api, session, namespace)
        made = await client.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        made.ok(201)
        yield client
        (await client.delete(f"/api/v1/namespaces/{namespace}")).ok()


@pytest.fixture
def kubectl(kube_api, api, tmp_path):
    """Runs kubectl in the test's namespace: (exit code, standard output, standard error)."""
    program = os.environ.get("FRR_ADAPTER_TEST_KUBECTL") or shutil.which("kubectl")
    if program is None:
        pytest.skip("there is no kubectl on this machine")

    async def run(*arguments, stdin=None):
        process = await asyncio.create_subprocess_exec(
            program,
            f"--kubeconfig={kube_api.kubeconfig}",
            f"--cache-dir={tmp_path}",
            f"--namespace={api.namespace}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(stdin.encode() if stdin else None)
        return process.returncode, out.decode(), err.decode()

    return run


def pool_definition(plural):
    """A CustomResourceDefinition with everything ours use: columns, defaults, status, list types."""
    properties = {
        "size": {"type": "integer", "minimum": 0, "maximum": 10},
        "mode": {"type": "string", "default": "fast", "enum": ["fast", "slow"]},
        "addresses": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "number": {"type": "integer", "default": 80}},
            },
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.lab.example.org"},
        "spec": {
            "group": "lab.example.org",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": plural.capitalize(), "shortNames": [f"x{plural}"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                        {"name": "Mode", "type": "string", "jsonPath": ".spec.mode", "priority": 1},
                    ],
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "required": ["spec"],
                            "properties": {
                                "spec": {"type": "object", "required": ["size"], "properties": properties},
                                "status": {"type": "object", "properties": {"used": {"type": "integer"}}},
                            },
                        }
                    },
                }
            ],
        },
    }


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def define(api, definition):
    """Creates a definition and waits until its resources are served."""
    (await api.post(CRDS, definition)).ok(201)
    spec = definition["spec"]

    def is_established(answer):
        conditions = answer.body.get("status", {}).get("conditions") or []
        return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

    await api.eventually(f"{CRDS}/{definition['metadata']['name']}", is_established)
    version = spec["versions"][0]["name"]
    plural = spec["names"]["plural"]
    await api.eventually(f"/apis/{spec['group']}/{version}/{plural}", lambda answer: answer.status == 200)


@pytest.fixture
async def pools(api):
    """A custom resource of the test's own: (plural, kind)."""
    plural = f"p{secrets.token_hex(3)}s"
    await define(api, pool_definition(plural))
    yield plural
    await api.delete(f"{CRDS}/{plural}.lab.example.org")
