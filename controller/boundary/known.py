"""What exists right now, read for one review: the API itself is asked, because a watch may be a moment behind.

`controller.reviewing` calls it. Must never judge an object: what cannot be used is left out, as at run time.
"""

import asyncio
from typing import Any

import msgspec

from frr_adapter import errors
from frr_adapter.boundary import decoders, logs, paths, ports
from frr_adapter.model import cluster, snapshot
from frr_adapter.resolve import view

_log = logs.get_logger()

_KINDS = ("BGPAdvertisement", "BGPPeer", "Community", "IPAddressPool")
"""Kinds whose objects can have problems with each other."""


class _List(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw] | None = None


_read_list = msgspec.json.Decoder(_List).decode


async def objects(kube: ports.KubePort, namespace: str, nodes: tuple[cluster.Node, ...]) -> snapshot.ConfigObjects:
    """The objects of our namespace. `nodes` come from a watch: they are many, and a label may change at any time anyway.

    errors.KubernetesError when the API does not answer.
    """
    found = await asyncio.gather(*(_listed(kube, kind, namespace) for kind in _KINDS))
    fields: dict[str, Any] = {view.CONFIG_KINDS[kind]: values for kind, values in zip(_KINDS, found, strict=True)}
    return snapshot.ConfigObjects(**fields, nodes=nodes)


async def _listed(kube: ports.KubePort, kind: str, namespace: str) -> tuple[Any, ...]:
    path = paths.KINDS[kind].collection(namespace)
    try:
        items = _read_list(await kube.get(path)).items or ()
    except msgspec.DecodeError as error:
        raise errors.KubernetesError(0, "Garbage", f"{path}: {error}") from error
    values = []
    for raw in items:
        try:
            value = decoders.DECODERS[kind](raw).value
        except Exception:
            # As in the watches: one object that a decoder trips over must not stop all reviews.
            _log.exception("an object could not be decoded", kind=kind)
            continue
        if value is not None:
            values.append(value)
    return tuple(sorted(values, key=lambda value: value.ref))
