"""What a speaker says about its node when it is asked: plans, decisions, sessions and the configuration of its FRR.

The speaker gives the first half (`Speaker`) on its probe port; `frr-adapter node-report`, in the speaker's container, adds what FRR's
daemons say (`NodeReport`). The operator's command reads it, and puts it into bundles. No passwords: they are `***` in every text.
"""

import msgspec


class Decision(msgspec.Struct, frozen=True, rename="camel"):
    """What the node decided about one service and protocol: `reason` is empty when it announces."""

    service: str
    protocol: str
    addresses: tuple[str, ...] = ()
    reason: str = ""


class Layer2Address(msgspec.Struct, frozen=True, rename="camel"):
    """One address that the node wants to have, or may keep, on layer 2; counters since the speaker started."""

    address: str
    is_held: bool
    wish: str
    """`take`: the node comes first; `keep`: it may keep what it holds."""
    interfaces: tuple[str, ...] = ()
    """Names and patterns that the advertisements allow; empty: all."""
    requests_received: int = 0
    responses_sent: int = 0
    gratuitous_sent: int = 0


class Rival(msgspec.Struct, frozen=True, rename="camel"):
    """A station that is no speaker and claims an address of ours."""

    address: str
    mac: str
    interface: str = ""


class Layer2(msgspec.Struct, frozen=True, rename="camel"):
    """The layer-2 half of the node."""

    interfaces: tuple[str, ...] = ()
    """Interfaces that can carry addresses now, sorted; where nobody watches that, all that are not excluded."""
    addresses: tuple[Layer2Address, ...] = ()
    rivals: tuple[Rival, ...] = ()
    live: tuple[str, ...] | None = None
    """Nodes whose speaker lives, as this one sees it; None where nobody watches that."""
    is_fenced: bool = False
    """The node hears no majority of the speakers and answers nobody."""


class Occurrence(msgspec.Struct, frozen=True, rename="camel"):
    """Something that happened: `at` in RFC 3339, UTC."""

    at: str
    text: str


class Flags(msgspec.Struct, frozen=True, rename="camel"):
    """How the speaker was started, as far as its decisions depend on it."""

    namespace: str = "metallb-system"
    lb_class: str = ""
    ignore_exclude_lb: bool = False
    l2_owner: str = "keep"
    log_level: str = "info"
    frr_log_level: str = ""
    frr_vty_dir: str = ""
    has_membership: bool = False


class Speaker(msgspec.Struct, frozen=True, rename="camel"):
    """What the speaker knows without asking anybody."""

    node: str
    taken_at: str
    version: str
    flags: Flags
    wanted: str = ""
    """The `frr.conf` of what is wanted; empty without BGP or before the first plan."""
    applied: str = ""
    """The `frr.conf` of what FRR took last; empty when nothing is known to run."""
    apply_error: str = ""
    unready: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """What is wrong with the configuration of this node, one line each."""
    decisions: tuple[Decision, ...] = ()
    layer2: Layer2 = Layer2()
    history: tuple[Occurrence, ...] = ()
    """The last changes of decisions and configurations, oldest first."""


class Session(msgspec.Struct, frozen=True, rename="camel"):
    """A BGP session as FRR has it now; `bfd` is empty without BFD."""

    vrf: str
    neighbor: str
    state: str
    remote_as: int = 0
    last_reset: str = ""
    bfd: str = ""
    sent_prefixes: int = 0
    accepted_prefixes: int = 0
    connections_dropped: int = 0


class Advertised(msgspec.Struct, frozen=True, rename="camel"):
    """What FRR has sent to a neighbor and not withdrawn (its Adj-RIB-Out), sorted prefixes."""

    vrf: str
    neighbor: str
    prefixes: tuple[str, ...] = ()


class NodeReport(msgspec.Struct, frozen=True, rename="camel"):
    """The speaker's half and FRR's half. `frr_error` says what FRR did not answer, and why; the rest of its half is there."""

    speaker: Speaker
    frr_version: str = ""
    frr_error: str = ""
    running: dict[str, str] = {}
    """Daemon -> its running configuration."""
    sessions: tuple[Session, ...] = ()
    advertised: tuple[Advertised, ...] = ()
