"""What FRR's `show ... json` says about sessions, as values, and those values as metric samples.

Called by whoever asked a daemon over its VTY socket; the commands are named here so that question and reading stay together.
Pure. Fields that a version of FRR leaves out count as zero: these are observations for people, no decision rests on them.
"""

import collections
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

BGP_NEIGHBORS = "show bgp vrf all neighbors json"
"""To bgpd."""

DEFAULT_VRF = "default"

SessionKey = tuple[str, str]
"""VRF and neighbor."""


def bfd_peers_command(vrf: str = DEFAULT_VRF) -> str:
    """The question to bfdd about one VRF (8.4 has no `vrf all` here)."""
    return "show bfd peers json" if vrf == DEFAULT_VRF else f"show bfd vrf {vrf} peers json"


def bfd_counters_command(vrf: str = DEFAULT_VRF) -> str:
    """As `bfd_peers_command`, for the counters."""
    return "show bfd peers counters json" if vrf == DEFAULT_VRF else f"show bfd vrf {vrf} peers counters json"


def advertised_command(session: "Session", family: str) -> str:
    """The question to bgpd what the neighbor was told and not withdrawn; `family` is `ipv4` or `ipv6`."""
    vrf = "" if session.vrf == DEFAULT_VRF else f"vrf {session.vrf} "
    return f"show bgp {vrf}{family} unicast neighbors {session.neighbor} advertised-routes json"


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


class _PeerBfd(msgspec.Struct, frozen=True, rename="camel"):
    status: str = ""


class _Neighbor(msgspec.Struct, frozen=True, rename="camel"):
    bgp_state: str = ""
    port_foreign: int = 0
    remote_as: int = 0
    connections_established: int = 0
    connections_dropped: int = 0
    last_reset_due_to: str = ""
    message_stats: MessageStats = MessageStats()
    address_family_info: dict[str, _Family] = {}
    peer_bfd_info: _PeerBfd | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One BGP session. `neighbor` is an address, or the interface of an unnumbered one; `port` is -1 before it was ever connected.

    `bfd` is what bgpd thinks of BFD (`Up`, `Down`, `Unknown` before it asked bfdd for it); empty where the neighbor has none.
    """

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
    bfd: str = ""

    @property
    def key(self) -> SessionKey:
        """VRF and neighbor."""
        return (self.vrf, self.neighbor)

    @property
    def is_established(self) -> bool:
        """True when routes flow."""
        return self.state == "Established"

    @property
    def label(self) -> str:
        """The `peer` label: `address:port` as dashboards expect it (IPv6 without brackets), else the interface."""
        return self.neighbor if self.is_unnumbered else f"{self.neighbor}:{self.port}"

    @property
    def is_unnumbered(self) -> bool:
        """True for the session of an interface."""
        try:
            ipaddress.ip_address(self.neighbor)
        except ValueError:
            return True
        return False


class BfdSession(msgspec.Struct, frozen=True, rename="kebab"):
    """One BFD session as `show bfd peers json` has it."""

    peer: str
    vrf: str = DEFAULT_VRF
    interface: str = ""
    status: str = ""
    diagnostic: str = ""

    @property
    def is_up(self) -> bool:
        """True when both ends hear each other."""
        return self.status == "up"

    def is_of(self, session: Session) -> bool:
        """Whether the BGP session depends on this one; an unnumbered session is known by its interface."""
        return self.vrf == session.vrf and session.neighbor == (self.interface if session.is_unnumbered else self.peer)


class BfdCounters(msgspec.Struct, frozen=True, rename="kebab"):
    """The counters of one BFD session."""

    peer: str
    vrf: str = DEFAULT_VRF
    interface: str = ""
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
                    bfd=item.peer_bfd_info.status or "Unknown" if item.peer_bfd_info else "",
                )
            )
    return tuple(sorted(found, key=lambda session: (session.vrf, session.neighbor)))


_VERSION = re.compile(r"^FRRouting (\d[^\s(]*)", re.MULTILINE)


def version(text: str) -> str:
    """FRR's version in the answer to `show version`, such as `8.4.4`; empty when it is not said."""
    found = _VERSION.search(text)
    return found[1] if found else ""


class _Advertised(msgspec.Struct, frozen=True, rename="camel"):
    advertised_routes: dict[str, msgspec.Raw] = {}


def advertised_prefixes(text: str) -> tuple[str, ...]:
    """Reads the answer to `advertised_command`, in bgpd's order. Raises ValueError for text of another shape."""
    return tuple(msgspec.json.decode(text or "{}", type=_Advertised).advertised_routes)


def bfd_sessions(text: str) -> tuple[BfdSession, ...]:
    """Reads the answer to `bfd_peers_command`. Raises ValueError for text of another shape."""
    found = msgspec.json.decode(text or "[]", type=list[BfdSession])
    return tuple(sorted(found, key=lambda item: (item.vrf, item.peer, item.interface)))


def bfd_counters(text: str) -> tuple[BfdCounters, ...]:
    """Reads the answer to `bfd_counters_command`. Raises ValueError for text of another shape."""
    found = msgspec.json.decode(text or "[]", type=list[BfdCounters])
    return tuple(sorted(found, key=lambda item: (item.vrf, item.peer, item.interface)))


_BGP_COUNTERS = (
    ("metallb_bgp_opens_sent", "opens_sent", "OPEN messages sent"),
    ("metallb_bgp_opens_received", "opens_recv", "OPEN messages received"),
    ("metallb_bgp_notifications_sent", "notifications_sent", "NOTIFICATION messages sent"),
    ("metallb_bgp_updates_total", "updates_sent", "UPDATE messages sent"),
    ("metallb_bgp_updates_total_received", "updates_recv", "UPDATE messages received"),
    ("metallb_bgp_keepalives_sent", "keepalives_sent", "KEEPALIVE messages sent"),
    ("metallb_bgp_keepalives_received", "keepalives_recv", "KEEPALIVE messages received"),
    ("metallb_bgp_route_refresh_sent", "route_refresh_sent", "ROUTE-REFRESH messages sent"),
    ("metallb_bgp_total_sent", "total_sent", "Messages sent"),
    ("metallb_bgp_total_received", "total_recv", "Messages received"),
)

_BFD_COUNTERS = (
    ("metallb_bfd_control_packet_input", "control_packet_input", "BFD control packets received"),
    ("metallb_bfd_control_packet_output", "control_packet_output", "BFD control packets sent"),
    ("metallb_bfd_echo_packet_input", "echo_packet_input", "BFD echo packets received"),
    ("metallb_bfd_echo_packet_output", "echo_packet_output", "BFD echo packets sent"),
    ("metallb_bfd_session_up_events", "session_up", "Times the BFD session came up"),
    ("metallb_bfd_session_down_events", "session_down", "Times the BFD session went down"),
    ("metallb_bfd_zebra_notifications", "zebra_notifications", "Messages of bfdd to zebra about the session"),
)

GAUGES = (
    ("metallb_bgp_session_up", "1 while the BGP session is established"),
    ("metallb_bgp_announced_prefixes_total", "Prefixes that the neighbor is told now, of all address families"),
    ("metallb_bfd_session_up", "1 while the BFD session is up"),
)
"""Names and meanings of all gauges made here."""

COUNTERS = tuple((name, meaning) for name, _, meaning in (*_BGP_COUNTERS, *_BFD_COUNTERS))
"""As `GAUGES`. All have the labels `peer` and `vrf`."""


def bgp_samples(items: Iterable[Session]) -> tuple[Sample, ...]:
    """The BGP metrics of the sessions, under their compatible names."""
    samples: list[Sample] = []
    for item in items:
        labels = (("peer", item.label), ("vrf", item.vrf))
        samples += [
            Sample("metallb_bgp_session_up", labels, float(item.is_established)),
            Sample("metallb_bgp_announced_prefixes_total", labels, item.sent_prefixes),
        ]
        samples += [Sample(name, labels, getattr(item.messages, field), True) for name, field, _ in _BGP_COUNTERS]
    return tuple(samples)


def bfd_samples(items: Iterable[BfdSession], counters: Iterable[BfdCounters]) -> tuple[Sample, ...]:
    """The BFD metrics, under their compatible names."""
    sessions_, counted = tuple(items), tuple(counters)
    samples = [
        Sample("metallb_bfd_session_up", labels, float(item.is_up))
        for item, labels in zip(sessions_, _bfd_labels(sessions_), strict=True)
    ]
    samples += [
        Sample(name, labels, getattr(item, field), True)
        for item, labels in zip(counted, _bfd_labels(counted), strict=True)
        for name, field, _ in _BFD_COUNTERS
    ]
    return tuple(samples)


def _bfd_labels(items: Sequence[BfdSession | BfdCounters]) -> list[tuple[tuple[str, str], ...]]:
    """The address alone; with its interface only where two links know their routers by the same link-local address."""
    times = collections.Counter((item.vrf, item.peer) for item in items)
    peers = (f"{item.peer}%{item.interface}" if times[item.vrf, item.peer] > 1 else item.peer for item in items)
    return [(("peer", peer), ("vrf", item.vrf)) for peer, item in zip(peers, items, strict=True)]
