"""The NodeBGPStatus object of a speaker: its FRR, how far the configuration got, and its sessions, for people.

Used by `perform`. It reads the object first, writes only what differs, and keeps the times of what did not change; so they outlive
the speaker. It must never judge what it writes.
"""

from typing import Any

import msgspec

from frr_adapter import effects
from frr_adapter.api import kinds, wire
from frr_adapter.boundary import clock, own_object, paths, ports, retry

_LONGEST_ERROR = 1024

_decode = msgspec.json.Decoder(kinds.NodeBGPStatusStatus).decode


async def write(
    kube: ports.KubePort,
    time: ports.Clock,
    wanted: effects.WriteNodeBgpStatus,
    owner: ports.Document | None,
    pace: retry.Pace,
) -> None:
    """Makes the object say `wanted`; nothing is written when it says so already. errors.KubernetesError on failure.

    `owner` is the only owner reference the object gets: the pod that writes it now.
    """
    present = _read(await own_object.ensure(kube, wanted.ref, wanted.labels, owner, pace))
    status = _status(present, wanted, clock.timestamp(time.now()))
    if status == present:
        return
    path = paths.path_of(wanted.ref, "status")
    body = {"status": _document(status)}
    await retry.bounded(lambda: kube.patch(path, body, ports.Patch.MERGE), pace)


def _read(raw: msgspec.Raw) -> kinds.NodeBGPStatusStatus:
    try:
        return _decode(raw)
    except msgspec.DecodeError:
        # Somebody wrote nonsense into it; then all of it is to be said again.
        return kinds.NodeBGPStatusStatus()


def _status(
    present: kinds.NodeBGPStatusStatus, wanted: effects.WriteNodeBgpStatus, now: str
) -> kinds.NodeBGPStatusStatus:
    known = {(each.neighbor, each.vrf, each.state): each.last_transition_time for each in present.sessions}
    established = sum(each.state == "Established" for each in wanted.sessions)
    return kinds.NodeBGPStatusStatus(
        node=wanted.ref.name,
        established=f"{established}/{len(wanted.sessions)}",
        frr=kinds.NodeFrr(version=wanted.frr_version, up=wanted.is_frr_up),
        configuration=kinds.NodeConfiguration(
            state=wanted.state,
            wanted=wanted.wanted,
            applied=wanted.applied,
            way=wanted.way or None,
            last_error=wanted.last_error[:_LONGEST_ERROR] or None,
            last_applied_time=_applied_at(present.configuration, wanted, now),
            last_resets=wanted.resets,
        ),
        sessions=tuple(
            kinds.NodeSession(
                neighbor=each.neighbor,
                vrf=each.vrf,
                peers=each.peers,
                state=each.state,
                bfd=each.bfd,
                last_reset=each.last_reset or None,
                last_transition_time=known.get((each.neighbor, each.vrf, each.state)) or now,
            )
            for each in wanted.sessions
        ),
    )


def _applied_at(present: kinds.NodeConfiguration, wanted: effects.WriteNodeBgpStatus, now: str) -> str | None:
    """While nothing is known to run, the time is still that of the last success."""
    if not wanted.applied or (wanted.applied == present.applied and present.last_applied_time):
        return present.last_applied_time
    return now


def _document(value: wire.Wire) -> dict[str, Any]:
    """All fields, those without a value as null: a merge patch takes them away."""
    names = (field.encode_name for field in msgspec.structs.fields(value))
    return {
        name: _document(each) if isinstance(each, wire.Wire) else msgspec.to_builtins(each)
        for name, each in zip(names, msgspec.structs.astuple(value), strict=True)
    }
