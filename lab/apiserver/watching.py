"""Watches: the stream of changes one client asked for.

`web` hands every watch request here. Must never hold more than the store's own history: a client too slow for that is
cut off and lists anew.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from lab.apiserver import answers, conversion, converting, objects, reads, refusal, request
from lab.apiserver.answers import Form
from lab.apiserver.objects import Json
from lab.apiserver.request import Target
from lab.apiserver.store import Change, Entry, HistoryGoneError, Shelf, Store

_INITIAL_END = "k8s.io/initial-events-end"
_SHORTEST_SECONDS = 1800  # without timeoutSeconds a watch lasts a random time between this and its double
_PAUSE_EVERY = 500  # events sent at a stretch before other requests get their turn


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What a client asked of a watch."""

    version: int | None
    seconds: float
    bookmarks: bool
    initial_events: bool


def parse_options(query: Mapping[str, str]) -> WatchOptions:
    """The options of a watch; raises the 400 and 422 of the API."""
    match = query.get("resourceVersionMatch", "")
    initial = query.get("sendInitialEvents", "")
    errors: list[tuple[str, str]] = []
    if match and not initial:
        errors.append(
            ("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        )
    if initial and match != "NotOlderThan":
        errors.append(("sendInitialEvents", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if errors:
        causes = [_Cause(path, "FieldValueForbidden", f"Forbidden: {text}") for path, text in errors]
        raise refusal.invalid("ListOptions", "meta.k8s.io", "", causes)
    seconds = request.whole_number(query, "timeoutSeconds")
    return WatchOptions(
        version=request.version_of(query),
        seconds=float(seconds or _SHORTEST_SECONDS * (1 + random.random())),
        bookmarks=request.is_true(query, "allowWatchBookmarks"),
        initial_events=request.is_true(query, "sendInitialEvents"),
    )


@dataclass(frozen=True, slots=True)
class _Cause:
    path: str
    kind: str
    message: str


class Watch:
    """One running watch: an iterator over the lines to send."""

    def __init__(
        self, store: Store, target: Target, query: Mapping[str, str], form: Form, bookmark_seconds: float
    ) -> None:
        self._shelf: Shelf = store.shelf(target.kind.storage)
        self._store = store
        self._target = target
        self._selection = request.selection(target.kind, query, target.name)
        self._options = parse_options(query)
        self._form = form
        self._bookmark_seconds = bookmark_seconds
        self._is_first_row = True

    async def lines(self) -> AsyncIterator[bytes]:
        """The events as JSON lines, until the time is over, the history is gone or the resource is."""
        options = self._options
        ends = time.monotonic() + options.seconds
        position = self._store.version
        if not options.version or options.initial_events:
            initial = self._initial()
            refused = await self._convert(initial)
            if refused:
                yield refused
                return
            for entry in initial:
                yield self._event("ADDED", entry)
            if options.initial_events and options.bookmarks:
                yield self._bookmark(position, {_INITIAL_END: "true"})
        else:
            position = options.version
            if position < self._shelf.horizon:
                text = f"too old resource version: {position} ({self._store.version})"
                yield _line("ERROR", objects.encode(refusal.expired(text).status))
                return
        next_bookmark = time.monotonic() + self._bookmark_seconds
        while True:
            try:
                changes = self._shelf.since(position)
            except HistoryGoneError:
                return
            refused = await self._convert(
                [each for change in changes for each in (change.entry, change.previous) if each is not None]
            )
            if refused:
                yield refused
                return
            for number, change in enumerate(changes, 1):
                line = self._change(change)
                if line:
                    yield line
                if number % _PAUSE_EVERY == 0:
                    await asyncio.sleep(0)
            position = changes[-1].version if changes else position
            if changes and self._shelf.since(position):
                continue
            now = time.monotonic()
            if self._shelf.closed or now >= ends:
                break
            if options.bookmarks and now >= next_bookmark:
                position = max(position, self._store.version)
                yield self._bookmark(position, {})
                next_bookmark = now + self._bookmark_seconds
                continue
            await self._shelf.wait(min(ends, next_bookmark if options.bookmarks else ends) - now)
        if options.bookmarks and not self._shelf.closed:
            yield self._bookmark(max(position, self._store.version), {})

    async def _convert(self, entries: list[Entry]) -> bytes | None:
        """Learns how these look in the client's version; the event that ends the watch when nobody can say."""
        documents = [entry.document for entry in entries]
        try:
            await converting.settled(lambda: conversion.require(self._target.kind, documents))
        except refusal.ApiError as error:
            return _line("ERROR", objects.encode(error.status))
        return None

    def _initial(self) -> list[Entry]:
        kind = self._target.kind
        found = [e for e in self._shelf.entries.values() if reads.matches(self._selection, self._target, e)]
        return sorted(found, key=lambda entry: reads.path_of(kind, entry.key))

    def _change(self, change: Change) -> bytes | None:
        """A change as this client sees it: an object that enters or leaves the selection is added or deleted."""
        is_in = not change.gone and reads.matches(self._selection, self._target, change.entry)
        was_in = reads.matches(self._selection, self._target, change.previous)
        if is_in:
            return self._event("MODIFIED" if was_in else "ADDED", change.entry)
        return self._event("DELETED", change.entry if change.gone else self._left(change)) if was_in else None

    def _left(self, change: Change) -> Entry:
        """What a client sees of an object that left its selection: how it was, with the new version."""
        previous = change.previous or change.entry
        document = previous.fresh()
        document["metadata"]["resourceVersion"] = str(change.version)
        body = objects.encode({key: value for key, value in document.items() if key not in {"apiVersion", "kind"}})
        return Entry(previous.key, change.version, document, body)

    def _event(self, event_type: str, entry: Entry) -> bytes:
        kind = self._target.kind
        if not self._form.is_table:
            return _line(event_type, answers.entry_bytes(kind, entry, self._form))
        rows = answers.one(kind, answers.served(kind, entry), self._form)
        if not self._is_first_row:
            rows["columnDefinitions"] = None
        self._is_first_row = False
        return _line(event_type, objects.encode(rows))

    def _bookmark(self, version: int, annotations: dict[str, str]) -> bytes:
        kind = self._target.kind
        found: Json = {"resourceVersion": str(version), "creationTimestamp": None}
        if annotations:
            found["annotations"] = annotations
        document: Json = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": found}
        if self._form.kind_as:
            document.update(kind="PartialObjectMetadata", apiVersion="meta.k8s.io/v1")
        return _line("BOOKMARK", objects.encode(document))


def _line(event_type: str, body: bytes) -> bytes:
    return b'{"type":"' + event_type.encode() + b'","object":' + body + b"}\n"
