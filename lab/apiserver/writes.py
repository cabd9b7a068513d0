"""Writes as clients ask for them: bodies, the four kinds of patch, deletes of one or many.

`web` calls it with the parts of a request. Must never keep anything itself: `backend` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lab.apiserver import apply, bodies, conversion, objects, patch, reads, refusal, request
from lab.apiserver.backend import Backend, DeleteOptions, WriteOptions
from lab.apiserver.bodies import FieldCheck
from lab.apiserver.fielderrors import show
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json, meta
from lab.apiserver.request import Target
from lab.apiserver.store import Entry

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_PROPAGATIONS = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True)
class Call:
    """The parts of a request a write needs."""

    target: Target
    query: Mapping[str, str]
    body: bytes
    content_type: str
    user_agent: str

    @property
    def media(self) -> str:
        """The content type without parameters."""
        return self.content_type.partition(";")[0].strip().lower()


def _options(call: Call) -> WriteOptions:
    return WriteOptions(
        manager=request.manager_of(call.query, call.user_agent),
        dry_run=request.is_dry_run(call.query),
        subresource=call.target.subresource,
    )


def create(backend: Backend, call: Call, check: FieldCheck) -> Json:
    """POST: a new object, in served form."""
    kind = call.target.kind
    document = bodies.read_object(call.body, call.content_type, kind, check)
    _settle_namespace(call.target, document)
    stored = backend.create(kind, call.target.namespace, document, _options(call))
    return conversion.to_served(kind, stored)


def _settle_namespace(target: Target, document: Json) -> None:
    found = meta(document)
    if target.kind.namespaced:
        if found.get("namespace", target.namespace) not in {target.namespace, ""}:
            raise refusal.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        found["namespace"] = target.namespace


def replace_one(backend: Backend, call: Call, check: FieldCheck) -> tuple[Json, bool]:
    """PUT: (the object in served form, whether it is new)."""
    target, kind = call.target, call.target.kind
    document = bodies.read_object(call.body, call.content_type, kind, check)
    _settle_namespace(target, document)
    name = meta(document).get("name", "")
    if name != target.name:
        if not name:
            raise refusal.bad_request("name must be provided")
        raise refusal.bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    options = _options(call)
    if kind.create_on_update and not target.subresource and _entry(backend, target) is None:
        return conversion.to_served(kind, backend.create(kind, target.namespace, document, options)), True
    entry = backend.entry(kind, target.namespace, target.name)
    uid = entry.document["metadata"]["uid"]
    if (asked := meta(document).get("uid") or uid) != uid:
        why = f"Precondition failed: UID in precondition: {asked}, UID in object meta: {uid}"
        raise refusal.conflict(kind.plural, kind.group, target.name, why)
    return conversion.to_served(kind, backend.update(kind, entry, document, options)), False


def _entry(backend: Backend, target: Target) -> Entry | None:
    return backend.store.get(target.kind.storage, (target.namespace, target.name))


def patch_one(backend: Backend, call: Call, check: FieldCheck) -> tuple[Json, bool]:
    """PATCH: (the object in served form, whether it is new)."""
    target, kind = call.target, call.target.kind
    allowed = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
    if not kind.custom:
        allowed.insert(2, STRATEGIC_PATCH)
    if call.media not in allowed:
        raise refusal.unsupported_media(allowed)
    if call.media == APPLY_PATCH:
        return _apply(backend, call)
    entry = backend.entry(kind, target.namespace, target.name)
    repeated: list[str] = []
    change = bodies.parse(call.body, "application/json", repeated)
    bodies.complain(kind, [f'duplicate field "{name}"' for name in repeated], check)
    live = objects.copy(conversion.to_served(kind, entry.document))
    try:
        document = _patched(kind, live, change, call.media)
    except patch.PatchError as error:
        if isinstance(error, patch.MalformedPatchError):
            raise refusal.bad_request(str(error)) from error
        raise refusal.ApiError(422, "Invalid", str(error)) from error
    try:
        bodies.decode(document, kind, check)
    except refusal.ApiError as error:
        raise refusal.invalid("", "", "", [_Cause("patch", "FieldValueInvalid", _shown(document, error))]) from error
    _check_identity(kind, document, entry)
    return conversion.to_served(kind, backend.update(kind, entry, document, _options(call))), False


def _shown(document: Json, error: refusal.ApiError) -> str:
    """What is wrong with a patched object, after the whole object."""
    why = str(error)
    start = max(why.find(mark) for mark in ("strict decoding error", "json: ", "parsing time"))
    return f"Invalid value: {show(objects.encode(document).decode())}: {why[max(start, 0) :]}"


def _patched(kind: Kind, live: Json, change: Any, media: str) -> Json:
    if media == JSON_PATCH:
        if not isinstance(change, list):
            raise refusal.bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
        return patch.json_patch(live, change)
    if not isinstance(change, dict):
        raise refusal.bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
    return patch.merge_patch(live, change) if media == MERGE_PATCH else patch.strategic_merge(live, change, kind.kind)


def _check_identity(kind: Kind, document: Json, entry: Entry) -> None:
    found = document.get("metadata")
    if not isinstance(found, dict) or found.get("name") != entry.key[1]:
        name = found.get("name", "") if isinstance(found, dict) else ""
        raise refusal.bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({entry.key[1]})"
        )
    if kind.namespaced and found.get("namespace", entry.key[0]) != entry.key[0]:
        raise refusal.bad_request("the namespace of the object does not match the namespace on the URL")
    if document.get("kind") != kind.kind or document.get("apiVersion") != kind.api_version:
        raise refusal.bad_request(f"the kind or apiVersion of a {kind.kind} cannot be changed by a patch")


def _apply(backend: Backend, call: Call) -> tuple[Json, bool]:
    target, kind = call.target, call.target.kind
    if not call.query.get("fieldManager"):
        cause = "Required value: is required for apply patch"
        raise refusal.invalid("PatchOptions", "meta.k8s.io", "", [_Cause("fieldManager", "FieldValueRequired", cause)])
    applied = bodies.parse(call.body, APPLY_PATCH)
    if not isinstance(applied, dict):
        raise refusal.bad_request("error decoding YAML: the body is not an object")
    found = meta(applied)
    if found.get("managedFields"):
        raise refusal.bad_request("metadata.managedFields must be nil")
    if (applied.get("apiVersion"), applied.get("kind")) != (kind.api_version, kind.kind):
        raise refusal.bad_request(
            f"the apiVersion and kind of an applied {kind.kind} must be {kind.api_version} {kind.kind}"
        )
    found.setdefault("name", target.name)
    asked = f"{found.get('namespace', '')}/{found['name']}; {kind.api_version}, Kind={kind.kind}"
    _settle_namespace(target, applied)
    if found["name"] != target.name:
        raise refusal.bad_request(
            f"the name of the object ({found['name']}) does not match the name on the URL ({target.name})"
        )
    _refuse_undeclared(kind, applied, asked)
    entry = _entry(backend, target)
    if entry is None and target.subresource:
        raise refusal.not_found(kind.plural, kind.group, target.name)
    options = replace(_options(call), is_apply=True)
    try:
        document = apply.apply(
            None if entry is None else objects.copy(conversion.to_served(kind, entry.document)),
            _of_endpoint(kind, applied, target.subresource),
            manager=options.manager,
            force=request.is_true(call.query, "force"),
            schema=backend.list_types(kind),
            api_version=kind.api_version,
            subresource=target.subresource,
            now=objects.timestamp(),
        )
    except apply.ApplyConflict as error:
        raise refusal.apply_conflict(str(error), error.causes) from error
    except patch.PatchError as error:
        raise _untyped(asked, str(error)) from error
    if entry is None:
        return conversion.to_served(kind, backend.create(kind, target.namespace, document, options)), True
    return conversion.to_served(kind, backend.update(kind, entry, document, options)), False


def _refuse_undeclared(kind: Kind, applied: Json, asked: str) -> None:
    """An applied object may not have fields its kind does not know, whatever fieldValidation says."""
    check = bodies.FieldCheck("Warn")
    bodies.decode(applied, kind, check)
    unknown = [text.split('"')[1] for text in check.warnings if text.startswith("unknown field ")]
    if unknown:
        raise _untyped(asked, f".{unknown[0]}: field not declared in schema")


def _untyped(asked: str, why: str) -> refusal.ApiError:
    """500, as real servers answer an apply they cannot read."""
    return refusal.ApiError(500, "", f"failed to create typed patch object ({asked}): {why}")


def _of_endpoint(kind: Kind, applied: Json, subresource: str) -> Json:
    """The applied object without the parts this endpoint does not write: nobody comes to own them."""
    if subresource == "status":
        return {
            field: value for field, value in applied.items() if field in {"apiVersion", "kind", "metadata", "status"}
        }
    return {field: value for field, value in applied.items() if field != "status" or not kind.has_status}


@dataclass(frozen=True, slots=True)
class _Cause:
    path: str
    kind: str
    message: str


def delete_options(call: Call) -> DeleteOptions:
    """The options of a delete, from its body and its query; raises the 400."""
    body = bodies.parse(call.body, call.content_type) if call.body.strip() else {}
    if not isinstance(body, dict):
        raise refusal.bad_request("couldn't get version/kind; the body is not DeleteOptions")
    grace = body.get("gracePeriodSeconds")
    if call.query.get("gracePeriodSeconds"):
        grace = request.whole_number(call.query, "gracePeriodSeconds")
    propagation = call.query.get("propagationPolicy") or body.get("propagationPolicy") or ""
    orphan = call.query.get("orphanDependents") or body.get("orphanDependents")
    if orphan in {True, "true"}:
        propagation = "Orphan"
    if propagation and propagation not in _PROPAGATIONS:
        listed = ", ".join(f'"{name}"' for name in ("Foreground", "Background", "Orphan", "nil"))
        cause = f'Unsupported value: "{propagation}": supported values: {listed}'
        error = _Cause("propagationPolicy", "FieldValueNotSupported", cause)
        raise refusal.invalid("DeleteOptions", "meta.k8s.io", "", [error])
    preconditions = body.get("preconditions") or {}
    return DeleteOptions(
        dry_run=request.is_dry_run(call.query, body),
        grace_seconds=grace,
        propagation=propagation,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
    )


def delete_one(backend: Backend, call: Call) -> Json:
    """DELETE of one: the object where it stays or its kind shows it, else a Status."""
    target, kind = call.target, call.target.kind
    conversion.require(kind, [backend.entry(kind, target.namespace, target.name).document])
    left, is_gone = backend.delete(kind, target.namespace, target.name, delete_options(call))
    if not is_gone or kind.returns_deleted:
        return conversion.to_served(kind, left)
    details = {"name": target.name, "group": kind.group, "kind": kind.plural, "uid": left["metadata"]["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


def delete_many(backend: Backend, call: Call) -> reads.Portion:
    """DELETE of a collection: what it selected, as it was."""
    kind = call.target.kind
    options = delete_options(call)
    portion = reads.list_portion(backend.store, call.target, call.query)
    conversion.require(kind, [entry.document for entry in portion.entries])
    for entry in portion.entries:
        if backend.store.get(kind.storage, entry.key) is not None:
            backend.delete(kind, entry.key[0], entry.key[1], options)
    return portion
