"""Decoder of IPAddressPool."""

import msgspec

from frr_adapter import addresses, problems, refs
from frr_adapter.api import kinds
from frr_adapter.api.wire import Metadata, Wire
from frr_adapter.decode.decoded import Decoded, Faults, labels, name_set, read, selector_list
from frr_adapter.model import pool


class _Object(Wire, frozen=True):
    metadata: Metadata
    spec: kinds.IPAddressPoolSpec
    status: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Object)
_status_decoder = msgspec.json.Decoder(kinds.IPAddressPoolStatus)


def decode_pool(raw: bytes | msgspec.Raw) -> Decoded[pool.Pool]:
    """An IPAddressPool. An unusable entry of `addresses` is left out alone and marks the pool as broken."""
    return read(raw, "IPAddressPool", _decoder, _pool)


def _pool(ref: refs.ObjectRef, raw: _Object, faults: Faults) -> pool.Pool | None:
    spec = raw.spec
    blocks: list[addresses.Block] = []
    if not spec.addresses:
        faults.add(
            "spec.addresses",
            problems.Reason.REQUIRED,
            f'pool "{ref.name}" has no prefixes defined; at least one is required',
        )
    for index, text in enumerate(spec.addresses):
        try:
            blocks.append(addresses.parse_block(text))
        except ValueError as error:
            faults.add(f"spec.addresses[{index}]", problems.Reason.MALFORMED, str(error))
    is_broken = bool(faults.found)
    allocation = _allocation(spec.service_allocation, faults) if spec.service_allocation else None
    return pool.Pool(
        ref=ref,
        uid=raw.metadata.uid,
        created=raw.metadata.creation_timestamp or "",
        generation=raw.metadata.generation,
        labels=labels(raw.metadata),
        blocks=tuple(blocks),
        auto_assign=spec.auto_assign,
        avoid_buggy_ips=spec.avoid_buggy_ips,
        allocation=allocation,
        status=_status(raw.status),
        is_broken=is_broken,
    )


def _status(raw: msgspec.Raw | msgspec.UnsetType) -> pool.PoolStatus | None:
    """The counters, None when there are none or somebody wrote nonsense there: they are ours and will be written again."""
    if isinstance(raw, msgspec.UnsetType):
        return None
    try:
        found = _status_decoder.decode(raw)
    except msgspec.ValidationError:
        return None
    return pool.PoolStatus(found.assigned_ipv4, found.assigned_ipv6, found.available_ipv4, found.available_ipv6)


def _allocation(raw: kinds.ServiceAllocation, faults: Faults) -> pool.Allocation | None:
    path = "spec.serviceAllocation"
    before = len(faults.found)
    namespaces = name_set(raw.namespaces, f"{path}.namespaces", faults, name="namespaces")
    namespace_selectors = selector_list(
        raw.namespace_selectors, f"{path}.namespaceSelectors", faults, name="namespaceSelectors"
    )
    service_selectors = selector_list(
        raw.service_selectors, f"{path}.serviceSelectors", faults, name="serviceSelectors"
    )
    if len(faults.found) > before:
        # A restriction that cannot be read must not open the pool to everybody.
        return pool.Allocation(raw.priority or 0, frozenset(), (), ())
    return pool.Allocation(raw.priority or 0, namespaces or None, namespace_selectors, service_selectors)
