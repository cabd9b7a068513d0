"""The ConfigurationState object of a program: whether its configuration is valid, for people and GitOps tools.

Used by `perform`. It reads the object first and writes only what differs; it must never judge a configuration. The
programs' wiring starts `follow`, so that an object that was edited or deleted is written again.
"""

from collections.abc import Callable
from typing import NoReturn

import msgspec

from frr_adapter import effects, errors, refs
from frr_adapter.boundary import clock, paths, ports, retry, watch
from frr_adapter.decode import decoded

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


class _Owner(msgspec.Struct, frozen=True):
    uid: str = ""


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    labels: dict[str, str] | None = None
    owner_references: tuple[_Owner, ...] | None = None


class _State(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    status: _Status = _Status()


class _Header(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _Named(msgspec.Struct, frozen=True):
    metadata: _Header = _Header()


async def follow(kube: ports.KubePort, ref: refs.ObjectRef, changed: Callable[[], None]) -> NoReturn:
    """Calls `changed` for every version of the object, whoever wrote it, and when it is deleted; until cancelled.

    Nothing waits for its first listing: where the kind is not installed, everything else must work.
    """

    def take(event: watch.WatchEvent) -> None:
        if not isinstance(event, watch.Listed):
            changed()

    resource = watch.Resource(ref.kind, ref.namespace, field_selector=f"metadata.name={ref.name}")
    await watch.follow(kube, resource, _decode, take)


def _decode(raw: msgspec.Raw) -> decoded.Decoded[None]:
    header = msgspec.json.decode(raw, type=_Named).metadata
    ref = refs.ObjectRef("ConfigurationState", header.namespace, header.name)
    return decoded.Decoded(ref, header.resource_version, None)


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
    present = await _read(kube, wanted, pace)
    if present is None:
        await _create(kube, wanted, owner, pace)
        present = _State()
    else:
        await _mend(kube, wanted, present.metadata, owner, pace)
    status = _status(present.status, wanted, clock.timestamp(time.now()))
    if status == present.status:
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


async def _read(kube: ports.KubePort, wanted: effects.WriteConfigurationState, pace: retry.Pace) -> _State | None:
    try:
        raw = await retry.bounded(lambda: kube.get(paths.path_of(wanted.ref)), pace)
        return msgspec.json.decode(raw, type=_State)
    except errors.KubernetesError as error:
        if error.status == 404:
            return None
        raise
    except msgspec.DecodeError:
        # Somebody wrote nonsense into it; then all of it is to be said again.
        return _State()


async def _mend(
    kube: ports.KubePort,
    wanted: effects.WriteConfigurationState,
    present: _Metadata,
    owner: ports.Document | None,
    pace: retry.Pace,
) -> None:
    labels = dict(wanted.labels)
    body: dict[str, object] = {}
    if not labels.items() <= (present.labels or {}).items():
        body["labels"] = labels
    if owner is not None and [each.uid for each in present.owner_references or ()] != [owner["uid"]]:
        body["ownerReferences"] = [owner]
    if body:
        path = paths.path_of(wanted.ref)
        await retry.bounded(lambda: kube.patch(path, {"metadata": body}, ports.Patch.MERGE), pace)


async def _create(
    kube: ports.KubePort, wanted: effects.WriteConfigurationState, owner: ports.Document | None, pace: retry.Pace
) -> None:
    kind = paths.KINDS[wanted.ref.kind]
    body = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "name": wanted.ref.name,
            "namespace": wanted.ref.namespace,
            "labels": dict(wanted.labels),
            **({"ownerReferences": [owner]} if owner is not None else {}),
        },
    }
    try:
        await retry.bounded(lambda: kube.create(kind.collection(wanted.ref.namespace), body), pace)
    except errors.KubernetesError as error:
        if error.reason != "AlreadyExists":
            raise


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
