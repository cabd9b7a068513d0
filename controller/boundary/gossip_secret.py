"""The speakers' shared secret in the Kubernetes API: made once, where it is missing, and never touched again.

`controller.__main__` runs `ensure` beside everything else. Must never read what a Secret holds, nor print what it made.
"""

import base64
import secrets

import msgspec

from frr_adapter import errors, refs
from frr_adapter.boundary import logs, paths, ports, retry

KEY = "secretkey"
_BYTES = 16
_PACE = retry.Pace(first=0.5, longest=60.0)
_OWNER_PACE = retry.Pace()

_log = logs.get_logger()


class _Meta(msgspec.Struct, frozen=True):
    uid: str = ""


class _Deployment(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


async def ensure(kube: ports.KubePort, namespace: str, name: str, deployment: str, pace: retry.Pace = _PACE) -> None:
    """Returns when there is a Secret of that name; made here, it goes when the Deployment goes, if one is named.

    Tries for ever, with a log line each time: speakers wait for the Secret, but addresses do not.
    """
    ref = refs.ObjectRef("Secret", namespace, name)

    def note(error: errors.KubernetesError, seconds: float) -> None:
        _log.warning(
            "no secret for the speakers yet", secret=str(ref), error=str(error), again_seconds=round(seconds, 1)
        )

    async def once() -> bool:
        return await _is_there(kube, ref) or await _create(kube, ref, await _owner(kube, namespace, deployment))

    if not await retry.forever(once, pace, note):
        _log.info("another controller made the secret for the speakers", secret=str(ref))


async def _is_there(kube: ports.KubePort, ref: refs.ObjectRef) -> bool:
    try:
        await kube.get(paths.path_of(ref))
    except errors.KubernetesError as error:
        if error.status == 404:
            return False
        raise
    return True


async def _create(kube: ports.KubePort, ref: refs.ObjectRef, owner: ports.Document | None) -> bool:
    """False when somebody else was faster."""
    text = base64.b64encode(secrets.token_bytes(_BYTES)).rstrip(b"=")  # what speakers read is this text
    body = {
        "apiVersion": paths.KINDS["Secret"].api_version,
        "kind": "Secret",
        "metadata": {
            "name": ref.name,
            "namespace": ref.namespace,
            **({"ownerReferences": [owner]} if owner is not None else {}),
        },
        "type": "Opaque",
        "data": {KEY: base64.b64encode(text).decode()},
    }
    try:
        await kube.create(paths.KINDS["Secret"].collection(ref.namespace), body)
    except errors.KubernetesError as error:
        if error.status == 409:
            return False
        raise
    _log.info("secret for the speakers made", secret=str(ref))
    return True


async def _owner(kube: ports.KubePort, namespace: str, deployment: str) -> ports.Document | None:
    """The reference to the Deployment. One that cannot be read is no reason to leave the speakers without a secret."""
    if not deployment:
        return None
    ref = refs.ObjectRef("Deployment", namespace, deployment)
    try:
        raw = await retry.bounded(lambda: kube.get(paths.path_of(ref)), _OWNER_PACE)
        uid = msgspec.json.decode(raw, type=_Deployment).metadata.uid
    except (errors.KubernetesError, msgspec.DecodeError) as error:
        if isinstance(error, errors.KubernetesError) and retry.is_passing(error):
            raise
        _log.warning("the secret for the speakers has no owner", deployment=str(ref), error=str(error))
        return None
    return {"apiVersion": paths.KINDS["Deployment"].api_version, "kind": "Deployment", "name": deployment, "uid": uid}
