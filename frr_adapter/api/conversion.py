"""What the API server asks a conversion webhook, and what it wants to hear. Used by `controller.core.conversion`.

Source: Kubernetes documentation, "Versions in CustomResourceDefinitions", apiextensions.k8s.io/v1; v1beta1, which older
definitions ask for, has the same fields. Objects stay as they came, because unknown fields of theirs must survive.
"""

from typing import Any

import msgspec

from frr_adapter.api.wire import Wire

VERSIONS = ("apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1")


class Request(Wire, frozen=True):
    """Objects, each in any version, and the version that is wanted of all of them."""

    uid: str
    desired_api_version: str = msgspec.field(name="desiredAPIVersion")
    objects: tuple[dict[str, Any], ...] = ()


class Result(Wire, frozen=True, omit_defaults=False):
    """`Success`, or `Failed` and why."""

    status: str
    message: str | msgspec.UnsetType = msgspec.UNSET


class Response(Wire, frozen=True, omit_defaults=False):
    """The answer to the request with the same uid: the objects in the same order, or none."""

    uid: str
    result: Result
    converted_objects: tuple[dict[str, Any], ...] = ()


class Question(Wire, frozen=True):
    """The envelope of a request; API servers put the shell of a response beside it, which says nothing."""

    api_version: str
    kind: str = ""
    request: Request | None = None


class Answer(Wire, frozen=True, omit_defaults=False):
    """The envelope of a response."""

    api_version: str
    response: Response
    kind: str = "ConversionReview"
