"""The write path: create, update and delete of one object, with everything the server adds and refuses.

`writes` calls it for clients, `caretaker` for the server's own controllers. All methods run without awaiting, so each
is one transaction. Must never know about HTTP.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from lab.apiserver import admission_rules, apply, conversion, listtypes, objects, refusal
from lab.apiserver.crds import CrdStrategy, CustomStrategy
from lab.apiserver.fielderrors import FieldError
from lab.apiserver.kinds import Kind
from lab.apiserver.metadata_rules import metadata_errors, tidy_metadata
from lab.apiserver.objects import Json, meta
from lab.apiserver.registry import Registry
from lab.apiserver.service_network import ServiceNetwork
from lab.apiserver.store import Change, Entry, Store
from lab.apiserver.strategies import Strategy, built_in

_CRDS = "customresourcedefinitions.apiextensions.k8s.io"
_NAME_ATTEMPTS = 8
_PROTECTED_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is done: by whom, for real or not, in which part of the object."""

    manager: str = "lab"
    dry_run: bool = False
    subresource: str = ""
    is_apply: bool = False


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How a delete is done."""

    dry_run: bool = False
    grace_seconds: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""


class Backend:
    """The store with the rules around it."""

    def __init__(self, store: Store, registry: Registry, network: ServiceNetwork) -> None:
        self.store = store
        self.registry = registry
        self._network = network
        self._strategies: dict[str, Strategy] = {**built_in(network), _CRDS: CrdStrategy()}
        self._strategies[admission_rules.STORAGE] = admission_rules.WebhookStrategy()
        self._plain = Strategy()
        self._list_types: dict[tuple[str, str, str], tuple[Kind, listtypes.ListTypes]] = {}
        self.observers: list[Callable[[str, Change], None]] = []

    def strategy(self, kind: Kind) -> Strategy:
        """The rules of a kind."""
        return CustomStrategy(kind) if kind.custom else self._strategies.get(kind.storage, self._plain)

    def list_types(self, kind: Kind) -> listtypes.ListTypes:
        """How a kind's lists merge in server-side apply."""
        key = (kind.group, kind.version, kind.plural)
        known = self._list_types.get(key)
        if known is None or known[0] is not kind:
            found = listtypes.list_types(kind.schema) if kind.custom else listtypes.core_list_types(kind.kind)
            known = self._list_types[key] = (kind, found)
        return known[1]

    def entry(self, kind: Kind, namespace: str, name: str) -> Entry:
        """The newest version of an object; raises the 404."""
        entry = self.store.get(kind.storage, (namespace, name))
        if entry is None:
            raise refusal.not_found(kind.plural, kind.group, name)
        return entry

    def create(self, kind: Kind, namespace: str, document: Json, options: WriteOptions) -> Json:
        """Keeps a new object (in served form) and returns it as kept, in stored form."""
        self._admit_new(kind, namespace, document)
        found = meta(document)
        if found.get("resourceVersion"):
            # Without a reason, and 500: real servers have no better answer.
            raise refusal.ApiError(500, "", "resourceVersion should not be set on objects to be created")
        tidy_metadata(document)
        tracked_before = found.get("managedFields") if options.is_apply else None
        for field in ("uid", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            found.pop(field, None)
        attempts = _NAME_ATTEMPTS if found.get("generateName") and not found.get("name") else 1
        base = found.get("generateName", "")
        for attempt in itertools.count(1):
            if attempts > 1:
                found["name"] = objects.generated_name(base)
            if not found.get("name") or self.store.get(kind.storage, (namespace, found["name"])) is None:
                break
            if attempt >= attempts:
                raise refusal.already_exists(kind.plural, kind.group, found["name"])
        found["uid"] = objects.new_uid()
        found["creationTimestamp"] = objects.timestamp()
        stored = conversion.to_shape(kind, document)
        strategy = self.strategy(kind)
        strategy.defaults(stored)
        errors = metadata_errors(stored, None, strategy.name_errors, namespaced=kind.namespaced)
        self._refuse(kind, found.get("name", ""), errors)
        if options.is_apply:
            if tracked_before:
                meta(stored)["managedFields"] = tracked_before
        else:
            self._track(kind, None, stored, options)
        errors = strategy.on_create(stored, kind)
        errors += strategy.check(stored, None)
        self._refuse(kind, found["name"], errors)
        stored = self._kept(kind, stored)
        return stored if options.dry_run else self._put(kind, stored)

    def update(self, kind: Kind, entry: Entry, document: Json, options: WriteOptions) -> Json:
        """Keeps a changed object (in served form) over its present entry and returns it as kept, in stored form."""
        old = conversion.to_served(kind, entry.document) if kind.custom else entry.document
        found = meta(document)
        tidy_metadata(document)
        self._check_version(kind, entry, found)
        for field in ("uid", "creationTimestamp"):
            found.setdefault(field, old["metadata"][field])
        if "deletionTimestamp" in old["metadata"]:
            found.setdefault("deletionTimestamp", old["metadata"]["deletionTimestamp"])
        for field in ("namespace", "generation", "deletionGracePeriodSeconds"):
            found.pop(field, None)
            if field in old["metadata"]:
                found[field] = old["metadata"][field]
        found["resourceVersion"] = str(entry.version)
        stored = conversion.to_shape(kind, document)
        strategy = self.strategy(kind)
        strategy.defaults(stored)
        errors = metadata_errors(stored, old, strategy.name_errors, namespaced=kind.namespaced)
        if not options.is_apply:
            self._track(kind, old, stored, options)
        errors += strategy.on_update(stored, old, kind, options.subresource)
        errors += strategy.check(stored, old)
        self._refuse(kind, found["name"], errors)
        stored = self._kept(kind, stored)
        if _is_same(stored, entry.document):
            return entry.document
        if options.dry_run:
            return stored
        return self._put(kind, stored) if not self._is_finished(kind, stored) else self._remove(kind, entry, stored)

    def _kept(self, kind: Kind, document: Json) -> Json:
        """What the store will keep of a document that passed the rules; it can be served to who sent it."""
        if not kind.custom:
            return document
        stored = conversion.to_stored(kind, document)
        conversion.to_served(kind, stored)
        return stored

    def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions) -> tuple[Json, bool]:
        """Deletes an object or marks it as being deleted: (what is left of it, whether it is gone)."""
        entry = self.entry(kind, namespace, name)
        self._check_preconditions(kind, entry, options)
        if kind.storage == "namespaces" and name in _PROTECTED_NAMESPACES:
            raise refusal.forbidden(kind.plural, kind.group, name, "this namespace may not be deleted")
        document = entry.fresh()
        found = meta(document)
        grace = self._grace(kind, document, options)
        finalizers = [f for f in found.get("finalizers") or () if f not in {"orphan", "foregroundDeletion"}]
        extra = {"Orphan": ["orphan"], "Foreground": ["foregroundDeletion"]}.get(options.propagation)
        if extra is None:
            extra = [f for f in found.get("finalizers") or () if f not in finalizers]
        finalizers += extra
        held = bool(finalizers) or grace > 0 or (kind.storage == "namespaces" and document["spec"].get("finalizers"))
        if not held:
            if options.dry_run:
                return document, True
            return self._remove(kind, entry, document), True
        if finalizers:
            found["finalizers"] = finalizers
        if "deletionTimestamp" not in found:
            found["deletionTimestamp"] = objects.timestamp()
            found["deletionGracePeriodSeconds"] = grace
            if "generation" in found:
                found["generation"] += 1
            if kind.storage == "namespaces":
                document["status"]["phase"] = "Terminating"
        elif grace < found.get("deletionGracePeriodSeconds", 0):
            found["deletionGracePeriodSeconds"] = grace
        if options.dry_run or _is_same(document, entry.document):
            return document, False
        return self._put(kind, document), False

    def _grace(self, kind: Kind, document: Json, options: DeleteOptions) -> int:
        """Only pods that run somewhere wait: their kubelet ends the deletion with a grace period of 0."""
        if kind.storage != "pods" or not document["spec"].get("nodeName"):
            return 0
        if document.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
            return 0
        asked = options.grace_seconds
        return document["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else max(asked, 0)

    def _admit_new(self, kind: Kind, namespace: str, document: Json) -> None:
        if not kind.namespaced:
            return
        home = self.store.get("namespaces", ("", namespace))
        if home is None:
            raise refusal.not_found("namespaces", "", namespace)
        if "deletionTimestamp" in home.document["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise refusal.forbidden(kind.plural, kind.group, meta(document).get("name", ""), why, [cause])

    def _check_version(self, kind: Kind, entry: Entry, found: Json) -> None:
        name = entry.key[1]
        asked = found.get("resourceVersion", "")
        if not asked and not kind.blind_update:
            error = FieldError(
                "metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0x0: must be specified for an update"
            )
            raise refusal.invalid(kind.kind, kind.group, name, [error])
        if asked and asked != str(entry.version):
            raise refusal.modified(kind.plural, kind.group, name)

    def _check_preconditions(self, kind: Kind, entry: Entry, options: DeleteOptions) -> None:
        found = entry.document["metadata"]
        for asked, have, what, happened in (
            (options.uid, found["uid"], "UID", "deleted and then recreated"),
            (options.resource_version, str(entry.version), "ResourceVersion", "modified"),
        ):
            if asked and asked != have:
                why = f"the {what} in the precondition ({asked}) does not match the {what} in record ({have}). "
                why += f"The object might have been {happened}"
                raise refusal.conflict(kind.kind, kind.group, entry.key[1], why)

    def _track(self, kind: Kind, old: Json | None, new: Json, options: WriteOptions) -> None:
        """Who owns what the client wrote. What the server fills in afterwards belongs to nobody."""
        served = conversion.to_served(kind, _written(kind, old, new, options.subresource))
        live = None if old is None else conversion.to_served(kind, old)
        apply.track_update(
            live,
            served,
            manager=options.manager,
            api_version=kind.api_version,
            subresource=options.subresource,
            now=objects.timestamp(),
            schema=self.list_types(kind),
        )
        meta(new)["managedFields"] = served["metadata"].get("managedFields")
        if not meta(new)["managedFields"]:
            del meta(new)["managedFields"]

    def _refuse(self, kind: Kind, name: str, errors: list[FieldError]) -> None:
        if errors:
            raise refusal.invalid(kind.kind, kind.group, name, errors)

    def _is_finished(self, kind: Kind, document: Json) -> bool:
        found = document["metadata"]
        if "deletionTimestamp" not in found or found.get("finalizers") or found.get("deletionGracePeriodSeconds"):
            return False
        return not (kind.storage == "namespaces" and document.get("spec", {}).get("finalizers"))

    def _put(self, kind: Kind, document: Json) -> Json:
        change = self.store.put(kind.storage, document)
        self._observe(kind, change)
        return document

    def _remove(self, kind: Kind, entry: Entry, final: Json) -> Json:
        change = self.store.remove(kind.storage, entry.key, final)
        self._observe(kind, change)
        return final

    def _observe(self, kind: Kind, change: Change) -> None:
        if kind.storage == "services":
            before = change.previous.document if change.previous else None
            self._network.observe(before, None if change.gone else change.entry.document)
        for observer in self.observers:
            observer(kind.storage, change)


def _written(kind: Kind, old: Json | None, new: Json, subresource: str) -> Json:
    """The new object with the parts this endpoint does not write as they were before."""
    before = old or {}
    document = {field: value for field, value in new.items() if value is not None}
    document["metadata"] = dict(new["metadata"])
    if subresource == "status":
        kept = [field for field in {*new, *before} if field not in {"status", "metadata", "apiVersion", "kind"}]
    else:
        kept = ["status"] if kind.has_status else []
    for field in kept:
        document.pop(field, None)
        if field in before:
            document[field] = before[field]
    return document


def _is_same(new: Json, old: Json) -> bool:
    """Whether a write would change nothing but the times in managedFields."""
    return _without_times(new) == _without_times(old)


def _without_times(document: Json) -> Json:
    found = document["metadata"]
    tracked = [{k: v for k, v in item.items() if k != "time"} for item in found.get("managedFields") or ()]
    return {**document, "metadata": {**found, "managedFields": tracked, "resourceVersion": ""}}
