"""Follows one kind of object: list, then watch, for ever. The programs' wiring starts one `follow` per resource.

What the API said goes to a sink as `WatchEvent`s, which `store` keeps. Every interruption is mended here: a broken
connection resumes where it was, a forgotten position is listed again and compared with what was known, so that deletions
in between are reported and unchanged objects are not. Must never interpret an object beyond its name and version: that is
`decode`'s work.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from frr_adapter import errors, problems, refs
from frr_adapter.boundary import logs, paths, ports, retry
from frr_adapter.decode import decoded

_log = logs.get_logger()

Decode = Callable[[msgspec.Raw], decoded.Decoded[Any]]


@dataclass(frozen=True, slots=True)
class Listed:
    """Every object of the kind that existed has been told; sent after each listing, of which the first one counts."""

    kind: str


@dataclass(frozen=True, slots=True)
class Upserted:
    """The newest version of one object. `decoded.value` is None when it cannot be used."""

    kind: str
    decoded: decoded.Decoded[Any]


@dataclass(frozen=True, slots=True)
class Deleted:
    """An object is gone."""

    kind: str
    ref: refs.ObjectRef


WatchEvent = Listed | Upserted | Deleted
Sink = Callable[[WatchEvent], None]


@dataclass(frozen=True, slots=True)
class Resource:
    """What to follow: a kind of `paths.KINDS`, in one namespace or in all, narrowed by selectors in the API's own syntax."""

    kind: str
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""

    @property
    def path(self) -> str:
        """Path of the collection."""
        return paths.KINDS[self.kind].collection(self.namespace)

    @property
    def query(self) -> dict[str, str]:
        """The selectors as query parameters."""
        named = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {key: value for key, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Pace:
    """`page` objects per list request; seconds: a watch is asked to last `period` (random between it and a fifth more);
    without any line for `stall` it is taken for dead (API servers send a bookmark about every minute); one that ends
    within `brief` and without news counts as failed.
    """

    page: int = 500
    period: int = 300
    stall: float = 150.0
    brief: float = 1.0
    waits: retry.Pace = retry.DEFAULT


DEFAULT = Pace()


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""  # noqa: N815 - the API's own name


class _Object(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


class _ListMeta(msgspec.Struct, frozen=True, rename={"token": "continue"}):
    token: str = ""
    resourceVersion: str = ""  # noqa: N815 - the API's own name


class _List(msgspec.Struct, frozen=True):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Status(msgspec.Struct, frozen=True):
    code: int = 0
    reason: str = ""
    message: str = ""


_read_object = msgspec.json.Decoder(_Object).decode
_read_list = msgspec.json.Decoder(_List).decode
_read_event = msgspec.json.Decoder(_Event).decode
_read_status = msgspec.json.Decoder(_Status).decode


class Recall:
    """Makes followers list everything anew, for who must know the world as it is now and not as a late watch shows it."""

    def __init__(self) -> None:
        self._asked = 0
        self._scopes: set[asyncio.Timeout] = set()

    @property
    def asked(self) -> int:
        """How often it was asked."""
        return self._asked

    def ask(self) -> None:
        """Every `Listed` that a follower tells from now on ends a listing that was begun from now on."""
        self._asked += 1
        scopes, self._scopes = self._scopes, set()
        for scope in scopes:
            scope.reschedule(asyncio.get_running_loop().time())

    async def until_asked(self, work: Callable[[], Awaitable[NoReturn]]) -> None:
        """Does `work` until the next `ask`, wherever it is then: reading, watching or waiting to try again."""
        try:
            async with asyncio.timeout(None) as scope:
                self._scopes.add(scope)
                await work()
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            self._scopes.discard(scope)


async def follow(
    kube: ports.KubePort,
    resource: Resource,
    decode: Decode,
    sink: Sink,
    pace: Pace = DEFAULT,
    recall: Recall | None = None,
) -> NoReturn:
    """Tells `sink` everything about `resource` until cancelled; failures of the API are logged and retried, never raised.

    Only what `sink` raises comes out: that is a bug, and the caller's decision.
    """
    recall = recall or Recall()
    follower = _Follower(kube, resource, decode, sink, pace, recall)

    async def advance_for_ever() -> NoReturn:
        while True:
            await retry.forever(follower.advance, pace.waits, follower.note)

    while True:
        await recall.until_asked(advance_for_ever)


class _Follower:
    """What is known of one resource: the version of every object, and the position in the API's history."""

    def __init__(
        self, kube: ports.KubePort, resource: Resource, decode: Decode, sink: Sink, pace: Pace, recall: Recall
    ) -> None:
        self._kube = kube
        self._recall = recall
        self._listed_for = 0
        self._resource = resource
        self._decode = decode
        self._sink = sink
        self._pace = pace
        self._known: dict[refs.ObjectRef, str] = {}
        self._position = ""

    def note(self, error: errors.KubernetesError, seconds: float) -> None:
        """Logs a failure before the wait that follows it; that the API forgets old positions is no failure."""
        log = _log.info if error.status == 410 else _log.warning
        log(
            "cannot follow objects, trying again",
            kind=self._resource.kind,
            position=self._position,
            error=str(error),
            retry_in=round(seconds, 2),
        )

    async def advance(self) -> None:
        """One list where the position is unknown, and one watch. Returns when the watch brought news or lasted."""
        try:
            while not self._position or self._listed_for != self._recall.asked:
                asked = self._recall.asked
                await self._list()
                if asked == self._recall.asked:
                    self._listed_for = asked
                    self._sink(Listed(self._resource.kind))
            await self._watch()
        except msgspec.DecodeError as error:
            # Whatever that was, nothing after it can be trusted: compare everything anew.
            self._position = ""
            raise errors.KubernetesError(0, "Garbage", f"{self._resource.path}: {error}") from error

    async def _list(self) -> None:
        seen: set[refs.ObjectRef] = set()
        paged = {**self._resource.query, "limit": str(self._pace.page)}
        query = paged
        while True:
            try:
                page = _read_list(await self._kube.get(self._resource.path, query))
            except errors.KubernetesError as error:
                if error.status != 410 or "continue" not in query:
                    raise
                # The pages grew too old while we read; the API advises one request without pages.
                seen.clear()
                query = self._resource.query
                continue
            for item in page.items or ():
                self._upsert(item, seen)
            if not page.metadata.token:
                break
            query = {**paged, "continue": page.metadata.token}
        for ref in sorted(self._known.keys() - seen):
            self._delete(ref)
        self._position = page.metadata.resourceVersion

    async def _watch(self) -> None:
        before = self._position
        started = asyncio.get_running_loop().time()
        query = {**self._resource.query, **self._watch_query()}
        try:
            async with aclosing(self._kube.stream(self._resource.path, query)) as lines:
                while True:
                    async with asyncio.timeout(self._pace.stall):
                        line = await anext(lines, None)
                    if line is None:
                        break
                    self._take(line)
        except TimeoutError as error:
            self._raise_without_news(
                before, errors.KubernetesError(0, "Stalled", f"nothing for {self._pace.stall} s"), error
            )
        except errors.KubernetesError as error:
            if error.status == 410:
                self._position = ""
            self._raise_without_news(before, error, error)
        else:
            if asyncio.get_running_loop().time() - started < self._pace.brief:
                self._raise_without_news(before, errors.KubernetesError(0, "Ended", "the watch ended at once"), None)

    def _raise_without_news(self, before: str, failure: errors.KubernetesError, cause: BaseException | None) -> None:
        """After news the next attempt comes at once and with fresh waits; without, waits must grow."""
        if self._position in {before, ""}:
            raise failure from (cause if cause is not failure else None)
        self.note(failure, 0)

    def _watch_query(self) -> Mapping[str, str]:
        # Jitter, so that the watches of all nodes do not end together.
        period = self._pace.period + secrets.randbelow(self._pace.period // 5 + 1)
        return {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._position,
            "timeoutSeconds": str(period),
        }

    def _take(self, line: bytes) -> None:
        event = _read_event(line)
        match event.type:
            case "ADDED" | "MODIFIED":
                self._position = self._upsert(event.object, None)
            case "DELETED":
                meta = _read_object(event.object).metadata
                self._delete(self._ref(meta))
                self._position = meta.resourceVersion
            case "BOOKMARK":
                self._position = _read_object(event.object).metadata.resourceVersion
            case "ERROR":
                # Mostly 410 Gone, and after any other there is no promise where the history continues.
                status = _read_status(event.object)
                self._position = ""
                raise errors.KubernetesError(status.code, status.reason, status.message)
            case other:
                raise msgspec.ValidationError(f"watch event of type {other!r}")

    def _upsert(self, raw: msgspec.Raw, seen: set[refs.ObjectRef] | None) -> str:
        meta = _read_object(raw).metadata
        ref = self._ref(meta)
        if seen is not None:
            seen.add(ref)
        if self._known.get(ref) != meta.resourceVersion:
            self._sink(Upserted(self._resource.kind, self._decoded(ref, meta, raw)))
            self._known[ref] = meta.resourceVersion
        return meta.resourceVersion

    def _decoded(self, ref: refs.ObjectRef, meta: _Meta, raw: msgspec.Raw) -> decoded.Decoded[Any]:
        try:
            return self._decode(raw)
        except Exception as error:
            # Decoders return problems. If one raises all the same, that must cost this object and not the whole kind.
            _log.exception("an object could not be decoded", object=str(ref))
            problem = problems.Problem(ref, "object", problems.Reason.MALFORMED, f"cannot be read: {error}")
            return decoded.Decoded(ref, meta.resourceVersion, None, (problem,))

    def _delete(self, ref: refs.ObjectRef) -> None:
        if self._known.pop(ref, None) is not None:
            self._sink(Deleted(self._resource.kind, ref))

    def _ref(self, meta: _Meta) -> refs.ObjectRef:
        if not meta.name or not meta.resourceVersion:
            raise msgspec.ValidationError("object without a name or a resource version")
        return refs.ObjectRef(self._resource.kind, meta.namespace, meta.name)
