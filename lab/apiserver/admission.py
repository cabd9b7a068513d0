"""Asks validating webhooks before a write, as an API server does.

`web` awaits `Admission.review` before each write. The write is first tried without keeping anything, to know what it would
make; a webhook that objects ends the request. Must never write: `writes` does, afterwards.
"""

import functools
import uuid
from dataclasses import dataclass, replace
from typing import Any

from lab.apiserver import admission_rules, conversion, converting, reads, refusal, request, webhook_calls, writes
from lab.apiserver.admission_rules import Write
from lab.apiserver.backend import Backend
from lab.apiserver.bodies import FieldCheck
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json
from lab.apiserver.refusal import ApiError
from lab.apiserver.store import Entry
from lab.apiserver.webhook_calls import CallError

_ATTEMPTS = 5
_OPERATIONS = {
    "create": "CREATE",
    "update": "UPDATE",
    "patch": "UPDATE",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
# These are never reviewed: a webhook must not be able to lock out its own repair.
_EXEMPT = "admissionregistration.k8s.io"


@dataclass(frozen=True, slots=True)
class _Change:
    """What a write would do to one object, in the form of the request."""

    new: Json | None
    old: Json | None

    @property
    def documents(self) -> tuple[Json, ...]:
        return tuple(each for each in (self.new, self.old) if each is not None)

    @property
    def name(self) -> str:
        return str(self.documents[0]["metadata"].get("name", ""))


class Admission:
    """The webhooks of one server."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def review(self, call: writes.Call, verb: str, check: FieldCheck) -> None:
        """Returns when every webhook that wants to see the write allows it; their warnings go into `check`.

        Raises the refusal of a webhook, the 500 for one that cannot be asked, and whatever the write itself would raise.
        """
        kind = call.target.kind
        if kind.group == _EXEMPT or kind.verbs == ("create",) or not self._webhooks():
            return
        for _ in range(_ATTEMPTS):
            version = self._version(call)
            for change in await converting.settled(lambda: self._changes(call, verb, check)):
                await self._ask_all(call, verb, change, check)
            if self._version(call) == version:
                return
        raise refusal.modified(kind.plural, kind.group, call.target.name)

    def _webhooks(self) -> list[Json]:
        entries = self._backend.store.shelf(admission_rules.STORAGE).entries
        return [webhook for key in sorted(entries) for webhook in entries[key].document.get("webhooks") or ()]

    def _entry(self, call: writes.Call) -> Entry | None:
        target = call.target
        return self._backend.store.get(target.kind.storage, (target.namespace, target.name)) if target.name else None

    def _version(self, call: writes.Call) -> int:
        entry = self._entry(call)
        return entry.version if entry is not None else 0

    def _changes(self, call: writes.Call, verb: str, check: FieldCheck) -> list[_Change]:
        kind = call.target.kind
        trial = replace(call, query={**call.query, "dryRun": "All"})
        entry = self._entry(call)
        old = None if entry is None else conversion.to_served(kind, entry.document)
        match verb:
            case "create":
                return [_Change(writes.create(self._backend, trial, check), None)]
            case "update":
                return [_Change(writes.replace_one(self._backend, trial, check)[0], old)]
            case "patch":
                return [_Change(writes.patch_one(self._backend, trial, check)[0], old)]
            case "delete":
                writes.delete_one(self._backend, trial)
                return [_Change(None, old)]
            case _:
                portion = reads.list_portion(self._backend.store, call.target, call.query)
                return [_Change(None, conversion.to_served(kind, each.document)) for each in portion.entries]

    async def _ask_all(self, call: writes.Call, verb: str, change: _Change, check: FieldCheck) -> None:
        kind = call.target.kind
        write = Write(
            operation="CREATE" if change.old is None else _OPERATIONS[verb],
            kinds=(kind, *self._other_versions(kind)),
            subresource=call.target.subresource,
            namespace=call.target.namespace,
            namespace_labels=self._namespace_labels(call.target.namespace),
            labels=tuple(each["metadata"].get("labels") or {} for each in change.documents),
        )
        dry_run = writes.delete_options(call).dry_run if change.new is None else request.is_dry_run(call.query)
        for webhook in self._webhooks():
            wanted = admission_rules.wanted_as(webhook, write)
            if wanted is None:
                continue
            new, old = [
                None if each is None else await converting.settled(functools.partial(_as, kind, wanted, each))
                for each in (change.new, change.old)
            ]
            uid = str(uuid.uuid4())
            body = admission_rules.review(uid, write, wanted, change.name, new, old, dry_run=dry_run)
            try:
                response = await _call(webhook, body)
            except CallError as error:
                if webhook["failurePolicy"] == "Ignore":
                    continue
                text = f'failed calling webhook "{webhook["name"]}": failed to call webhook: {error}'
                raise ApiError(500, "InternalError", f"Internal error occurred: {text}") from error
            check.warnings.extend(response.get("warnings") or ())
            if not response.get("allowed"):
                raise _denial(webhook["name"], response.get("status") or {})

    def _other_versions(self, kind: Kind) -> list[Kind]:
        return [each for each in self._backend.registry if each.storage == kind.storage and each is not kind]

    def _namespace_labels(self, namespace: str) -> dict[str, str]:
        entry = self._backend.store.get("namespaces", ("", namespace))
        return dict(entry.document["metadata"].get("labels") or {}) if entry is not None else {}


def _as(asked: Kind, wanted: Kind, document: Json) -> Json:
    return document if asked is wanted else conversion.to_served(wanted, conversion.to_stored(asked, document))


def _denial(name: str, status: Json) -> ApiError:
    said = status.get("message") or status.get("reason")
    text = f'admission webhook "{name}" denied the request' + (f": {said}" if said else " without explanation")
    return ApiError(max(int(status.get("code") or 0), 400), status.get("reason") or "", text)


async def _call(webhook: Json, review: Json) -> Json:
    return _response(await webhook_calls.call(webhook["clientConfig"], review, webhook["timeoutSeconds"]), review)


def _response(found: Any, review: Json) -> Json:
    response: Any = found.get("response") if isinstance(found, dict) else None
    if not isinstance(response, dict):
        raise CallError("webhook response is not an AdmissionReview")
    if (found.get("apiVersion"), found.get("kind")) != (review["apiVersion"], review["kind"]):
        raise CallError(f"expected webhook response of {review['apiVersion']}, Kind={review['kind']}")
    if response.get("uid") != review["request"]["uid"]:
        raise CallError(f'expected response.uid="{review["request"]["uid"]}"')
    return response
