"""Between the form a client speaks and the form the store keeps.

`backend` and `reads` call it. Versions of a custom resource differ in apiVersion only (conversion strategy None); an
Event has two shapes. Must never change the object it is given.
"""

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


def to_stored(kind: Kind, document: Json) -> Json:
    """The form the store keeps of what a client sent."""
    if kind.api_version == _NEW_EVENTS:
        names = {new: old for old, new in _EVENT_FIELDS.items()}
        return {**{names.get(field, field): value for field, value in document.items()}, "apiVersion": "v1"}
    if kind.custom:
        return {**document, "apiVersion": kind.custom.storage_api_version}
    return document


def to_served(kind: Kind, document: Json) -> Json:
    """The form a client asked for of what the store keeps."""
    if kind.api_version == _NEW_EVENTS:
        served = {_EVENT_FIELDS.get(field, field): value for field, value in document.items()}
        return {**served, "apiVersion": _NEW_EVENTS}
    if kind.custom and document["apiVersion"] != kind.api_version:
        return {**document, "apiVersion": kind.api_version}
    return document


def keeps_body(kind: Kind) -> bool:
    """Whether the stored bytes, after apiVersion and kind, are also the served bytes."""
    return kind.api_version != _NEW_EVENTS
