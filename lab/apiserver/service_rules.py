"""What makes a Service invalid.

`strategies` calls it after `service_spec` completed the object. Pure; must never change the Service.
Source: the wording and rules of kube-apiserver's answers for v1 Service.
"""

import ipaddress
import re
from collections.abc import Iterator

from lab.apiserver import objects, service_spec
from lab.apiserver.addresses import BAD_ADDRESS, special_range
from lab.apiserver.fielderrors import FieldError, duplicate, forbidden, invalid, not_supported, required, show
from lab.apiserver.objects import Json

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_TRAFFIC_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_PORT_NAME = re.compile(r"[-a-z0-9]+")
_PORT_RANGE = "must be between 1 and 65535, inclusive"
_LONGEST_AFFINITY = 86400
_LONGEST_PORT_NAME = 15
_ONLY_BALANCER = "may only be used when `type` is 'LoadBalancer'"


def check(service: Json, old: Json | None) -> list[FieldError]:
    """Everything wrong with a Service's spec; `old` is the present version on an update."""
    spec = service["spec"]
    errors: list[FieldError] = []
    if not spec.get("ports") and not service_spec.is_headless(spec) and spec["type"] != "ExternalName":
        errors.append(required("spec.ports"))
    if spec["type"] not in _TYPES:
        errors.append(not_supported("spec.type", spec["type"], _TYPES))
    errors += _names(spec)
    errors += _ports(spec)
    errors += _addresses(spec)
    errors += _balancer(spec)
    errors += _policies(spec)
    if old is not None:
        errors += _changes(spec, old["spec"])
    return errors


def check_status(service: Json) -> list[FieldError]:
    """Everything wrong with a Service's load balancer status."""
    ingress = service["status"].get("loadBalancer", {}).get("ingress") or []
    path = "status.loadBalancer.ingress"
    if ingress and service["spec"]["type"] != "LoadBalancer":
        return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    errors: list[FieldError] = []
    for index, item in enumerate(ingress):
        here = f"{path}[{index}]"
        if item.get("ip") and not _is_address(item["ip"]):
            errors.append(invalid(f"{here}.ip", item["ip"], BAD_ADDRESS))
        if item.get("ip") and not item.get("ipMode"):
            errors.append(required(f"{here}.ipMode", "must be specified when `ip` is set"))
        elif item.get("ip") and item["ipMode"] not in {"VIP", "Proxy"}:
            errors.append(not_supported(f"{here}.ipMode", item.get("ipMode"), ("Proxy", "VIP")))
        if item.get("ipMode") and not item.get("ip"):
            errors.append(forbidden(f"{here}.ipMode", "may not be specified when `ip` is not set"))
        if item.get("hostname"):
            errors += [invalid(f"{here}.hostname", item["hostname"], e) for e in _hostname(item["hostname"])]
    return errors


def _hostname(name: str) -> list[str]:
    if _is_address(name):
        return ["must be a DNS name, not an IP address"]
    return objects.subdomain_errors(name)


def _names(spec: Json) -> Iterator[FieldError]:
    if spec["type"] == "ExternalName":
        if not spec.get("externalName"):
            yield required("spec.externalName")
        else:
            for error in objects.subdomain_errors(spec["externalName"].rstrip(".")):
                yield invalid("spec.externalName", spec["externalName"], error)
    for key, value in (spec.get("selector") or {}).items():
        for error in objects.qualified_name_errors(key):
            yield invalid("spec.selector", key, error)
        for error in objects.label_value_errors(value):
            yield invalid("spec.selector", value, error)


def _ports(spec: Json) -> Iterator[FieldError]:
    ports: list[Json] = spec.get("ports") or []
    names: set[str] = set()
    numbers: set[tuple[int, str]] = set()
    for index, port in enumerate(ports):
        path = f"spec.ports[{index}]"
        name = port.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{path}.name")
        elif name:
            for error in objects.label_1123_errors(name):
                yield invalid(f"{path}.name", name, error)
            if name in names:
                yield duplicate(f"{path}.name", name)
            names.add(name)
        if not 1 <= port.get("port", 0) <= 65535:
            yield invalid(f"{path}.port", port.get("port", 0), _PORT_RANGE)
        if port["protocol"] not in _PROTOCOLS:
            yield not_supported(f"{path}.protocol", port["protocol"], _PROTOCOLS)
        for error in objects.qualified_name_errors(port["appProtocol"]) if port.get("appProtocol") else ():
            yield invalid(f"{path}.appProtocol", port["appProtocol"], error)
        yield from _target_port(f"{path}.targetPort", port.get("targetPort", 0))
        if (port.get("port", 0), port["protocol"]) in numbers:
            yield duplicate(path, {key: port[key] for key in ("protocol", "port") if key in port})
        numbers.add((port.get("port", 0), port["protocol"]))
        if port.get("nodePort") and spec["type"] == "ClusterIP":
            yield forbidden(f"{path}.nodePort", "may not be used when `type` is 'ClusterIP'")


def _target_port(path: str, target: object) -> Iterator[FieldError]:
    if isinstance(target, int):
        if not 1 <= target <= 65535:
            yield invalid(path, target, _PORT_RANGE)
    elif isinstance(target, str):
        if len(target) > _LONGEST_PORT_NAME:
            yield invalid(path, target, f"must be no more than {_LONGEST_PORT_NAME} characters")
        if not _PORT_NAME.fullmatch(target):
            yield invalid(path, target, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
        if not any("a" <= letter <= "z" for letter in target):
            yield invalid(path, target, "must contain at least one letter (a-z)")
        if "--" in target:
            yield invalid(path, target, "must not contain consecutive hyphens")
        if target.startswith("-") or target.endswith("-"):
            yield invalid(path, target, "must not begin or end with a hyphen")


def _addresses(spec: Json) -> Iterator[FieldError]:
    for index, address in enumerate(spec.get("externalIPs") or ()):
        if not _is_address(address):
            yield invalid(f"spec.externalIPs[{index}]", address, BAD_ADDRESS)
        elif why := special_range(address):
            yield invalid(f"spec.externalIPs[{index}]", address, why)
    if spec["type"] == "ExternalName":
        asked = {**spec, "clusterIPs": spec.get("clusterIPs") or spec.get("clusterIP")}
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if asked.get(field):
                yield forbidden(f"spec.{field}", "may not be set for ExternalName services")
    elif service_spec.is_headless(spec) and spec["type"] != "ClusterIP":
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {spec['type']} services")


def _balancer(spec: Json) -> Iterator[FieldError]:
    is_balancer = spec["type"] == "LoadBalancer"
    if spec.get("loadBalancerClass") is not None:
        if not is_balancer:
            yield forbidden("spec.loadBalancerClass", _ONLY_BALANCER)
        for error in objects.qualified_name_errors(spec["loadBalancerClass"]):
            yield invalid("spec.loadBalancerClass", spec["loadBalancerClass"], error)
    if spec.get("allocateLoadBalancerNodePorts") is not None and not is_balancer:
        yield forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCER)
    ranges = spec.get("loadBalancerSourceRanges") or ()
    if ranges and not is_balancer:
        yield forbidden("spec.LoadBalancerSourceRanges", _ONLY_BALANCER)
    for index, text in enumerate(ranges):
        try:
            ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            yield invalid(
                f"spec.LoadBalancerSourceRanges[{index}]",
                text,
                "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            )
    if spec.get("healthCheckNodePort") and not service_spec.needs_health_port(spec):
        yield invalid(
            "spec.healthCheckNodePort",
            spec["healthCheckNodePort"],
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        )


def _policies(spec: Json) -> Iterator[FieldError]:
    if spec["sessionAffinity"] not in {"ClientIP", "None"}:
        yield not_supported("spec.sessionAffinity", spec["sessionAffinity"], ("ClientIP", "None"))
    seconds = spec.get("sessionAffinityConfig", {}).get("clientIP", {}).get("timeoutSeconds")
    if seconds is not None and not 0 < seconds <= _LONGEST_AFFINITY:
        path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        yield invalid(path, seconds, f"must be greater than 0 and less than {_LONGEST_AFFINITY}")
    distribution = spec.get("trafficDistribution")
    if distribution and distribution not in _DISTRIBUTIONS:
        yield not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)
    external = spec.get("externalTrafficPolicy")
    if external and not service_spec.is_externally_accessible(spec):
        yield invalid("spec.externalTrafficPolicy", external, "may only be set for externally-accessible services")
    elif external and external not in _TRAFFIC_POLICIES:
        yield not_supported("spec.externalTrafficPolicy", external, _TRAFFIC_POLICIES)
    internal = spec.get("internalTrafficPolicy")
    if internal and internal not in _TRAFFIC_POLICIES:
        yield not_supported("spec.internalTrafficPolicy", internal, _TRAFFIC_POLICIES)


def _changes(spec: Json, old: Json) -> Iterator[FieldError]:
    both_balancers = spec["type"] == old["type"] == "LoadBalancer"
    if both_balancers and spec.get("loadBalancerClass") != old.get("loadBalancerClass"):
        shown = show(spec["loadBalancerClass"]) if spec.get("loadBalancerClass") else "null"
        text = f"Invalid value: {shown}: may not change once set"
        yield FieldError("spec.loadBalancerClass", "FieldValueInvalid", text)
    keeps_health_port = service_spec.needs_health_port(spec) and service_spec.needs_health_port(old)
    if keeps_health_port and spec.get("healthCheckNodePort") != old.get("healthCheckNodePort"):
        yield forbidden("spec.healthCheckNodePort", "field is immutable")
    if not (service_spec.needs_cluster_ip(spec) and service_spec.needs_cluster_ip(old)):
        return
    for field in ("clusterIPs", "ipFamilies"):
        kept: list[str] = old.get(field) or []
        current: list[str] = spec.get(field) or []
        if kept and current and kept[0] != current[0]:
            yield invalid(f"spec.{field}[0]", _changed(field, current, 0), "may not change once set")
        elif len(kept) == 2 and len(current) == 2 and kept[1] != current[1]:
            yield invalid(f"spec.{field}[1]", _changed(field, current, 1), "may not change once set")


def _changed(field: str, current: list[str], index: int) -> str | list[str]:
    """What the refusal shows: of addresses all, of families the one."""
    return current if field == "clusterIPs" else current[index]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
