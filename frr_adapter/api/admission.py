"""What the API server asks a validating webhook, and what it wants to hear. Read and written by `controller.core.admission`.

Source: Kubernetes documentation, "Dynamic Admission Control", version admission.k8s.io/v1.
"""

import msgspec

from frr_adapter.api.wire import Wire

VERSION = "admission.k8s.io/v1"


class GroupVersionKind(Wire, frozen=True):
    """The type of an object."""

    group: str = ""
    version: str = ""
    kind: str = ""


class Request(Wire, frozen=True):
    """One write that waits for an answer. `object` is absent on DELETE, `old_object` on CREATE; both are undecoded.

    `request_kind` is what the client wrote, `kind` what the objects were converted to before the review.
    """

    uid: str
    kind: GroupVersionKind
    operation: str
    request_kind: GroupVersionKind = GroupVersionKind()
    name: str = ""
    namespace: str = ""
    object: msgspec.Raw = msgspec.Raw()
    old_object: msgspec.Raw = msgspec.Raw()


class Status(Wire, frozen=True, omit_defaults=False):
    """Why a write is refused."""

    code: int
    reason: str
    message: str
    status: str = "Failure"


class Response(Wire, frozen=True, omit_defaults=False):
    """The answer to the request with the same uid."""

    uid: str
    allowed: bool
    status: Status | msgspec.UnsetType = msgspec.UNSET
    warnings: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class Review(Wire, frozen=True, omit_defaults=False):
    """The envelope in both directions."""

    api_version: str = VERSION
    kind: str = "AdmissionReview"
    request: Request | msgspec.UnsetType = msgspec.UNSET
    response: Response | msgspec.UnsetType = msgspec.UNSET
