"""Between the form a client speaks and the form the store keeps.

`backend`, `writes` and `answers` call it. Versions of a custom resource differ in apiVersion only, or as their webhook says
(`converting`, whose UnknownError goes through here); an Event has two shapes. Must never change the object it is given.
"""

from collections.abc import Iterable

from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json

_NEW_EVENTS = "events.k8s.io/v1"
# core/v1 name -> events.k8s.io/v1 name
_EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}


def to_shape(kind: Kind, document: Json) -> Json:
    """The shape in which the rules of a kind see what a client sent."""
    if kind.api_version == _NEW_EVENTS:
        names = {new: old for old, new in _EVENT_FIELDS.items()}
        return {**{names.get(field, field): value for field, value in document.items()}, "apiVersion": "v1"}
    return document


def to_stored(kind: Kind, document: Json) -> Json:
    """The form the store keeps of what a client sent."""
    if kind.custom:
        return kind.custom.converter.converted(document, kind.custom.storage_api_version)
    return to_shape(kind, document)


def to_served(kind: Kind, document: Json) -> Json:
    """The form a client asked for of what the store keeps."""
    if kind.api_version == _NEW_EVENTS:
        served = {_EVENT_FIELDS.get(field, field): value for field, value in document.items()}
        return {**served, "apiVersion": _NEW_EVENTS}
    if kind.custom:
        return kind.custom.converter.converted(document, kind.api_version)
    return document


def require(kind: Kind, documents: Iterable[Json]) -> None:
    """Raises converting.UnknownError for all stored documents at once that cannot be served as this kind yet."""
    if kind.custom:
        kind.custom.converter.require(documents, kind.api_version)


def keeps_body(kind: Kind) -> bool:
    """Whether the stored bytes, after apiVersion and kind, are also the served bytes."""
    if kind.custom:
        return kind.api_version == kind.custom.storage_api_version or not kind.custom.converter.is_needed
    return kind.api_version != _NEW_EVENTS
