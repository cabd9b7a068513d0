"""Which decoder reads which kind, and where each kind is watched: the wiring of both programs looks here."""

from collections.abc import Iterable
from types import MappingProxyType

from frr_adapter.boundary import watch
from frr_adapter.decode import advertisements, core, peers, pools, status

DECODERS: MappingProxyType[str, watch.Decode] = MappingProxyType(
    {
        "BFDProfile": peers.decode_bfd_profile,
        "BGPAdvertisement": advertisements.decode_bgp_advertisement,
        "BGPPeer": peers.decode_peer,
        "Community": advertisements.decode_community,
        "ConfigMap": core.decode_config_map,
        "EndpointSlice": core.decode_endpoint_slice,
        "IPAddressPool": pools.decode_pool,
        "L2Advertisement": advertisements.decode_l2_advertisement,
        "Namespace": core.decode_namespace,
        "Node": core.decode_node,
        "Pod": core.decode_pod,
        "Secret": core.decode_secret,
        "Service": core.decode_service,
        "ServiceBGPStatus": status.decode_service_bgp_status,
        "ServiceL2Status": status.decode_service_l2_status,
    }
)

_CLUSTER_WIDE = frozenset({"EndpointSlice", "Namespace", "Node", "Service"})


def resources(kinds: Iterable[str], namespace: str) -> tuple[watch.Resource, ...]:
    """What to follow: our own kinds, Secrets and ConfigMaps only in our namespace, the rest everywhere."""
    return tuple(watch.Resource(kind, "" if kind in _CLUSTER_WIDE else namespace) for kind in kinds)
