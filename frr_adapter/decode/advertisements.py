"""Decoders of L2Advertisement, BGPAdvertisement and Community."""

import msgspec

from frr_adapter import problems, refs, selectors
from frr_adapter.api import kinds
from frr_adapter.api.wire import LabelSelector, Metadata, Wire
from frr_adapter.decode.decoded import Decoded, Faults, name_set, read, selector, selector_list
from frr_adapter.model import advertisement, community


class _L2(Wire, frozen=True):
    metadata: Metadata
    spec: kinds.L2AdvertisementSpec = kinds.L2AdvertisementSpec()


class _Bgp(Wire, frozen=True):
    metadata: Metadata
    spec: kinds.BGPAdvertisementSpec = kinds.BGPAdvertisementSpec()


class _Community(Wire, frozen=True):
    metadata: Metadata
    spec: kinds.CommunitySpec = kinds.CommunitySpec()


_l2_decoder = msgspec.json.Decoder(_L2)
_bgp_decoder = msgspec.json.Decoder(_Bgp)
_community_decoder = msgspec.json.Decoder(_Community)


def decode_l2_advertisement(raw: bytes | msgspec.Raw) -> Decoded[advertisement.L2AdvertisementObject]:
    """An L2Advertisement."""
    return read(raw, "L2Advertisement", _l2_decoder, _l2)


def decode_bgp_advertisement(raw: bytes | msgspec.Raw) -> Decoded[advertisement.BgpAdvertisementObject]:
    """A BGPAdvertisement. Communities stay texts: whether one is an alias only `resolve` knows."""
    return read(raw, "BGPAdvertisement", _bgp_decoder, _bgp)


def decode_community(raw: bytes | msgspec.Raw) -> Decoded[advertisement.CommunityObject]:
    """A Community object; its values are checked by `resolve`, together with all others."""
    return read(raw, "Community", _community_decoder, _communities)


def _selection(spec: kinds.AdvertisementSpec, faults: Faults) -> advertisement.Selection:
    def several(raw: tuple[LabelSelector, ...] | None, name: str) -> tuple[selectors.Selector, ...]:
        return selector_list(raw, f"spec.{name}", faults, name=name)

    return advertisement.Selection(
        pools=name_set(spec.ip_address_pools, "spec.ipAddressPools", faults, name="ipAddressPools"),
        pool_selectors=several(spec.ip_address_pool_selectors, "ipAddressPoolSelectors"),
        node_selectors=several(spec.node_selectors, "nodeSelectors"),
        service_selectors=several(spec.service_selectors, "serviceSelectors"),
    )


def _l2(ref: refs.ObjectRef, raw: _L2, faults: Faults) -> advertisement.L2AdvertisementObject | None:
    spec = raw.spec
    selection = _selection(spec, faults)
    preferences: list[advertisement.Preference] = []
    for index, each in enumerate(spec.preferred_node_selectors or ()):
        preferred = selector(each.preference, f"spec.preferredNodeSelectors[{index}].preference", faults)
        if preferred is not None:
            preferences.append(advertisement.Preference(each.weight, preferred))
    if faults.found:
        return None
    return advertisement.L2AdvertisementObject(
        ref, raw.metadata.uid, selection, tuple(sorted(set(spec.interfaces or ()))), tuple(preferences)
    )


def _bgp(ref: refs.ObjectRef, raw: _Bgp, faults: Faults) -> advertisement.BgpAdvertisementObject | None:
    spec = raw.spec
    selection = _selection(spec, faults)
    peers = name_set(spec.peers, "spec.peers", faults, name="peers")
    communities = name_set(spec.communities, "spec.communities", faults, name="communities")
    _check_lengths(spec, faults)
    if faults.found:
        return None
    return advertisement.BgpAdvertisementObject(
        ref=ref,
        uid=raw.metadata.uid,
        created=raw.metadata.creation_timestamp or "",
        selection=selection,
        aggregation_v4=spec.aggregation_length,
        aggregation_v6=spec.aggregation_length_v6,
        local_pref=spec.local_pref or 0,
        communities=tuple(sorted(communities)),
        peers=peers,
    )


def _check_lengths(spec: kinds.BGPAdvertisementSpec, faults: Faults) -> None:
    for name, found, widest in (
        ("aggregationLength", spec.aggregation_length, 32),
        ("aggregationLengthV6", spec.aggregation_length_v6, 128),
    ):
        field = f"spec.{name}"
        if not 1 <= found <= widest:
            faults.add(
                field, problems.Reason.OUT_OF_RANGE, f"invalid aggregation length {found}: 1 to {widest} is allowed"
            )
        elif spec.service_selectors and found != widest:
            faults.add(
                field,
                problems.Reason.CONFLICT,
                f"serviceSelectors and {name} are mutually exclusive: found {found}; only {widest} is allowed with serviceSelectors",
            )


def _communities(ref: refs.ObjectRef, raw: _Community, _faults: Faults) -> advertisement.CommunityObject:
    aliases = tuple(community.CommunityAlias(each.name or "", each.value or "") for each in raw.spec.communities or ())
    return advertisement.CommunityObject(ref, raw.metadata.uid, raw.metadata.creation_timestamp or "", aliases)
