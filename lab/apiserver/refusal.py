"""The errors of the Kubernetes API: a Status object with its HTTP code, reason and details.

Raised by every module of the embedded API, turned into an answer by `web`. Must never print or log.
"""

from collections.abc import Sequence
from typing import Protocol

from lab.apiserver.objects import Json


class Cause(Protocol):
    """One invalid field: where, which kind of cause, and the sentence without the path."""

    @property
    def path(self) -> str:
        """The field, such as `spec.ports[0].name`."""

    @property
    def kind(self) -> str:
        """The cause's reason, such as `FieldValueInvalid`."""

    @property
    def message(self) -> str:
        """What is wrong with it."""


class ApiError(Exception):
    """A refusal, carrying the `Status` to answer with."""

    def __init__(
        self, code: int, reason: str, message: str, *, details: Json | None = None, metadata: Json | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata or {},
            "status": "Failure",
            "message": message,
            **({"reason": reason} if reason else {}),
            "code": code,
        }
        if details:
            self.status["details"] = details


def _details(name: str, group: str, kind: str) -> Json:
    details = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in details.items() if value}


def qualified(resource: str, group: str) -> str:
    """`services`, or `pools.metallb.io` for a resource with a group."""
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, group: str, name: str) -> ApiError:
    """404 for a missing object."""
    text = f'{qualified(resource, group)} "{name}" not found'
    return ApiError(404, "NotFound", text, details=_details(name, group, resource))


def no_such_path() -> ApiError:
    """404 for a path no resource serves."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def already_exists(resource: str, group: str, name: str) -> ApiError:
    """409 for a create of an existing name."""
    text = f'{qualified(resource, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", text, details=_details(name, group, resource))


def conflict(resource: str, group: str, name: str, why: str) -> ApiError:
    """409 for a write that does not start from the newest version."""
    text = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}'
    return ApiError(409, "Conflict", text, details=_details(name, group, resource))


def modified(resource: str, group: str, name: str) -> ApiError:
    """409 for a stale resourceVersion."""
    return conflict(
        resource,
        group,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )


def apply_conflict(text: str, causes: Sequence[tuple[str, str]]) -> ApiError:
    """409 of server-side apply, with (message, field path) for each field another manager owns."""
    listed = [{"reason": "FieldManagerConflict", "message": message, "field": path} for message, path in causes]
    return ApiError(409, "Conflict", text, details={"causes": listed})


def invalid(kind: str, group: str, name: str, errors: Sequence[Cause]) -> ApiError:
    """422 with one cause per wrong field."""
    sentences: list[str] = []
    for error in errors:
        sentence = f"{error.path}: {error.message}"
        if sentence not in sentences:
            sentences.append(sentence)
    listed = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    causes = [{"reason": error.kind, "message": error.message, "field": error.path} for error in errors]
    text = f'{qualified(kind, group)} "{name}" is invalid: {listed}'
    return ApiError(422, "Invalid", text, details={**_details(name, group, kind), "causes": causes})


def bad_request(message: str) -> ApiError:
    """400 for a request that cannot be understood."""
    return ApiError(400, "BadRequest", message)


def forbidden(resource: str, group: str, name: str, why: str, causes: Sequence[Json] = ()) -> ApiError:
    """403 for a request that is understood and not allowed."""
    text = f'{qualified(resource, group)} "{name}" is forbidden: {why}'
    details = _details(name, group, resource)
    if causes:
        details["causes"] = list(causes)
    return ApiError(403, "Forbidden", text, details=details)


def expired(message: str, continue_token: str = "") -> ApiError:
    """410 for a resource version outside the kept history."""
    return ApiError(410, "Expired", message, metadata={"continue": continue_token} if continue_token else None)


def too_large_version(asked: int, current: int) -> ApiError:
    """504 for a resource version the server has not reached."""
    details: Json = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    text = f"Timeout: Too large resource version: {asked}, current: {current}"
    return ApiError(504, "Timeout", text, details=details)


def method_not_allowed() -> ApiError:
    """405 for a verb the resource does not have."""
    return ApiError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details={}
    )


def unsupported_media(allowed: Sequence[str]) -> ApiError:
    """415 for a body in a form we do not read."""
    text = f"the body of the request was in an unknown format - accepted media types include: {', '.join(allowed)}"
    return ApiError(415, "UnsupportedMediaType", text)


def not_acceptable(allowed: Sequence[str]) -> ApiError:
    """406 for a client that accepts none of our forms."""
    text = f"only the following media types are accepted: {', '.join(allowed)}"
    return ApiError(406, "NotAcceptable", text)
