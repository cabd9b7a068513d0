"""The ServiceBGPStatus objects of a speaker: writing one, and following all that carry the node's label.

Used by `perform` and, for `resource`, by the speaker's wiring. It must never decide what an object should say.
"""

import msgspec

from frr_adapter import effects, errors, refs
from frr_adapter.boundary import paths, ports, retry, watch
from frr_adapter.decode import status

_KIND = paths.KINDS["ServiceBGPStatus"]


class _Meta(msgspec.Struct, frozen=True):
    name: str


class _Named(msgspec.Struct, frozen=True):
    metadata: _Meta


def resource(node: str, namespace: str) -> watch.Resource:
    """What to follow: the objects of that node."""
    return watch.Resource(_KIND.name, namespace, label_selector=f"{status.NODE_LABEL}={node}")


async def write(
    kube: ports.KubePort, wanted: effects.WriteServiceBgpStatus, owner: ports.Document | None, pace: retry.Pace
) -> None:
    """Makes the one object of that service and node say `wanted`, and removes the surplus ones. errors.KubernetesError on failure.

    A new object takes two requests, because a status cannot be created. When the second fails the object stays empty, and is
    found again by its labels.
    """
    for name in wanted.surplus:
        await _delete(kube, wanted, name, pace)
    if not wanted.peers:
        return
    name = wanted.name or await _create(kube, wanted, owner, pace)
    if wanted.name and wanted.is_stray and owner is not None:
        await _patch(kube, _path(wanted, name), {"metadata": {"ownerReferences": [owner]}}, pace)
    await _patch(kube, _path(wanted, name, "status"), {"status": _status(wanted)}, pace)


def _status(wanted: effects.WriteServiceBgpStatus) -> dict[str, object]:
    return {
        "node": wanted.node,
        "serviceName": wanted.ref.name,
        "serviceNamespace": wanted.ref.namespace,
        "peers": list(wanted.peers),
    }


async def _create(
    kube: ports.KubePort, wanted: effects.WriteServiceBgpStatus, owner: ports.Document | None, pace: retry.Pace
) -> str:
    body = {
        "apiVersion": _KIND.api_version,
        "kind": _KIND.name,
        "metadata": {
            "generateName": "bgp-",
            "namespace": wanted.namespace,
            "labels": {
                status.NODE_LABEL: wanted.node,
                status.SERVICE_NAME_LABEL: wanted.ref.name,
                status.SERVICE_NAMESPACE_LABEL: wanted.ref.namespace,
            },
            **({"ownerReferences": [owner]} if owner is not None else {}),
        },
    }
    raw = await retry.bounded(lambda: kube.create(_KIND.collection(wanted.namespace), body), pace)
    try:
        return msgspec.json.decode(raw, type=_Named).metadata.name
    except msgspec.DecodeError as error:
        raise errors.KubernetesError(0, "Garbage", f"{_KIND.plural}: {error}") from error


async def _delete(kube: ports.KubePort, wanted: effects.WriteServiceBgpStatus, name: str, pace: retry.Pace) -> None:
    try:
        await retry.bounded(lambda: kube.delete(_path(wanted, name)), pace)
    except errors.KubernetesError as error:
        if error.status != 404:  # somebody else has deleted it
            raise


async def _patch(kube: ports.KubePort, path: str, body: ports.Document, pace: retry.Pace) -> None:
    await retry.bounded(lambda: kube.patch(path, body, ports.Patch.MERGE), pace)


def _path(wanted: effects.WriteServiceBgpStatus, name: str, subresource: str = "") -> str:
    return paths.path_of(refs.ObjectRef(_KIND.name, wanted.namespace, name), subresource)
