"""One object of a known name that a program keeps for people: followed, made when absent, its labels and owner put right.

Used by `configuration_state` and `node_bgp_status`; the programs' wiring starts `follow`, so that an object that was edited or
deleted is written again. It must never know what the object says.
"""

from collections.abc import Callable
from typing import NoReturn

import msgspec

from frr_adapter import errors, refs
from frr_adapter.boundary import paths, ports, retry, watch
from frr_adapter.decode import decoded

Labels = tuple[tuple[str, str], ...]


class _Owner(msgspec.Struct, frozen=True):
    uid: str = ""


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    labels: dict[str, str] | None = None
    owner_references: tuple[_Owner, ...] | None = None


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    status: msgspec.Raw = msgspec.Raw(b"{}")


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

    def decode(raw: msgspec.Raw) -> decoded.Decoded[None]:
        header = msgspec.json.decode(raw, type=_Named).metadata
        return decoded.Decoded(refs.ObjectRef(ref.kind, header.namespace, header.name), header.resource_version, None)

    def take(event: watch.WatchEvent) -> None:
        if not isinstance(event, watch.Listed):
            changed()

    resource = watch.Resource(ref.kind, ref.namespace, field_selector=f"metadata.name={ref.name}")
    await watch.follow(kube, resource, decode, take)


async def ensure(
    kube: ports.KubePort, ref: refs.ObjectRef, labels: Labels, owner: ports.Document | None, pace: retry.Pace
) -> msgspec.Raw:
    """Sees to it that the object is there with these labels and this one owner reference; returns its present status.

    Labels of others stay; without `owner` the owner is left alone. errors.KubernetesError on failure.
    """
    present = await _read(kube, ref, pace)
    if present is None:
        await _create(kube, ref, labels, owner, pace)
        return _Object().status
    body: dict[str, object] = {}
    if not dict(labels).items() <= (present.metadata.labels or {}).items():
        body["labels"] = dict(labels)
    if owner is not None and [each.uid for each in present.metadata.owner_references or ()] != [owner["uid"]]:
        body["ownerReferences"] = [owner]
    if body:
        path = paths.path_of(ref)
        await retry.bounded(lambda: kube.patch(path, {"metadata": body}, ports.Patch.MERGE), pace)
    return present.status


async def _read(kube: ports.KubePort, ref: refs.ObjectRef, pace: retry.Pace) -> _Object | None:
    try:
        raw = await retry.bounded(lambda: kube.get(paths.path_of(ref)), pace)
        return msgspec.json.decode(raw, type=_Object)
    except errors.KubernetesError as error:
        if error.status == 404:
            return None
        raise
    except msgspec.DecodeError:
        # Somebody wrote nonsense into it; then all of it is to be said again.
        return _Object()


async def _create(
    kube: ports.KubePort, ref: refs.ObjectRef, labels: Labels, owner: ports.Document | None, pace: retry.Pace
) -> None:
    kind = paths.KINDS[ref.kind]
    body = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "name": ref.name,
            "namespace": ref.namespace,
            "labels": dict(labels),
            **({"ownerReferences": [owner]} if owner is not None else {}),
        },
    }
    try:
        await retry.bounded(lambda: kube.create(kind.collection(ref.namespace), body), pace)
    except errors.KubernetesError as error:
        if error.reason != "AlreadyExists":
            raise
