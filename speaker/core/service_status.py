"""What the objects that tell of announced services (ServiceBGPStatus, ServiceL2Status) do not say yet. Pure but for its memory.

Called by the loop with what this node wants to be said of each service (`bgp_status`, `l2_status`). Must never know where that
comes from, nor what it means.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from frr_adapter import effects, refs
from frr_adapter.model import status

T = TypeVar("T")

Said = Mapping[str, tuple[str, ...]]
"""Service (`namespace/name`) -> what is said of it: names, sorted. A service that is not in it has no object of this node."""

NOTHING: Said = MappingProxyType({})

PATIENCE_SECONDS = 10.0
"""How long a write that the API took may stay unseen before it is compared again."""

AT_ONCE = 500
"""Writes that may be under way: to decide on thousands of them takes longer than anybody may be kept waiting for a route."""

CALM_SECONDS = 64.0
"""A quarrel about a service is over when nobody contradicted for so long."""

_NEWS_SECONDS = 1.0
"""The same as patience once something of it was seen: the rest is under way, and what others do at the same moment is not missed for long."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 64.0


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row (one at least)."""
    return float(min(_FIRST_PAUSE * 2 ** min(failures - 1, 10), _LONGEST_PAUSE))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A write that was asked for. `until` is None while it is under way; later, when to look at its object again at the latest."""

    effect: effects.WriteAnnouncementStatus
    until: float | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class _Quarrel:
    """How often in a row objects of other nodes had to go, and until when nothing more is said of the service."""

    rounds: int
    until: float


class Ledger:
    """What the objects of one kind and node say, as far as the API has shown, and what was asked for.

    `kind` is theirs. With `is_sole` a service has one announcer in the whole cluster: objects of other nodes are to be shown as
    well, and who announces the service has them removed. Should two nodes announce at the same time, each does so with growing
    pauses. Who does not announce removes its own object only.

    One write per service is under way at a time, and none is asked for before the objects are listed. Times are seconds of any
    clock that only goes forward.
    """

    def __init__(self, kind: str, node: str, namespace: str, owner: str = "", *, is_sole: bool = False) -> None:
        self._kind = kind
        self._node = node
        self._namespace = namespace
        self._owner = owner
        self._is_sole = is_sole
        self._is_listed = False
        self._services: dict[refs.ObjectRef, str] = {}
        self._present: dict[str, tuple[status.ServiceStatus, ...]] = {}  # of this node
        self._rivals: dict[
            str, tuple[str, ...]
        ] = {}  # names of objects of other nodes; thousands, so nothing else is kept
        self._said: dict[str, tuple[str, ...]] = {}  # services whose one object is right but for, perhaps, what it says
        self._asked: dict[str, _Asked] = {}
        self._quarrels: dict[str, _Quarrel] = {}
        self._silent_until: float | None = None  # the first service that a quarrel keeps from being written

    def owned_by(self, uid: str) -> None:
        """The UID of the pod that shall own the objects; empty leaves owners alone. To be called before any object is seen."""
        self._owner = uid

    def listed(self) -> None:
        """All objects that exist have been seen."""
        self._is_listed = True

    def seen(self, item: status.ServiceStatus, now: float) -> None:
        """The newest version of an object."""
        if self._services.get(item.ref, item.service) != item.service:
            self.gone(item.ref, now)
        self._services[item.ref] = item.service
        present, rivals = self._without(item.ref, item.service)
        if self._is_sole and item.node != self._node:
            rivals = (*rivals, item.ref.name)
        else:
            present = (*present, item)
        self._note(item.service, present, rivals, now)

    def gone(self, ref: refs.ObjectRef, now: float) -> None:
        """An object was deleted."""
        service = self._services.pop(ref, None)
        if service is not None:
            self._note(service, *self._without(ref, service), now)

    def performed(self, effect: effects.WriteAnnouncementStatus, now: float) -> None:
        """The API took a write."""
        service = _service(effect)
        asked = self._asked.get(service)
        if asked is not None and asked.effect is effect:
            self._asked[service] = _Asked(effect, now + PATIENCE_SECONDS)
            self._forget_shown(service)  # the API's news may be faster than its answer

    def failed(self, effect: effects.WriteAnnouncementStatus, now: float) -> None:
        """The API did not take a write: it is wanted again a little later."""
        service = _service(effect)
        asked = self._asked.get(service)
        if asked is not None and asked.effect is effect:
            failures = asked.failures + 1
            self._asked[service] = _Asked(effect, now + pause(failures), failures)

    def unsaid(self, wanted: Said, now: float) -> tuple[effects.WriteAnnouncementStatus, ...]:
        """Writes to ask for now, sorted by service; they count as asked for. The rest comes when some of them are done."""
        self._silent_until = None
        if not self._is_listed:
            return ()
        if self._asked:
            self._forget_settled(wanted)
        if self._said == wanted and len(self._present) == len(wanted):
            return ()
        said = self._said.get
        differing = [service for service, names in wanted.items() if said(service) != names]
        differing = self._calm(differing, now)
        differing += self._present.keys() - wanted.keys()
        due = sorted(service for service in differing if self._is_due(service, now))
        room = AT_ONCE - sum(asked.until is None for asked in self._asked.values())
        return tuple(self._ask(service, wanted.get(service), now) for service in due[: max(room, 0)])

    @property
    def next_at(self) -> float | None:
        """When `unsaid` is to be asked again even if nothing happens; None when nothing waits."""
        asked = min((each.until for each in self._asked.values() if each.until is not None), default=None)
        return min((at for at in (asked, self._silent_until) if at is not None), default=None)

    def _is_due(self, service: str, now: float) -> bool:
        asked = self._asked.get(service)
        return asked is None or (asked.until is not None and asked.until <= now)

    def _calm(self, services: list[str], now: float) -> list[str]:
        """Those about which this node has not just quarrelled with another one."""
        if not self._quarrels:
            return services
        self._quarrels = {key: each for key, each in self._quarrels.items() if now < each.until + CALM_SECONDS}
        quiet = {key: each.until for key, each in self._quarrels.items() if now < each.until}
        self._silent_until = min((quiet[service] for service in services if service in quiet), default=None)
        return [service for service in services if service not in quiet]

    def _ask(self, service: str, said: tuple[str, ...] | None, now: float) -> effects.WriteAnnouncementStatus:
        before = self._asked.get(service)
        effect = self._write(service, said)
        self._asked[service] = _Asked(effect, failures=before.failures if before is not None else 0)
        if said is not None and service in self._rivals:
            quarrel = self._quarrels.get(service)
            rounds = quarrel.rounds + 1 if quarrel is not None else 1
            self._quarrels[service] = _Quarrel(rounds, now + pause(rounds))
        return effect

    def _forget_shown(self, service: str) -> None:
        """Nothing is waited for once the objects say what was asked for, even if something else is wanted by now."""
        said = self._asked[service].effect.said
        if service not in self._present if said is None else self._said.get(service) == said:
            del self._asked[service]

    def _forget_settled(self, wanted: Said) -> None:
        settled = [
            service
            for service, asked in self._asked.items()
            if asked.until is not None
            and (self._said.get(service) == wanted[service] if service in wanted else service not in self._present)
        ]
        for service in settled:
            del self._asked[service]

    def _without(self, ref: refs.ObjectRef, service: str) -> tuple[tuple[status.ServiceStatus, ...], tuple[str, ...]]:
        return (
            tuple(each for each in self._present.get(service, ()) if each.ref != ref),
            tuple(name for name in self._rivals.get(service, ()) if name != ref.name),
        )

    def _note(
        self, service: str, present: tuple[status.ServiceStatus, ...], rivals: tuple[str, ...], now: float
    ) -> None:
        _put(self._present, service, present)
        _put(self._rivals, service, rivals)
        self._said.pop(service, None)
        if len(present) == 1 and not rivals and present[0].about == self._about(service) and self._is_owned(present[0]):
            self._said[service] = present[0].said
        asked = self._asked.get(service)
        if asked is not None and asked.until is not None:
            self._asked[service] = replace(asked, until=min(asked.until, now + _NEWS_SECONDS))
            self._forget_shown(service)

    def _write(self, service: str, said: tuple[str, ...] | None) -> effects.WriteAnnouncementStatus:
        present = self._present.get(service, ())
        kept = self._kept(present, self._about(service), said) if said is not None else None
        surplus = [each.ref.name for each in present if each is not kept]
        if said is not None:
            surplus += self._rivals.get(service, ())
        namespace, _, name = service.partition("/")
        return effects.WriteAnnouncementStatus(
            refs.ObjectRef(self._kind, namespace, name),
            self._namespace,
            self._node,
            said,
            kept.ref.name if kept is not None else "",
            is_stray=kept is not None and not self._is_owned(kept),
            surplus=tuple(sorted(surplus)),
        )

    @staticmethod
    def _kept(
        present: Iterable[status.ServiceStatus], about: tuple[str, str, str], said: tuple[str, ...]
    ) -> status.ServiceStatus | None:
        # What the status says about its service cannot be changed once it is said.
        usable = (
            each for each in present if all(found in {"", due} for found, due in zip(each.about, about, strict=True))
        )
        return min(usable, key=lambda each: (each.said != said, each.ref.name), default=None)

    def _about(self, service: str) -> tuple[str, str, str]:
        namespace, _, name = service.partition("/")
        return (self._node, namespace, name)

    def _is_owned(self, item: status.ServiceStatus) -> bool:
        return not self._owner or item.owners == (self._owner,)


def _put(found: dict[str, tuple[T, ...]], service: str, items: tuple[T, ...]) -> None:
    if items:
        found[service] = items
    else:
        found.pop(service, None)


def _service(effect: effects.WriteAnnouncementStatus) -> str:
    return f"{effect.ref.namespace}/{effect.ref.name}"
