"""What the controller decides for each Service, and about its own lease, as frozen values, with every reason named.

Made by `controller.core`, shown by the loop in logs and metrics; the lease's are carried out by `boundary.lease`. Never holds text of the API or anything that can change.
"""

import enum
from dataclasses import dataclass

from frr_adapter import addresses


class WhyNot(enum.StrEnum):
    """Why one pool gives no address to one Service; the value is the sentence for people."""

    AUTO_ASSIGN_OFF = "autoAssign is off"
    NAMESPACE = "namespace is not allowed"
    SELECTOR = "no service selector matches"
    FAMILY = "no addresses of the family"
    FULL = "full"
    PORT_IN_USE = "port in use"
    SHARING_KEY = "address in use"


@dataclass(frozen=True, slots=True)
class PoolVerdict:
    """Why the pool of this name gives nothing. `detail` replaces the general sentence with a precise one."""

    pool: str
    why: WhyNot
    detail: str = ""

    def __str__(self) -> str:
        return f'pool "{self.pool}": {self.detail or self.why.value}'


class Refusal(enum.StrEnum):
    """Why a Service that wants an address has none."""

    NO_POOLS = "noPools"
    NO_CLUSTER_IP = "noClusterIP"
    NOT_ENOUGH_CLUSTER_IPS = "notEnoughClusterIPs"
    UNKNOWN_FAMILY = "unknownClusterIPFamily"
    MALFORMED_REQUEST = "malformedRequest"
    WRONG_FAMILY = "requestOfWrongFamily"
    SINGLE_STACK_POLICY = "singleStackPolicyWithTwoFamilies"
    NOT_IN_CONFIG = "requestedAddressNotInConfig"
    UNKNOWN_POOL = "unknownPool"
    POOL_MISMATCH = "requestedAddressInOtherPool"
    POOL_NOT_COMPATIBLE = "poolNotCompatible"
    ADDRESS_IN_USE = "requestedAddressInUse"
    NO_AVAILABLE_IPS = "noAvailableIPs"


class Clearing(enum.StrEnum):
    """Why the addresses that a Service held were given up."""

    CLAIM_REFUSED = "claimRefused"
    UNKNOWN_FAMILY = "unknownLoadBalancerFamily"
    FAMILY_CHANGED = "familyChanged"
    POOL_REQUESTED = "otherPoolRequested"
    ADDRESSES_REQUESTED = "otherAddressesRequested"


class Keeping(enum.StrEnum):
    """Why a Service keeps what it has."""

    HELD = "held"
    POOL_BROKEN = "poolBroken"
    MALFORMED_REQUEST = "malformedRequest"
    UNKNOWN_FAMILY = "unknownClusterIPFamily"


class Releasing(enum.StrEnum):
    """Why a Service wants no address any more."""

    NOT_LOAD_BALANCER = "notLoadBalancer"


@dataclass(frozen=True, slots=True)
class Cleared:
    """Addresses given up in this decision, before anything else was tried."""

    why: Clearing
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """The Service keeps its addresses. `lacks` says why a second address could not be added, when one is wanted."""

    ips: tuple[addresses.Address, ...]
    pool: str
    why: Keeping = Keeping.HELD
    detail: str = ""
    lacks: tuple[PoolVerdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Assigned:
    """The Service gets addresses; `added` is the one appended to what it had already. `lacks` is as in `Kept`."""

    ips: tuple[addresses.Address, ...]
    pool: str
    added: addresses.Address | None = None
    cleared: Cleared | None = None
    lacks: tuple[PoolVerdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The Service wants an address and has none. `detail` is the sentence, `verdicts` what each pool had against it."""

    why: Refusal
    detail: str = ""
    verdicts: tuple[PoolVerdict, ...] = ()
    cleared: Cleared | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """The Service wants no address; what its status still says is removed."""

    why: Releasing = Releasing.NOT_LOAD_BALANCER


Outcome = Kept | Assigned | Refused | Released


def held(outcome: Outcome) -> tuple[addresses.Address, ...]:
    """The addresses that the outcome leaves with the Service."""
    match outcome:
        case Kept() | Assigned():
            return outcome.ips
        case Refused() | Released():
            return ()


@dataclass(frozen=True, slots=True)
class PoolCount:
    """Capacity of a pool and distinct addresses in use, per family; capacities saturate at `addresses.UNCOUNTABLE`."""

    pool: str
    capacity_ipv4: int
    capacity_ipv6: int
    assigned_ipv4: int
    assigned_ipv6: int

    @property
    def capacity(self) -> int:
        """Usable addresses of both families, saturated."""
        return addresses.saturating_sum((self.capacity_ipv4, self.capacity_ipv6))

    @property
    def assigned(self) -> int:
        """Distinct addresses in use of both families."""
        return self.assigned_ipv4 + self.assigned_ipv6

    @property
    def available_ipv4(self) -> int:
        """Addresses left; never negative, though a broken pool may have given more than it holds now."""
        return max(0, self.capacity_ipv4 - self.assigned_ipv4)

    @property
    def available_ipv6(self) -> int:
        """As `available_ipv4`."""
        return max(0, self.capacity_ipv6 - self.assigned_ipv6)


@dataclass(frozen=True, slots=True)
class Lease:
    """The spec of a coordination.k8s.io/v1 Lease. `holder` is empty when it was released; `duration` in seconds.

    `acquired` and `renewed` are timestamps for people: they come from the holder's clock and are compared with nothing.
    """

    holder: str
    duration: int
    acquired: str
    renewed: str
    transitions: int


@dataclass(frozen=True, slots=True)
class Sight:
    """The lease as this process saw it last: None when there is no such object.

    From `free_at` (own monotonic seconds) on nobody can lead by what was seen.
    """

    lease: Lease | None
    version: str
    free_at: float


@dataclass(frozen=True, slots=True)
class Look:
    """Read the lease first."""


@dataclass(frozen=True, slots=True)
class Take:
    """Write `lease` over the version that was seen; create it when `version` is empty."""

    lease: Lease
    version: str


@dataclass(frozen=True, slots=True)
class Stand:
    """Stand by: somebody else leads, or may do so."""

    holder: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The leadership is over; `why` is for people."""

    why: str


LeaseStep = Look | Take | Stand | Lost
