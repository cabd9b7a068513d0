"""The kinds of group `metallb.io`: nine compatible field by field, and NodeBGPStatus, which is ours; four are written by us.

Read by `decode` (as types) and `crds` (as schemas).
"""

from typing import Annotated

import msgspec

from frr_adapter.api.wire import Condition, LabelSelector, Wire, rule, schema

_UINT32 = 4294967295
_AGGREGATION_RULE = (
    "!has(self.serviceSelectors) || size(self.serviceSelectors) == 0 || "
    "((!has(self.aggregationLength) || self.aggregationLength == 32) && "
    "(!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128))"
)
_IMMUTABLE = [rule("self == oldSelf", "Value is immutable")]


class ServiceAllocation(Wire, frozen=True):
    """Which namespaces and services may use the pool, and how early it is tried."""

    priority: Annotated[int | None, schema("Pools with a lower number are tried first; 0 or unset comes last.")] = None
    namespaces: Annotated[tuple[str, ...] | None, schema("Namespaces that may use the pool.")] = None
    namespace_selectors: Annotated[
        tuple[LabelSelector, ...] | None,
        schema("Namespaces that may use the pool, by label; added to those in namespaces."),
    ] = None
    service_selectors: Annotated[
        tuple[LabelSelector, ...] | None, schema("Services that may use the pool, by the labels of the Service.")
    ] = None


class IPAddressPoolSpec(Wire, frozen=True):
    """A set of addresses that can be given to Services of type LoadBalancer."""

    addresses: Annotated[
        tuple[str, ...],
        schema(
            "Address ranges as CIDR or start-end; IPv4 and IPv6 may be mixed. Their order is the order of allocation."
        ),
    ]
    auto_assign: Annotated[
        bool,
        schema("When false, addresses are only given to Services that ask for the pool or an address.", default=True),
    ] = True
    avoid_buggy_ips: Annotated[
        bool, schema("Leave out IPv4 addresses that end in .0 or .255, which some old equipment drops.", default=False)
    ] = msgspec.field(default=False, name="avoidBuggyIPs")
    service_allocation: Annotated[
        ServiceAllocation | None, schema("Restricts the pool to namespaces and services, and orders pools.")
    ] = None


class IPAddressPoolStatus(Wire, frozen=True):
    """How many addresses of the pool are in use."""

    assigned_ipv4: Annotated[int, schema("Number of IPv4 addresses in use.", format="int64")] = msgspec.field(
        name="assignedIPv4"
    )
    assigned_ipv6: Annotated[int, schema("Number of IPv6 addresses in use.", format="int64")] = msgspec.field(
        name="assignedIPv6"
    )
    available_ipv4: Annotated[int, schema("Number of free IPv4 addresses.", format="int64")] = msgspec.field(
        name="availableIPv4"
    )
    available_ipv6: Annotated[int, schema("Number of free IPv6 addresses.", format="int64")] = msgspec.field(
        name="availableIPv6"
    )


class L2Preference(Wire, frozen=True):
    """A preference for nodes when the announcing node is elected."""

    weight: Annotated[int, schema("Added to a node's score when the preference matches.", ge=1, le=100, format="int32")]
    preference: Annotated[LabelSelector, schema("Which nodes are preferred, by label; an empty selector means all.")]


class AdvertisementSpec(Wire, frozen=True):
    """What both kinds of advertisement speak about: pools, nodes and services."""

    ip_address_pools: Annotated[tuple[str, ...] | None, schema("Pools to announce, by name.")] = None
    ip_address_pool_selectors: Annotated[
        tuple[LabelSelector, ...] | None,
        schema("Pools to announce, by label; added to ipAddressPools. When both are empty, every pool is meant."),
    ] = None
    node_selectors: Annotated[
        tuple[LabelSelector, ...] | None, schema("Nodes that may announce. When empty, all nodes may.")
    ] = None
    service_selectors: Annotated[
        tuple[LabelSelector, ...] | None,
        schema("Services to announce, by the labels of the Service. When empty, all services of the pools are meant."),
    ] = None


class L2AdvertisementSpec(AdvertisementSpec, frozen=True):
    """Announces the addresses of pools by ARP and NDP."""

    interfaces: Annotated[
        tuple[str, ...] | None, schema("Interfaces to announce from. When empty, all interfaces are used.")
    ] = None
    preferred_node_selectors: Annotated[
        tuple[L2Preference, ...] | None,
        schema("Nodes to prefer in the election. Weights of all matching preferences are added up."),
    ] = None


class BGPAdvertisementSpec(AdvertisementSpec, frozen=True):
    """Announces the addresses of pools by BGP."""

    aggregation_length: Annotated[
        int, schema("Length of the announced prefix for IPv4.", ge=1, default=32, format="int32")
    ] = 32
    aggregation_length_v6: Annotated[
        int, schema("Length of the announced prefix for IPv6.", default=128, format="int32")
    ] = 128
    local_pref: Annotated[
        int | None, schema("LOCAL_PREF of the announced routes; only internal peers see it.", format="int32")
    ] = None
    communities: Annotated[
        tuple[str, ...] | None,
        schema("Communities of the routes: 65000:1, large:65000:1:2, or the name of an alias in a Community object."),
    ] = None
    peers: Annotated[
        tuple[str, ...] | None, schema("Names of the BGPPeers that receive the routes. When empty, all peers do.")
    ] = None


class SecretReference(Wire, frozen=True):
    """The name of a Secret."""

    name: Annotated[str | None, schema("Name of the Secret.")] = None
    namespace: Annotated[str | None, schema("Namespace of the Secret.")] = None


class BGPPeerSpec(Wire, frozen=True):
    """A router to speak BGP with."""

    my_asn: Annotated[int, schema("Autonomous system number of our side.", ge=0, le=_UINT32, format="int64")] = (
        msgspec.field(name="myASN")
    )
    peer_asn: Annotated[
        int | None,
        schema("Autonomous system number of the peer; excludes dynamicASN.", ge=0, le=_UINT32, format="int64"),
    ] = msgspec.field(default=None, name="peerASN")
    local_asn: Annotated[
        int | None,
        schema("Autonomous system number to show to this peer instead of myASN.", ge=1, le=_UINT32, format="int64"),
    ] = msgspec.field(default=None, name="localASN")
    dynamic_asn: Annotated[
        str | None,
        schema(
            "Takes the peer's number as it comes: internal (equal to myASN) or external (any other). Excludes peerASN.",
            enum=["internal", "external"],
        ),
    ] = msgspec.field(default=None, name="dynamicASN")
    peer_address: Annotated[str | None, schema("Address to dial; excludes interface.")] = None
    interface: Annotated[str | None, schema("Host interface for an unnumbered session; excludes peerAddress.")] = None
    source_address: Annotated[str | None, schema("Source address of the session.")] = None
    peer_port: Annotated[int, schema("Port to dial.", ge=1, le=16384, default=179)] = 179
    hold_time: Annotated[str | None, schema("Hold time, such as 90s; 0 or at least 3s. See RFC 4271.")] = None
    keepalive_time: Annotated[str | None, schema("Keepalive time, at most the hold time.")] = None
    connect_time: Annotated[
        str | None,
        schema(
            "Time between attempts to connect.",
            x_kubernetes_validations=[
                rule(
                    "duration(self) >= duration('1s') && duration(self) <= duration('65535s')",
                    "connect time should be between 1 seconds to 65535",
                ),
                rule(
                    "duration(self).getMilliseconds() % 1000 == 0",
                    "connect time should contain a whole number of seconds",
                ),
            ],
        ),
    ] = None
    router_id: Annotated[str | None, schema("BGP router ID.")] = msgspec.field(default=None, name="routerID")
    node_selectors: Annotated[
        tuple[LabelSelector, ...] | None, schema("Nodes that open the session. When empty, all nodes do.")
    ] = None
    password: Annotated[str | None, schema("TCP MD5 password (RFC 2385); excludes passwordSecret.")] = None
    password_secret: Annotated[
        SecretReference | None,
        schema(
            "Secret of type kubernetes.io/basic-auth whose key password holds the TCP MD5 password; excludes password.",
            x_kubernetes_map_type="atomic",
        ),
    ] = None
    bfd_profile: Annotated[str | None, schema("Name of the BFDProfile that guards the session.")] = None
    enable_graceful_restart: Annotated[
        bool | None,
        schema(
            "Keeps routes while the other side restarts (RFC 4724). Cannot be changed once set.",
            x_kubernetes_validations=[
                rule("self == oldSelf", "EnableGracefulRestart cannot be changed after creation")
            ],
        ),
    ] = None
    ebgp_multi_hop: Annotated[bool | None, schema("The external peer is more than one hop away.")] = None
    vrf: Annotated[str | None, schema("Host VRF in which the session runs.")] = None
    disable_mp: Annotated[bool, schema("Deprecated, without effect.", default=False)] = msgspec.field(
        default=False, name="disableMP"
    )
    dual_stack_address_family: Annotated[
        bool, schema("Carries IPv4 and IPv6 routes over this one session.", default=False)
    ] = False


class BFDProfileSpec(Wire, frozen=True):
    """Settings of BFD sessions; what is unset is left to FRR."""

    receive_interval: Annotated[
        int | None,
        schema("Shortest interval between packets that we accept, in ms.", ge=10, le=60000, format="int32"),
    ] = None
    transmit_interval: Annotated[
        int | None, schema("Shortest interval between packets that we send, in ms.", ge=10, le=60000, format="int32")
    ] = None
    detect_multiplier: Annotated[
        int | None, schema("Lost packets after which the peer counts as down.", ge=2, le=255, format="int32")
    ] = None
    echo_interval: Annotated[
        int | None, schema("Interval between echo packets, in ms.", ge=10, le=60000, format="int32")
    ] = None
    echo_mode: Annotated[bool | None, schema("Use echo packets; IPv4 single hop only.")] = None
    passive_mode: Annotated[bool | None, schema("Wait for the peer to begin.")] = None
    minimum_ttl: Annotated[
        int | None, schema("Lowest TTL accepted on multihop sessions.", ge=1, le=254, format="int32")
    ] = None


class CommunityAlias(Wire, frozen=True):
    """A name for a community."""

    name: Annotated[str | None, schema("Name to use in BGPAdvertisements.")] = None
    value: Annotated[str | None, schema("65000:1 or large:65000:1:2.")] = None


class CommunitySpec(Wire, frozen=True):
    """Names for BGP communities."""

    communities: Annotated[tuple[CommunityAlias, ...] | None, schema("The aliases.")] = None


class L2Interface(Wire, frozen=True):
    """An interface."""

    name: Annotated[str | None, schema("Name of the interface.")] = None


class ServiceStatus(Wire, frozen=True):
    """Which service on which node a status object speaks about; unchangeable."""

    node: Annotated[str | None, schema("The announcing node.", x_kubernetes_validations=_IMMUTABLE)] = None
    service_name: Annotated[str | None, schema("Name of the Service.", x_kubernetes_validations=_IMMUTABLE)] = None
    service_namespace: Annotated[
        str | None, schema("Namespace of the Service.", x_kubernetes_validations=_IMMUTABLE)
    ] = None


class ServiceL2StatusStatus(ServiceStatus, frozen=True):
    """Which node announces a service on layer 2."""

    interfaces: Annotated[tuple[L2Interface, ...] | None, schema("Interfaces announced from; absent when all are.")] = (
        None
    )


class ServiceBGPStatusStatus(ServiceStatus, frozen=True):
    """To which peers a node announces a service."""

    peers: Annotated[tuple[str, ...] | None, schema("Names of the BGPPeers, sorted.")] = None


class ConfigurationStateStatus(Wire, frozen=True):
    """Whether one program could use the whole configuration."""

    result: Annotated[str | None, schema("Valid, Invalid or Unknown.", enum=["Valid", "Invalid", "Unknown"])] = None
    error_summary: Annotated[str | None, schema("What is wrong, one line for each problem.")] = None
    conditions: Annotated[
        tuple[Condition, ...] | None,
        schema("Conditions, one for each reporter.", x_kubernetes_list_type="map", x_kubernetes_list_map_keys=["type"]),
    ] = None


class NodeFrr(Wire, frozen=True):
    """FRR on the node."""

    version: Annotated[str, schema("FRR's version; empty until it answered.")] = ""
    up: Annotated[bool, schema("Whether all daemons of FRR answer.")] = False


class NodeConfiguration(Wire, frozen=True):
    """How far the wanted configuration is that of FRR."""

    state: Annotated[
        str,
        schema(
            "Applied when FRR runs what is wanted, Applying while it does not yet, Refused when it would not take it.",
            enum=["Applied", "Applying", "Refused"],
        ),
    ] = "Applying"
    wanted: Annotated[
        str, schema("Fingerprint of the wanted configuration: comments do not count, passwords count as ***.")
    ] = ""
    applied: Annotated[str, schema("Fingerprint of what FRR took last; empty when nothing is known to run.")] = ""
    way: Annotated[
        str | None, schema("How it got there: line by line (hot) or as a whole (reload).", enum=["hot", "reload"])
    ] = None
    last_error: Annotated[str | None, schema("What FRR refused, and what it said; absent when all is well.")] = None
    last_applied_time: Annotated[str | None, schema("When FRR took what it runs.", format="date-time")] = None
    last_resets: Annotated[
        tuple[str, ...], schema("Sessions that the last disturbing change reset, and why; since the speaker started.")
    ] = ()


class NodeSession(Wire, frozen=True):
    """One BGP session of the node."""

    neighbor: Annotated[str, schema("Address, or interface of an unnumbered session.")]
    vrf: Annotated[str, schema("VRF in FRR's word: default for the one without a name.")]
    peers: Annotated[
        tuple[str, ...], schema("Names of the BGPPeers that want the session; empty for one that is not ours.")
    ]
    state: Annotated[str, schema("FRR's word, such as Established; Unknown while FRR does not say.")]
    bfd: Annotated[str, schema("BFD session; N/A without one.", enum=["Up", "Down", "N/A"])]
    last_reset: Annotated[str | None, schema("Why the session ended last, in FRR's words.")] = None
    last_transition_time: Annotated[
        str | None, schema("When the state was first seen to be this one.", format="date-time")
    ] = None


class NodeBGPStatusStatus(Wire, frozen=True):
    """BGP on one node."""

    node: Annotated[str, schema("The node.")] = ""
    established: Annotated[str, schema("Established sessions of all sessions, such as 2/3.")] = ""
    frr: Annotated[NodeFrr, schema("FRR on the node.")] = NodeFrr()
    configuration: Annotated[NodeConfiguration, schema("The configuration of FRR.")] = NodeConfiguration()
    sessions: Annotated[tuple[NodeSession, ...], schema("Sessions, sorted by VRF and neighbor.")] = ()


AGGREGATION_RULES = [
    rule(
        _AGGREGATION_RULE,
        "serviceSelectors and aggregationLength are mutually exclusive: "
        "aggregationLength must be 32 and aggregationLengthV6 128 (the defaults) when serviceSelectors is set",
    )
]
