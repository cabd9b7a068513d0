"""What a speaker tells about BGP on its node, as the NodeBGPStatus to write. Pure but for its memory; called by the loop.

There are no counts of prefixes in it: they change with every service, and metrics have them.
"""

import enum
from dataclasses import dataclass

from frr_adapter import effects, refs
from frr_adapter.frr import config, fingerprint, reloading, show
from speaker import values

UNKNOWN = "Unknown"
"""The state of a session that FRR does not speak of."""


class State(enum.StrEnum):
    """How far the wanted configuration got."""

    APPLIED = "Applied"
    APPLYING = "Applying"
    REFUSED = "Refused"


class Bfd(enum.StrEnum):
    """The BFD session that guards a BGP session."""

    UP = "Up"
    DOWN = "Down"
    NONE = "N/A"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the configuration got: what is wanted, what FRR took last, and what is wrong (empty while all is well)."""

    is_up: bool
    wanted: config.FrrConfig | None
    applied: config.FrrConfig | None
    error: str = ""

    @property
    def state(self) -> State:
        """An error does not refuse everything: what is left out may be told while the rest runs. Nor does FRR while it is down."""
        if self.wanted is not None and self.applied == self.wanted:
            return State.APPLIED
        return State.REFUSED if self.error and self.is_up else State.APPLYING


def status_ref(node: str, namespace: str) -> refs.ObjectRef:
    """The name of this speaker's NodeBGPStatus."""
    return refs.ObjectRef("NodeBGPStatus", namespace, node)


class Chronicle:
    """What happened to the configuration since the speaker started, and what was told of it."""

    def __init__(self, node: str, namespace: str) -> None:
        self._node = node
        self._ref = status_ref(node, namespace)
        self._version = ""
        self._way = ""
        self._resets: tuple[str, ...] = ()
        self._told: effects.WriteNodeBgpStatus | None = None
        self._prints: tuple[tuple[config.FrrConfig, str], ...] = ()

    def applied(self, report: reloading.ApplyReport) -> None:
        """FRR took a configuration."""
        self._way = str(report.way)
        self._version = report.version or self._version
        self._resets = report.resets or self._resets

    def forget(self) -> None:
        """The object was written by others, or could not be written: it is told again."""
        self._told = None

    def untold(self, progress: Progress, observed: values.Observation) -> effects.WriteNodeBgpStatus | None:
        """The object to write, which then counts as told; None when it says nothing new."""
        wanted, applied = (self._fingerprint(each) for each in (progress.wanted, progress.applied))
        self._prints = tuple(
            (each, text) for each, text in ((progress.wanted, wanted), (progress.applied, applied)) if each is not None
        )
        status = effects.WriteNodeBgpStatus(
            ref=self._ref,
            labels=(("metallb.io/component-type", "speaker"), ("metallb.io/node-name", self._node)),
            frr_version=self._version,
            is_frr_up=progress.is_up,
            wanted=wanted,
            applied=applied,
            state=progress.state,
            way=self._way,
            last_error=progress.error,
            resets=self._resets,
            sessions=sessions_of(progress.wanted, observed),
        )
        if status == self._told:
            return None
        self._told = status
        return status

    def _fingerprint(self, wanted: config.FrrConfig | None) -> str:
        if wanted is None:
            return ""
        known = next((text for each, text in self._prints if each is wanted), "")
        return known or fingerprint.fingerprint(wanted)


def sessions_of(wanted: config.FrrConfig | None, observed: values.Observation) -> tuple[effects.SessionStatus, ...]:
    """All sessions that are wanted, and those that FRR has besides (from the user's own lines), sorted by VRF and neighbor."""
    running = {session.key: session for session in observed.bgp}
    found = {
        (router.vrf or show.DEFAULT_VRF, neighbor.name): neighbor
        for router in (wanted.routers if wanted is not None else ())
        for neighbor in router.neighbors
    }
    told = []
    for key in sorted(found.keys() | running.keys()):
        neighbor, session = found.get(key), running.get(key)
        vrf, name = key
        told.append(
            effects.SessionStatus(
                neighbor=name,
                vrf=vrf,
                peers=tuple(each.rpartition("/")[2] for each in neighbor.peers) if neighbor is not None else (),
                state=session.state or UNKNOWN if session is not None else UNKNOWN,
                bfd=_bfd(neighbor, session or show.Session(vrf, name, UNKNOWN), observed),
                last_reset=session.last_reset if session is not None else "",
            )
        )
    return tuple(told)


def _bfd(neighbor: config.Neighbor | None, session: show.Session, observed: values.Observation) -> Bfd:
    guards = [each for each in observed.bfd if each.is_of(session)]
    if guards:
        return Bfd.UP if any(each.is_up for each in guards) else Bfd.DOWN
    is_wanted = neighbor is not None and (neighbor.bfd_profile is not None or neighbor.bfd_held is not None)
    return Bfd.DOWN if is_wanted or session.bfd else Bfd.NONE
