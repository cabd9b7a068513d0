"""Versions of a custom resource that differ: converted by the webhook that their definition names.

`conversion` asks here. The paths through the store never await, so what is not known yet is told by an exception; `settled`
asks the webhook for it and tries again. Must never read or write an object of the store.
"""

import uuid
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from lab.apiserver import objects, prune, webhook_calls
from lab.apiserver.default import default
from lab.apiserver.objects import Json
from lab.apiserver.refusal import ApiError

_Result = TypeVar("_Result")
_REVIEWS = ("v1", "v1beta1")
_SECONDS = 30
_REMEMBERED = 50_000
# What a webhook may change of the metadata; everything else is put back as it was.
_MUTABLE = ("labels", "annotations")


class UnknownError(Exception):
    """A conversion that nobody has asked the webhook for yet."""

    def __init__(self, converter: "Converter", documents: list[Json], api_version: str) -> None:
        super().__init__(api_version)
        self._converter = converter
        self._documents = documents
        self._api_version = api_version

    async def resolve(self) -> None:
        """Asks the webhook; raises the 500 that a real server gives when it cannot."""
        await self._converter.ask(self._documents, self._api_version)


async def settled(attempt: Callable[[], _Result]) -> _Result:
    """What `attempt` returns once every conversion it needs is known. It must change nothing before it has them all."""
    while True:
        try:
            return attempt()
        except UnknownError as unknown:
            await unknown.resolve()


class Converter:
    """The conversions of one definition. `spec` gives the definition's spec as it is now."""

    def __init__(self, spec: Callable[[], Json]) -> None:
        self._spec = spec
        self._asked_of: Json = {}
        self._known: dict[tuple[str, bytes], Json] = {}

    @property
    def is_needed(self) -> bool:
        """Whether versions differ in more than their name."""
        return bool(self._conversion().get("strategy") == "Webhook")

    def converted(self, document: Json, api_version: str) -> Json:
        """The document in another version of its API; raises UnknownError."""
        if document["apiVersion"] == api_version:
            return document
        if not self.is_needed:
            return {**document, "apiVersion": api_version}
        found = self._known.get(self._key(document, api_version))
        if found is None:
            raise UnknownError(self, [document], api_version)
        kept = {key: value for key, value in document["metadata"].items() if key not in _MUTABLE}
        fresh = objects.copy(found)
        return {**fresh, "metadata": {**kept, **fresh.get("metadata", {})}}

    def require(self, documents: Iterable[Json], api_version: str) -> None:
        """Raises UnknownError for all documents at once whose conversion is not known."""
        if self.is_needed:
            unknown = [
                document
                for document in documents
                if document["apiVersion"] != api_version and self._key(document, api_version) not in self._known
            ]
            if unknown:
                raise UnknownError(self, unknown, api_version)

    async def ask(self, documents: list[Json], api_version: str) -> None:
        """Learns the conversion of these documents; raises the 500."""
        clause = self._conversion()
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        for source in dict.fromkeys(document["apiVersion"] for document in documents):
            of_one_version = [document for document in documents if document["apiVersion"] == source]
            try:
                answers = await _review(clause["webhook"], of_one_version, api_version)
            except webhook_calls.CallError as error:
                kind = of_one_version[0]["kind"]
                text = f"conversion webhook for {source}, Kind={kind} failed: {error}"
                raise ApiError(500, "", text) from error
            for document, answer in zip(of_one_version, answers, strict=True):
                self._known[self._key(document, api_version)] = self._fitted(answer, api_version)

    def _conversion(self) -> Json:
        clause: Json = self._spec().get("conversion") or {}
        if clause != self._asked_of:
            # Another webhook may convert differently.
            self._asked_of = objects.copy(clause)
            self._known.clear()
        return clause

    def _fitted(self, answer: Json, api_version: str) -> Json:
        """The answer as the store and clients see it: what the version's schema does not know is gone."""
        spec = self._spec()
        name = api_version.rpartition("/")[2]
        version = next(each for each in spec["versions"] if each["name"] == name)
        schema = version["schema"]["openAPIV3Schema"]
        metadata = {key: value for key, value in (answer.get("metadata") or {}).items() if key in _MUTABLE}
        fitted = {**answer, "metadata": metadata}
        prune.prune(fitted, schema)
        if version.get("storage"):
            default(fitted, schema)
        return fitted

    def _key(self, document: Json, api_version: str) -> tuple[str, bytes]:
        # Other metadata cannot matter to a webhook that follows the rules, and a write that is tried again has a new uid.
        metadata = {key: value for key, value in document["metadata"].items() if key in _MUTABLE}
        return api_version, objects.encode({**document, "metadata": metadata})


async def _review(webhook: Json, documents: list[Json], api_version: str) -> list[Json]:
    version = next((each for each in webhook["conversionReviewVersions"] if each in _REVIEWS), _REVIEWS[0])
    uid = str(uuid.uuid4())
    review: Json = {
        "apiVersion": f"apiextensions.k8s.io/{version}",
        "kind": "ConversionReview",
        "request": {"uid": uid, "desiredAPIVersion": api_version, "objects": documents},
        "response": {"uid": "", "convertedObjects": None, "result": {"metadata": {}}},
    }
    found = await webhook_calls.call(webhook["clientConfig"], review, _SECONDS)
    response: Any = found.get("response") if isinstance(found, dict) else None
    if not isinstance(response, dict) or found.get("apiVersion") != review["apiVersion"]:
        raise webhook_calls.CallError(f"webhook response is not a ConversionReview of {review['apiVersion']}")
    if response.get("uid") != uid:
        raise webhook_calls.CallError(f'expected response.uid="{uid}"')
    result = response.get("result") or {}
    if result.get("status") != "Success":
        raise webhook_calls.CallError(result.get("message") or "unknown reason")
    converted = response.get("convertedObjects") or []
    if len(converted) != len(documents):
        raise webhook_calls.CallError(
            f"webhook returned {len(converted)} objects, expected {len(documents)}",
        )
    for before, after in zip(documents, converted, strict=True):
        _check(before, after, api_version)
    return converted


def _check(before: Json, after: Json, api_version: str) -> None:
    if (after.get("apiVersion"), after.get("kind")) != (api_version, before["kind"]):
        raise webhook_calls.CallError(f"webhook returned an object that is no {before['kind']} of {api_version}")
    for field in ("name", "namespace", "uid"):
        if after.get("metadata", {}).get(field) != before["metadata"].get(field):
            raise webhook_calls.CallError(f"webhook changed metadata.{field}")
