"""Every configuration line that goes straight to a running daemon: one constructor per kind of line, and nothing else makes one
(`machine` holds those around BGP).

Called by `delta`, which orders the lines. Pure. A line carries the whole path of blocks that it stands in: FRR retries a line
that it does not know in the block around, so a line in the wrong place may be taken for something else. Hence no free text:
whatever is put into a line is checked to be one word.
"""

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

from frr_adapter import errors
from frr_adapter.frr import config

Path = tuple[str, ...]

TOP: Path = ()
LAST_SEQUENCE = 65535
"""The entry that closes every outbound route-map."""

CLASS_SEQUENCE = 10
INBOUND_SEQUENCE = 20

_WORD = re.compile(r"[!-~]+")


class Daemon(enum.StrEnum):
    """Who is told. POLICY is whoever else keeps route-maps, and interfaces: zebra, or mgmtd from FRR 10 on. ALL is everybody."""

    BGPD = "bgpd"
    BFDD = "bfdd"
    ZEBRA = "zebra"
    POLICY = "policy"
    ALL = "all"


class Action(enum.StrEnum):
    """What a route-map entry does with what matches."""

    PERMIT = "permit"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Line:
    """One line and its place. `path` is None outside of the configuration mode.

    `subject` is the one thing that the line is about: a prefix, a neighbor, a route-map, a profile. `may_be_absent`: FRR
    refuses to remove what is not there, and that is as good.
    """

    path: Path | None
    text: str
    subject: str
    may_be_absent: bool = False


def top(template: str, *words: object) -> Line:
    """A line outside of all blocks, about its first word."""
    return Line(TOP, _words(template, *words), str(words[0]))


def _words(template: str, *words: object) -> str:
    texts = [str(word) for word in words]
    if not _WORD.fullmatch("".join(texts)) or "" in texts:
        raise errors.ApplyError(
            f'"{template}" wants single words without blanks and control characters (values hidden)'
        )
    return template.format(*texts)


# ---- Instance, prefixes, address families ----


def in_router(router: config.Router) -> Path:
    """Inside the instance."""
    if router.vrf:
        return (_words("router bgp {} vrf {}", router.asn, router.vrf),)
    return (_words("router bgp {}", router.asn),)


COALESCE = "coalesce-time 100"
"""How long a new session waits before it is told anything, in ms; FRR takes 1,050. FRR 8 never withdraws a prefix that was told in
that time, for an edited policy, and goes in it. None at all would let End-of-RIB overtake prefixes in bgpd's queue of 50 ms."""

ROUTER_STATEMENTS = (
    "no bgp ebgp-requires-policy",
    "no bgp default ipv4-unicast",
    "bgp graceful-restart preserve-fw-state",
    "no bgp network import-check",
    COALESCE,
)
"""What every instance has from its beginning."""


def instance(router: config.Router) -> tuple[Line, ...]:
    """Makes an instance; its neighbors come later."""
    path = in_router(router)
    own = str(router.asn)
    return (Line(TOP, path[0], own), *(Line(path, text, own) for text in ROUTER_STATEMENTS))


def no_instance(router: config.Router) -> Line:
    """Removes an instance with everything in it: sessions, address families, prefixes."""
    return Line(TOP, f"no {in_router(router)[0]}", str(router.asn), may_be_absent=True)


def in_family(router: config.Router, family: str) -> Path:
    """Inside an address family of the instance."""
    return (*in_router(router), _words("address-family {} unicast", family))


def router_id(router: config.Router) -> Line:
    """Sets it, or lets FRR choose."""
    text = _words("bgp router-id {}", router.router_id) if router.router_id else "no bgp router-id"
    return Line(in_router(router), text, "router-id")


def network(path: Path, item: config.Origination) -> Line:
    """Originates a prefix in its class; moves it in place when it is there already."""
    prefix = str(item.prefix)
    return Line(path, _words("network {} route-map {}", prefix, item.policy), prefix)


def no_network(path: Path, item: config.Origination) -> Line:
    """Withdraws a prefix."""
    return Line(path, _words("no network {}", item.prefix), str(item.prefix), may_be_absent=True)


def activation(path: Path, item: config.Activation) -> tuple[Line, ...]:
    """Carries the address family to a neighbor; its policies are in place first."""
    return (
        *(policy_of_activation(path, item, direction) for direction in ("in", "out")),
        Line(path, _words("neighbor {} activate", item.neighbor), item.neighbor),
    )


def policy_of_activation(path: Path, item: config.Activation, direction: str) -> Line:
    """Names one of the two route-maps; `direction` is `in` or `out`."""
    policy = item.inbound if direction == "in" else item.outbound
    return Line(path, _words("neighbor {} route-map {} {}", item.neighbor, policy, direction), item.neighbor)


def no_activation(path: Path, item: config.Activation) -> tuple[Line, ...]:
    """Ends the address family for a neighbor before its policies go, else everything would go out for a moment."""
    texts = (
        _words("no neighbor {} activate", item.neighbor),
        _words("no neighbor {} route-map {} in", item.neighbor, item.inbound),
        _words("no neighbor {} route-map {} out", item.neighbor, item.outbound),
    )
    return tuple(Line(path, text, item.neighbor) for text in texts)


def evaluate_again(vrf: str, family: str) -> Line:
    """Applies edited policies to the prefixes that are there at once; by itself FRR waits for `bgp route-map delay-timer`."""
    text = (
        _words("clear bgp vrf {} {} unicast * soft out", vrf, family)
        if vrf
        else _words("clear bgp {} unicast * soft out", family)
    )
    return Line(None, text, family)


# ---- Route-maps ----


def in_route_map(name: str, action: Action, sequence: int) -> Path:
    """Inside an entry; entering makes it."""
    return (_words("route-map {} {} {}", name, action, sequence),)


def route_map(name: str, action: Action, sequence: int) -> Line:
    """Makes an entry, or turns it from denying to permitting."""
    return Line(TOP, in_route_map(name, action, sequence)[0], name)


def opens_entry(line: Line) -> bool:
    """Whether the line makes a new entry, which has no `match` yet. Lines of a route-map mean nothing anywhere else."""
    return line.path == TOP and line.text.startswith("route-map ") and f" {Action.DENY} " in line.text


def no_route_map_entry(name: str, sequence: int) -> Line:
    """Removes one entry that permits."""
    return Line(TOP, _words("no route-map {} permit {}", name, sequence), name, may_be_absent=True)


def no_route_map(name: str) -> Line:
    """Removes all entries."""
    return Line(TOP, _words("no route-map {}", name), name, may_be_absent=True)


def origin_class(item: config.OriginClass) -> tuple[Line, ...]:
    """The route-map that marks prefixes of a class."""
    where = in_route_map(item.name, Action.PERMIT, CLASS_SEQUENCE)
    return (
        route_map(item.name, Action.PERMIT, CLASS_SEQUENCE),
        Line(where, _words("set tag {}", item.tag), item.name),
    )


def inbound(name: str) -> Line:
    """The route-map that lets nothing in."""
    return route_map(name, Action.DENY, INBOUND_SEQUENCE)


def conditions(name: str, entry: config.OutboundEntry, action: Action) -> tuple[Line, ...]:
    """What an entry matches and sets, sent into the entry while it has the given action."""
    path = in_route_map(name, action, entry.tag)
    texts = (_words("match tag {}", entry.tag), *(text for text in settings_of(entry).values() if text))
    return tuple(Line(path, text, name) for text in texts)


def new_entry(name: str, entry: config.OutboundEntry) -> tuple[Line, ...]:
    """An entry that denies until it is complete: one that permits without its `match` would let every prefix out."""
    return (
        route_map(name, Action.DENY, entry.tag),
        *conditions(name, entry, Action.DENY),
        route_map(name, Action.PERMIT, entry.tag),
    )


def settings_of(entry: config.OutboundEntry) -> dict[str, str]:
    """What an entry sets: kind -> line, empty when it does not."""
    return {
        kind: " ".join((kind, *(_words("{}", word) for word in words))) if words else ""
        for kind, words in (
            ("set community", entry.communities),
            ("set large-community", entry.large_communities),
            ("set local-preference", () if entry.local_preference is None else (entry.local_preference,)),
        )
    }


def changed_entry(name: str, before: config.OutboundEntry, after: config.OutboundEntry) -> tuple[Line, ...]:
    """Edits of an entry that is there."""
    path = in_route_map(name, Action.PERMIT, after.tag)
    old, new = settings_of(before), settings_of(after)
    return tuple(Line(path, new[kind] or f"no {kind}", name) for kind in new if new[kind] != old[kind])


# ---- Neighbors ----


class Resets(enum.Enum):
    """Whether changing a setting ends the session (measured; the table is in docs/frr.md)."""

    NEVER = enum.auto()
    ALWAYS = enum.auto()
    WHEN_REMOVED = enum.auto()
    FROM_FRR_10 = enum.auto()


@dataclass(frozen=True, slots=True)
class Setting:
    """One kind of line of a neighbor. `write` gives the words after the neighbor's name, None when the neighbor has none of it;
    `remove` are the words that take it back.
    """

    name: str
    write: Callable[[config.Neighbor], str | None]
    remove: str
    resets: Resets


def _optional(template: str, read: Callable[[config.Neighbor], object]) -> Callable[[config.Neighbor], str | None]:
    def write(neighbor: config.Neighbor) -> str | None:
        value = read(neighbor)
        return None if value is None else _words(template, value)

    return write


def _flag(words: str, read: Callable[[config.Neighbor], bool]) -> Callable[[config.Neighbor], str | None]:
    return lambda neighbor: words if read(neighbor) else None


def _password(neighbor: config.Neighbor) -> str | None:
    return None if neighbor.password is None else _words("password {}", neighbor.password.reveal())


def _timers(neighbor: config.Neighbor) -> str | None:
    timers = neighbor.timers
    return None if timers is None else _words("timers {} {}", timers.keepalive, timers.hold)


SETTINGS = (
    Setting(
        "local AS", _optional("local-as {} no-prepend replace-as", lambda n: n.local_as), "local-as", Resets.ALWAYS
    ),
    Setting("BFD", _flag("bfd", lambda n: n.bfd_profile is not None), "bfd", Resets.WHEN_REMOVED),
    Setting("BFD profile", _optional("bfd profile {}", lambda n: n.bfd_profile or None), "bfd profile", Resets.NEVER),
    Setting("password", _password, "password", Resets.ALWAYS),
    Setting("port", _optional("port {}", lambda n: n.port), "port", Resets.ALWAYS),
    Setting("multihop", _optional("ebgp-multihop {}", lambda n: n.ebgp_multihop), "ebgp-multihop", Resets.ALWAYS),
    Setting(
        "connected check",
        _flag("disable-connected-check", lambda n: n.disable_connected_check),
        "disable-connected-check",
        Resets.ALWAYS,
    ),
    Setting("source address", _optional("update-source {}", lambda n: n.update_source), "update-source", Resets.ALWAYS),
    Setting("timers", _timers, "timers", Resets.NEVER),
    Setting("connect timer", _optional("timers connect {}", lambda n: n.connect_timer), "timers connect", Resets.NEVER),
    Setting(
        "extended next hop",
        _flag("capability extended-nexthop", lambda n: n.extended_nexthop),
        "capability extended-nexthop",
        Resets.ALWAYS,
    ),
    Setting(
        "graceful restart",
        _flag("graceful-restart", lambda n: n.graceful_restart),
        "graceful-restart",
        Resets.FROM_FRR_10,
    ),
)
"""In the order of the template; removals go in the reverse order."""


def remote_as(path: Path, neighbor: config.Neighbor) -> Line:
    """Makes a neighbor, or changes its AS."""
    template = "neighbor {} interface remote-as {}" if neighbor.is_interface else "neighbor {} remote-as {}"
    return Line(path, _words(template, neighbor.name, neighbor.remote_as), neighbor.name)


def setting(path: Path, neighbor: config.Neighbor, words: str) -> Line:
    """One of `SETTINGS`, as `write` gave it."""
    return Line(path, f"{_words('neighbor {}', neighbor.name)} {words}", neighbor.name)


def no_setting(path: Path, neighbor: config.Neighbor, item: Setting) -> Line:
    """Takes one of `SETTINGS` back."""
    return Line(path, f"{_words('no neighbor {}', neighbor.name)} {item.remove}", neighbor.name)


def shut(path: Path, neighbor: config.Neighbor) -> Line:
    """Keeps the session closed."""
    return Line(path, _words("neighbor {} shutdown", neighbor.name), neighbor.name)


def open_(path: Path, neighbor: config.Neighbor) -> Line:
    """Opens the session."""
    return Line(path, _words("no neighbor {} shutdown", neighbor.name), neighbor.name)


def no_neighbor(path: Path, neighbor: config.Neighbor) -> Line:
    """Removes a neighbor with everything said about it in all address families."""
    return Line(path, _words("no neighbor {}", neighbor.name), neighbor.name, may_be_absent=True)


# ---- BFD profiles ----

_IN_BFD: Path = ("bfd",)
_BFD_DEFAULTS = {
    "detect-multiplier": "3",
    "transmit-interval": "300",
    "receive-interval": "300",
    "echo transmit-interval": "50",
    "echo receive-interval": "50",
}
"""These have no `no` form (bfdd/bfdd_cli.c); the default is named instead, and FRR does not print it."""


def bfd_settings(item: config.BfdProfile) -> dict[str, str]:
    """What a profile sets: kind -> line, empty when it leaves FRR's default."""
    return {
        kind: "" if value in (None, False) else kind if value is True else _words(f"{kind} {{}}", value)
        for kind, value in (
            ("detect-multiplier", item.detect_multiplier),
            ("transmit-interval", item.transmit_interval),
            ("receive-interval", item.receive_interval),
            ("passive-mode", item.passive_mode),
            ("echo-mode", item.echo_mode),
            ("echo transmit-interval", item.echo_interval),
            ("echo receive-interval", item.echo_interval),
            ("minimum-ttl", item.minimum_ttl),
        )
    }


def bfd_profile(item: config.BfdProfile, before: config.BfdProfile | None = None) -> tuple[Line, ...]:
    """Makes a profile, or edits it from what it was."""
    head = _words("profile {}", item.name)
    old = bfd_settings(before or config.BfdProfile(source=item.source, name=item.name))
    lines = [] if before else [Line(_IN_BFD, head, item.name)]
    for kind, text in bfd_settings(item).items():
        if text != old[kind]:
            default = _BFD_DEFAULTS.get(kind)
            lines.append(Line((*_IN_BFD, head), text or (f"{kind} {default}" if default else f"no {kind}"), item.name))
    return tuple(lines)


def no_bfd_profile(item: config.BfdProfile) -> Line:
    """Removes a profile."""
    return Line(_IN_BFD, _words("no profile {}", item.name), item.name, may_be_absent=True)
