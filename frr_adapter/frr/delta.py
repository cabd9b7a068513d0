"""Two configurations -> the lines that turn the one into the other in running daemons, and the sessions that this resets.

Called by `boundary.hot`. Pure. What it does not handle it says (`NeedsReload`); it never guesses. The order of the lines is such
that no prefix is missing, goes to the wrong neighbor or meets a half-configured neighbor in between:

1. BFD profiles that come or change, then classes and policies that come, entries that come (closed until complete) or change;
2. neighbors that go, neighbors that come (shut down) or change, address families;
3. prefixes that come or move to another class, prefixes that go;
4. entries, policies and classes that nobody uses any more; the new neighbors are opened; edited policies are evaluated again;
5. BFD profiles that nobody uses any more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from frr_adapter.frr import config, grammar
from frr_adapter.frr.grammar import Daemon, Line, Resets

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Reset:
    """A session that ends and comes back. `since` is the major version of FRR from which on it does."""

    neighbor: str
    reason: str
    vrf: str = ""
    since: int = 0

    def __str__(self) -> str:
        where = f" in VRF {self.vrf}" if self.vrf else ""
        return f"{self.neighbor}{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines for one daemon, in order."""

    daemon: Daemon
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """Batches, in order. `is_guarded`: lines build on what is there (entries, neighbors), so look whether it is there first."""

    batches: tuple[Batch, ...] = ()
    resets: tuple[Reset, ...] = ()
    is_guarded: bool = False

    def __bool__(self) -> bool:
        return bool(self.batches)

    def resets_on(self, major: int) -> tuple[Reset, ...]:
        """The sessions that this FRR resets."""
        return tuple(reset for reset in self.resets if reset.since <= major)


@dataclass(frozen=True, slots=True)
class NeedsReload:
    """The change is not one of ours; one line says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Change(Generic[_Item]):
    """Two tables compared: what comes, what goes, and what is in both (as it was, as it shall be)."""

    added: tuple[_Item, ...]
    removed: tuple[_Item, ...]
    kept: tuple[tuple[_Item, _Item], ...]


def _compare(before: Mapping[object, _Item], after: Mapping[object, _Item]) -> _Change[_Item]:
    """`kept` are only those that differ."""
    return _Change(
        tuple(item for key, item in after.items() if key not in before),
        tuple(item for key, item in before.items() if key not in after),
        tuple((before[key], item) for key, item in after.items() if key in before and before[key] != item),
    )


def delta(applied: config.FrrConfig, wanted: config.FrrConfig) -> Delta | NeedsReload:
    """What to send to daemons that run `applied` so that they run `wanted`; comments do not count.

    Raises `errors.ApplyError` when a value cannot be a word of FRR's language.
    """
    if reason := _beyond(applied, wanted):
        return NeedsReload(reason)
    profiles = _compare({p.name: p for p in applied.bfd_profiles}, {p.name: p for p in wanted.bfd_profiles})
    policies = _compare({p.outbound: p for p in applied.policies}, {p.outbound: p for p in wanted.policies})
    classes = _compare({c.name: c for c in applied.classes}, {c.name: c for c in wanted.classes})
    routers = list(zip(_routers(applied), _routers(wanted), strict=True))
    resets = tuple(reset for old, new in routers for reset in _resets(old, new))
    networks = [line for old, new in routers for line in _networks(old, new)]
    building = [
        *(line for item in classes.added for line in grammar.origin_class(item)),
        *(line for item in policies.added for line in _new_policy(item)),
        *(line for old, new in policies.kept for line in _entries_coming(old, new)),
        *(line for old, new in routers for line in _sessions(old, new)),
        *(line for old, new in routers for line in _activations(old, new)),
    ]
    leaving = [
        *(line for old, new in policies.kept for line in _entries_going(old, new)),
        *(grammar.no_route_map(name) for item in policies.removed for name in (item.inbound, item.outbound)),
        *(grammar.no_route_map(item.name) for item in classes.removed),
    ]
    opening = [
        grammar.open_(grammar.in_router(new), item) for old, new in routers for item in _neighbors(old, new).added
    ]
    all_batches = (
        Batch(
            Daemon.BFDD,
            (
                *(line for item in profiles.added for line in grammar.bfd_profile(item)),
                *(line for old, new in profiles.kept for line in grammar.bfd_profile(new, old)),
            ),
        ),
        Batch(Daemon.BGPD, (*building, *networks, *leaving, *opening, *_evaluations(applied, wanted))),
        Batch(Daemon.POLICY, tuple(leaving)),
        Batch(Daemon.BFDD, tuple(grammar.no_bfd_profile(item) for item in profiles.removed)),
    )
    batches = tuple(batch for batch in all_batches if batch.lines)
    if clash := _clash(batches, wanted.extras):
        return NeedsReload(f'the user\'s own extra lines speak of "{clash}" too')
    is_guarded = bool(building or policies.removed or profiles.kept)
    return Delta(batches, resets, is_guarded)


# ---- What is left to a reload ----


def _beyond(applied: config.FrrConfig, wanted: config.FrrConfig) -> str:
    for field, words in (
        ("extras", "the user's own extra lines"),
        ("hostname", "the host name"),
        ("log", "the logging statement"),
        ("debug", "debugging"),
        ("interfaces", "interfaces of unnumbered sessions"),
    ):
        if getattr(applied, field) != getattr(wanted, field):
            return f"{words} changed"
    if [(r.vrf, r.asn) for r in _routers(applied)] != [(r.vrf, r.asn) for r in _routers(wanted)]:
        return "a BGP instance comes, goes or changes its AS"
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
    if _unnumbered(applied) != _unnumbered(wanted):
        return "an unnumbered session comes, goes or changes its AS"
    return ""


def _unnumbered(settings: config.FrrConfig) -> frozenset[tuple[str, str, str]]:
    return frozenset((r.vrf, n.name, n.remote_as) for r in settings.routers for n in r.neighbors if n.is_interface)


def _routers(settings: config.FrrConfig) -> tuple[config.Router, ...]:
    return tuple(sorted(settings.routers, key=lambda router: (router.vrf, router.asn)))


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


def _entries(before: config.NeighborPolicy, after: config.NeighborPolicy) -> _Change[config.OutboundEntry]:
    return _compare({e.tag: e for e in before.entries}, {e.tag: e for e in after.entries})


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
    for old, new in zip(_routers(applied), _routers(wanted), strict=True):
        for name, was, shall in _families(old, new):
            concerned = set().union(*(edited.get(item.outbound, ()) for item in shall.activations))
            lasting = {(item.prefix, item.policy) for item in was.originations if item.policy in concerned}
            if any((item.prefix, item.policy) in lasting for item in shall.originations):
                yield grammar.evaluate_again(new.vrf, name)


# ---- Sessions ----


def _neighbors(before: config.Router, after: config.Router) -> _Change[config.Neighbor]:
    return _compare({n.name: n for n in before.neighbors}, {n.name: n for n in after.neighbors})


def _sessions(before: config.Router, after: config.Router) -> Iterator[Line]:
    path = grammar.in_router(after)
    change = _neighbors(before, after)
    if before.router_id != after.router_id:
        yield grammar.router_id(after)
    yield from (grammar.no_neighbor(path, item) for item in change.removed)
    for item in change.added:
        yield grammar.remote_as(path, item)
        yield grammar.shut(path, item)
        yield from _settings(path, config.Neighbor(item.peers, item.name, item.remote_as), item)
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


def _resets(before: config.Router, after: config.Router) -> Iterator[Reset]:
    lasting = {item.name for item in before.neighbors} & {item.name for item in after.neighbors}
    if before.router_id != after.router_id:
        yield from (Reset(name, "router ID changed", after.vrf) for name in sorted(lasting))
    for old, new in _neighbors(before, after).kept:
        if old.remote_as != new.remote_as:
            yield Reset(new.name, "AS changed", after.vrf)
        for item in grammar.SETTINGS:
            words, previous = item.write(new), item.write(old)
            if words == previous:
                continue
            match item.resets:
                case Resets.ALWAYS:
                    yield Reset(new.name, f"{item.name} changed", after.vrf)
                case Resets.FROM_FRR_10:
                    yield Reset(new.name, f"{item.name} changed", after.vrf, since=10)
                case Resets.WHEN_REMOVED if words is None:
                    yield Reset(new.name, f"{item.name} removed", after.vrf)
                case _:
                    pass
    for name, was, shall in _families(before, after):
        change = _compare({a.neighbor: a for a in was.activations}, {a.neighbor: a for a in shall.activations})
        for each, word in (*((a, "added") for a in change.added), *((a, "removed") for a in change.removed)):
            if each.neighbor in lasting:
                yield Reset(each.neighbor, f"address family {name} {word}", after.vrf)


# ---- Address families ----


def _families(
    before: config.Router, after: config.Router
) -> Iterator[tuple[str, config.AddressFamily, config.AddressFamily]]:
    old, new = ({family.name: family for family in router.families} for router in (before, after))
    for name in sorted(old.keys() | new.keys()):
        none = config.AddressFamily(name)
        yield name, old.get(name, none), new.get(name, none)


def _activations(before: config.Router, after: config.Router) -> Iterator[Line]:
    there = {item.name for item in after.neighbors}
    for name, old, new in _families(before, after):
        path = grammar.in_family(after, name)
        change = _compare({a.neighbor: a for a in old.activations}, {a.neighbor: a for a in new.activations})
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


def _networks(before: config.Router, after: config.Router) -> Iterator[Line]:
    for name, old, new in _families(before, after):
        path = grammar.in_family(after, name)
        head, tail = _common(old.originations, new.originations)
        before_middle, middle = (items[head : len(items) - tail] for items in (old.originations, new.originations))
        was = {item.prefix: item.policy for item in before_middle}
        shall = {item.prefix for item in middle}
        yield from (grammar.network(path, item) for item in middle if was.get(item.prefix) != item.policy)
        yield from (grammar.no_network(path, item) for item in before_middle if item.prefix not in shall)


def _common(before: Sequence[object], after: Sequence[object]) -> tuple[int, int]:
    """How many items both have at the start and, of the rest, at the end: both are sorted, and one service is one item."""
    shortest = min(len(before), len(after))
    head = next((n for n in range(shortest) if before[n] != after[n]), shortest)
    rest = shortest - head
    return head, next((n for n in range(rest) if before[-n - 1] != after[-n - 1]), rest)
