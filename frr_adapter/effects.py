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


@dataclass(frozen=True, slots=True)
class WriteAnnouncementStatus:
    """What a node says of a service it announces: a ServiceBGPStatus or ServiceL2Status, an object with a made-up name.

    `ref` has the kind of that object, but namespace and name of the *service*; `namespace` is that of the object. `said` are
    names, sorted: of the BGPPeers that are told, or of the interfaces as configured (none: all of them); None when the node is
    to say nothing. `name` is the object that is there, empty when there is none yet; `surplus` are names of objects that are
    to go. `is_stray` when the object that is there has another owner than it should.
    """

    ref: refs.ObjectRef
    namespace: str
    node: str
    said: tuple[str, ...] | None
    name: str = ""
    is_stray: bool = False
    surplus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """One BGP session in a NodeBGPStatus; `peers` are BGPPeer names, `state` and `last_reset` FRR's words."""

    neighbor: str
    vrf: str
    peers: tuple[str, ...]
    state: str
    bfd: str
    last_reset: str = ""


@dataclass(frozen=True, slots=True)
class WriteNodeBgpStatus:
    """The NodeBGPStatus object of this speaker; created when absent. Times are put in when it is written.

    `wanted` and `applied` are fingerprints of configurations, `state` and `way` the words that the kind allows (`way` may be
    empty); `resets` name the sessions that the last disturbing change reset.
    """

    ref: refs.ObjectRef
    labels: tuple[tuple[str, str], ...]
    frr_version: str
    is_frr_up: bool
    wanted: str
    applied: str
    state: str
    way: str
    last_error: str
    resets: tuple[str, ...]
    sessions: tuple[SessionStatus, ...]


Effect = (
    EmitEvent
    | WriteServiceStatus
    | WritePoolStatus
    | WriteConfigurationState
    | WriteAnnouncementStatus
    | WriteNodeBgpStatus
)
