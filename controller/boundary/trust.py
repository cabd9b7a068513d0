"""The webhook's certificates in the Kubernetes API: a Secret that all replicas share, and the caBundle of those who call us.

`controller.reviewing` calls it. Every write carries the version it was decided on, so that of two replicas one gets a 409 and
reads again. Must never make or judge a certificate.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib import parse

import msgspec

from controller import credentials
from frr_adapter import errors, refs
from frr_adapter.api import wire
from frr_adapter.boundary import paths, ports, watch
from frr_adapter.decode import decoded

CONFIGURATION = "metallb-webhook-configuration"
DEFINITION = "bgppeers.metallb.io"
"""The CustomResourceDefinition whose older version is converted."""
_KEYS = ("ca.crt", "ca.key", "tls.crt", "tls.key")


class _Object(wire.Wire, frozen=True):
    metadata: wire.Metadata


class _Secret(wire.Wire, frozen=True):
    metadata: wire.Metadata
    data: dict[str, str] | None = None


_object = msgspec.json.Decoder(_Object)
_secret = msgspec.json.Decoder(_Secret)


def resources(namespace: str, secret: str) -> tuple[watch.Resource, ...]:
    """What tells, when it changes, that the certificates want another look."""
    return (
        watch.Resource("Secret", namespace, field_selector=f"metadata.name={secret}"),
        watch.Resource("ValidatingWebhookConfiguration", field_selector=f"metadata.name={CONFIGURATION}"),
        watch.Resource("CustomResourceDefinition", field_selector=f"metadata.name={DEFINITION}"),
    )


def noticing(kind: str) -> watch.Decode:
    """A decoder for a watch of which only the fact matters that something changed."""

    def decode(raw: msgspec.Raw) -> decoded.Decoded[Any]:
        metadata = _object.decode(raw).metadata
        return decoded.Decoded(refs.ObjectRef(kind, metadata.namespace, metadata.name), metadata.resource_version, None)

    return decode


async def read(kube: ports.KubePort, namespace: str, name: str) -> tuple[credentials.Bundle | None, str]:
    """The bundle in the Secret and the Secret's version; no bundle when it is incomplete, no version when there is none."""
    try:
        found = _secret.decode(await kube.get(paths.path_of(refs.ObjectRef("Secret", namespace, name))))
        parts = [base64.b64decode((found.data or {}).get(key, ""), validate=True) for key in _KEYS]
    except errors.KubernetesError as error:
        if error.status == 404:
            return None, ""
        raise
    except binascii.Error as error:
        raise errors.KubernetesError(0, "Garbage", f"Secret {namespace}/{name}: {error}") from error
    return (credentials.Bundle(*parts) if all(parts) else None), found.metadata.resource_version


async def write(kube: ports.KubePort, namespace: str, name: str, bundle: credentials.Bundle, version: str) -> None:
    """Puts the bundle into the Secret if it is still at `version`, else errors.KubernetesError with status 409.

    Other keys, labels and owners of the Secret stay.
    """
    values = (bundle.authorities, bundle.authority_key, bundle.certificate, bundle.key)
    data = {key: base64.b64encode(value).decode() for key, value in zip(_KEYS, values, strict=True)}
    if version:
        change = {"metadata": {"resourceVersion": version}, "data": data}
        await kube.patch(paths.path_of(refs.ObjectRef("Secret", namespace, name)), change, ports.Patch.MERGE)
        return
    metadata = {"name": name, "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
    await kube.create(paths.KINDS["Secret"].collection(namespace), body)


async def inject(kube: ports.KubePort, authorities: bytes) -> bool:
    """Makes the webhook configuration trust these authorities; True when something had to change.

    A configuration that is not there is not missed: whoever installs it wakes us by its watch event.
    """
    bundle = base64.b64encode(authorities).decode()
    path = paths.path_of(refs.ObjectRef("ValidatingWebhookConfiguration", "", CONFIGURATION))
    return await _inject(kube, path, lambda found: _trusting(found, bundle))


async def inject_conversion(kube: ports.KubePort, authorities: bytes, names: frozenset[str]) -> bool:
    """Makes the conversion of BGPPeer trust these authorities; True when something had to change.

    Only where the definition asks for conversion by a server that has one of these names: a definition without conversion,
    or one that another program converts, is none of our business.
    """
    bundle = base64.b64encode(authorities).decode()
    path = paths.path_of(refs.ObjectRef("CustomResourceDefinition", "", DEFINITION))
    return await _inject(kube, path, lambda found: _converting(found, bundle, names))


async def _inject(kube: ports.KubePort, path: str, changes: Callable[[dict[str, Any]], dict[str, Any] | None]) -> bool:
    """Patches the object at `path` with what `changes` says; None means that it is as it should be.

    One object with a caBundle is one call of this, whatever its shape: fields that we do not know must survive, which is why
    the objects stay as they came.
    """
    try:
        found: dict[str, Any] = msgspec.json.decode(await kube.get(path))
    except errors.KubernetesError as error:
        if error.status == 404:
            return False
        raise
    change = changes(found)
    if change is None:
        return False
    metadata = {"resourceVersion": found["metadata"]["resourceVersion"]}
    await kube.patch(path, {**change, "metadata": metadata}, ports.Patch.MERGE)
    return True


def _converting(found: dict[str, Any], bundle: str, names: frozenset[str]) -> dict[str, Any] | None:
    conversion = found.get("spec", {}).get("conversion") or {}
    client = (conversion.get("webhook") or {}).get("clientConfig") or {}
    service = client.get("service") or {}
    asked = (
        parse.urlsplit(client["url"]).hostname
        if client.get("url")
        else f"{service.get('name')}.{service.get('namespace')}.svc"
    )
    if conversion.get("strategy") != "Webhook" or asked not in names or client.get("caBundle") == bundle:
        return None
    return {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}}}


def _trusting(found: dict[str, Any], bundle: str) -> dict[str, Any] | None:
    webhooks = found.get("webhooks") or []
    wanted = [{**each, "clientConfig": {**each["clientConfig"], "caBundle": bundle}} for each in webhooks]
    return {"webhooks": wanted} if wanted != webhooks else None
