"""The lab's addresses and names, computed from the number of nodes.

Pure: topology, FRR, objects and the tables all read the same plan. Must never look at the machine.
"""

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface

from lab.errors import LabError

ROUTER = "up"
CLIENT = "client"
SWITCH = "sw"
CONTROL = "control"

Interface = IPv4Interface | IPv6Interface
Pair = tuple[Interface, Interface]
"""The IPv4 and the IPv6 address of one place, with their prefix lengths."""

MAX_NODES = 50
"""Nodes are .11 to .60 of the segment; above lie the addresses of the L2 pool."""

ROUTER_ASN = 64512
NODE_ASN = 64600
ROUTER_SEGMENT: Pair = (IPv4Interface("10.99.0.1/24"), IPv6Interface("fd00:99::1/64"))
ROUTER_CLIENT: Pair = (IPv4Interface("10.98.0.1/24"), IPv6Interface("fd00:98::1/64"))
CLIENT_ADDRESSES: Pair = (IPv4Interface("10.98.0.10/24"), IPv6Interface("fd00:98::10/64"))

API_PORT = 6443
"""Where the API answers inside every namespace (127.0.0.1), through a relay."""
BACKEND_PORT = 8080
METRICS_PORT = 9120
HEALTH_PORT = 17472


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node: its place on the segment and the pod behind it."""

    name: str
    index: int
    segment: Pair
    pod_gateway: Pair
    pod: Pair

    @property
    def mac(self) -> str:
        """Of the node's eth0: fixed, so that a MAC or a link-local next hop names its node."""
        return f"02:00:00:99:00:{10 + self.index:02x}"

    @property
    def link_local(self) -> IPv6Address:
        """Of the node's eth0, made from the MAC as in RFC 4291, appendix A."""
        return IPv6Address(f"fe80::ff:fe99:{10 + self.index:x}")

    @property
    def pod_namespace(self) -> str:
        """The network namespace of the node's one pod."""
        return f"{self.name}-pod"

    @property
    def switch_port(self) -> str:
        """The bridge port that leads to the node; setting it down unplugs the node."""
        return f"p-{self.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole lab."""

    nodes: tuple[NodePlan, ...]

    def node(self, name: str) -> NodePlan:
        """The node of that name; `LabError` naming the known ones when there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise LabError(f"node {name!r} does not exist; nodes of this lab: {known}")

    def owner_of(self, next_hop: str) -> str:
        """The node that has this address or MAC on the segment; the text itself when none has."""
        for node in self.nodes:
            if next_hop in {str(node.segment[0].ip), str(node.segment[1].ip), str(node.link_local), node.mac}:
                return node.name
        return next_hop

    @property
    def routers(self) -> tuple[str, ...]:
        """Every namespace with FRR daemons: the router first, then the nodes."""
        return (ROUTER, *(node.name for node in self.nodes))

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every network namespace, in the order in which they are made."""
        of_nodes = (name for node in self.nodes for name in (node.name, node.pod_namespace))
        return (SWITCH, ROUTER, CLIENT, CONTROL, *of_nodes)


def plan(node_count: int) -> Plan:
    """The lab with `node_count` nodes (1 to 50), named n1, n2, ..."""
    if not 1 <= node_count <= MAX_NODES:
        raise LabError(f"--nodes {node_count} is out of range: give 1 to {MAX_NODES}")
    return Plan(tuple(_node(index) for index in range(1, node_count + 1)))


def _node(index: int) -> NodePlan:
    """Node number `index`, from 1; the IPv6 host part reads like the IPv4 one."""
    host = 10 + index
    return NodePlan(
        name=f"n{index}",
        index=index,
        segment=(IPv4Interface(f"10.99.0.{host}/24"), IPv6Interface(f"fd00:99::{host}/64")),
        pod_gateway=(IPv4Interface(f"10.244.{index}.1/24"), IPv6Interface(f"fd00:244:{index}::1/64")),
        pod=(IPv4Interface(f"10.244.{index}.10/24"), IPv6Interface(f"fd00:244:{index}::10/64")),
    )
