"""Everything the embedded API remembers: the newest objects, one version counter, a bounded history of changes.

`backend` writes through it, `reads` and `watching` read. All methods run to the end without awaiting, so each write is
atomic. Must never interpret an object beyond its namespace, name and resourceVersion.
"""

import asyncio
import bisect
from dataclasses import dataclass

from lab.apiserver.objects import Json, copy, encode, key_of

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of one object. `document` must not be changed; `body` is its JSON without apiVersion and kind."""

    key: Key
    version: int
    document: Json
    body: bytes

    def fresh(self) -> Json:
        """A copy the caller may change."""
        return copy(self.document)


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the history: what an object became, and what it was."""

    version: int
    entry: Entry
    previous: Entry | None
    gone: bool = False


def _make_entry(document: Json, version: int) -> Entry:
    document["metadata"]["resourceVersion"] = str(version)
    body = encode({key: value for key, value in document.items() if key not in {"apiVersion", "kind"}})
    return Entry(key_of(document), version, document, body)


class HistoryGoneError(Exception):
    """A version older than the kept history."""


class Shelf:
    """All objects of one storage name, and how they came to be."""

    def __init__(self, horizon: int, limit: int) -> None:
        self.entries: dict[Key, Entry] = {}
        self.horizon = horizon  # changes after this version are all in the log
        self.closed = False
        self._limit = limit
        self._log: list[Change] = []
        self._waiting: set[asyncio.Future[None]] = set()

    def record(self, change: Change) -> None:
        """Takes one change in and wakes the watchers."""
        if change.gone:
            del self.entries[change.entry.key]
        else:
            self.entries[change.entry.key] = change.entry
        self._log.append(change)
        if len(self._log) > self._limit + self._limit // 2:
            # Cut in steps, so that the cost of moving the list is shared by many writes.
            cut = len(self._log) - self._limit
            self.horizon = self._log[cut - 1].version
            del self._log[:cut]
        self.wake()

    def close(self) -> None:
        """Ends every watch: the resource is no longer served."""
        self.closed = True
        self.wake()

    def wake(self) -> None:
        """Lets every waiting watcher look again."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    async def wait(self, seconds: float) -> None:
        """Returns after the next change, or after so many seconds."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await asyncio.wait_for(waiting, seconds)
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(waiting)

    def since(self, version: int) -> list[Change]:
        """The changes after a version, oldest first; raises HistoryGoneError."""
        if version < self.horizon:
            raise HistoryGoneError
        return self._log[bisect.bisect_right(self._log, version, key=lambda change: change.version) :]

    def at(self, version: int) -> dict[Key, Entry]:
        """The entries as they were at a version; raises HistoryGoneError."""
        changes = self.since(version)
        if not changes:
            return self.entries
        entries = dict(self.entries)
        for change in reversed(changes):
            if change.previous is None:
                entries.pop(change.entry.key, None)
            else:
                entries[change.entry.key] = change.previous
        return entries


class Store:
    """The shelves and the one counter all versions come from."""

    def __init__(self, history: int) -> None:
        self.version = 1
        self._history = history
        self._shelves: dict[str, Shelf] = {}

    def shelf(self, storage: str) -> Shelf:
        """The shelf of a storage name, made at first use."""
        if storage not in self._shelves:
            self._shelves[storage] = Shelf(self.version, self._history)
        return self._shelves[storage]

    def drop(self, storage: str) -> None:
        """Forgets a storage name and ends its watches."""
        shelf = self._shelves.pop(storage, None)
        if shelf is not None:
            shelf.close()

    def shelves(self) -> dict[str, Shelf]:
        """All shelves by storage name."""
        return dict(self._shelves)

    def get(self, storage: str, key: Key) -> Entry | None:
        """The newest version of an object, or None."""
        return self.shelf(storage).entries.get(key)

    def put(self, storage: str, document: Json) -> Change:
        """Keeps a new version; the document belongs to the store from now on and gets its resourceVersion."""
        shelf = self.shelf(storage)
        self.version += 1
        entry = _make_entry(document, self.version)
        change = Change(self.version, entry, shelf.entries.get(entry.key))
        shelf.record(change)
        return change

    def remove(self, storage: str, key: Key, final: Json) -> Change:
        """Forgets an object; `final` is what watchers see of it, with the version of the deletion."""
        shelf = self.shelf(storage)
        self.version += 1
        entry = _make_entry(final, self.version)
        change = Change(self.version, entry, shelf.entries[key], gone=True)
        shelf.record(change)
        return change
