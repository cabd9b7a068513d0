"""The ConfigurationState object of a program: whether its configuration is valid, for people and GitOps tools.

Used by `perform`. It reads the object first and writes only what differs; it must never judge a configuration.
"""

import msgspec

from frr_adapter import effects
from frr_adapter.boundary import clock, own_object, paths, ports, retry

_GOOD = "Reconciled"
_BAD = "ConfigurationError"
_PREFIX = "configuration error: "


class _Condition(msgspec.Struct, frozen=True, rename="camel"):
    """A `metav1.Condition`."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    result: str = ""
    error_summary: str = ""
    conditions: tuple[_Condition, ...] = ()


async def write(
    kube: ports.KubePort,
    time: ports.Clock,
    wanted: effects.WriteConfigurationState,
    owner: ports.Document | None,
    pace: retry.Pace,
) -> None:
    """Makes the object say `wanted`; nothing is written when it says so already.

    `owner` is the only owner reference the object gets: the pod that writes it now. The condition is written by server-side apply under a field manager
    named after its type, its transition time changes only together with its status. errors.KubernetesError on failure.
    """
    present = _read(await own_object.ensure(kube, wanted.ref, wanted.labels, owner, pace))
    status = _status(present, wanted, clock.timestamp(time.now()))
    if status == present:
        return
    kind = paths.KINDS[wanted.ref.kind]
    mine = tuple(condition for condition in status.conditions if condition.type == wanted.condition_type)
    apply = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": wanted.ref.name, "namespace": wanted.ref.namespace},
        "status": msgspec.to_builtins(msgspec.structs.replace(status, conditions=mine)),
    }
    query = {"fieldManager": wanted.condition_type.removesuffix("Valid"), "force": "true"}
    path = paths.path_of(wanted.ref, "status")
    await retry.bounded(lambda: kube.patch(path, apply, ports.Patch.APPLY, query), pace)


def _read(raw: msgspec.Raw) -> _Status:
    try:
        return msgspec.json.decode(raw, type=_Status)
    except msgspec.DecodeError:
        # Somebody wrote nonsense into it; then all of it is to be said again.
        return _Status()


def _status(present: _Status, wanted: effects.WriteConfigurationState, now: str) -> _Status:
    is_good = not wanted.messages
    before = next((each for each in present.conditions if each.type == wanted.condition_type), None)
    value = "True" if is_good else "False"
    mine = _Condition(
        wanted.condition_type,
        value,
        _GOOD if is_good else _BAD,
        "" if is_good else _PREFIX + "\n".join(wanted.messages),
        before.last_transition_time if before is not None and before.status == value else now,
    )
    # In the order they are in, so that an unchanged status compares equal.
    conditions = tuple(mine if each is before else each for each in present.conditions)
    if before is None:
        conditions = (*conditions, mine)
    failing = tuple(each for each in conditions if each.status == "False" and each.reason == _BAD)
    return _Status("Invalid" if failing else "Valid", "\n".join(each.message for each in failing), conditions)
