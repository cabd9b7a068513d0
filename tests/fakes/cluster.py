"""A Kubernetes API in memory: the twin of `ports.KubePort` for cycle tests. Passes the same contract tests as the real port.

Objects are put in with `put` and `remove`; what a program wrote is in `writes`. Only what we use is here: paging, label and
name selectors, watches with bookmarks, merge patches, status subresources, apply for status conditions, conflicts.
"""

import asyncio
import bisect
import copy
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from frr_adapter import errors, refs
from frr_adapter.boundary import paths, ports

Document = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True)
class Write:
    """One request that changed something, or was meant to."""

    method: str
    path: str
    body: Any


@dataclass(frozen=True)
class _Change:
    version: int
    collection: str
    before: Document | None
    after: Document | None


@dataclass(frozen=True)
class _Target:
    kind: paths.Kind
    namespace: str
    name: str
    subresource: str

    @property
    def key(self) -> Key:
        return (self.namespace, self.name)


class Cluster:
    def __init__(self) -> None:
        self._objects: dict[str, dict[Key, Document]] = {kind: {} for kind in paths.KINDS}
        self._changes: list[_Change] = []
        self._version = 100
        self._oldest = 0
        self._news = asyncio.Event()
        self._bookmarks = 0
        self.writes: list[Write] = []
        self.refuse: Callable[[str, str], errors.KubernetesError | None] = lambda _method, _path: None

    # What tests do to the cluster

    def put(self, document: Document) -> Document:
        """Creates or replaces an object with everything in it, status too."""
        kind, meta = document["kind"], document["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        before = self._objects[kind].get(key)
        after = copy.deepcopy(document)
        after["metadata"].setdefault("uid", before["metadata"]["uid"] if before else f"uid-{self._version}")
        after.setdefault("apiVersion", paths.KINDS[kind].api_version)
        return self._store(kind, key, before, after)

    def remove(self, ref: refs.ObjectRef) -> None:
        before = self._objects[ref.kind].pop((ref.namespace, ref.name))
        self._record(ref.kind, before, None)

    def read(self, ref: refs.ObjectRef) -> Document | None:
        """A copy of the object as it is now."""
        return copy.deepcopy(self._objects[ref.kind].get((ref.namespace, ref.name)))

    def all(self, kind: str) -> list[Document]:
        return copy.deepcopy([document for _, document in sorted(self._objects[kind].items())])

    def forget_history(self) -> None:
        """Watches from before now, and pages begun before now, are told that they are too old."""
        self._changes.clear()
        self._oldest = self._version

    def bookmark(self) -> None:
        """Sends a bookmark on all watches that want some."""
        self._version += 1
        self._bookmarks += 1
        self._wake()

    # ports.KubePort

    async def get(self, path: str, query: ports.Query = ports.NO_QUERY) -> bytes:
        target = self._target("GET", path)
        if target.name:
            return json.dumps(self._existing(target)).encode()
        return json.dumps(self._list(target, query)).encode()

    async def stream(self, path: str, query: ports.Query = ports.NO_QUERY) -> AsyncGenerator[bytes, None]:
        target = self._target("GET", path)
        position = int(query["resourceVersion"])
        if position < self._oldest:
            raise _error(410, "Expired", "too old resource version")
        bookmarks = self._bookmarks
        deadline = asyncio.get_running_loop().time() + float(query.get("timeoutSeconds", "300"))
        while True:
            for change in self._after(position):
                position = change.version
                event = _event(change, target, query)
                if event is not None:
                    yield json.dumps(event).encode()
            if self._bookmarks > bookmarks and query.get("allowWatchBookmarks") == "true":
                meta = {"resourceVersion": str(self._version)}
                yield json.dumps({"type": "BOOKMARK", "object": {"kind": target.kind.name, "metadata": meta}}).encode()
            bookmarks = self._bookmarks
            news = self._news
            if self._after(position):
                continue
            try:
                async with asyncio.timeout_at(deadline):
                    await news.wait()
            except TimeoutError:
                return

    async def patch(
        self, path: str, body: ports.Document, content_type: ports.Patch, query: ports.Query = ports.NO_QUERY
    ) -> bytes:
        target = self._target("PATCH", path, body)
        before = self._existing(target)
        wanted = body.get("metadata", {})
        for field in ("resourceVersion", "uid"):
            if wanted.get(field) not in {None, before["metadata"][field]}:
                raise _error(409, "Conflict", f"the object has been modified ({field})")
        merged = _apply(before, body, query) if content_type is ports.Patch.APPLY else _merge(before, body)
        after = _restrict(before, merged, target)
        return self._replace(target, before, after)

    async def create(self, path: str, body: ports.Document, query: ports.Query = ports.NO_QUERY) -> bytes:  # noqa: ARG002 - the port's
        target = self._target("POST", path, body)
        meta = body["metadata"]
        name = meta.get("name") or f"{meta['generateName']}{self._version:05x}"
        key = (target.namespace, name)
        if key in self._objects[target.kind.name]:
            raise _error(409, "AlreadyExists", f'{target.kind.plural} "{name}" already exists')
        after = copy.deepcopy(dict(body))
        after["metadata"] = {**after["metadata"], "name": name, "uid": f"uid-{self._version}"}
        if target.namespace:
            after["metadata"]["namespace"] = target.namespace
        return json.dumps(self._store(target.kind.name, key, None, after)).encode()

    async def update(self, path: str, body: ports.Document, query: ports.Query = ports.NO_QUERY) -> bytes:  # noqa: ARG002 - the port's
        target = self._target("PUT", path, body)
        before = self._existing(target)
        if body["metadata"].get("resourceVersion") not in {None, before["metadata"]["resourceVersion"]}:
            raise _error(409, "Conflict", "the object has been modified")
        wanted = copy.deepcopy(dict(body))
        wanted["metadata"] = {**before["metadata"], **wanted["metadata"]}
        return self._replace(target, before, _restrict(before, wanted, target))

    async def delete(self, path: str, query: ports.Query = ports.NO_QUERY) -> bytes:  # noqa: ARG002 - the port's
        target = self._target("DELETE", path)
        self._existing(target)
        self.remove(refs.ObjectRef(target.kind.name, target.namespace, target.name))
        return json.dumps({"kind": "Status", "status": "Success"}).encode()

    # Inside

    def _target(self, method: str, path: str, body: object = None) -> _Target:
        if method != "GET":
            self.writes.append(Write(method, path, copy.deepcopy(body)))
        refusal = self.refuse(method, path)
        if refusal is not None:
            raise refusal
        target = parse(path)
        if target is None:
            raise _error(404, "NotFound", f"the server could not find the requested resource {path}")
        return target

    def _existing(self, target: _Target) -> Document:
        found = self._objects[target.kind.name].get(target.key)
        if found is None:
            raise _error(404, "NotFound", f'{target.kind.plural} "{target.name}" not found')
        return found

    def _list(self, target: _Target, query: ports.Query) -> Document:
        version, after = str(self._version), ("", "")
        if "continue" in query:
            version, *key = query["continue"].split("/")
            after = (key[0], key[1])
            if int(version) < self._oldest:
                raise _error(410, "Expired", "the continue token is too old")
        found = [
            (key, document)
            for key, document in sorted(self._objects[target.kind.name].items())
            if key > after and _is_wanted(document, target, query)
        ]
        page = found[: int(query.get("limit", "0")) or None]
        meta = {"resourceVersion": version}
        if len(page) < len(found):
            meta["continue"] = "/".join((version, *page[-1][0]))
        return {
            "kind": f"{target.kind.name}List",
            "apiVersion": target.kind.api_version,
            "metadata": meta,
            "items": [document for _, document in page],
        }

    def _replace(self, target: _Target, before: Document, after: Document) -> bytes:
        if after == before:
            return json.dumps(before).encode()
        return json.dumps(self._store(target.kind.name, target.key, before, after)).encode()

    def _store(self, kind: str, key: Key, before: Document | None, after: Document) -> Document:
        self._objects[kind][key] = after
        self._record(kind, before, after)
        return copy.deepcopy(after)

    def _after(self, position: int) -> list[_Change]:
        return self._changes[bisect.bisect_right(self._changes, position, key=lambda change: change.version) :]

    def _record(self, kind: str, before: Document | None, after: Document | None) -> None:
        self._version += 1
        if after is not None:
            after["metadata"]["resourceVersion"] = str(self._version)
        self._changes.append(_Change(self._version, kind, before, after))
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def parse(path: str) -> _Target | None:
    """The meaning of a path; None when there is no such collection."""
    parts = path.strip("/").split("/")
    length = 2 if parts[0] == "api" else 3
    version, rest = "/".join(parts[1:length]), parts[length:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and any(kind.plural == rest[2] for kind in paths.KINDS.values()):
        namespace, rest = rest[1], rest[2:]
    rest = [*rest, "", "", ""][:3]
    for kind in paths.KINDS.values():
        if (kind.api_version, kind.plural) == (version, rest[0]):
            return _Target(kind, namespace, rest[1], rest[2])
    return None


def _event(change: _Change, target: _Target, query: ports.Query) -> Document | None:
    if change.collection != target.kind.name:
        return None
    was = change.before is not None and _is_wanted(change.before, target, query)
    if change.after is not None and _is_wanted(change.after, target, query):
        return {"type": "MODIFIED" if was else "ADDED", "object": change.after}
    if not was or change.before is None:
        return None
    meta = {**change.before["metadata"], "resourceVersion": str(change.version)}
    return {"type": "DELETED", "object": {**change.before, "metadata": meta}}


def _is_wanted(document: Document, target: _Target, query: ports.Query) -> bool:
    meta = document["metadata"]
    if target.namespace not in {"", meta.get("namespace", "")}:
        return False
    labels = meta.get("labels") or {}
    fields = {"metadata.name": meta["name"], "metadata.namespace": meta.get("namespace", "")}
    for selector, values in (("labelSelector", labels), ("fieldSelector", fields)):
        for term in filter(None, query.get(selector, "").split(",")):
            key, _, value = term.partition("=")
            if values.get(key.strip()) != value.strip("= "):
                return False
    return True


def _merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _apply(before: Document, body: ports.Document, query: ports.Query) -> Document:
    """Server-side apply, as far as one owner of one condition needs it."""
    if not query.get("fieldManager"):
        raise _error(422, "Invalid", "fieldManager is required for apply patch")
    wanted = copy.deepcopy(dict(body))
    conditions = {each["type"]: each for each in before.get("status", {}).get("conditions", [])}
    conditions |= {each["type"]: each for each in wanted.get("status", {}).get("conditions", [])}
    if conditions:
        wanted["status"]["conditions"] = list(conditions.values())
    merged: Document = _merge(before, wanted)
    return merged


def _restrict(before: Document, merged: Document, target: _Target) -> Document:
    """What a request may change: through `status` the status (and annotations of built-in kinds), else all but the status."""
    fixed = {key: before["metadata"][key] for key in ("uid", "resourceVersion")}
    if target.subresource == "status":
        # Metadata of its own: the version before may still have to be told to a watch as it was.
        changed = {**before, "metadata": {**before["metadata"]}, "status": merged.get("status", {})}
        if target.kind.api_version == "v1":
            changed["metadata"] = {**merged["metadata"], **fixed}
        return changed
    changed = {**merged, "metadata": {**merged["metadata"], **fixed}}
    if "status" in before:
        return {**changed, "status": before["status"]}
    changed.pop("status", None)
    return changed


def _error(status: int, reason: str, message: str) -> errors.KubernetesError:
    return errors.KubernetesError(status, reason, message)
