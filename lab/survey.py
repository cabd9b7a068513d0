"""What a lab looks like from outside right now: services, who announces them, the router's route, who answers.

Runs inside the lab's mount namespace (`lab show` enters it). Looks only; the tables and JSON are made of what it finds.
"""

import asyncio
import json
import subprocess
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import msgspec

from lab import kube, neighbors, netns, traffic
from lab.errors import LabError
from lab.places import Places
from lab.plan import CLIENT, ROUTER, ROUTER_SEGMENT, Plan

_BY_BGP, _BY_L2 = "bgp", "l2"


class AddressView(msgspec.Struct, frozen=True):
    """One address of a service; `trouble` is empty when everything about it is as it should be."""

    address: str
    protocol: str
    announced_by: tuple[str, ...]
    route: str
    answers: str
    answered: int
    asked: int
    trouble: str


class ServiceView(msgspec.Struct, frozen=True):
    """One service of type LoadBalancer."""

    service: str
    policy: str
    addresses: tuple[AddressView, ...]
    trouble: str


def look(places: Places, plan: Plan, count: int) -> tuple[ServiceView, ...]:
    """Every LoadBalancer service, sorted by name, with `count` requests sent to each of its addresses."""
    services, pods = asyncio.run(_read(places))
    routes = {version: _routes(places, version) for version in (4, 6)}
    views = []
    for service in sorted(services, key=lambda each: (each["metadata"]["namespace"], each["metadata"]["name"])):
        spec, meta = service["spec"], service["metadata"]
        if spec.get("type") != "LoadBalancer":
            continue
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        local = spec.get("externalTrafficPolicy") == "Local"
        ready = _nodes_with_pods(service, pods)
        expected = ready if local else tuple(node.name for node in plan.nodes)
        port = int(spec["ports"][0]["port"])
        tcp = spec["ports"][0].get("protocol", "TCP") == "TCP"
        addresses = tuple(
            _address(places, plan, each["ip"], port, count if tcp and ready else 0, expected, routes)
            for each in ingress
        )
        trouble = "" if addresses else "no address yet"
        views.append(
            ServiceView(f"{meta['namespace']}/{meta['name']}", "Local" if local else "Cluster", addresses, trouble)
        )
    return tuple(views)


def trouble(views: tuple[ServiceView, ...]) -> tuple[str, ...]:
    """One line per thing that is not as it should be."""
    lines = [f"{view.service}: {view.trouble}" for view in views if view.trouble]
    lines += [
        f"{view.service} {each.address}: {each.trouble}" for view in views for each in view.addresses if each.trouble
    ]
    return tuple(lines)


def addresses_of(places: Places, service: str) -> tuple[IPv4Address | IPv6Address, ...]:
    """The addresses of `name` or `namespace/name`, or the address itself; `LabError` when there are none."""
    try:
        return (ip_address(service),)
    except ValueError:
        namespace, _, name = service.rpartition("/")
    services, _ = asyncio.run(_read(places))
    wanted = (namespace or "default", name)
    for each in services:
        if (each["metadata"]["namespace"], each["metadata"]["name"]) == wanted:
            ingress = ((each.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
            if not ingress:
                raise LabError(f"service {service}: has no address: see `kubectl describe service {name}`")
            return tuple(ip_address(entry["ip"]) for entry in ingress)
    names = " ".join(sorted(f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in services))
    raise LabError(f"service {service!r} does not exist; there are: {names}")


async def _read(places: Places) -> tuple[list[kube.Json], list[kube.Json]]:
    async with kube.Api(kube.read_kubeconfig(places.kubeconfig)) as api:
        return (
            await api.list(kube.path_of("v1", "Service")),
            await api.list(kube.path_of("v1", "Pod")),
        )


def _nodes_with_pods(service: kube.Json, pods: list[kube.Json]) -> tuple[str, ...]:
    """Nodes with a ready Pod behind the service."""
    selector = service["spec"].get("selector") or {}
    return tuple(
        sorted(
            pod["spec"].get("nodeName", "")
            for pod in pods
            if (pod["metadata"].get("labels") or {}).items() >= selector.items()
            and any(
                each["type"] == "Ready" and each["status"] == "True"
                for each in (pod.get("status") or {}).get("conditions") or []
            )
        )
    )


def _routes(places: Places, version: int) -> dict[str, Any]:
    """The router's kernel routes learned by BGP, by destination."""
    command = [
        "nsenter",
        f"--net={places.netns(ROUTER)}",
        "--",
        "ip",
        f"-{version}",
        "-j",
        "route",
        "show",
        "proto",
        "bgp",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {each["dst"]: each for each in json.loads(done.stdout or "[]")}


def next_hops(route: dict[str, Any]) -> tuple[str, ...]:
    """The gateways of one route as `ip -j route` prints it, with or without several legs."""
    legs = route.get("nexthops") or [route]
    return tuple(leg.get("gateway") or (leg.get("via") or {}).get("host") or leg.get("dev", "") for leg in legs)


def _address(
    places: Places,
    plan: Plan,
    text: str,
    port: int,
    count: int,
    expected: tuple[str, ...],
    routes: dict[int, dict[str, Any]],
) -> AddressView:
    address = ip_address(text)
    on_segment = address in ROUTER_SEGMENT[0 if address.version == 4 else 1].network
    route = _best_route(address, routes[address.version])
    if on_segment:
        macs = netns.inside(
            places.netns(ROUTER),
            lambda: neighbors.who_answers(address, IPv4Address(str(ROUTER_SEGMENT[0].ip)), "eth0"),
        )
        nodes = tuple(sorted(plan.owner_of(mac) for mac in macs))
        shown = "on link, " + (" and ".join(macs) or "nobody answers")
        problem = "" if len(nodes) == 1 and nodes[0] in expected else _announcers_wrong("one of", expected, nodes)
    else:
        hops = next_hops(route) if route else ()
        nodes = tuple(sorted(plan.owner_of(hop) for hop in hops))
        shown = f"{route['dst']} via {', '.join(hops)}" if route else "no route"
        problem = "" if set(nodes) == set(expected) else _announcers_wrong("all of", expected, nodes)
    answers = traffic.request(places.netns(CLIENT), address, port, count)
    if not problem and answers.answered < count:
        problem = f"answered {answers.answered} of {count} requests"
    return AddressView(
        address=text,
        protocol=_BY_L2 if on_segment else _BY_BGP,
        announced_by=nodes,
        route=shown,
        answers=answers.sentence(),
        answered=answers.answered,
        asked=count,
        trouble=problem,
    )


def _announcers_wrong(how: str, expected: tuple[str, ...], found: tuple[str, ...]) -> str:
    return f"announced by {', '.join(found) or 'nobody'}; expected {how} {', '.join(expected) or 'nobody'}"


def _best_route(address: IPv4Address | IPv6Address, routes: dict[str, Any]) -> dict[str, Any] | None:
    """The most specific route to the address; aggregates count."""
    fitting = [(ip_network(dst).prefixlen, dst) for dst in routes if dst != "default" and address in ip_network(dst)]
    return routes[max(fitting)[1]] if fitting else None
