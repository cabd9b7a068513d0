"""Things to do in Kubernetes, not yet done: cores return them, `boundary.perform` does them.

A failed effect is simply wanted again by the next cycle, so effects carry the whole wanted value, never a difference.
"""

import enum
from dataclasses import dataclass

from frr_adapter import refs


class EventType(enum.StrEnum):
    """Kinds of core/v1 events."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """A core/v1 Event about an object. Repeats of the same text are counted up on one Event object."""

    ref: refs.ObjectRef
    uid: str
    type: EventType
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class WriteServiceStatus:
    """`status.loadBalancer` and the pool annotation of a Service, in one write.

    `ips` empty clears the status; `pool` None removes the annotation. The write must fail when the Service is no longer at
    `resource_version`.
    """

    ref: refs.ObjectRef
    uid: str
    resource_version: str
    ips: tuple[str, ...]
    pool: str | None


@dataclass(frozen=True, slots=True)
class WritePoolStatus:
    """The four counters of an IPAddressPool."""

    ref: refs.ObjectRef
    assigned_ipv4: int
    assigned_ipv6: int
    available_ipv4: int
    available_ipv6: int


@dataclass(frozen=True, slots=True)
class WriteConfigurationState:
    """The ConfigurationState object of this program; created when absent.

    `messages` are the problems, one line each, empty when all is valid; `labels` are put on the object.
    """

    ref: refs.ObjectRef
    condition_type: str
    labels: tuple[tuple[str, str], ...]
    messages: tuple[str, ...]


Effect = EmitEvent | WriteServiceStatus | WritePoolStatus | WriteConfigurationState
