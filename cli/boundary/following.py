"""Follows a live cluster: every object that the views depend on, as it changes. Called by the command `watch`.

The same lists and watches as those of the programs. It must never write, and no password gets further than `naming`.
"""

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import msgspec

from cli import values
from cli.boundary import clusters, live, naming
from frr_adapter import errors, refs
from frr_adapter.boundary import decoders, kube, paths, ports, store, watch
from frr_adapter.decode import decoded

_PATIENCE = 1.0
"""Seconds."""

_read = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Sight:
    """What is there now, sorted by reference; `trouble` says why it may be old, empty while the cluster answers."""

    documents: tuple[values.Document, ...]
    trouble: str = ""


Look = Callable[[Sight], None]


def kinds(unread: Iterable[str]) -> tuple[str, ...]:
    """What can be followed, where those kinds could not be read."""
    return tuple(sorted({*live.KINDS} & paths.KINDS.keys() - {*unread}))


async def follow(
    access: clusters.Access, namespace: str, chosen: Iterable[str], look: Look, interval: float
) -> NoReturn:
    """Tells `look` what there is once everything was listed, then after each change, at most once in `interval` seconds.

    Raises errors.SettingsError for a kubeconfig that cannot be used, and what `look` raises.
    """
    async with await kube.Kube.connect(access.kubeconfig, access.context) as api:
        await attend(api, namespace, chosen, look, interval)


async def attend(api: ports.KubePort, namespace: str, chosen: Iterable[str], look: Look, interval: float) -> NoReturn:
    """As `follow`, over a connection that there is."""
    attention = _Attention(api, chosen)
    known = {each.kind: each for each in decoders.resources(decoders.DECODERS, namespace)}
    # Watches only read, so the part of a port that reads is enough for them.
    port = cast("ports.KubePort", attention)
    tasks = [
        asyncio.ensure_future(
            watch.follow(
                port, known.get(kind) or watch.Resource(kind, namespace), _decoder(kind, namespace), attention.take
            )
        )
        for kind in attention.kinds
    ]
    try:
        while True:
            await attention.news(tasks)
            started = time.monotonic()
            look(attention.sight())
            # A large cluster takes longer to look at; then there is as much time for everything else.
            await asyncio.sleep(max(interval, 2 * (time.monotonic() - started)))
    finally:
        for task in tasks:
            task.cancel()


class _Attention:
    """Keeps what the watches tell, and listens to whether the cluster answers them. A KubePort as far as watches need one."""

    def __init__(self, api: ports.KubePort, chosen: Iterable[str]) -> None:
        self._api = api
        self.kinds = tuple(chosen)
        self._store = store.Store(self.kinds)
        self._changed = asyncio.Event()
        self._troubles: dict[str, str] = {}

    def take(self, event: watch.WatchEvent) -> None:
        """Keeps it."""
        if self._store.apply(event) and self._store.all_listed:
            self._changed.set()

    async def news(self, tasks: Iterable[asyncio.Future[NoReturn]]) -> None:
        """Returns when there is something new to look at. Raises what ended one of the tasks: they have no other end."""
        waiting = asyncio.ensure_future(self._changed.wait())
        concerned: set[asyncio.Future[Any]] = {waiting, *tasks}
        try:
            done, _ = await asyncio.wait(concerned, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        for each in done:
            each.result()
        self._changed.clear()

    def sight(self) -> Sight:
        """What there is."""
        found = (document for kind in self.kinds for document in self._store.objects(kind))
        return Sight(tuple(sorted(found, key=lambda each: each.ref)), self._trouble)

    @property
    def _trouble(self) -> str:
        """Of the first path that is not answered."""
        return next((text for _, text in sorted(self._troubles.items()) if text), "")

    async def get(self, path: str, query: ports.Query = ports.NO_QUERY) -> bytes:
        """As the port's."""
        try:
            answer = await self._api.get(path, query)
        except errors.KubernetesError as error:
            self._note(path, error)
            raise
        self._note(path, None)
        return answer

    async def stream(self, path: str, query: ports.Query = ports.NO_QUERY) -> AsyncGenerator[bytes, None]:
        """As the port's."""
        # Where nothing happens no line comes; a watch that is not refused within that time is one.
        well = asyncio.get_running_loop().call_later(_PATIENCE, self._note, path, None)
        try:
            async with aclosing(self._api.stream(path, query)) as lines:
                async for line in lines:
                    self._note(path, None)
                    yield line
        except errors.KubernetesError as error:
            self._note(path, error)
            raise
        finally:
            well.cancel()

    def _note(self, path: str, error: errors.KubernetesError | None) -> None:
        if error is not None and error.status == 410:
            return  # old positions are forgotten all the time
        before = self._trouble
        self._troubles[path] = "" if error is None else " ".join(str(error).split())
        if before != self._trouble and self._store.all_listed:
            self._changed.set()


def _decoder(kind: str, namespace: str) -> watch.Decode:
    """JSON to a Document without what changes although nothing does, so that it is no news."""
    known = naming.KINDS[kind]

    def decode(raw: msgspec.Raw) -> decoded.Decoded[values.Document]:
        found = _read(raw)
        found["kind"], found["apiVersion"] = known.name, known.api_version
        metadata = found["metadata"]
        version = str(metadata.pop("resourceVersion", ""))
        if kind == "Lease" and isinstance(spec := found.get("spec"), dict):
            spec.pop("renewTime", None)
        try:
            document = naming.document(found, namespace)
        except naming.NotOursError:
            ref = refs.ObjectRef(kind, metadata.get("namespace", ""), metadata["name"])
            return decoded.Decoded(ref, version, None)
        return decoded.Decoded(document.ref, version, document)

    return decode


def seen(first: values.Gathered, sight: Sight, taken_at: str) -> values.Gathered:
    """What was gathered first, as it is now; what is not followed stays as it was."""
    followed = {*kinds(first.unread)}
    kept = (each for each in first.documents if each.ref.kind not in followed)
    known = {each.ref: each for each in (*kept, *sight.documents)}
    gaps = (f"this may be old: {sight.trouble}", *first.gaps) if sight.trouble else first.gaps
    documents = tuple(sorted(known.values(), key=lambda each: each.ref))
    return dataclasses.replace(first, documents=documents, taken_at=taken_at, gaps=gaps)
