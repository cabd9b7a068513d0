"""Two configurations -> the lines that turn the one into the other in running daemons, and the sessions that this resets.

Called by `boundary.hot`. Pure. What it does not handle it says (`NeedsReload`); it never guesses. The order of the lines is such
that no prefix is missing, goes to the wrong neighbor or meets a half-configured neighbor in between:

1. host name, logging, interfaces that come, BFD profiles that come or change;
2. classes and policies that come, entries that come (closed until complete) or change;
3. BGP instances that go, then those that come; neighbors that go, that come (shut down) or change; address families;
4. prefixes that move to another class, prefixes that go;
5. entries, policies and classes that nobody uses any more; prefixes that come (not before: an entry that goes is not about them);
   the new neighbors are opened; edited policies are evaluated again;
6. interfaces and BFD profiles that nobody uses any more.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from frr_adapter.frr import changes, config, grammar, machine, windows
from frr_adapter.frr import resets as resets_
from frr_adapter.frr.grammar import Daemon, Line


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines for one daemon, in order."""

    daemon: Daemon
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """Batches, in order. `is_guarded`: lines build on what is there (entries, neighbors), so look whether it is there first."""

    batches: tuple[Batch, ...] = ()
    resets: tuple[resets_.Reset, ...] = ()
    is_guarded: bool = False

    def __bool__(self) -> bool:
        return bool(self.batches)


@dataclass(frozen=True, slots=True)
class NeedsReload:
    """The change is not one of ours; one line says why."""

    reason: str


def delta(applied: config.FrrConfig, wanted: config.FrrConfig) -> Delta | NeedsReload:
    """What to send to daemons that run `applied` so that they run `wanted`; comments do not count.

    Raises `errors.ApplyError` when a value cannot be a word of FRR's language.
    """
    if reason := _beyond(applied, wanted):
        return NeedsReload(reason)
    profiles = changes.compare({p.name: p for p in applied.bfd_profiles}, {p.name: p for p in wanted.bfd_profiles})
    policies = changes.compare({p.outbound: p for p in applied.policies}, {p.outbound: p for p in wanted.policies})
    classes = changes.compare({c.name: c for c in applied.classes}, {c.name: c for c in wanted.classes})
    instances = changes.instances(applied, wanted)
    routers = instances.pairs
    networks = [_networks(old, new) for old, new in routers]
    building = [
        *(line for item in classes.added for line in grammar.origin_class(item)),
        *(line for item in policies.added for line in _new_policy(item)),
        *(line for old, new in policies.kept for line in _entries_coming(old, new)),
        *(grammar.no_instance(item) for item in instances.removed),
        *(line for item in instances.added for line in grammar.instance(item)),
        *(line for old, new in routers for line in _sessions(old, new)),
        *(line for old, new in routers for line in _activations(old, new)),
    ]
    leaving = [
        *(line for old, new in policies.kept for line in _entries_going(old, new)),
        *(grammar.no_route_map(name) for item in policies.removed for name in (item.inbound, item.outbound)),
        *(grammar.no_route_map(item.name) for item in classes.removed),
    ]
    opening = [
        grammar.open_(grammar.in_router(new), item)
        for old, new in routers
        for item in changes.neighbors(old, new).added
    ]
    all_batches = (
        Batch(Daemon.ALL, tuple(machine.for_everybody(applied, wanted))),
        Batch(Daemon.ZEBRA, tuple(machine.debugging(Daemon.ZEBRA, applied, wanted))),
        Batch(Daemon.POLICY, tuple(machine.interfaces_coming(applied, wanted))),
        Batch(
            Daemon.BFDD,
            (
                *machine.debugging(Daemon.BFDD, applied, wanted),
                *(line for item in profiles.added for line in grammar.bfd_profile(item)),
                *(line for old, new in profiles.kept for line in grammar.bfd_profile(new, old)),
            ),
        ),
        Batch(
            Daemon.BGPD,
            (
                *machine.debugging(Daemon.BGPD, applied, wanted),
                *building,
                *(line for each in networks for line in each.lasting),
                *leaving,
                *(line for each in networks for line in each.coming),
                *opening,
                *_evaluations(applied, wanted),
            ),
        ),
        Batch(Daemon.POLICY, (*leaving, *machine.interfaces_going(applied, wanted))),
        Batch(Daemon.BFDD, tuple(grammar.no_bfd_profile(item) for item in profiles.removed)),
    )
    batches = tuple(batch for batch in all_batches if batch.lines)
    if clash := _clash(batches, wanted.extras):
        return NeedsReload(f'the user\'s own extra lines speak of "{clash}" too')
    is_guarded = bool(building or policies.removed or profiles.kept)
    return Delta(batches, resets_.resets(applied, wanted), is_guarded)


# ---- What is left to a reload ----


def _beyond(applied: config.FrrConfig, wanted: config.FrrConfig) -> str:
    if applied.extras != wanted.extras:
        return "the user's own extra lines changed"
    meaning = {item.name: (item.tag, item.advertisements) for item in applied.classes}
    if any(
        meaning.get(item.name, (item.tag, item.advertisements)) != (item.tag, item.advertisements)
        for item in wanted.classes
    ):
        # Two classes whose hashes collide: one number would mean two things while lines arrive one by one.
        return "a class got the number of another one"
    inbound = {item.outbound: item.inbound for item in applied.policies}
    if any(inbound.get(item.outbound, item.inbound) != item.inbound for item in wanted.policies):
        return "an inbound policy changed its name"
    return ""


def _clash(batches: Iterable[Batch], extras: Iterable[str]) -> str:
    theirs = {word for line in extras for word in line.split()}
    ours = {line.subject for batch in batches for line in batch.lines if line.path is not None}
    return min(theirs & ours, default="")


# ---- Policies ----


def _new_policy(policy: config.NeighborPolicy) -> Iterator[Line]:
    yield grammar.inbound(policy.inbound)
    yield grammar.route_map(policy.outbound, grammar.Action.DENY, grammar.LAST_SEQUENCE)
    for entry in policy.entries:
        yield from grammar.new_entry(policy.outbound, entry)


def _entries(before: config.NeighborPolicy, after: config.NeighborPolicy) -> changes.Change[config.OutboundEntry]:
    return changes.compare({e.tag: e for e in before.entries}, {e.tag: e for e in after.entries})


def _entries_coming(before: config.NeighborPolicy, after: config.NeighborPolicy) -> Iterator[Line]:
    change = _entries(before, after)
    for entry in change.added:
        yield from grammar.new_entry(after.outbound, entry)
    for old, new in change.kept:
        yield from grammar.changed_entry(after.outbound, old, new)


def _entries_going(before: config.NeighborPolicy, after: config.NeighborPolicy) -> Iterator[Line]:
    for entry in _entries(before, after).removed:
        yield grammar.no_route_map_entry(after.outbound, entry.tag)


def _evaluations(applied: config.FrrConfig, wanted: config.FrrConfig) -> Iterator[Line]:
    """One per address family with prefixes that stay and whose policy changed; what is new meets the new policy by itself."""
    names = {item.tag: item.name for item in wanted.classes}
    before = {policy.outbound: policy for policy in applied.policies}
    edited: dict[str, set[str]] = {}
    for policy in wanted.policies:
        change = _entries(before.get(policy.outbound, policy), policy)
        touched = (*change.added, *change.removed, *(entry for _, entry in change.kept))
        edited[policy.outbound] = {names[entry.tag] for entry in touched if entry.tag in names}
    if not any(edited.values()):
        return
    for old, new in changes.instances(applied, wanted).pairs:
        for name, was, shall in changes.families(old, new):
            concerned = set().union(*(edited.get(item.outbound, ()) for item in shall.activations))
            lasting = {(item.prefix, item.policy) for item in was.originations if item.policy in concerned}
            if any((item.prefix, item.policy) in lasting for item in shall.originations):
                yield grammar.evaluate_again(new.vrf, name)


# ---- Sessions ----


def _sessions(before: config.Router, after: config.Router) -> Iterator[Line]:
    path = grammar.in_router(after)
    change = changes.neighbors(before, after)
    if before.router_id != after.router_id:
        yield grammar.router_id(after)
    yield from (grammar.no_neighbor(path, item) for item in change.removed)
    for item in change.added:
        yield grammar.remote_as(path, item)
        yield grammar.shut(path, item)
        yield from _settings(path, config.Neighbor(item.peers, item.name, item.remote_as, item.is_interface), item)
    for old, new in change.kept:
        if old.remote_as != new.remote_as:
            yield grammar.remote_as(path, new)
        yield from _settings(path, old, new)


def _settings(path: grammar.Path, before: config.Neighbor, after: config.Neighbor) -> Iterator[Line]:
    for item in reversed(grammar.SETTINGS):
        if item.write(before) is not None and item.write(after) is None:
            yield grammar.no_setting(path, after, item)
    for item in grammar.SETTINGS:
        words = item.write(after)
        if words is not None and words != item.write(before):
            yield grammar.setting(path, after, words)


# ---- Address families ----


def _activations(before: config.Router, after: config.Router) -> Iterator[Line]:
    there = {item.name for item in after.neighbors}
    for name, old, new in changes.families(before, after):
        path = grammar.in_family(after, name)
        change = changes.activations(old, new)
        for item in change.removed:
            if item.neighbor in there:  # a neighbor that went has taken this along
                yield from grammar.no_activation(path, item)
        for item in change.added:
            yield from grammar.activation(path, item)
        for previous, item in change.kept:
            if previous.inbound != item.inbound:
                yield grammar.policy_of_activation(path, item, "in")
            if previous.outbound != item.outbound:
                yield grammar.policy_of_activation(path, item, "out")


class _Networks(NamedTuple):
    """Lines about prefixes: those that were there, which move or go, and those that come."""

    lasting: tuple[Line, ...]
    coming: tuple[Line, ...]


def _networks(before: config.Router, after: config.Router) -> _Networks:
    lasting: list[Line] = []
    coming: list[Line] = []
    for name, old, new in changes.families(before, after):
        path = grammar.in_family(after, name)
        window = windows.window(old.originations, new.originations)
        before_middle = old.originations[window.start : window.before_stop]
        middle = new.originations[window.start : window.after_stop]
        was = {item.prefix: item.policy for item in before_middle}
        shall = {item.prefix for item in middle}
        for item in middle:
            if was.get(item.prefix) != item.policy:
                (lasting if item.prefix in was else coming).append(grammar.network(path, item))
        lasting += (grammar.no_network(path, item) for item in before_middle if item.prefix not in shall)
    return _Networks(tuple(lasting), tuple(coming))
