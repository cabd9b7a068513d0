"""Routes of a plan, kept sorted while the prefixes of single services come and go.

`bgp_plan.Planner` keeps one per configuration. Pure but for what it keeps; it must give what `bgp_plan.plan` gives from scratch.
"""

import bisect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from frr_adapter import addresses
from frr_adapter.model import advertisement
from speaker import values
from speaker.core import ordered

Prefixes = tuple[tuple[addresses.Network, advertisement.BgpAdvertisement], ...]
"""Prefixes of one service, each with an advertisement that speaks for it."""

Offers = Callable[[tuple[str, ...], addresses.Family], tuple[values.Offer, ...]]
"""What the peers are told by advertisements of these names about a prefix of the family."""


@dataclass(slots=True)
class _Speakers:
    """Who stands behind one prefix: services, sorted, and how often each advertisement is named."""

    prefix: addresses.Network
    services: list[str] = field(default_factory=list)
    advertisements: dict[str, int] = field(default_factory=dict)


class Routes:
    """All routes. `offers` is asked once for each set of advertisements and family."""

    def __init__(self, offers: Offers) -> None:
        self._ask = offers
        self._offers: dict[tuple[tuple[str, ...], addresses.Family], tuple[values.Offer, ...]] = {}
        self._speakers: dict[ordered.Place, _Speakers] = {}
        self._routes: ordered.Ordered[values.Route] = ordered.Ordered()

    @property
    def routes(self) -> tuple[values.Route, ...]:
        """Sorted by family and prefix; the very same tuple until one of them changes."""
        return self._routes.items

    def change(self, gone: Iterable[tuple[str, Prefixes]], come: Iterable[tuple[str, Prefixes]]) -> None:
        """Takes away what services added earlier, and adds what they add now; both by service key."""
        touched: set[ordered.Place] = set()
        for service, prefixes in gone:
            touched.update(self._remove(service, prefixes))
        for service, prefixes in come:
            touched.update(self._add(service, prefixes))
        self._routes.change({place: self._route(place) for place in touched})

    def _add(self, service: str, prefixes: Prefixes) -> set[ordered.Place]:
        places = set()
        for prefix, ad in prefixes:
            place = order(prefix)
            speakers = self._speakers.setdefault(place, _Speakers(prefix))
            if place not in places:
                bisect.insort(speakers.services, service)
                places.add(place)
            speakers.advertisements[ad.name] = speakers.advertisements.get(ad.name, 0) + 1
        return places

    def _remove(self, service: str, prefixes: Prefixes) -> set[ordered.Place]:
        places = set()
        for prefix, ad in prefixes:
            place = order(prefix)
            speakers = self._speakers[place]
            if place not in places:
                del speakers.services[bisect.bisect_left(speakers.services, service)]
                places.add(place)
            speakers.advertisements[ad.name] -= 1
            if not speakers.advertisements[ad.name]:
                del speakers.advertisements[ad.name]
        return places

    def _route(self, place: ordered.Place) -> values.Route | None:
        speakers = self._speakers[place]
        if not speakers.services:
            del self._speakers[place]
            return None
        family = addresses.family_of(speakers.prefix)
        names = tuple(sorted(speakers.advertisements))
        if (names, family) not in self._offers:
            self._offers[names, family] = self._ask(names, family)
        offers = self._offers[names, family]
        return values.Route(speakers.prefix, offers, names, tuple(speakers.services)) if offers else None


def order(prefix: addresses.Network) -> ordered.Place:
    """IPv4 first, then by address, the wider prefix first."""
    return (prefix.version, int(prefix.network_address), prefix.prefixlen)
