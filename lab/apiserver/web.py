"""The HTTP surface: every path, every status code.

`server` mounts it. One catch-all route: Kubernetes paths are parsed by `request`, not by a router. Must never hold
rules of a kind.
"""

import contextlib
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import hdrs, web

from lab.apiserver import (
    admission,
    answers,
    bodies,
    discovery,
    executing,
    objects,
    openapi,
    openapi_v2,
    reads,
    refusal,
    request,
    reviews,
    writes,
)
from lab.apiserver.backend import Backend
from lab.apiserver.bodies import FieldCheck
from lab.apiserver.converting import settled
from lab.apiserver.kinds import SERVER_VERSION
from lab.apiserver.objects import Json
from lab.apiserver.refusal import ApiError
from lab.apiserver.request import Target
from lab.apiserver.watching import Watch

_BODY_LIMIT = 3 * 1024 * 1024
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_HEALTH = frozenset({"/healthz", "/livez", "/readyz", "/healthz/ping", "/livez/ping", "/readyz/ping"})
_DISCOVERY_MEDIA = "application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList"


class Surface:
    """Answers requests from a backend."""

    def __init__(self, backend: Backend, bookmark_seconds: float, doors: Path | None = None) -> None:
        self._backend = backend
        self._doors = doors
        self._bookmark_seconds = bookmark_seconds
        self._admission = admission.Admission(backend)
        self._reviews = reviews.Reviews(backend.store)

    def application(self) -> web.Application:
        """The application to serve."""
        application = web.Application(client_max_size=_BODY_LIMIT, middlewares=[_refusals_as_status])
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    async def _answer(self, http: web.Request) -> web.StreamResponse:
        path = http.path.rstrip("/") or "/"
        parts = path.strip("/").split("/")
        target = request.parse_path(path, self._backend.registry)
        if target is not None:
            return await self._resource(http, target)
        if http.method not in {"GET", "HEAD"}:
            return _plain_not_found()
        document = self._document(http, path, parts)
        return web.Response(text="ok") if path in _HEALTH else document or _plain_not_found()

    def _document(self, http: web.Request, path: str, parts: list[str]) -> web.Response | None:
        registry = self._backend.registry
        if path in {"/api", "/apis"}:
            form = _discovery_form(http.headers.get(hdrs.ACCEPT, ""))
            if form:
                document = discovery.aggregated(registry, form, core=path == "/api")
                return web.Response(
                    body=objects.encode(document), headers={hdrs.CONTENT_TYPE: _DISCOVERY_MEDIA.format(form=form)}
                )
            return _json(discovery.versions_of_core(http.host) if path == "/api" else discovery.groups(registry))
        groups = registry.groups()
        match parts:
            case ["version"]:
                return _json(_version())
            case ["api", version] if version in groups.get("", ()):
                return _json(discovery.resources(registry, "", version))
            case ["apis", group] if group in groups:
                return _json(discovery.group(group, groups[group]))
            case ["apis", group, version] if version in groups.get(group, ()):
                return _json(discovery.resources(registry, group, version))
            case ["openapi", "v2"]:
                return web.Response(body=openapi_v2.document(registry), headers={hdrs.CONTENT_TYPE: openapi_v2.MEDIA})
            case ["openapi", "v3"]:
                return _json(openapi.index(registry))
            case ["openapi", "v3", "api", version] if version in groups.get("", ()):
                return _json(openapi.document(registry, "", version))
            case ["openapi", "v3", "apis", group, version] if version in groups.get(group, ()):
                return _json(openapi.document(registry, group, version))
            case _:
                return None

    async def _resource(self, http: web.Request, target: Target) -> web.StreamResponse:
        verb = _VERBS.get(http.method, "")
        if target.subresource == executing.SUBRESOURCE and verb in discovery.verbs(target.subresource):
            pod = self._backend.entry(target.kind, target.namespace, target.name).document
            return await executing.serve(http, pod, self._doors)
        is_collection = not target.name
        if is_collection and verb == "delete":
            verb = "deletecollection"
        if is_collection and verb == "get":
            verb = "list"
        allowed = discovery.verbs(target.subresource) if target.subresource else target.kind.verbs
        is_below = is_collection or target.subresource == "token"
        misplaced = (verb == "create") != is_below if verb in {"create", "update", "patch"} else False
        needs_home = target.kind.namespaced and not target.namespace and verb not in {"list", "watch"}
        if verb not in allowed or misplaced or needs_home:
            raise refusal.method_not_allowed()
        reads_only = verb in {"get", "list"}
        answer = await (self._read(http, target, verb) if reads_only else self._write(http, target, verb))
        if target.kind.warning and not answer.prepared:
            answer.headers.add(hdrs.WARNING, _warning(target.kind.warning))
        return answer

    async def _read(self, http: web.Request, target: Target, verb: str) -> web.StreamResponse:
        form = answers.negotiate(http.headers.get(hdrs.ACCEPT, ""), http.query.get("includeObject", ""))
        kind = target.kind
        if request.is_true(http.query, "watch"):
            return await self._watch(http, target, form)
        if verb == "list":
            portion = reads.list_portion(self._backend.store, target, http.query)
            body = await settled(lambda: answers.listing(kind, portion.entries, portion.list_meta, form))
            return _bytes(body, form)
        entry = self._backend.entry(kind, target.namespace, target.name)
        return _bytes(await settled(lambda: answers.entry_bytes(kind, entry, form)), form)

    async def _watch(self, http: web.Request, target: Target, form: answers.Form) -> web.StreamResponse:
        watch = Watch(self._backend.store, target, http.query, form, self._bookmark_seconds)
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "application/json"})
        if target.kind.warning:
            response.headers.add(hdrs.WARNING, _warning(target.kind.warning))
        response.enable_chunked_encoding()
        await response.prepare(http)
        with contextlib.suppress(ConnectionError):
            async for line in watch.lines():
                await response.write(line)
            await response.write_eof()
        return response

    async def _write(self, http: web.Request, target: Target, verb: str) -> web.Response:
        form = answers.negotiate(http.headers.get(hdrs.ACCEPT, ""), http.query.get("includeObject", ""))
        call = writes.Call(
            target=target,
            query=http.query,
            body=await http.read(),
            content_type=http.headers.get(hdrs.CONTENT_TYPE, ""),
            user_agent=http.headers.get(hdrs.USER_AGENT, ""),
        )
        kind, check = target.kind, bodies.field_check(http.query.get("fieldValidation", ""))
        if target.subresource != "token":
            await self._admission.review(call, verb, check)
        code = 200
        match verb:
            case "create" if target.subresource:
                account = self._backend.entry(kind, target.namespace, target.name).document
                asked = bodies.parse(call.body, call.content_type)
                document = self._reviews.issue(account, asked if isinstance(asked, dict) else {})
                return _bytes(answers.encode(document, form), form, 201, check)
            case "create" if kind.verbs == ("create",):
                asked = bodies.read_object(call.body, call.content_type, kind, check)
                document, code = self._reviews.answer(kind, asked), 201
            case "create":
                document, code = await settled(lambda: writes.create(self._backend, call, check)), 201
            case "update":
                document, is_new = await settled(lambda: writes.replace_one(self._backend, call, check))
                code = 201 if is_new else 200
            case "patch":
                document, is_new = await settled(lambda: writes.patch_one(self._backend, call, check))
                code = 201 if is_new else 200
            case "delete":
                document = await settled(lambda: writes.delete_one(self._backend, call))
            case _:
                portion = await settled(lambda: writes.delete_many(self._backend, call))
                body = await settled(lambda: answers.listing(kind, portion.entries, portion.list_meta, form))
                return _bytes(body, form, check=check)
        if document.get("kind") != "Status":
            document = answers.one(kind, document, form)
        return _bytes(answers.encode(document, form), form, code, check)


def _bytes(body: bytes, form: answers.Form, code: int = 200, check: FieldCheck | None = None) -> web.Response:
    response = web.Response(body=body, status=code, headers={hdrs.CONTENT_TYPE: form.media})
    for warning in dict.fromkeys(check.warnings if check else ()):
        response.headers.add(hdrs.WARNING, _warning(warning))
    return response


def _warning(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'


def _json(document: Json, code: int = 200) -> web.Response:
    return web.Response(body=objects.encode(document), status=code, headers={hdrs.CONTENT_TYPE: "application/json"})


def _plain_not_found() -> web.Response:
    return web.Response(text="404 page not found\n", status=404)


def _version() -> Json:
    major, minor, _ = SERVER_VERSION.removeprefix("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": SERVER_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def _discovery_form(accept: str) -> str:
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        options = dict(part.partition("=")[::2] for part in parameters)
        if media != "application/json":
            continue
        if options.get("as") == "APIGroupDiscoveryList" and options.get("g") == "apidiscovery.k8s.io":
            if options.get("v") in discovery.AGGREGATED:
                return options["v"]
        elif not options.get("as"):
            return ""
    return ""


@web.middleware
async def _refusals_as_status(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return _json(error.status, error.code)
    except web.HTTPRequestEntityTooLarge:
        text = "Request entity too large: limit is 3145728"
        return _json(ApiError(413, "RequestEntityTooLarge", text).status, 413)
    except web.HTTPException:
        raise
    except Exception as error:
        # The wall: one request that trips over a fault of this program must not take the server down.
        traceback.print_exc()
        text = f"Internal error occurred: {type(error).__name__}: {error}"
        return _json(ApiError(500, "InternalError", text).status, 500)
