"""Decoder of ServiceBGPStatus: our own words as the API gives them back."""

import msgspec

from frr_adapter import refs
from frr_adapter.api import kinds
from frr_adapter.api.wire import Metadata, Wire
from frr_adapter.decode.decoded import Decoded, Faults, read
from frr_adapter.model import status

NODE_LABEL = "metallb.io/node"
SERVICE_NAME_LABEL = "metallb.io/service-name"
SERVICE_NAMESPACE_LABEL = "metallb.io/service-namespace"


class _Owner(Wire, frozen=True):
    uid: str = ""


class _Owned(Metadata, frozen=True):
    owner_references: tuple[_Owner, ...] | None = None


class _Object(Wire, frozen=True):
    metadata: _Owned
    status: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Object)
_status_decoder = msgspec.json.Decoder(kinds.ServiceBGPStatusStatus)


def decode_service_bgp_status(raw: bytes | msgspec.Raw) -> Decoded[status.ServiceBgpStatus]:
    """A ServiceBGPStatus, found by its labels. Nonsense in its status counts as an empty status: it will be written again."""
    return read(raw, "ServiceBGPStatus", _decoder, _service_bgp_status)


def _service_bgp_status(ref: refs.ObjectRef, raw: _Object, _faults: Faults) -> status.ServiceBgpStatus:
    labels = raw.metadata.labels or {}
    said = _status(raw.status)
    return status.ServiceBgpStatus(
        ref=ref,
        service=f"{labels.get(SERVICE_NAMESPACE_LABEL, '')}/{labels.get(SERVICE_NAME_LABEL, '')}",
        node=labels.get(NODE_LABEL, ""),
        about=(said.node or "", said.service_namespace or "", said.service_name or ""),
        peers=said.peers or (),
        owners=tuple(owner.uid for owner in raw.metadata.owner_references or ()),
    )


def _status(raw: msgspec.Raw | msgspec.UnsetType) -> kinds.ServiceBGPStatusStatus:
    if isinstance(raw, msgspec.UnsetType):
        return kinds.ServiceBGPStatusStatus()
    try:
        return _status_decoder.decode(raw)
    except msgspec.ValidationError:
        return kinds.ServiceBGPStatusStatus()
