"""Services and EndpointSlices of one node as an nftables ruleset: the part of kube-proxy that a load balancer needs.

Pure; `lab.forwarding` loads the text. It knows only addresses in `status.loadBalancer.ingress`, never ClusterIPs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from lab.kube import Json

TABLE = "frr_adapter_lab"
_MARK = "0x1"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One endpoint behind one port."""

    address: str
    port: int
    node: str

    def element(self) -> str:
        """As nftables writes it in a map."""
        return f"{self.address} . {self.port}"


@dataclass(frozen=True, slots=True, order=True)
class Forward:
    """What happens to one address and port on one node; `masquerade` hides the client behind the node."""

    address: str
    protocol: str
    port: int
    targets: tuple[Target, ...]
    masquerade: bool


def ruleset(services: Iterable[Json], slices: Iterable[Json], node: str) -> str:
    """The whole table for `node`; loading it replaces what was there in one transaction."""
    lines = [f"table inet {TABLE} {{}}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    wanted = forwards(services, slices, node)
    for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
        addresses = sorted({each.address for each in wanted if ip_address(each.address).version == version})
        elements = f"elements = {{ {', '.join(addresses)} }}; " if addresses else ""
        lines.append(f"  set addresses{version} {{ type {kind}; {elements}}}")
    # Before address translation: nothing to send it to, so nobody answers (as kube-proxy does for policy Local).
    lines += ["  chain refuse {", "    type filter hook prerouting priority mangle; policy accept;"]
    lines += [f"    {_match(each)} drop" for each in wanted if not each.targets]
    lines += ["  }", "  chain distribute {", "    type nat hook prerouting priority dstnat; policy accept;"]
    lines += [f"    {_match(each)} {_translate(each)}" for each in wanted if each.targets]
    lines += ["  }", "  chain hide {", "    type nat hook postrouting priority srcnat; policy accept;"]
    lines += [f"    ct mark {_MARK} masquerade", "  }"]
    # Other ports of our addresses would run in circles between node and router.
    lines += ["  chain strays {", "    type filter hook forward priority filter; policy accept;"]
    lines += ["    ip daddr @addresses4 drop", "    ip6 daddr @addresses6 drop", "  }", "}"]
    return "\n".join(lines) + "\n"


def forwards(services: Iterable[Json], slices: Iterable[Json], node: str) -> tuple[Forward, ...]:
    """Every load-balanced address and port as seen from `node`, sorted."""
    by_service: dict[tuple[str, str], list[Json]] = {}
    for each in slices:
        meta = each["metadata"]
        name = (meta.get("labels") or {}).get("kubernetes.io/service-name", "")
        by_service.setdefault((meta.get("namespace", ""), name), []).append(each)
    found: set[Forward] = set()
    for service in services:
        meta, spec = service["metadata"], service.get("spec") or {}
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        own = by_service.get((meta.get("namespace", ""), meta["name"]), [])
        local = spec.get("externalTrafficPolicy") == "Local"
        for address in sorted({each["ip"] for each in ingress if each.get("ip")}):
            version = ip_address(address).version
            for port in spec.get("ports") or []:
                targets = _targets(own, version, port)
                if local:
                    targets = tuple(each for each in targets if each.node == node)
                protocol = str(port.get("protocol", "TCP")).lower()
                found.add(Forward(address, protocol, int(port["port"]), targets, not local))
    return tuple(sorted(found))


def _targets(slices: list[Json], version: int, port: Json) -> tuple[Target, ...]:
    """The ready endpoints of one address family behind one service port, sorted."""
    found = set()
    for each in slices:
        if each.get("addressType") != f"IPv{version}":
            continue
        numbers = [
            int(candidate["port"])
            for candidate in each.get("ports") or []
            if (candidate.get("name") or "") == (port.get("name") or "")
            and candidate.get("protocol", "TCP") == port.get("protocol", "TCP")
        ]
        for endpoint in each.get("endpoints") or []:
            # Absent means ready, EndpointConditions in the API reference.
            if (endpoint.get("conditions") or {}).get("ready", True) is not False:
                found |= {
                    Target(address, number, endpoint.get("nodeName") or "")
                    for address in endpoint["addresses"]
                    for number in numbers
                }
    return tuple(sorted(found))


def _family(each: Forward) -> str:
    return "ip" if ip_address(each.address).version == 4 else "ip6"


def _match(each: Forward) -> str:
    return f"{_family(each)} daddr {each.address} {each.protocol} dport {each.port}"


def _translate(each: Forward) -> str:
    """Pick one of the targets at random for each connection."""
    mark = f"ct mark set {_MARK} " if each.masquerade else ""
    choices = ", ".join(f"{index} : {target.element()}" for index, target in enumerate(each.targets))
    return f"{mark}dnat {_family(each)} to numgen random mod {len(each.targets)} map {{ {choices} }}"
