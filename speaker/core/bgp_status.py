"""Which peers are told of which service, and what of it the ServiceBGPStatus objects of this node do not say yet. Pure.

Called by the loop. Intent, not session state: a peer counts as soon as it would be told any prefix of the service.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from frr_adapter import effects, refs
from frr_adapter.model import status
from speaker import values

Credit = Mapping[str, tuple[str, ...]]
"""Service (`namespace/name`) -> names of the BGPPeers that are told any of its prefixes, sorted; never empty."""

NOBODY: Credit = MappingProxyType({})

PATIENCE_SECONDS = 10.0
"""How long a write that the API took may stay unseen before it is compared again."""

AT_ONCE = 500
"""Writes that may be under way: to decide on thousands of them takes longer than anybody may be kept waiting for a route."""

_NEWS_SECONDS = 1.0
"""The same once something of it was seen: the rest is under way, and what others do at the same moment is not missed for long."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 64.0


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row (one at least)."""
    return float(min(_FIRST_PAUSE * 2 ** min(failures - 1, 10), _LONGEST_PAUSE))


def credit(routes: Iterable[values.Route]) -> Credit:
    """Services that share a prefix, such as an aggregate, are credited with its peers both."""
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """A write that was asked for. `until` is None while it is under way; later, when to look at its object again at the latest."""

    effect: effects.WriteServiceBgpStatus
    until: float | None = None
    failures: int = 0


class Ledger:
    """What the objects of this node say, as far as the API has shown, and what was asked for.

    One write per service is under way at a time, and none is asked for before the objects are listed. Times are seconds of any
    clock that only goes forward.
    """

    def __init__(self, node: str, namespace: str, owner: str = "") -> None:
        self._node = node
        self._namespace = namespace
        self._owner = owner
        self._is_listed = False
        self._objects: dict[refs.ObjectRef, status.ServiceBgpStatus] = {}
        self._present: dict[str, tuple[status.ServiceBgpStatus, ...]] = {}
        self._said: dict[str, tuple[str, ...]] = {}  # services whose one object is right but for, perhaps, the peers
        self._asked: dict[str, _Asked] = {}

    def owned_by(self, uid: str) -> None:
        """The UID of the pod that shall own the objects; empty leaves owners alone. To be called before any object is seen."""
        self._owner = uid

    def listed(self) -> None:
        """All objects that exist have been seen."""
        self._is_listed = True

    def seen(self, item: status.ServiceBgpStatus, now: float) -> None:
        """The newest version of an object."""
        before = self._objects.get(item.ref)
        if before is not None and before.service != item.service:
            self.gone(item.ref, now)
        self._objects[item.ref] = item
        others = (each for each in self._present.get(item.service, ()) if each.ref != item.ref)
        self._note(item.service, (*others, item), now)

    def gone(self, ref: refs.ObjectRef, now: float) -> None:
        """An object was deleted."""
        item = self._objects.pop(ref, None)
        if item is not None:
            self._note(item.service, tuple(each for each in self._present[item.service] if each.ref != ref), now)

    def performed(self, effect: effects.WriteServiceBgpStatus, now: float) -> None:
        """The API took a write."""
        service = _service(effect)
        asked = self._asked.get(service)
        if asked is not None and asked.effect is effect:
            self._asked[service] = _Asked(effect, now + PATIENCE_SECONDS)
            self._forget_shown(service)  # the API's news may be faster than its answer

    def failed(self, effect: effects.WriteServiceBgpStatus, now: float) -> None:
        """The API did not take a write: it is wanted again a little later."""
        service = _service(effect)
        asked = self._asked.get(service)
        if asked is not None and asked.effect is effect:
            failures = asked.failures + 1
            self._asked[service] = _Asked(effect, now + pause(failures), failures)

    def unsaid(self, wanted: Credit, now: float) -> tuple[effects.WriteServiceBgpStatus, ...]:
        """Writes to ask for now, sorted by service; they count as asked for. The rest comes when some of them are done."""
        if not self._is_listed:
            return ()
        if self._asked:
            self._forget_settled(wanted)
        if self._said == wanted and len(self._present) == len(wanted):
            return ()
        said = self._said.get
        differing = [service for service, peers in wanted.items() if said(service) != peers]
        differing += self._present.keys() - wanted.keys()
        due = sorted(service for service in differing if self._is_due(service, now))
        room = AT_ONCE - sum(asked.until is None for asked in self._asked.values())
        return tuple(self._ask(service, wanted.get(service, ())) for service in due[: max(room, 0)])

    @property
    def next_at(self) -> float | None:
        """When `unsaid` is to be asked again even if nothing happens; None when nothing waits."""
        return min((asked.until for asked in self._asked.values() if asked.until is not None), default=None)

    def _is_due(self, service: str, now: float) -> bool:
        asked = self._asked.get(service)
        return asked is None or (asked.until is not None and asked.until <= now)

    def _ask(self, service: str, peers: tuple[str, ...]) -> effects.WriteServiceBgpStatus:
        before = self._asked.get(service)
        effect = self._write(service, peers)
        self._asked[service] = _Asked(effect, failures=before.failures if before is not None else 0)
        return effect

    def _forget_shown(self, service: str) -> None:
        """Nothing is waited for once the objects say what was asked for, even if something else is wanted by now."""
        peers = self._asked[service].effect.peers
        if self._said.get(service) == peers if peers else service not in self._present:
            del self._asked[service]

    def _forget_settled(self, wanted: Credit) -> None:
        settled = [
            service
            for service, asked in self._asked.items()
            if asked.until is not None
            and (self._said.get(service) == wanted[service] if service in wanted else service not in self._present)
        ]
        for service in settled:
            del self._asked[service]

    def _note(self, service: str, found: tuple[status.ServiceBgpStatus, ...], now: float) -> None:
        self._said.pop(service, None)
        if not found:
            self._present.pop(service, None)
        else:
            self._present[service] = found
            if len(found) == 1 and found[0].about == self._about(service) and self._is_owned(found[0]):
                self._said[service] = found[0].peers
        asked = self._asked.get(service)
        if asked is not None and asked.until is not None:
            self._asked[service] = replace(asked, until=min(asked.until, now + _NEWS_SECONDS))
            self._forget_shown(service)

    def _write(self, service: str, peers: tuple[str, ...]) -> effects.WriteServiceBgpStatus:
        about, found = self._about(service), self._present.get(service, ())
        # What the status says about its service cannot be changed once it is said.
        usable = [
            each
            for each in found
            if peers and all(said in {"", due} for said, due in zip(each.about, about, strict=True))
        ]
        kept = min(usable, key=lambda each: (each.peers != peers, each.ref.name), default=None)
        namespace, _, name = service.partition("/")
        return effects.WriteServiceBgpStatus(
            refs.ObjectRef("Service", namespace, name),
            self._namespace,
            self._node,
            peers,
            kept.ref.name if kept is not None else "",
            is_stray=kept is not None and not self._is_owned(kept),
            surplus=tuple(sorted(each.ref.name for each in found if each is not kept)),
        )

    def _about(self, service: str) -> tuple[str, str, str]:
        namespace, _, name = service.partition("/")
        return (self._node, namespace, name)

    def _is_owned(self, item: status.ServiceBgpStatus) -> bool:
        return not self._owner or item.owners == (self._owner,)


def _service(effect: effects.WriteServiceBgpStatus) -> str:
    return f"{effect.ref.namespace}/{effect.ref.name}"
