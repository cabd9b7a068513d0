"""Makes the lab's network: namespaces, the bridge, veth pairs, addresses and routes.

Called once by the supervisor, which owns the mount namespace in which the network namespaces are named; they vanish
with it. Must never touch a network namespace that it did not make.
"""

import os
from pathlib import Path

import pyroute2

from lab import netns
from lab.places import Places
from lab.plan import CLIENT, CLIENT_ADDRESSES, ROUTER, ROUTER_CLIENT, ROUTER_SEGMENT, SWITCH, NodePlan, Pair, Plan

_FORWARDING = {
    # accept_dad=0: addresses work at once; there is nobody else on these wires.
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/default/forwarding": "1",
    "net/ipv6/conf/all/ignore_routes_with_linkdown": "1",
    "net/ipv6/conf/default/ignore_routes_with_linkdown": "1",
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/ignore_routes_with_linkdown": "1",
    "net/ipv4/conf/default/ignore_routes_with_linkdown": "1",
    # Loose: with ECMP the way back may be another way.
    "net/ipv4/conf/all/rp_filter": "2",
    "net/ipv4/conf/default/rp_filter": "2",
    # ECMP by ports, so that one client reaches every node.
    "net/ipv4/fib_multipath_hash_policy": "1",
    "net/ipv6/fib_multipath_hash_policy": "1",
}
_HOST = {
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    # Many short connections from one client.
    "net/ipv4/ip_local_port_range": "10000 65000",
    "net/ipv4/tcp_tw_reuse": "1",
}


def build(plan: Plan, places: Places) -> None:
    """Make everything in `plan`; OSError or a netlink error when the kernel refuses."""
    places.netns_dir.mkdir(mode=0o755, exist_ok=True)
    for name in plan.namespaces:
        netns.create(places.netns(name))
    for name in plan.namespaces:
        forwards = name in plan.routers or name == SWITCH
        netns.inside(places.netns(name), lambda forwards=forwards: _prepare(forwards))  # type: ignore[misc]
    netns.inside(places.netns(SWITCH), lambda: _build_switch(plan, places))
    netns.inside(places.netns(ROUTER), lambda: _build_router(places))
    netns.inside(places.netns(CLIENT), lambda: _configure("eth0", CLIENT_ADDRESSES, ROUTER_CLIENT))
    for node in plan.nodes:
        netns.inside(places.netns(node.name), lambda node=node: _build_node(node, plan, places))  # type: ignore[misc]
        netns.inside(
            places.netns(node.pod_namespace),
            lambda node=node: _configure("eth0", node.pod, node.pod_gateway),  # type: ignore[misc]
        )


def _prepare(forwards: bool) -> None:
    """Sysctls before any interface exists, so that interfaces inherit them; then loopback."""
    netns.write_sysctls(_FORWARDING if forwards else _HOST)
    with pyroute2.IPRoute() as ip:
        ip.link("set", index=ip.link_lookup(ifname="lo")[0], state="up")


def _build_switch(plan: Plan, places: Places) -> None:
    """The bridge and one port per router and node; the far end of each pair is the other side's eth0."""
    with pyroute2.IPRoute() as ip:
        ip.link("add", ifname="br0", kind="bridge", br_mcast_snooping=0)
        bridge = ip.link_lookup(ifname="br0")[0]
        ip.link("set", index=bridge, state="up")
        for name in plan.routers:
            mac = next((node.mac for node in plan.nodes if node.name == name), None)
            port = _join(ip, f"p-{name}", places.netns(name), "eth0", mac)
            ip.link("set", index=port, master=bridge, state="up")


def _build_router(places: Places) -> None:
    """The router's two legs: eth0 towards the nodes, eth1 towards the client."""
    with pyroute2.IPRoute() as ip:
        _join(ip, "eth1", places.netns(CLIENT), "eth0")
    _configure("eth0", ROUTER_SEGMENT, None)
    _configure("eth1", ROUTER_CLIENT, None)


def _build_node(node: NodePlan, plan: Plan, places: Places) -> None:
    """The node's legs: eth0 to the switch, pod0 to its pod; routes to the other nodes' pods."""
    with pyroute2.IPRoute() as ip:
        _join(ip, "pod0", places.netns(node.pod_namespace), "eth0")
    _configure("eth0", node.segment, ROUTER_SEGMENT)
    _configure("pod0", node.pod_gateway, None)
    with pyroute2.IPRoute() as ip:
        for other in plan.nodes:
            if other is not node:
                for pods, via in zip(other.pod, other.segment, strict=True):
                    ip.route("add", dst=str(pods.network), gateway=str(via.ip))


def _join(ip: pyroute2.IPRoute, name: str, far: Path, far_name: str, mac: str | None = None) -> int:
    """A veth pair with the near end here and the far end in another namespace; the near end's index. `mac` is the far end's."""
    fd = os.open(far, os.O_RDONLY | os.O_CLOEXEC)
    try:
        peer = {"ifname": far_name, "net_ns_fd": fd, **({"address": mac} if mac else {})}
        ip.link("add", ifname=name, kind="veth", peer=peer)
    finally:
        os.close(fd)
    index: int = ip.link_lookup(ifname=name)[0]
    return index


def _configure(name: str, addresses: Pair, gateways: Pair | None) -> None:
    """Addresses on an interface of this namespace, up, and default routes when there are gateways."""
    with pyroute2.IPRoute() as ip:
        index = ip.link_lookup(ifname=name)[0]
        ip.link("set", index=index, state="up")
        for address in addresses:
            ip.addr("add", index=index, address=str(address.ip), prefixlen=address.network.prefixlen)
        for gateway in gateways or ():
            ip.route("add", dst="::/0" if gateway.version == 6 else "0.0.0.0/0", gateway=str(gateway.ip))
