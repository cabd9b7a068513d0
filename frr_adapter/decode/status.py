"""Decoders of ServiceBGPStatus and ServiceL2Status: our own words as the API gives them back."""

from typing import TypeVar

import msgspec

from frr_adapter import refs
from frr_adapter.api import kinds
from frr_adapter.api.wire import Metadata, Wire
from frr_adapter.decode.decoded import Decoded, Faults, read
from frr_adapter.model import status

NODE_LABEL = "metallb.io/node"
SERVICE_NAME_LABEL = "metallb.io/service-name"
SERVICE_NAMESPACE_LABEL = "metallb.io/service-namespace"

S = TypeVar("S", bound=kinds.ServiceStatus)


class _Owner(Wire, frozen=True):
    uid: str = ""


class _Owned(Metadata, frozen=True):
    owner_references: tuple[_Owner, ...] | None = None


class _Object(Wire, frozen=True):
    metadata: _Owned
    status: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Object)
_bgp_decoder = msgspec.json.Decoder(kinds.ServiceBGPStatusStatus)
_l2_decoder = msgspec.json.Decoder(kinds.ServiceL2StatusStatus)


def decode_service_bgp_status(raw: bytes | msgspec.Raw) -> Decoded[status.ServiceStatus]:
    """A ServiceBGPStatus, found by its labels. Nonsense in its status counts as an empty status: it will be written again."""
    return read(raw, "ServiceBGPStatus", _decoder, _service_bgp_status)


def decode_service_l2_status(raw: bytes | msgspec.Raw) -> Decoded[status.ServiceStatus]:
    """A ServiceL2Status, as `decode_service_bgp_status`; the names of its interfaces stand in the object's order."""
    return read(raw, "ServiceL2Status", _decoder, _service_l2_status)


def _service_bgp_status(ref: refs.ObjectRef, raw: _Object, _faults: Faults) -> status.ServiceStatus:
    found = _status(raw, _bgp_decoder, kinds.ServiceBGPStatusStatus())
    return _service_status(ref, raw, found, found.peers or ())


def _service_l2_status(ref: refs.ObjectRef, raw: _Object, _faults: Faults) -> status.ServiceStatus:
    found = _status(raw, _l2_decoder, kinds.ServiceL2StatusStatus())
    return _service_status(ref, raw, found, tuple(each.name or "" for each in found.interfaces or ()))


def _service_status(
    ref: refs.ObjectRef, raw: _Object, found: kinds.ServiceStatus, said: tuple[str, ...]
) -> status.ServiceStatus:
    labels = raw.metadata.labels or {}
    return status.ServiceStatus(
        ref=ref,
        service=f"{labels.get(SERVICE_NAMESPACE_LABEL, '')}/{labels.get(SERVICE_NAME_LABEL, '')}",
        node=labels.get(NODE_LABEL, ""),
        about=(found.node or "", found.service_namespace or "", found.service_name or ""),
        said=said,
        owners=tuple(owner.uid for owner in raw.metadata.owner_references or ()),
    )


def _status(raw: _Object, decoder: msgspec.json.Decoder[S], nothing: S) -> S:
    if isinstance(raw.status, msgspec.UnsetType):
        return nothing
    try:
        return decoder.decode(raw.status)
    except msgspec.ValidationError:
        return nothing
