"""Services and EndpointSlices, joined: what `view` puts into a snapshot, doing again only what changed.

Called by `view` at every look. Pure but for the memory: the same objects always give equal answers, and what did not change is the
very same object. It must never judge a service.
"""

import bisect
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from frr_adapter import refs
from frr_adapter.frr import windows
from frr_adapter.model import cluster, service, snapshot

_Services = tuple[service.Service, ...]
_Slices = tuple[cluster.EndpointSlice, ...]


class Services:
    """The services that this installation cares for; `lb_class` as in `service.is_handled`, None for all."""

    def __init__(self, lb_class: str | None) -> None:
        self._lb_class = lb_class
        self._listed: _Services = ()
        self._rows: list[service.Service | None] = []
        self._handled: _Services = ()

    def follow(self, listed: _Services) -> _Services:
        """Those of `listed` that are handled, in its order."""
        if self._lb_class is None:
            return listed
        window = windows.window(self._listed, listed)
        self._listed = listed
        if window:
            rows = (
                each if service.is_handled(each, self._lb_class) else None
                for each in listed[window.start : window.after_stop]
            )
            self._rows[window.start : window.before_stop] = rows
            self._handled = tuple(filter(None, self._rows))
        return self._handled


class Endpoints:
    """Endpoints by service key, over all slices of the service."""

    def __init__(self) -> None:
        self._listed: _Slices = ()
        self._slices: dict[str, dict[refs.ObjectRef, cluster.EndpointSlice]] = {}
        self._joined: dict[str, tuple[cluster.Endpoint, ...]] = {}
        self._shown: snapshot.Endpoints = MappingProxyType(self._joined)

    def follow(self, listed: _Slices) -> tuple[snapshot.Endpoints, tuple[str, ...]]:
        """The endpoints, and the keys of services whose endpoints are not those of the last time; an equal tuple stays the same."""
        window = windows.window(self._listed, listed)
        before, after = self._listed[window.start : window.before_stop], listed[window.start : window.after_stop]
        self._listed = listed
        kept = set(map(id, before)).intersection(map(id, after))
        gone = [each for each in before if id(each) not in kept]
        come = [each for each in after if id(each) not in kept]
        for each in gone:
            self._slices[each.service].pop(each.ref)
        for each in come:
            self._slices.setdefault(each.service, {})[each.ref] = each
        changed = {}
        for key in {each.service for each in (*gone, *come)}:
            found = _together(self._slices[key].values())
            if not self._slices[key]:
                del self._slices[key]
            if key and (found != self._joined.get(key, ()) or (key in self._slices) != (key in self._joined)):
                changed[key] = found
        if changed:
            self._joined = self._joined.copy()  # an earlier snapshot goes on showing what it showed
            self._joined.update(changed)
            for key in changed.keys() - self._slices.keys():
                del self._joined[key]
            self._shown = MappingProxyType(self._joined)
        return self._shown, tuple(changed)


class Candidates:
    """Services joined with their endpoints."""

    def __init__(self) -> None:
        self._services: _Services = ()
        self._rows: list[snapshot.Candidate] = []
        self._joined = snapshot.Joined((), MappingProxyType({}), ())

    def follow(self, services: _Services, endpoints: snapshot.Endpoints, changed: Iterable[str]) -> snapshot.Joined:
        """`services` are sorted by reference; `changed` are the keys whose endpoints are not those of the last time."""
        window = windows.window(self._services, services)
        before = {id(row.service): row for row in self._rows[window.start : window.before_stop]}
        self._services = services
        self._rows[window.start : window.before_stop] = (
            before.get(id(each)) or snapshot.Candidate(each, endpoints.get(each.key, ()))
            for each in services[window.start : window.after_stop]
        )
        moved = [key for key in changed if self._replace(key, endpoints)]
        if window or moved:
            self._joined = snapshot.Joined(services, endpoints, tuple(self._rows))
        elif self._joined.services is not services or self._joined.endpoints is not endpoints:
            self._joined = snapshot.Joined(services, endpoints, self._joined.candidates)
        return self._joined

    def _replace(self, key: str, endpoints: snapshot.Endpoints) -> bool:
        namespace, _, name = key.partition("/")
        index = bisect.bisect_left(self._services, (namespace, name), key=_place)
        if index == len(self._services) or self._services[index].key != key:
            return False
        found = endpoints.get(key, ())
        if self._rows[index].endpoints is found:
            return False
        self._rows[index] = snapshot.Candidate(self._services[index], found)
        return True


def _place(each: service.Service) -> tuple[str, str]:
    return (each.ref.namespace, each.ref.name)


def _together(slices: Iterable[cluster.EndpointSlice]) -> tuple[cluster.Endpoint, ...]:
    return tuple(sorted({endpoint for each in slices for endpoint in each.endpoints}))


def joined(slices: _Slices) -> Mapping[str, tuple[cluster.Endpoint, ...]]:
    """Endpoints by service key. From scratch: the oracle for `Endpoints`."""
    groups: dict[str, list[cluster.EndpointSlice]] = {}
    for each in slices:
        if each.service:
            groups.setdefault(each.service, []).append(each)
    return {key: _together(found) for key, found in groups.items()}
