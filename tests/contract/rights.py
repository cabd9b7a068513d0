"""What a program may do and what it asked for: roles read as RBAC reads them, and a gate before the API server that records.

`Gate` stands between a program and the server: it speaks for one ServiceAccount, forwards what that may do, refuses the rest,
and remembers everything. A real server is asked in the account's name, so there it is the server itself that refuses.
"""

import contextlib
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
HOP_BY_HOP = {"connection", "content-length", "host", "transfer-encoding", "content-encoding", "accept-encoding"}
CLUSTER_WIDE = {"namespaces", "nodes", "validatingwebhookconfigurations", "customresourcedefinitions"}


@dataclass(frozen=True, order=True)
class Asked:
    """One request in RBAC's words; `name` is empty where it is about a collection."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, order=True)
class Grant:
    """One verb on one resource, in one namespace or (empty) everywhere, on one object or (empty) on all."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str

    def covers(self, asked: Asked) -> bool:
        return (
            (self.verb, self.group, self.resource) == (asked.verb, asked.group, asked.resource)
            and self.namespace in {"", asked.namespace}
            and self.name in {"", asked.name}
        )

    def is_wider_than(self, asked: Asked, home: str) -> bool:
        """Whether it was not needed for this: everywhere is more than the own namespace."""
        return not self.namespace and asked.namespace == home and self.resource not in CLUSTER_WIDE


def asked(method: str, path: str, query: Mapping[str, str]) -> Asked | None:
    """None for what is no resource, such as /version."""
    parts = path.strip("/").split("/")
    if parts[0] not in {"api", "apis"} or len(parts) < (3 if parts[0] == "api" else 4):
        return None
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource = "/".join([rest[0], *rest[2:]])
    name = rest[1] if len(rest) > 1 else ""
    selected = dict(each.split("=", 1) for each in query.get("fieldSelector", "").split(",") if "=" in each)
    if method in {"GET", "HEAD"}:
        verb = "get" if name else "watch" if query.get("watch") in {"true", "1"} else "list"
        name = name or selected.get("metadata.name", "")
    elif method == "DELETE":
        verb = "delete" if name else "deletecollection"
    else:
        verb = VERBS[method]
    return Asked(verb, group, resource, namespace, name)


def grants(documents: Iterable[dict], account: str) -> frozenset[Grant]:
    """Everything that the bindings among the documents give to the ServiceAccount."""
    documents = tuple(documents)
    roles = {(each["kind"], each["metadata"]["name"]): each for each in documents if each["kind"].endswith("Role")}
    return frozenset(
        Grant(verb, group, resource, binding["metadata"].get("namespace", ""), name)
        for binding in documents
        if binding["kind"].endswith("RoleBinding") and account in {each["name"] for each in binding["subjects"]}
        for rule in roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]["rules"]
        if "resources" in rule
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    )


@dataclass
class Gate:
    """`async with` it; `kubeconfig` is for the program then. `is_enforcing`: refuse here, as the server would not."""

    kube: object
    account: str
    namespace: str
    granted: frozenset[Grant]
    listening: socket.socket
    seen: set[Asked] = field(default_factory=set)
    refused: list[Asked] = field(default_factory=list)

    async def __aenter__(self):
        self._stack = contextlib.AsyncExitStack()
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(self.kube.url, timeout=timeout, auto_decompress=False)
        )
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, self.listening).start()
        return self

    async def __aexit__(self, *_):
        await self._stack.aclose()

    @property
    def kubeconfig(self) -> str:
        server = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "c",
            }
        )

    def unused(self) -> list[Grant]:
        """What was granted and never needed."""
        return sorted(
            each
            for each in self.granted
            if not any(each.covers(one) and not each.is_wider_than(one, self.namespace) for one in self.seen)
        )

    @property
    def _identity(self) -> list[tuple[str, str]]:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated")
        user = ("Impersonate-User", f"system:serviceaccount:{self.namespace}:{self.account}")
        return [*self.kube.headers.items(), user, *(("Impersonate-Group", group) for group in groups)]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        about = asked(request.method, request.path, request.query)
        if about is not None:
            self.seen.add(about)
            if not any(each.covers(about) for each in self.granted):
                self.refused.append(about)
                if self.kube.origin != "real":
                    body = {
                        "kind": "Status",
                        "apiVersion": "v1",
                        "status": "Failure",
                        "reason": "Forbidden",
                        "code": 403,
                    }
                    return web.json_response({**body, "message": f"{self.account} may not: {about}"}, status=403)
        headers = [(key, value) for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP]
        target = request.rel_url
        async with self._session.request(
            request.method,
            target,
            data=await request.read() or None,
            headers=[*headers, *self._identity],
            ssl=self.kube.ssl or True,
        ) as answer:
            if answer.status == 403 and about is not None and about not in self.refused:
                self.refused.append(about)
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in HOP_BY_HOP}
            passed = web.StreamResponse(status=answer.status, headers=kept)
            await passed.prepare(request)
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                async for chunk in answer.content.iter_any():
                    await passed.write(chunk)
            return passed
