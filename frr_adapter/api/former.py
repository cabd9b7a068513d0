"""BGPPeer as version v1beta1 knew it, which old manifests and tools still speak.

`crds` derives that version's schema from these types; `controller.core.conversion` turns documents of one version into the
other. Nothing is decoded from them: all programs read v1beta2.
"""

from typing import Annotated

import msgspec

from frr_adapter.api.wire import Wire, schema

VERSION = "v1beta1"
_UINT32 = 4294967295


class NodeRequirement(Wire, frozen=True):
    """A requirement on one label of a node."""

    key: Annotated[str, schema("The label key that the selector applies to.")]
    operator: Annotated[str, schema("How key and values relate: In, NotIn, Exists or DoesNotExist.")]
    values: Annotated[tuple[str, ...], schema("Values for In and NotIn.", minItems=1)]


class NodeSelector(Wire, frozen=True):
    """A query over the labels of nodes. All parts are AND-ed."""

    match_labels: Annotated[dict[str, str] | None, schema("Pairs of label and value that must all be present.")] = None
    match_expressions: Annotated[tuple[NodeRequirement, ...] | None, schema("Requirements on label keys, AND-ed.")] = (
        None
    )


class BGPPeerSpec(Wire, frozen=True):
    """A router to speak BGP with."""

    my_asn: Annotated[int, schema("Autonomous system number of our side.", ge=0, le=_UINT32, format="int64")] = (
        msgspec.field(name="myASN")
    )
    peer_asn: Annotated[int, schema("Autonomous system number of the peer.", ge=0, le=_UINT32, format="int64")] = (
        msgspec.field(name="peerASN")
    )
    peer_address: Annotated[str, schema("Address to dial.")]
    source_address: Annotated[str | None, schema("Source address of the session.")] = None
    peer_port: Annotated[int | None, schema("Port to dial; 179 when it is 0 or left out.", ge=0, le=16384)] = None
    hold_time: Annotated[
        str | None, schema("Hold time, such as 90s; left out, it is 0: the session never times out.")
    ] = None
    keepalive_time: Annotated[
        str | None, schema("Keepalive time, at most the hold time; left out, it is 0: no keepalives are sent.")
    ] = None
    router_id: Annotated[str | None, schema("BGP router ID.")] = msgspec.field(default=None, name="routerID")
    node_selectors: Annotated[
        tuple[NodeSelector, ...] | None, schema("Nodes that open the session. When empty, all nodes do.")
    ] = None
    password: Annotated[str | None, schema("TCP MD5 password (RFC 2385).")] = None
    bfd_profile: Annotated[str | None, schema("Name of the BFDProfile that guards the session.")] = None
    ebgp_multi_hop: Annotated[bool | None, schema("The external peer is more than one hop away.")] = None
