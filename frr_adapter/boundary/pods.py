"""The pod that a program runs in: looked up once at start by the wiring of both programs."""

import asyncio

import msgspec

from frr_adapter import errors, refs
from frr_adapter.boundary import logs, paths, ports, retry

_log = logs.get_logger()

_PATIENCE_SECONDS = 10.0


class _Meta(msgspec.Struct, frozen=True):
    uid: str = ""


class _Pod(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


async def owner(
    kube: ports.KubePort, namespace: str, name: str, pace: retry.Pace = retry.DEFAULT
) -> ports.Document | None:
    """The owner reference to the pod, for objects that are to go when it goes; None, with a log line, when it cannot be read.

    Without it such objects stay behind, which harms nobody; so an unreadable pod is no reason not to start.
    """
    if not name:
        return None
    ref = refs.ObjectRef("Pod", namespace, name)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            raw = await retry.bounded(lambda: kube.get(paths.path_of(ref)), pace)
        uid = msgspec.json.decode(raw, type=_Pod).metadata.uid
    except (errors.KubernetesError, msgspec.DecodeError, TimeoutError) as error:
        _log.warning("own pod cannot be read; what it writes has no owner", pod=str(ref), error=str(error) or "timeout")
        return None
    return {"apiVersion": paths.KINDS["Pod"].api_version, "kind": "Pod", "name": name, "uid": uid}
