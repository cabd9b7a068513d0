"""The ServiceBGPStatus and ServiceL2Status objects: writing one, and which ones a speaker follows.

Used by `perform` and, for `resource`, by the speaker's wiring. It must never decide what an object should say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from frr_adapter import effects, errors, refs
from frr_adapter.boundary import paths, ports, retry, watch
from frr_adapter.decode import status


@dataclass(frozen=True, slots=True)
class _Form:
    """How the objects of a kind are named, and how names are put into their status. A field that is None is removed."""

    prefix: str
    field: str
    encode: Callable[[tuple[str, ...]], list[str] | list[dict[str, str]] | None]


_FORMS = MappingProxyType(
    {
        "ServiceBGPStatus": _Form("bgp-", "peers", list),
        "ServiceL2Status": _Form("l2-", "interfaces", lambda names: [{"name": name} for name in names] or None),
    }
)

KINDS = tuple(_FORMS)
"""The kinds of these objects."""


class _Meta(msgspec.Struct, frozen=True):
    name: str


class _Named(msgspec.Struct, frozen=True):
    metadata: _Meta


def resource(kind: str, node: str, namespace: str) -> watch.Resource:
    """What to follow: the objects of that node; of ServiceL2Status all, because who announces removes what others left."""
    selector = "" if kind == "ServiceL2Status" else f"{status.NODE_LABEL}={node}"
    return watch.Resource(kind, namespace, label_selector=selector)


async def write(
    kube: ports.KubePort, wanted: effects.WriteAnnouncementStatus, owner: ports.Document | None, pace: retry.Pace
) -> None:
    """Makes the one object of that service and node say `wanted`, and removes the surplus ones. errors.KubernetesError on failure.

    A new object takes two requests, because a status cannot be created. When the second fails the object stays empty, and is
    found again by its labels.
    """
    for name in wanted.surplus:
        await _delete(kube, wanted, name, pace)
    if wanted.said is None:
        return
    name = wanted.name or await _create(kube, wanted, owner, pace)
    if wanted.name and wanted.is_stray and owner is not None:
        await _patch(kube, _path(wanted, name), {"metadata": {"ownerReferences": [owner]}}, pace)
    await _patch(kube, _path(wanted, name, "status"), {"status": _status(wanted, wanted.said)}, pace)


def _status(wanted: effects.WriteAnnouncementStatus, said: tuple[str, ...]) -> dict[str, object]:
    form = _FORMS[wanted.ref.kind]
    return {
        "node": wanted.node,
        "serviceName": wanted.ref.name,
        "serviceNamespace": wanted.ref.namespace,
        form.field: form.encode(said),
    }


async def _create(
    kube: ports.KubePort, wanted: effects.WriteAnnouncementStatus, owner: ports.Document | None, pace: retry.Pace
) -> str:
    kind = paths.KINDS[wanted.ref.kind]
    body = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "generateName": _FORMS[kind.name].prefix,
            "namespace": wanted.namespace,
            "labels": {
                status.NODE_LABEL: wanted.node,
                status.SERVICE_NAME_LABEL: wanted.ref.name,
                status.SERVICE_NAMESPACE_LABEL: wanted.ref.namespace,
            },
            **({"ownerReferences": [owner]} if owner is not None else {}),
        },
    }
    raw = await retry.bounded(lambda: kube.create(kind.collection(wanted.namespace), body), pace)
    try:
        return msgspec.json.decode(raw, type=_Named).metadata.name
    except msgspec.DecodeError as error:
        raise errors.KubernetesError(0, "Garbage", f"{kind.plural}: {error}") from error


async def _delete(kube: ports.KubePort, wanted: effects.WriteAnnouncementStatus, name: str, pace: retry.Pace) -> None:
    try:
        await retry.bounded(lambda: kube.delete(_path(wanted, name)), pace)
    except errors.KubernetesError as error:
        if error.status != 404:  # somebody else has deleted it
            raise


async def _patch(kube: ports.KubePort, path: str, body: ports.Document, pace: retry.Pace) -> None:
    await retry.bounded(lambda: kube.patch(path, body, ports.Patch.MERGE), pace)


def _path(wanted: effects.WriteAnnouncementStatus, name: str, subresource: str = "") -> str:
    return paths.path_of(refs.ObjectRef(wanted.ref.kind, wanted.namespace, name), subresource)
