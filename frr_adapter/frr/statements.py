"""Configuration as a set of statements: what a daemon shall run, and what it says that it runs. Pure.

Called by `verifying`, which sees whether lines that were sent arrived, and by tests as the meaning of a `Delta`. Only what goes
over the daemons' sockets is known here; everything else that FRR prints is the caller's to judge.
"""

import dataclasses
import re
from collections.abc import Iterator

from frr_adapter.frr import config, grammar

Statement = tuple[str, ...]
"""The blocks around a line, then the line."""

Statements = frozenset[Statement]

# FRR 10 prints the largest number as none (bgpd/bgp_vty.c); 8.4 prints it.
_BARE_MULTIHOP = re.compile(r"(neighbor \S+ ebgp-multihop)$")

_SILENT = re.compile(
    r"!.*|exit|end|exit-address-family|exit-vrf|frr .*|(Building|Current) configuration.*|(hostname|log|debug) .*"
)


def wanted(settings: config.FrrConfig, daemon: grammar.Daemon) -> Statements:
    """What the daemon shall run. The POLICY daemon is never asked."""
    if daemon is grammar.Daemon.BFDD:
        return frozenset(_profiles(settings))
    return frozenset((*_route_maps(settings), *_routers(settings)))


def running(text: str) -> Statements:
    """What a daemon says to `show running-config`. Comments and lines that only open or close a block are left out."""
    found: set[Statement] = set()
    path: Statement = ()
    for raw in text.splitlines():
        before, path = path, read(path, raw)
        if path is not before and says_something(path):
            found.add(path)
    return frozenset(found)


def read(path: Statement, raw: str) -> Statement:
    """Where one is after a line, having been at `path`: the very same value when the line says nothing."""
    line = raw.lstrip(" ")
    if not line or _SILENT.fullmatch(line):
        return path
    words = _BARE_MULTIHOP.sub(r"\1 255", " ".join(line.split()))
    return (*path[: len(raw) - len(line)], words)


def says_something(path: Statement) -> bool:
    """False for the blocks that mean nothing when they are empty."""
    return path[-1] != "bfd" and not path[-1].startswith("address-family ")


def prefixes(settings: config.FrrConfig) -> dict[grammar.Path, tuple[config.Origination, ...]]:
    """The longest part of the configuration on its own: the prefixes of each address family, by the blocks around them."""
    return {
        grammar.in_family(router, family.name): family.originations
        for router in settings.routers
        for family in router.families
    }


def without_prefixes(settings: config.FrrConfig) -> config.FrrConfig:
    """All the rest."""
    routers = (
        dataclasses.replace(
            router, families=tuple(dataclasses.replace(family, originations=()) for family in router.families)
        )
        for router in settings.routers
    )
    return dataclasses.replace(settings, routers=tuple(routers))


def prefix(path: grammar.Path, item: config.Origination) -> Statement:
    """The statement of one prefix."""
    return _statement(grammar.network(path, item))


def _route_maps(settings: config.FrrConfig) -> Iterator[Statement]:
    for item in settings.classes:
        yield from (_statement(line) for line in grammar.origin_class(item))
    for policy in settings.policies:
        yield _statement(grammar.inbound(policy.inbound))
        yield _statement(grammar.route_map(policy.outbound, grammar.Action.DENY, grammar.LAST_SEQUENCE))
        for entry in policy.entries:
            yield _statement(grammar.route_map(policy.outbound, grammar.Action.PERMIT, entry.tag))
            for line in grammar.conditions(policy.outbound, entry, grammar.Action.PERMIT):
                yield _statement(line)


def _routers(settings: config.FrrConfig) -> Iterator[Statement]:
    for router in settings.routers:
        path = grammar.in_router(router)
        yield path
        yield from ((*path, text) for text in grammar.ROUTER_STATEMENTS)
        if router.router_id:
            yield _statement(grammar.router_id(router))
        for neighbor in router.neighbors:
            yield _statement(grammar.remote_as(path, neighbor))
            for setting in grammar.SETTINGS:
                if words := setting.write(neighbor):
                    yield _statement(grammar.setting(path, neighbor, words))
        for family in router.families:
            inside = grammar.in_family(router, family.name)
            yield from (prefix(inside, item) for item in family.originations)
            for activation in family.activations:
                yield from (_statement(line) for line in grammar.activation(inside, activation))


def _profiles(settings: config.FrrConfig) -> Iterator[Statement]:
    for item in settings.bfd_profiles:
        yield from (_statement(line) for line in grammar.bfd_profile(item))


def _statement(line: grammar.Line) -> Statement:
    return (*(line.path or ()), line.text)
