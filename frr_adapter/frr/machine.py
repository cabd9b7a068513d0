"""Lines about the machine around BGP: host name, logging, debugging, and the interfaces of unnumbered sessions. Pure.

Called by `delta`, which puts them around the lines of the sessions. Like `grammar`, of which it is a part, it makes no line of free text.
Daemons are not asked for these lines afterwards, but for interfaces: people may turn debugging on and off as they like.
"""

from collections.abc import Iterator

from frr_adapter.frr import changes, config, grammar
from frr_adapter.frr.grammar import Daemon, Line

DEBUGGING = {
    Daemon.ZEBRA: tuple(f"debug zebra {what}" for what in ("events", "nht", "kernel", "rib", "nexthop")),
    Daemon.BGPD: tuple(
        f"debug bgp {what}" for what in ("neighbor-events", "updates in", "updates out", "keepalives", "nht", "zebra")
    ),
    Daemon.BFDD: tuple(f"debug bfd {what}" for what in ("network", "peer", "zebra")),
}
"""What each daemon is told at the level of debugging."""

_ON_INTERFACE = (
    ("ipv6 nd ra-interval 10", "no ipv6 nd ra-interval 10"),
    ("no ipv6 nd suppress-ra", "ipv6 nd suppress-ra"),
)


def for_everybody(applied: config.FrrConfig, wanted: config.FrrConfig) -> Iterator[Line]:
    """Host name and log target: every daemon has its own."""
    if applied.hostname != wanted.hostname:
        yield grammar.top("hostname {}", wanted.hostname)
    if applied.log != wanted.log:
        words = wanted.log.split() if wanted.log else ["no", "log", "stdout"]
        yield grammar.top(" ".join("{}" for _ in words), *words)


def debugging(daemon: Daemon, applied: config.FrrConfig, wanted: config.FrrConfig) -> Iterator[Line]:
    """On or off, for one daemon."""
    if applied.debug != wanted.debug:
        for text in DEBUGGING[daemon]:
            yield Line(grammar.TOP, text if wanted.debug else f"no {text}", "debug")


def in_interface(item: config.Interface) -> grammar.Path:
    """Inside the block of an interface; entering makes it."""
    if item.vrf:
        return (grammar.top("interface {} vrf {}", item.name, item.vrf).text,)
    return (grammar.top("interface {}", item.name).text,)


def interfaces_coming(applied: config.FrrConfig, wanted: config.FrrConfig) -> Iterator[Line]:
    """Router advertisements on, by which an unnumbered session finds its neighbor."""
    for item in _interfaces(applied, wanted).added:
        yield from (Line(in_interface(item), on, item.name) for on, _ in _ON_INTERFACE)


def interfaces_going(applied: config.FrrConfig, wanted: config.FrrConfig) -> Iterator[Line]:
    """Router advertisements off. The empty block stays: FRR refuses to remove that of an interface that exists, and mgmtd of FRR 10.3
    dies of refusing it, not at the first time, but soon.
    """
    for item in _interfaces(applied, wanted).removed:
        yield from (Line(in_interface(item), off, item.name) for _, off in _ON_INTERFACE)


def interfaces(settings: config.FrrConfig) -> frozenset[tuple[str, ...]]:
    """Block and line of everything that interfaces shall have."""
    return frozenset((*in_interface(item), on) for item in settings.interfaces for on, _ in _ON_INTERFACE)


def _interfaces(applied: config.FrrConfig, wanted: config.FrrConfig) -> changes.Change[config.Interface]:
    return changes.compare({item: item for item in applied.interfaces}, {item: item for item in wanted.interfaces})
