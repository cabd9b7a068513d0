"""The server's own controllers: custom resources come and go, namespaces empty, orphans are collected.

`server` runs one beside the HTTP part. It learns of changes from `backend` and acts a moment later, as the controllers
of a real cluster do. Must never answer requests.
"""

import asyncio
import traceback

from lab.apiserver import crds, objects
from lab.apiserver.backend import Backend, DeleteOptions, WriteOptions
from lab.apiserver.converting import Converter
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json, meta
from lab.apiserver.refusal import ApiError
from lab.apiserver.store import Change, Entry, Key

_CRDS = "customresourcedefinitions.apiextensions.k8s.io"
_WRITER = "kube-apiserver"
Place = tuple[str, Key]


class Caretaker:
    """Background work, woken by changes."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._crd_kind = backend.registry.get("apiextensions.k8s.io", "customresourcedefinitions")
        self._namespace_kind = backend.registry.get("", "namespaces")
        self._awake = asyncio.Event()
        self._definitions: set[str] = set()
        self._dying: set[str] = set()  # namespaces being deleted
        self._suspects: set[Place] = set()  # objects with owners that may be gone
        self._foreground: set[Place] = set()  # owners whose dependants are to be looked at
        self._waiting: dict[str, Place] = {}  # uid -> owner that is gone once its dependants are
        self._dependants: dict[str, set[Place]] = {}  # owner uid -> objects that name it
        self._uids: set[str] = set()
        self._converters: dict[str, Converter] = {}
        backend.observers.append(self.observe)

    def observe(self, storage: str, change: Change) -> None:
        """Takes note of a kept change; called in the middle of a write, so it only remembers."""
        found = change.entry.document["metadata"]
        place = (storage, change.entry.key)
        if storage == _CRDS:
            self._definitions.add(change.entry.key[1])
        dying = "deletionTimestamp" in found
        if storage == "namespaces" and dying:
            self._dying.add(change.entry.key[1])
        if change.gone and change.entry.key[0]:
            self._dying |= {change.entry.key[0]} & self._terminating()
        self._note_owners(place, change)
        if change.gone:
            self._uids.discard(found["uid"])
            self._waiting.pop(found["uid"], None)
            owners = {owner["uid"] for owner in found.get("ownerReferences") or ()}
            self._foreground |= {self._waiting[uid] for uid in owners if uid in self._waiting}
            self._suspects |= self._dependants.get(found["uid"], set())
        else:
            self._uids.add(found["uid"])
            if dying and {"foregroundDeletion", "orphan"} & set(found.get("finalizers") or ()):
                self._foreground.add(place)
                self._waiting[found["uid"]] = place
        self._awake.set()

    def _note_owners(self, place: Place, change: Change) -> None:
        if change.previous is not None:
            for owner in change.previous.document["metadata"].get("ownerReferences") or ():
                self._dependants.get(owner["uid"], set()).discard(place)
        if not change.gone:
            owners = change.entry.document["metadata"].get("ownerReferences") or ()
            for owner in owners:
                self._dependants.setdefault(owner["uid"], set()).add(place)
            if owners:
                self._suspects.add(place)

    def _terminating(self) -> set[str]:
        shelf = self._backend.store.shelf("namespaces")
        return {key[1] for key, entry in shelf.entries.items() if "deletionTimestamp" in entry.document["metadata"]}

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            # One step later than the write, so that its answer shows the object before the controllers touched it.
            await asyncio.sleep(0)
            try:
                self.step()
            except Exception:
                # The wall: the other controllers must go on, and the next change tries again.
                traceback.print_exc()

    def step(self) -> None:
        """Does what the noted changes ask for."""
        definitions, self._definitions = self._definitions, set()
        for name in sorted(definitions):
            self._tend_definition(name)
        dying, self._dying = self._dying, set()
        for name in sorted(dying):
            self._empty_namespace(name)
        foreground, self._foreground = self._foreground, set()
        for place in sorted(foreground):
            self._finish_owner(place)
        suspects, self._suspects = self._suspects, set()
        for place in sorted(suspects):
            self._collect(place)

    def _tend_definition(self, name: str) -> None:
        entry = self._backend.store.get(_CRDS, ("", name))
        if entry is None:
            self._backend.registry.define(name, ())
            self._backend.store.drop(name)
            return
        document = entry.fresh()
        if "deletionTimestamp" in document["metadata"]:
            self._remove_definition(name, entry, document)
            return
        document["status"] = crds.established_status(document, objects.timestamp())
        self._update(self._crd_kind, entry, document, "status")
        entry = self._backend.store.get(_CRDS, ("", name)) or entry
        if crds.CLEANUP not in (entry.document["metadata"].get("finalizers") or ()):
            document = entry.fresh()
            meta(document).setdefault("finalizers", []).append(crds.CLEANUP)
            self._update(self._crd_kind, entry, document, "")
        self._backend.registry.define(name, crds.kinds_of(document, self._converter(name)))

    def _converter(self, name: str) -> Converter:
        """The conversions of a definition; the same one for as long as it exists, so that watches follow its changes."""

        def spec() -> Json:
            entry = self._backend.store.get(_CRDS, ("", name))
            return entry.document["spec"] if entry is not None else {}

        return self._converters.setdefault(name, Converter(spec))

    def _remove_definition(self, name: str, entry: Entry, document: Json) -> None:
        kind = self._backend.registry.by_storage(name)
        left = False
        if kind is not None:
            for key in list(self._backend.store.shelf(name).entries):
                left |= not self._delete(kind, key)
        finalizers = meta(document).get("finalizers") or []
        if left or crds.CLEANUP not in finalizers:
            if left:
                self._mark_terminating(entry, document)
            return
        meta(document)["finalizers"] = [item for item in finalizers if item != crds.CLEANUP]
        self._backend.registry.define(name, ())
        self._backend.store.drop(name)
        self._update(self._crd_kind, entry, document, "")

    def _mark_terminating(self, entry: Entry, document: Json) -> None:
        conditions: list[Json] = document["status"].setdefault("conditions", [])
        if any(condition["type"] == "Terminating" for condition in conditions):
            return
        conditions.append(
            {
                "type": "Terminating",
                "status": "True",
                "reason": "InstanceDeletionInProgress",
                "message": "CustomResource deletion is in progress",
                "lastTransitionTime": objects.timestamp(),
            }
        )
        self._update(self._crd_kind, entry, document, "status")

    def _empty_namespace(self, name: str) -> None:
        entry = self._backend.store.get("namespaces", ("", name))
        if entry is None:
            return
        left = False
        for storage, shelf in self._backend.store.shelves().items():
            kind = self._backend.registry.by_storage(storage)
            if kind is not None and kind.namespaced:
                for key in [key for key in shelf.entries if key[0] == name]:
                    left |= not self._delete(kind, key)
        if not left:
            document = entry.fresh()
            document["spec"].pop("finalizers", None)
            self._update(self._namespace_kind, entry, document, "finalize")

    def _finish_owner(self, place: Place) -> None:
        """Removes the foreground or orphan finalizer once the dependants are dealt with."""
        storage, key = place
        entry = self._backend.store.get(storage, key)
        kind = self._backend.registry.by_storage(storage)
        if entry is None or kind is None:
            return
        document = entry.fresh()
        uid = document["metadata"]["uid"]
        finalizers = meta(document).get("finalizers") or []
        waits = False
        for dependant in sorted(self._dependants.get(uid, set())):
            if "orphan" in finalizers:
                self._disown(dependant, uid)
            else:
                dependant_kind = self._backend.registry.by_storage(dependant[0])
                waits |= dependant_kind is not None and not self._delete(dependant_kind, dependant[1])
        if not waits:
            meta(document)["finalizers"] = [f for f in finalizers if f not in {"orphan", "foregroundDeletion"}]
            self._update(kind, entry, document, "")

    def _disown(self, place: Place, uid: str) -> None:
        entry = self._backend.store.get(*place)
        kind = self._backend.registry.by_storage(place[0])
        if entry is not None and kind is not None:
            document = entry.fresh()
            owners = meta(document).get("ownerReferences") or []
            meta(document)["ownerReferences"] = [owner for owner in owners if owner["uid"] != uid]
            self._update(kind, entry, document, "")

    def _collect(self, place: Place) -> None:
        """Deletes an object all of whose owners are gone."""
        entry = self._backend.store.get(*place)
        kind = self._backend.registry.by_storage(place[0])
        owners = entry.document["metadata"].get("ownerReferences") if entry else None
        if entry is None or kind is None or not owners:
            return
        if not any(owner["uid"] in self._uids for owner in owners):
            self._delete(kind, entry.key)

    def _delete(self, kind: Kind, key: Key) -> bool:
        """Deletes an object as a controller would: True when it is gone."""
        try:
            _, is_gone = self._backend.delete(kind, key[0], key[1], DeleteOptions(propagation="Background"))
        except ApiError:
            return self._backend.store.get(kind.storage, key) is None
        return is_gone

    def _update(self, kind: Kind, entry: Entry, document: Json, subresource: str) -> None:
        served = {**document, "apiVersion": kind.api_version}
        self._backend.update(kind, entry, served, WriteOptions(manager=_WRITER, subresource=subresource))
