"""What makes the endpoints and ports of an EndpointSlice invalid.

`strategies` calls it. Pure. Source: kube-apiserver's answers for discovery.k8s.io/v1 EndpointSlice.
"""

import ipaddress
from collections.abc import Iterator

from lab.apiserver import objects
from lab.apiserver.addresses import BAD_ADDRESS, special_range
from lab.apiserver.fielderrors import FieldError, duplicate, invalid, not_supported
from lab.apiserver.objects import Json

_PROTOCOLS = ("SCTP", "TCP", "UDP")


def check(document: Json) -> list[FieldError]:
    """Everything wrong with a slice's addresses, node names and ports."""
    return [*_endpoints(document), *_ports(document)]


def _endpoints(document: Json) -> Iterator[FieldError]:
    family = document.get("addressType", "")
    for index, endpoint in enumerate(document.get("endpoints") or ()):
        path = f"endpoints[{index}]"
        if family in {"IPv4", "IPv6"}:
            for position, address in enumerate(endpoint.get("addresses") or ()):
                yield from _address(path, position, address, family)
        name = endpoint.get("nodeName")
        for text in objects.subdomain_errors(name) if name else ():
            yield invalid(f"{path}.nodeName", name, text)


def _address(path: str, position: int, address: str, family: str) -> Iterator[FieldError]:
    try:
        found = f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        yield invalid(f"{path}.addresses[{position}]", address, BAD_ADDRESS)
        return
    if found != family:
        yield invalid(f"{path}.addresses", address, f"must be an {family} address")
    if why := special_range(address):
        yield invalid(f"{path}.addresses[{position}]", address, why)


def _ports(document: Json) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(document.get("ports") or ()):
        path = f"ports[{index}]"
        for text in objects.label_1123_errors(port["name"]) if port["name"] else ():
            yield invalid(f"{path}.name", port["name"], text)
        if port["name"] in names:
            yield duplicate(f"{path}.name", port["name"])
        names.add(port["name"])
        if port["protocol"] not in _PROTOCOLS:
            yield not_supported(f"{path}.protocol", port["protocol"], _PROTOCOLS)
