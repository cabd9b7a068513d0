"""A small client of the Kubernetes API for the lab's own daemons: get, list, apply, patch, delete, watch.

Plain HTTP or TLS as a kubeconfig says. The lab's programs that are under test use the official client; this one starts
faster and knows no types. Must never be imported by them.
"""

import asyncio
import base64
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec
import yaml

from lab.errors import LabError

Json = dict[str, Any]

PLURALS = {
    "Namespace": "namespaces",
    "Node": "nodes",
    "Pod": "pods",
    "Service": "services",
    "EndpointSlice": "endpointslices",
    "CustomResourceDefinition": "customresourcedefinitions",
    "IPAddressPool": "ipaddresspools",
    "BGPPeer": "bgppeers",
    "BGPAdvertisement": "bgpadvertisements",
    "L2Advertisement": "l2advertisements",
    "BFDProfile": "bfdprofiles",
    "Community": "communities",
    "Secret": "secrets",
}
_CLUSTER_WIDE = {"Namespace", "Node", "CustomResourceDefinition"}


class ApiError(LabError):
    """The API answered with a failure; `status` is the HTTP status code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is and who we are there."""

    server: str
    tls: ssl.SSLContext | None
    tls_name: str | None
    token: str


def path_of(api_version: str, kind: str, namespace: str = "", name: str = "") -> str:
    """The URL path of a collection, or of one object when `name` is given."""
    root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    parts = [root]
    if namespace and kind not in _CLUSTER_WIDE:
        parts += ["namespaces", namespace]
    parts.append(PLURALS[kind])
    if name:
        parts.append(name)
    return "/".join(parts)


def read_kubeconfig(path: Path) -> Access:
    """The current context of a kubeconfig; `LabError` when it cannot be used."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config.get("users") or [], context.get("user", "")).get("user") or {}
        server = str(cluster["server"]).rstrip("/")
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise LabError(f"kubeconfig {path} cannot be used: {error!r}: give a file with a current context") from error
    tls = None
    if server.startswith("https:"):
        authority = _material(cluster, "certificate-authority")
        tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
        if cluster.get("insecure-skip-tls-verify"):
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        if (certificate := _material(user, "client-certificate")) and (key := _material(user, "client-key")):
            # OpenSSL reads certificate chains from files only.
            with tempfile.NamedTemporaryFile() as pair:
                pair.write(certificate + b"\n" + key)
                pair.flush()
                tls.load_cert_chain(pair.name)
    return Access(server=server, tls=tls, tls_name=cluster.get("tls-server-name"), token=str(user.get("token", "")))


def _named(entries: list[Json], name: str) -> Json:
    return next((entry for entry in entries if entry.get("name") == name), {})


def _material(holder: Json, field: str) -> bytes:
    """The bytes of `field` given inline (base64) or as a file name; empty when absent."""
    if inline := holder.get(f"{field}-data"):
        return base64.b64decode(inline)
    return Path(holder[field]).read_bytes() if holder.get(field) else b""


class Api:
    """An open client; use `async with`. `created` are the paths of objects that `apply` made anew, in order."""

    def __init__(self, access: Access) -> None:
        self._access = access
        headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
        self._session = aiohttp.ClientSession(headers=headers)
        self.created: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._session.close()

    def _request(self, method: str, path: str, **options: Any) -> Any:
        if self._access.tls is not None:
            options["ssl"] = self._access.tls
            options["server_hostname"] = self._access.tls_name
        return self._session.request(method, self._access.server + path, **options)

    async def call(self, method: str, path: str, body: Json | None = None, content: str = "application/json") -> Json:
        """One request with JSON both ways; `ApiError` on any failure, with status 0 when no answer came."""
        data = None if body is None else msgspec.json.encode(body)
        timeout = aiohttp.ClientTimeout(total=15)
        try:
            async with self._request(
                method, path, data=data, headers={"Content-Type": content}, timeout=timeout
            ) as answer:
                raw = await answer.read()
                if answer.status >= 400:
                    raise ApiError(answer.status, f"{method} {path}: {answer.status} {_message(raw)}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(0, f"{method} {path}: the Kubernetes API does not answer: {error!r}") from error
        decoded: Json = msgspec.json.decode(raw) if raw[:1] == b"{" else {}
        return decoded

    async def ready(self) -> bool:
        """Whether the API serves."""
        try:
            async with self._request("GET", "/readyz", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                return bool(answer.status == 200)
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def apply(self, document: Json) -> Json:
        """Create the object, or merge it over the present one; a `status` in it is written too."""
        meta = document["metadata"]
        collection = path_of(document["apiVersion"], document["kind"], meta.get("namespace", ""))
        one = f"{collection}/{meta['name']}"
        try:
            made = await self.call("POST", collection, document)
            self.created.append(one)
        except ApiError as error:
            if error.status != 409:
                raise
            made = await self.call("PATCH", one, document, "application/merge-patch+json")
        if "status" in document and document["kind"] != "CustomResourceDefinition":
            made = await self.call(
                "PATCH", f"{one}/status", {"status": document["status"]}, "application/merge-patch+json"
            )
        return made

    async def list(self, path: str) -> list[Json]:
        """All objects of a collection."""
        return list((await self.call("GET", path)).get("items") or [])

    async def delete(self, path: str) -> None:
        """Delete one object; already gone is fine."""
        try:
            await self.call("DELETE", path)
        except ApiError as error:
            if error.status != 404:
                raise

    async def watch(self, path: str, version: str) -> AsyncIterator[Json]:
        """Watch events after `version` until the API ends the stream; `ApiError` when it breaks."""
        query = f"{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion={version}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=330)
        try:
            # A large Service list in one event is longer than aiohttp's line limit: lines are cut here.
            async with self._request("GET", query, timeout=timeout) as answer:
                if answer.status >= 400:
                    raise ApiError(answer.status, f"watch {path}: {answer.status} {_message(await answer.read())}")
                rest = b""
                async for chunk in answer.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if line.strip():
                            yield msgspec.json.decode(line)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(0, f"watch {path}: {error!r}") from error


def _message(raw: bytes) -> str:
    """The message of a Status object, else the text itself."""
    with contextlib.suppress(msgspec.DecodeError, AttributeError):
        return str(msgspec.json.decode(raw).get("message") or raw.decode())
    return raw.decode(errors="replace")[:300]


class Mirror:
    """The newest objects of one collection, kept so for ever by `run`; sets `changed` after every change."""

    def __init__(self, api: Api, path: str, changed: asyncio.Event) -> None:
        self.objects: dict[tuple[str, str], Json] = {}
        self.listed = False
        self._news: set[tuple[str, str]] = set()
        self._api = api
        self._path = path
        self._changed = changed

    async def run(self) -> None:
        """List, then watch; list again after any break. Never returns."""
        while True:
            try:
                await self._once()
            except ApiError as error:
                print(f"{error}", flush=True)
                await asyncio.sleep(0.5)

    def news(self) -> set[tuple[str, str]]:
        """Namespace and name of what came, changed or went since the last call."""
        found, self._news = self._news, set()
        return found

    async def _once(self) -> None:
        listing = await self._api.call("GET", self._path)
        before = self.objects.keys()
        self.objects = {_key(item): item for item in listing.get("items") or []}
        self._news |= before | self.objects.keys()
        self.listed = True
        self._changed.set()
        version = listing["metadata"]["resourceVersion"]
        while True:
            async for event in self._api.watch(self._path, version):
                item = event["object"]
                if event["type"] == "ERROR":
                    raise ApiError(int(item.get("code", 0)), f"watch {self._path}: {item.get('message')}")
                version = item["metadata"]["resourceVersion"]
                if event["type"] == "BOOKMARK":
                    continue
                self._news.add(_key(item))
                if event["type"] == "DELETED":
                    self.objects.pop(_key(item), None)
                else:
                    self.objects[_key(item)] = item
                self._changed.set()


def _key(item: Json) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
