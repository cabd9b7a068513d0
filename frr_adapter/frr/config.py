"""`frr.conf` as a value: every name, number, order and special case is final here; templates only print it.

Made by `speaker.core.compose`, printed by `render`, compared with `==`. Never decides anything. Fields hold what FRR itself prints in
`show running-config`, so that reading the rendered file back finds no difference (a line that FRR prints differently would be
deleted and added again at every reload, and some such lines reset sessions).
"""

from dataclasses import dataclass

from frr_adapter import addresses, secret


@dataclass(frozen=True, slots=True)
class OriginClass:
    """A class of prefixes: the route-map that marks them with a tag when they are originated. The tag never leaves bgpd."""

    name: str
    tag: int
    advertisements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutboundEntry:
    """What one neighbor is told about one class. The tag is also the sequence number of the entry; None leaves a preference unset.

    Communities are in FRR's own words (`64600:100`, `no-export`) and in FRR's order.
    """

    tag: int
    advertisements: tuple[str, ...] = ()
    local_preference: int | None = None
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NeighborPolicy:
    """The two route-maps of a neighbor: nothing comes in, and out goes what an entry permits."""

    peers: tuple[str, ...]
    neighbor: str
    inbound: str
    outbound: str
    entries: tuple[OutboundEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface with an unnumbered session; FRR needs router advertisements on it."""

    name: str
    vrf: str = ""


@dataclass(frozen=True, slots=True)
class Timers:
    """Keepalive and hold time of a neighbor in seconds; FRR takes both or none."""

    keepalive: int
    hold: int


@dataclass(frozen=True, slots=True)
class Neighbor:
    """The statements of one neighbor; None and False print nothing. `remote_as` is a number, `internal` or `external`;
    `summary` tells a person what kind of session this is.

    `bfd_profile` is None without BFD and empty for BFD with FRR's defaults; `bfd_held` is the same for BFD that is wanted but
    waits until the session was up once (`bfd_care` says why), and is a comment only. Times in seconds.
    """

    peers: tuple[str, ...]
    name: str
    remote_as: str
    is_interface: bool = False
    summary: str = ""
    local_as: int | None = None
    bfd_profile: str | None = None
    bfd_held: str | None = None
    password: secret.Secret | None = None
    ebgp_multihop: int | None = None
    disable_connected_check: bool = False
    port: int | None = None
    update_source: str | None = None
    timers: Timers | None = None
    connect_timer: int | None = None
    extended_nexthop: bool = False
    graceful_restart: bool = False


@dataclass(frozen=True, slots=True)
class Origination:
    """One `network` statement and the route-map of its class."""

    prefix: addresses.Network
    policy: str
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Activation:
    """A neighbor that carries an address family, and its route-maps."""

    neighbor: str
    inbound: str
    outbound: str


@dataclass(frozen=True, slots=True)
class AddressFamily:
    """One unicast address family of a router: `name` is `ipv4` or `ipv6`."""

    name: str
    originations: tuple[Origination, ...] = ()
    activations: tuple[Activation, ...] = ()


@dataclass(frozen=True, slots=True)
class Router:
    """One BGP instance. `vrf` is empty for the default one, `router_id` when FRR chooses."""

    asn: int
    vrf: str = ""
    router_id: str = ""
    neighbors: tuple[Neighbor, ...] = ()
    families: tuple[AddressFamily, ...] = ()


@dataclass(frozen=True, slots=True)
class BfdProfile:
    """One BFD profile; intervals in milliseconds. None means FRR's default, which FRR does not print."""

    source: str
    name: str
    receive_interval: int | None = None
    transmit_interval: int | None = None
    detect_multiplier: int | None = None
    echo_interval: int | None = None
    echo_mode: bool = False
    passive_mode: bool = False
    minimum_ttl: int | None = None


@dataclass(frozen=True, slots=True)
class FrrConfig:
    """The whole file, in the order of its blocks.

    `log` is the logging statement, None when FRR shall not log; `extras` are the user's own lines, printed last, as they are.
    """

    hostname: str
    log: str | None = None
    debug: bool = False
    interfaces: tuple[Interface, ...] = ()
    classes: tuple[OriginClass, ...] = ()
    policies: tuple[NeighborPolicy, ...] = ()
    routers: tuple[Router, ...] = ()
    bfd_profiles: tuple[BfdProfile, ...] = ()
    extras: tuple[str, ...] = ()

    @property
    def secrets(self) -> frozenset[secret.Secret]:
        """Every password in the file: whoever logs FRR's words about it hides these first."""
        return frozenset(
            neighbor.password
            for router in self.routers
            for neighbor in router.neighbors
            if neighbor.password is not None
        )
