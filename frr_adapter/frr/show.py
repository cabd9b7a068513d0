"""What FRR's `show ... json` says about sessions, as values, and those values as metric samples.

Called by whoever asked a daemon over its VTY socket; the commands are named here so that question and reading stay together.
Pure. Fields that a version of FRR leaves out count as zero: these are observations for people, no decision rests on them.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

BGP_NEIGHBORS = "show bgp vrf all neighbors json"
"""To bgpd."""

DEFAULT_VRF = "default"


def bfd_peers_command(vrf: str = DEFAULT_VRF) -> str:
    """The question to bfdd about one VRF (8.4 has no `vrf all` here)."""
    return "show bfd peers json" if vrf == DEFAULT_VRF else f"show bfd vrf {vrf} peers json"


def bfd_counters_command(vrf: str = DEFAULT_VRF) -> str:
    """As `bfd_peers_command`, for the counters."""
    return "show bfd peers counters json" if vrf == DEFAULT_VRF else f"show bfd vrf {vrf} peers counters json"


class MessageStats(msgspec.Struct, frozen=True, rename="camel"):
    """Messages of one session since it was configured."""

    opens_sent: int = 0
    opens_recv: int = 0
    notifications_sent: int = 0
    updates_sent: int = 0
    updates_recv: int = 0
    keepalives_sent: int = 0
    keepalives_recv: int = 0
    route_refresh_sent: int = 0
    total_sent: int = 0
    total_recv: int = 0


_NO_MESSAGES = MessageStats()


class _Family(msgspec.Struct, frozen=True, rename="camel"):
    sent_prefix_counter: int = 0
    accepted_prefix_counter: int = 0


class _Neighbor(msgspec.Struct, frozen=True, rename="camel"):
    bgp_state: str = ""
    port_foreign: int = 0
    remote_as: int = 0
    connections_established: int = 0
    connections_dropped: int = 0
    last_reset_due_to: str = ""
    message_stats: MessageStats = MessageStats()
    address_family_info: dict[str, _Family] = {}


@dataclass(frozen=True, slots=True)
class Session:
    """One BGP session. `neighbor` is an address, or the interface of an unnumbered one; `port` 0 while not connected."""

    vrf: str
    neighbor: str
    state: str
    port: int = 0
    remote_as: int = 0
    sent_prefixes: int = 0
    accepted_prefixes: int = 0
    connections_established: int = 0
    connections_dropped: int = 0
    last_reset: str = ""
    messages: MessageStats = _NO_MESSAGES

    @property
    def is_established(self) -> bool:
        """True when routes flow."""
        return self.state == "Established"

    @property
    def label(self) -> str:
        """The `peer` label: `address:port` as dashboards expect it (IPv6 without brackets), else the interface."""
        try:
            ipaddress.ip_address(self.neighbor)
        except ValueError:
            return self.neighbor
        return f"{self.neighbor}:{self.port}"


class BfdSession(msgspec.Struct, frozen=True, rename="kebab"):
    """One BFD session as `show bfd peers json` has it."""

    peer: str
    vrf: str = DEFAULT_VRF
    status: str = ""
    diagnostic: str = ""

    @property
    def is_up(self) -> bool:
        """True when both ends hear each other."""
        return self.status == "up"


class BfdCounters(msgspec.Struct, frozen=True, rename="kebab"):
    """The counters of one BFD session."""

    peer: str
    vrf: str = DEFAULT_VRF
    control_packet_input: int = 0
    control_packet_output: int = 0
    echo_packet_input: int = 0
    echo_packet_output: int = 0
    session_up: int = 0
    session_down: int = 0
    zebra_notifications: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric; labels are sorted."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    is_counter: bool = False


def sessions(text: str) -> tuple[Session, ...]:
    """Reads the answer to `BGP_NEIGHBORS`, sorted by VRF and neighbor. Raises ValueError for text of another shape."""
    found = []
    for vrf, entries in msgspec.json.decode(text or "{}", type=dict[str, dict[str, msgspec.Raw]]).items():
        for name, raw in entries.items():
            if not bytes(raw).lstrip().startswith(b"{"):
                continue  # vrfId and vrfName stand among the neighbors
            item = msgspec.json.decode(raw, type=_Neighbor)
            families = item.address_family_info.values()
            found.append(
                Session(
                    vrf=vrf,
                    neighbor=name,
                    state=item.bgp_state,
                    port=item.port_foreign,
                    remote_as=item.remote_as,
                    sent_prefixes=sum(family.sent_prefix_counter for family in families),
                    accepted_prefixes=sum(family.accepted_prefix_counter for family in families),
                    connections_established=item.connections_established,
                    connections_dropped=item.connections_dropped,
                    last_reset=item.last_reset_due_to,
                    messages=item.message_stats,
                )
            )
    return tuple(sorted(found, key=lambda session: (session.vrf, session.neighbor)))


def bfd_sessions(text: str) -> tuple[BfdSession, ...]:
    """Reads the answer to `bfd_peers_command`. Raises ValueError for text of another shape."""
    return tuple(sorted(msgspec.json.decode(text, type=list[BfdSession]), key=lambda item: (item.vrf, item.peer)))


def bfd_counters(text: str) -> tuple[BfdCounters, ...]:
    """Reads the answer to `bfd_counters_command`. Raises ValueError for text of another shape."""
    return tuple(sorted(msgspec.json.decode(text, type=list[BfdCounters]), key=lambda item: (item.vrf, item.peer)))


_BGP_COUNTERS = (
    ("metallb_bgp_opens_sent", "opens_sent"),
    ("metallb_bgp_opens_received", "opens_recv"),
    ("metallb_bgp_notifications_sent", "notifications_sent"),
    ("metallb_bgp_updates_total", "updates_sent"),
    ("metallb_bgp_updates_total_received", "updates_recv"),
    ("metallb_bgp_keepalives_sent", "keepalives_sent"),
    ("metallb_bgp_keepalives_received", "keepalives_recv"),
    ("metallb_bgp_route_refresh_sent", "route_refresh_sent"),
    ("metallb_bgp_total_sent", "total_sent"),
    ("metallb_bgp_total_received", "total_recv"),
)

_BFD_COUNTERS = (
    ("metallb_bfd_control_packet_input", "control_packet_input"),
    ("metallb_bfd_control_packet_output", "control_packet_output"),
    ("metallb_bfd_echo_packet_input", "echo_packet_input"),
    ("metallb_bfd_echo_packet_output", "echo_packet_output"),
    ("metallb_bfd_session_up_events", "session_up"),
    ("metallb_bfd_session_down_events", "session_down"),
    ("metallb_bfd_zebra_notifications", "zebra_notifications"),
)


def bgp_samples(items: Iterable[Session]) -> tuple[Sample, ...]:
    """The BGP metrics of the sessions, under their compatible names."""
    samples: list[Sample] = []
    for item in items:
        labels = (("peer", item.label), ("vrf", item.vrf))
        samples += [
            Sample("metallb_bgp_session_up", labels, float(item.is_established)),
            Sample("metallb_bgp_announced_prefixes_total", labels, item.sent_prefixes),
        ]
        samples += [Sample(name, labels, getattr(item.messages, field), True) for name, field in _BGP_COUNTERS]
    return tuple(samples)


def bfd_samples(items: Iterable[BfdSession], counters: Iterable[BfdCounters]) -> tuple[Sample, ...]:
    """The BFD metrics, under their compatible names."""
    samples = [
        Sample("metallb_bfd_session_up", (("peer", item.peer), ("vrf", item.vrf)), float(item.is_up)) for item in items
    ]
    samples += [
        Sample(name, (("peer", item.peer), ("vrf", item.vrf)), getattr(item, field), True)
        for item in counters
        for name, field in _BFD_COUNTERS
    ]
    return tuple(samples)
