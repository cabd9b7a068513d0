"""BGP peers and BFD profiles: the Kubernetes side of a session."""

from dataclasses import dataclass

from frr_adapter import addresses, refs, secret, selectors


@dataclass(frozen=True, slots=True)
class BfdProfile:
    """One BFDProfile. Intervals in milliseconds; None leaves FRR's default."""

    ref: refs.ObjectRef
    uid: str = ""
    receive_interval: int | None = None
    transmit_interval: int | None = None
    detect_multiplier: int | None = None
    echo_interval: int | None = None
    echo_mode: bool = False
    passive_mode: bool = False
    minimum_ttl: int | None = None

    @property
    def name(self) -> str:
        """The profile's name, as peers refer to it."""
        return self.ref.name


@dataclass(frozen=True, slots=True)
class Peer:
    """One BGPPeer. Times in seconds; None leaves FRR's default.

    Exactly one of `asn` (non-zero) and `dynamic_asn`, and one of `address` and `interface` is set once the peer passed
    `resolve`; `password` then holds what a referenced Secret said.
    """

    ref: refs.ObjectRef
    uid: str = ""
    created: str = ""
    my_asn: int = 0
    asn: int = 0
    dynamic_asn: str = ""
    local_asn: int = 0
    address: addresses.Address | None = None
    interface: str = ""
    source_address: addresses.Address | None = None
    port: int = 179
    hold_time: int | None = None
    keepalive_time: int | None = None
    connect_time: int | None = None
    router_id: str = ""
    node_selectors: tuple[selectors.Selector, ...] = ()
    password: secret.Secret | None = None
    password_secret: str = ""
    bfd_profile: str = ""
    graceful_restart: bool = False
    ebgp_multihop: bool = False
    vrf: str = ""
    disable_mp: bool = False
    dual_stack_address_family: bool = False

    @property
    def name(self) -> str:
        """The BGPPeer's name, as advertisements refer to it."""
        return self.ref.name

    @property
    def endpoint(self) -> str:
        """The address to dial, or the interface of an unnumbered session."""
        return str(self.address) if self.address is not None else self.interface

    @property
    def is_external(self) -> bool:
        """True for eBGP."""
        return self.dynamic_asn == "external" or (not self.dynamic_asn and self.asn != self.my_asn)

    @property
    def families(self) -> frozenset[addresses.Family]:
        """Address families that the session carries: the one of its address, both for dual-stack and unnumbered peers."""
        if self.address is None or self.dual_stack_address_family:
            return frozenset(addresses.Family)
        return frozenset({addresses.family_of(self.address)})

    def selects(self, labels: selectors.Labels) -> bool:
        """Whether a node with these labels opens the session."""
        return selectors.empty_or_matches(self.node_selectors, labels)
