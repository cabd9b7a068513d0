"""Which peers are told of which service: what the ServiceBGPStatus objects of this node are to say. Pure.

Called by the loop. Intent, not session state: a peer counts as soon as it would be told any prefix of the service.
"""

from collections.abc import Iterable
from types import MappingProxyType

from speaker import values
from speaker.core import service_status


def credit(routes: Iterable[values.Route]) -> service_status.Said:
    """Per service the names of the BGPPeers that are told any of its prefixes, never none.

    Services that share a prefix, such as an aggregate, are credited with its peers both.
    """
    # Thousands of routes share few tuples of offers; these live as long as the routes do, so their identity is a key.
    named: dict[int, tuple[str, ...]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for route in routes:
        peers = named.get(id(route.offers))
        if peers is None:
            peers = named[id(route.offers)] = tuple(sorted({offer.peer for offer in route.offers}))
        for service in route.services:
            before = found.setdefault(service, peers)
            if before is not peers and before != peers:
                found[service] = tuple(sorted({*before, *peers}))
    return MappingProxyType(found)
