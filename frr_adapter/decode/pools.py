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
    status: kinds.IPAddressPoolStatus | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Object)


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
    status = raw.status
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
        status=None
        if isinstance(status, msgspec.UnsetType)
        else pool.PoolStatus(status.assigned_ipv4, status.assigned_ipv6, status.available_ipv4, status.available_ipv6),
        is_broken=is_broken,
    )


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
