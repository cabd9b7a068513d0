"""The small `Protocol`s behind which the outside lies; real ones are in this package, in-memory twins in the tests.

Everybody above floor 4 takes ports as arguments. This module must never import an implementation.
"""

import datetime as dt
import enum
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from frr_adapter.frr import config as frr_config
from frr_adapter.frr import reloading

Query = Mapping[str, str]
Document = Mapping[str, Any]

NO_QUERY: Query = {}


class Patch(enum.StrEnum):
    """Content types of PATCH: RFC 7386 merge patch and Kubernetes server-side apply (JSON is YAML)."""

    MERGE = "application/merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class KubePort(Protocol):
    """Raw access to the Kubernetes API.

    `path` starts with `/api` or `/apis`; answers are the bytes of the returned object. Every failure is an
    `errors.KubernetesError` with the API's own status and reason, status 0 when no answer came. Nothing is retried here.
    """

    async def get(self, path: str, query: Query = NO_QUERY) -> bytes:
        """The object, or the list, at `path`."""
        ...

    def stream(self, path: str, query: Query = NO_QUERY) -> AsyncGenerator[bytes, None]:
        """Complete lines of a watch, of any length, without the line end; a line that was cut off is never given."""
        ...

    async def patch(self, path: str, body: Document, content_type: Patch, query: Query = NO_QUERY) -> bytes:
        """PATCH with the given kind of patch."""
        ...

    async def create(self, path: str, body: Document, query: Query = NO_QUERY) -> bytes:
        """POST to a collection."""
        ...

    async def update(self, path: str, body: Document, query: Query = NO_QUERY) -> bytes:
        """PUT the whole object."""
        ...

    async def delete(self, path: str, query: Query = NO_QUERY) -> bytes:
        """DELETE one object."""
        ...


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> dt.datetime:
        """The time of day in UTC, for people and for timestamps."""
        ...

    def monotonic(self) -> float:
        """Seconds that only go forward, for intervals."""
        ...


class Applier(Protocol):
    """Brings a whole configuration into the running FRR."""

    async def apply(self, config: frr_config.FrrConfig) -> reloading.ApplyReport:
        """Makes FRR run exactly this, and says what had to change; the same again changes nothing.

        Raises `errors.ApplyError` with one line for people, without passwords: FRR then runs what it ran before.
        """
        ...

    def forget(self) -> None:
        """FRR or a daemon of it went away or came back: whatever was learnt about what runs no longer holds."""
        ...
