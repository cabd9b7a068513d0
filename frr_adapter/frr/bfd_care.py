"""When a neighbor may have BFD, when BFD has to be mended, and when it is heard on one side only. Pure; times are arguments.

Called by `speaker.boundary.bfd_care`. Three habits of FRR and of its neighbors make this necessary (docs/frr.md has the figures):

* A BFD session that exists before the BGP session is deleted and made anew when bgpd learns the local address. BIRD takes that
  for a failure and refuses us for a minute. So BFD waits until the session was up once; it is not taken back when it goes down.
* A router with FRR 10 whose own BFD session is down refuses us until it comes up. So whoever answers TCP but does not come up
  gets BFD all the same. Its local address is known by then, which is what the first habit is about.
* bgpd believes that bfdd knows what it was told once. After restarts bfdd may not, and nobody notices: the line is sent again.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from frr_adapter.frr import config, grammar, show

REFUSED_SECONDS = 3.0
"""So long a neighbor may answer without coming up before it gets BFD: a session takes milliseconds from OPEN to Established."""

ABSENT_SECONDS = 5.0
"""So long bfdd may lack a session that bgpd counts on."""

LONGEST_PAUSE = 60.0
"""Between two attempts to mend the same session; the pauses grow."""

ONE_SIDED_SECONDS = 10.0
"""So long BGP may be up without BFD before somebody is told."""

_BFD = tuple(item for item in grammar.SETTINGS if item.name in ("BFD", "BFD profile"))


@dataclass(frozen=True, slots=True)
class _Absent:
    due: float
    pause: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What was seen so far. `released` may have BFD; the others map sessions to times, and are never changed in place."""

    released: frozenset[show.SessionKey] = frozenset()
    refused: Mapping[show.SessionKey, float] = dataclasses.field(default_factory=dict)
    absent: Mapping[show.SessionKey, _Absent] = dataclasses.field(default_factory=dict)
    unheard: Mapping[show.SessionKey, float] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Findings:
    """What follows from a look: sessions to mend now, and those that have BFD on our side only; both sorted."""

    repairs: tuple[show.SessionKey, ...] = ()
    one_sided: tuple[show.SessionKey, ...] = ()


NOTHING_SEEN = Memory()


def with_bfd(settings: config.FrrConfig) -> frozenset[show.SessionKey]:
    """The sessions that want BFD."""
    return frozenset(
        (router.vrf or show.DEFAULT_VRF, neighbor.name)
        for router in settings.routers
        for neighbor in router.neighbors
        if neighbor.bfd_profile is not None
    )


def held(settings: config.FrrConfig, memory: Memory) -> config.FrrConfig:
    """The same without BFD where it has to wait; the very same when it has to nowhere."""
    waiting = with_bfd(settings) - memory.released
    if not waiting:
        return settings
    return dataclasses.replace(settings, routers=tuple(_held(router, waiting) for router in settings.routers))


def _held(router: config.Router, waiting: frozenset[show.SessionKey]) -> config.Router:
    vrf = router.vrf or show.DEFAULT_VRF
    neighbors = tuple(
        dataclasses.replace(item, bfd_profile=None, bfd_held=item.bfd_profile) if (vrf, item.name) in waiting else item
        for item in router.neighbors
    )
    return dataclasses.replace(router, neighbors=neighbors)


def seen(memory: Memory, wanted: frozenset[show.SessionKey], sessions: Iterable[show.Session], now: float) -> Memory:
    """Memory after a look at bgpd's sessions; `wanted` are those that want BFD, all others are forgotten.

    What runs with BFD already keeps it: taking it away would end the session.
    """
    released, refused = set(memory.released), {}
    found = {session.key: session for session in sessions if session.key in wanted}
    for key, session in found.items():
        if session.bfd or session.is_established or session.connections_established:
            released.add(key)
        elif session.messages.opens_sent:
            refused[key] = memory.refused.get(key, now)
            if now - refused[key] >= REFUSED_SECONDS:
                released.add(key)
    return dataclasses.replace(memory, released=frozenset(released & found.keys()), refused=refused)


def watched(
    memory: Memory,
    wanted: frozenset[show.SessionKey],
    sessions: Iterable[show.Session],
    bfd: Sequence[show.BfdSession],
    now: float,
) -> tuple[Memory, Findings]:
    """Compares what bgpd counts on with what bfdd, which must have answered, really has."""
    absent: dict[show.SessionKey, _Absent] = {}
    unheard: dict[show.SessionKey, float] = {}
    repairs = []
    for session in sessions:
        if session.key not in wanted or not session.bfd:
            continue
        own = [item for item in bfd if item.is_of(session)]
        if session.is_established and not any(item.is_up for item in own):
            unheard[session.key] = memory.unheard.get(session.key, now)
        # An unnumbered session whose router is not known yet has none, and that is right.
        if own or (session.bfd == "Unknown" and not session.is_established):
            continue
        before = memory.absent.get(session.key, _Absent(now + ABSENT_SECONDS, ABSENT_SECONDS))
        absent[session.key] = before
        if now >= before.due:
            repairs.append(session.key)
            pause = min(2 * before.pause, LONGEST_PAUSE)
            absent[session.key] = _Absent(now + pause, pause)
    one_sided = (key for key, since in unheard.items() if now - since >= ONE_SIDED_SECONDS)
    after = dataclasses.replace(memory, absent=absent, unheard=unheard)
    return after, Findings(tuple(sorted(repairs)), tuple(sorted(one_sided)))


def repair(settings: config.FrrConfig, keys: Iterable[show.SessionKey]) -> tuple[grammar.Line, ...]:
    """Lines to bgpd that make it tell bfdd anew; afterwards the same is configured as before."""
    wanted = frozenset(keys) & with_bfd(settings)
    return tuple(
        line
        for router in settings.routers
        for neighbor in router.neighbors
        if (router.vrf or show.DEFAULT_VRF, neighbor.name) in wanted
        for line in _again(grammar.in_router(router), neighbor)
    )


def _again(path: grammar.Path, neighbor: config.Neighbor) -> Iterable[grammar.Line]:
    yield grammar.no_setting(path, neighbor, _BFD[0])
    for item in _BFD:
        if words := item.write(neighbor):
            yield grammar.setting(path, neighbor, words)
