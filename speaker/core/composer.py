"""`compose.compose` with a memory: one changed route among thousands costs one `network` statement.

The loop keeps one and asks it once per cycle. Pure but for the memory; it must give what `compose` gives from scratch.
"""

import bisect
import dataclasses
from collections.abc import Iterable

from frr_adapter.frr import config, windows
from speaker import values
from speaker.core import compose

_Router = tuple[str, int]
"""VRF and AS."""

_Kind = tuple[tuple[str, ...], int, tuple[values.Offer, ...]]
"""Routes of one kind differ in nothing but their prefix and services: advertisements, IP version, offers."""


@dataclasses.dataclass(slots=True)
class _Kept:
    """One route of a kind, in the stead of all, and how many there are."""

    route: values.Route
    count: int = 0


class Composer:
    """`log_level` and `frr_log_level` as `compose.compose`."""

    def __init__(self, *, log_level: str = "info", frr_log_level: str = "") -> None:
        self._log_level = log_level
        self._frr_log_level = frr_log_level
        self._forget()

    def _forget(self) -> None:
        self._plan: values.BgpPlan | None = None
        self._routes: tuple[values.Route, ...] = ()
        self._kinds: dict[_Kind, _Kept] = {}
        self._tags: dict[compose.ClassKey, int] = {}
        self._members: dict[_Router, frozenset[str]] = {}
        self._outline = config.FrrConfig("")
        # One row per route, None where no session of the router hears of it.
        self._rows: dict[_Router, list[config.Origination | None]] = {}
        self._config = config.FrrConfig("")

    def compose(self, plan: values.BgpPlan) -> config.FrrConfig:
        """As the function; the very same object as long as nothing changes."""
        last = self._plan
        if last is plan:
            return self._config
        self._plan = None  # should anything below fail, the next one is composed from scratch
        if last is None:
            self._forget()
        is_framed = last is not None and dataclasses.replace(plan, routes=()) == dataclasses.replace(last, routes=())
        window = windows.window(self._routes, plan.routes)
        if self._count(plan.routes, window) or not is_framed:
            self._draw(plan)
        self._write(plan.routes, window)
        self._routes = plan.routes
        self._config = self._whole()
        self._plan = plan
        return self._config

    def _count(self, routes: tuple[values.Route, ...], window: windows.Window) -> bool:
        """Counts the kinds anew; True when one comes or goes."""
        before = set(self._kinds)
        for kept in _tally(routes[window.start : window.after_stop]):
            self._kinds.setdefault(_kind(kept.route), _Kept(kept.route)).count += kept.count
        for kept in _tally(self._routes[window.start : window.before_stop]):
            self._kinds[_kind(kept.route)].count -= kept.count
        self._kinds = {kind: kept for kind, kept in self._kinds.items() if kept.count}
        return before != set(self._kinds)

    def _draw(self, plan: values.BgpPlan) -> None:
        """Everything but the prefixes, from one route of each kind; rows that were written under other tags are dropped."""
        some = dataclasses.replace(plan, routes=tuple(kept.route for kept in self._kinds.values()))
        self._outline = compose.compose(some, log_level=self._log_level, frr_log_level=self._frr_log_level)
        tags = compose.class_tags(compose.class_key(route) for route in some.routes)
        members: dict[_Router, frozenset[str]] = {}
        for peer in plan.peers:
            router = (peer.vrf, peer.my_asn)
            members[router] = members.get(router, frozenset()) | {peer.name}
        is_same = members == self._members and all(tags.get(key, tag) == tag for key, tag in self._tags.items())
        self._tags, self._members = tags, members
        if not is_same:
            self._rows = {}

    def _write(self, routes: tuple[values.Route, ...], window: windows.Window) -> None:
        for router, members in self._members.items():
            rows = self._rows.get(router)
            if rows is None:
                self._rows[router] = [self._row(route, members) for route in routes]
                continue
            before = zip(
                map(id, self._routes[window.start : window.before_stop]),
                rows[window.start : window.before_stop],
                strict=True,
            )
            known = dict(before)
            rows[window.start : window.before_stop] = (
                known[id(route)] if id(route) in known else self._row(route, members)
                for route in routes[window.start : window.after_stop]
            )

    def _row(self, route: values.Route, members: frozenset[str]) -> config.Origination | None:
        is_told = any(offer.peer in members for offer in route.offers)
        return compose.origination(route, self._tags) if is_told else None

    def _whole(self) -> config.FrrConfig:
        split = bisect.bisect_left(self._routes, 6, key=lambda route: route.prefix.version)
        parts = {"ipv4": slice(0, split), "ipv6": slice(split, None)}
        return dataclasses.replace(
            self._outline,
            routers=tuple(
                dataclasses.replace(
                    router,
                    families=tuple(
                        dataclasses.replace(
                            family,
                            originations=tuple(filter(None, self._rows[router.vrf, router.asn][parts[family.name]])),
                        )
                        for family in router.families
                    ),
                )
                for router in self._outline.routers
            ),
        )


def _kind(route: values.Route) -> _Kind:
    return (route.advertisements, route.prefix.version, route.offers)


def _tally(routes: tuple[values.Route, ...]) -> Iterable[_Kept]:
    """A few kinds, some perhaps more than once: equal offers are mostly the same object, whose identity is had for nothing."""
    found: dict[tuple[tuple[str, ...], int, int], _Kept] = {}
    for route in routes:
        key = (route.advertisements, route.prefix.version, id(route.offers))
        kept = found.get(key)
        if kept is None:
            kept = found[key] = _Kept(route)
        kept.count += 1
    return found.values()
