"""A Service's spec made whole: defaults, fields that follow the type, allocations.

`strategies` calls `complete` on every create and update of a Service, before `service_rules` checks the outcome.
Must never take an address for good: `ServiceNetwork.observe` does, after the write.
Source: Kubernetes documentation, "Service" and "IPv4/IPv6 dual-stack".
"""

from typing import Any

from lab.apiserver.fielderrors import FieldError, invalid
from lab.apiserver.objects import Json
from lab.apiserver.refusal import ApiError
from lab.apiserver.service_network import Full, ServiceNetwork

_EMPTY_IS_ABSENT = (
    "clusterIP",
    "clusterIPs",
    "ipFamilies",
    "ipFamilyPolicy",
    "externalIPs",
    "externalName",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "ports",
    "publishNotReadyAddresses",
    "selector",
    "sessionAffinity",
    "type",
)


def needs_cluster_ip(spec: Json) -> bool:
    """Whether the type has cluster IPs (headless counts)."""
    return spec["type"] in {"ClusterIP", "NodePort", "LoadBalancer"}


def needs_node_ports(spec: Json) -> bool:
    """Whether the server gives this Service node ports."""
    wanted = spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)
    return bool(spec["type"] == "NodePort" or wanted)


def may_have_node_ports(spec: Json) -> bool:
    """Whether the type may carry node ports."""
    return spec["type"] in {"NodePort", "LoadBalancer"}


def is_externally_accessible(spec: Json) -> bool:
    """Whether traffic from outside can reach it, which gives externalTrafficPolicy its meaning."""
    return may_have_node_ports(spec) or (spec["type"] == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_health_port(spec: Json) -> bool:
    """Whether the server gives this Service a health check node port."""
    return spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def is_headless(spec: Json) -> bool:
    """Whether the Service asked for no cluster IP."""
    return spec.get("clusterIP") == "None" or (spec.get("clusterIPs") or [""])[0] == "None"


def fill_defaults(service: Json) -> None:
    """The defaults that depend on nothing but the object itself."""
    spec = service.setdefault("spec", {})
    for field in _EMPTY_IS_ABSENT:
        if field in spec and not spec[field]:
            del spec[field]
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("type", "ClusterIP")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {}).setdefault("timeoutSeconds", 10800)
    elif spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in {None, 0, ""} and "port" in port:
            port["targetPort"] = port["port"]
        for field in ("name", "nodePort"):
            if field in port and not port[field]:
                del port[field]
    if is_externally_accessible(spec):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if needs_cluster_ip(spec):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    balancer = service.setdefault("status", {}).setdefault("loadBalancer", {})
    if not balancer.get("ingress", True):
        del balancer["ingress"]
    if spec["type"] == "LoadBalancer":
        for ingress in balancer.get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def follow_type(spec: Json, old: Json) -> None:
    """Drops what the old type had and the new type cannot have, where the user left it as it was."""
    if needs_cluster_ip(old) and not needs_cluster_ip(spec):
        same = spec.get("clusterIP") == old.get("clusterIP") and spec.get("clusterIPs") == old.get("clusterIPs")
        if same:
            for field in ("clusterIP", "clusterIPs"):
                spec.pop(field, None)
        for field in ("ipFamilies", "ipFamilyPolicy"):
            if spec.get(field) == old.get(field):
                spec.pop(field, None)
    if may_have_node_ports(old) and not may_have_node_ports(spec):
        had = {port.get("nodePort") for port in old.get("ports") or ()}
        for port in spec.get("ports") or ():
            if port.get("nodePort") in had:
                port.pop("nodePort", None)
    drops = (
        ("healthCheckNodePort", needs_health_port),
        ("allocateLoadBalancerNodePorts", _is_load_balancer),
        ("loadBalancerClass", _is_load_balancer),
        ("externalTrafficPolicy", is_externally_accessible),
        ("internalTrafficPolicy", needs_cluster_ip),
    )
    for field, applies in drops:
        if applies(old) and not applies(spec) and spec.get(field) == old.get(field):
            spec.pop(field, None)


def _is_load_balancer(spec: Json) -> bool:
    return bool(spec["type"] == "LoadBalancer")


def keep_allocated(spec: Json, old: Json) -> None:
    """Carries over what was allocated before and the update left out."""
    if needs_cluster_ip(old) and needs_cluster_ip(spec):
        if not spec.get("clusterIP") and spec.get("clusterIPs") in (None, [], old.get("clusterIPs")):
            _carry(spec, old, "clusterIP", "clusterIPs")
        elif spec.get("clusterIP") and spec["clusterIP"] != old.get("clusterIP"):
            # clusterIP is the older name of the first of clusterIPs: a change of it alone means both.
            if spec.get("clusterIPs") == old.get("clusterIPs"):
                spec["clusterIPs"] = [spec["clusterIP"]]
        elif not spec.get("clusterIPs"):
            _carry(spec, old, "clusterIPs")
        if not spec.get("ipFamilyPolicy"):
            _carry(spec, old, "ipFamilyPolicy")
        if not spec.get("ipFamilies"):
            _carry(spec, old, "ipFamilies")
    if needs_node_ports(old) and needs_node_ports(spec):
        used = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
        known = {(p["port"], p["protocol"]): p["nodePort"] for p in old.get("ports") or () if p.get("nodePort")}
        for port in spec.get("ports") or ():
            found = known.get((port.get("port"), port["protocol"]))
            if not port.get("nodePort") and found and found not in used:
                port["nodePort"] = found
                used.add(found)
    if needs_health_port(old) and needs_health_port(spec) and not spec.get("healthCheckNodePort"):
        _carry(spec, old, "healthCheckNodePort")


def _carry(spec: Json, old: Json, *fields: str) -> None:
    for field in fields:
        if field in old:
            spec[field] = old[field]


def allocate(service: Json, old: Json | None, network: ServiceNetwork) -> list[FieldError]:
    """Fills in the addresses and ports that are missing and checks those that were asked for."""
    spec, uid = service["spec"], (old or service)["metadata"].get("uid", "")
    errors: list[FieldError] = []
    path, what = "spec.clusterIPs", "IP"
    try:
        if needs_cluster_ip(spec):
            errors += _allocate_addresses(spec, uid, network)
        path, what = "spec.ports", "nodePort"
        errors += _allocate_ports(spec, uid, network)
    except Full as full:
        errors.append(FieldError(path, "InternalError", f"Internal error: failed to allocate a {what}: {full}"))
    return errors


def _allocate_addresses(spec: Json, uid: str, network: ServiceNetwork) -> list[FieldError]:
    if is_headless(spec):
        spec["clusterIP"], spec["clusterIPs"] = "None", ["None"]
        return []
    addresses: list[str] = list(spec.get("clusterIPs") or ())
    errors = [error for address in addresses if (error := network.check_address(address, uid, addresses))]
    addresses += [network.free_address(family) for family in spec["ipFamilies"][len(addresses) :]]
    spec["clusterIP"], spec["clusterIPs"] = addresses[0], addresses
    return errors


def _allocate_ports(spec: Json, uid: str, network: ServiceNetwork) -> list[FieldError]:
    errors: list[FieldError] = []
    if not may_have_node_ports(spec):
        return errors
    ports: list[Json] = spec.get("ports") or []
    chosen: dict[Any, int] = {}  # port -> node port: TCP and UDP of one port share a number
    taken: set[int] = set()
    asked: set[tuple[int, str]] = set()
    for index, port in enumerate(ports):
        if port.get("nodePort"):
            path = f"spec.ports[{index}].nodePort"
            error = network.check_port(path, port["nodePort"], port["protocol"], uid)
            errors += [error] if error else []
            if (port["nodePort"], port["protocol"]) in asked:
                errors.append(invalid(path, port["nodePort"], "provided port is already allocated"))
            asked.add((port["nodePort"], port["protocol"]))
            chosen.setdefault(port.get("port"), port["nodePort"])
            taken.add(port["nodePort"])
    for port in ports:
        if needs_node_ports(spec) and not port.get("nodePort"):
            number = port.get("port")
            if number not in chosen:
                protocols = {other["protocol"] for other in ports if other.get("port") == number}
                chosen[number] = network.free_port(protocols, taken)
                taken.add(chosen[number])
            port["nodePort"] = chosen[number]
    if needs_health_port(spec):
        if spec.get("healthCheckNodePort"):
            _check_health_port(spec["healthCheckNodePort"], uid, network)
        else:
            spec["healthCheckNodePort"] = network.free_port({"TCP"}, taken)
    return errors


def _check_health_port(port: int, uid: str, network: ServiceNetwork) -> None:
    """A real server has no field to name here: what goes wrong is an internal error, raised."""
    error = network.check_port("spec.healthCheckNodePort", port, "TCP", uid)
    if error:
        why = error.message.partition(": ")[2].partition(": ")[2]
        text = f"Internal error occurred: failed to allocate requested HealthCheck NodePort {port}: {why}"
        raise ApiError(500, "InternalError", text)
