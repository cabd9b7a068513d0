"""Cluster IPs and node ports of Services: which are taken, and taking free ones.

The Service strategy allocates from it while it prepares a write; `backend` reports every kept change, which is when
something counts as taken. Must never change a Service.
"""

import ipaddress
import random
from collections.abc import Iterator

from lab.apiserver.fielderrors import FieldError, invalid
from lab.apiserver.objects import Json

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NODE_PORTS = (30000, 32767)


class Full(Exception):  # noqa: N818  a state of the network, not a fault of the program
    """No address or port is left."""


class ServiceNetwork:
    """The taken addresses of both families and the taken node ports (port, protocol)."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self.families: dict[str, Network] = {f"IPv{network.version}": network for network in networks}
        self._addresses: dict[str, str] = {}  # address -> uid
        self._ports: dict[tuple[int, str], str] = {}  # (port, protocol) -> uid

    @property
    def primary(self) -> str:
        """The family of Services that do not ask for one."""
        return next(iter(self.families))

    def observe(self, previous: Json | None, current: Json | None) -> None:
        """Takes note of a kept change of one Service."""
        if previous is not None:
            for address in _addresses(previous):
                self._addresses.pop(address, None)
            for port in _ports(previous):
                self._ports.pop(port, None)
        if current is not None:
            uid = current["metadata"]["uid"]
            self._addresses.update(dict.fromkeys(_addresses(current), uid))
            self._ports.update(dict.fromkeys(_ports(current), uid))

    def free_address(self, family: str) -> str:
        """A free cluster IP of a family; raises Full."""
        network = self.families[family]
        # The first and, for IPv4, the last address name the network itself.
        span = min(network.num_addresses - 2, 65534)
        start = random.randrange(span)
        for step in range(span):
            address = str(network[1 + (start + step) % span])
            if address not in self._addresses:
                return address
        raise Full(f"range is full: {network}")

    def check_address(self, address: str, uid: str, clusterips: list[str]) -> FieldError | None:
        """Why a Service may not have the cluster IP it asks for, or None."""
        parsed = ipaddress.ip_address(address)
        network = self.families.get(f"IPv{parsed.version}")
        if network is None or parsed not in network or parsed in _ends(network):
            return invalid(
                "spec.clusterIPs",
                clusterips,
                f"failed to allocate IP {address}: the provided network does not match the current range",
            )
        if self._addresses.get(str(parsed), uid) != uid:
            return invalid(
                "spec.clusterIPs", clusterips, f"failed to allocate IP {address}: provided IP is already allocated"
            )
        return None

    def free_port(self, protocols: set[str], also_taken: set[int]) -> int:
        """A node port free for every protocol; raises Full."""
        low, high = NODE_PORTS
        span = high - low + 1
        start = random.randrange(span)
        for step in range(span):
            port = low + (start + step) % span
            if port not in also_taken and not any((port, protocol) in self._ports for protocol in protocols):
                return port
        raise Full("range is full")

    def check_port(self, path: str, port: int, protocol: str, uid: str) -> FieldError | None:
        """Why a Service may not have the node port it asks for, or None."""
        low, high = NODE_PORTS
        if not low <= port <= high:
            return invalid(
                path, port, f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
            )
        if self._ports.get((port, protocol), uid) != uid:
            return invalid(path, port, "provided port is already allocated")
        return None


def _ends(network: Network) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses that name the network itself and, in IPv4, everybody in it."""
    return {network[0], network[-1]} if network.version == 4 else {network[0]}


def _addresses(service: Json) -> Iterator[str]:
    for address in service["spec"].get("clusterIPs") or ():
        if address != "None":
            yield str(ipaddress.ip_address(address))


def _ports(service: Json) -> Iterator[tuple[int, str]]:
    for port in service["spec"].get("ports") or ():
        if port.get("nodePort"):
            yield port["nodePort"], port["protocol"]
    health = service["spec"].get("healthCheckNodePort")
    if health:
        yield health, "TCP"
