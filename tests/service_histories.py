"""Long random histories of Services and their endpoints, as Kubernetes tells them, around a node n1 with steady Services.

`History` knows by itself, from the rules and not from our code, what n1 must originate afterwards. Used by the cycle and live tests.
"""

import ipaddress
import random
from collections.abc import Iterator
from typing import Any

from frr_adapter import refs
from tests.cycle.objects import advertisement, endpoints, metadata, node, pool, service

Document = dict[str, Any]
Prefixes = dict[str, frozenset[str]]
"""Prefix -> the advertisements that speak for it."""

V4, V6 = ipaddress.ip_address("10.128.0.0"), ipaddress.ip_address("2001:db8:1::")
MOVING, WIDE = 0x4000, 0x8000
"""Services that change have addresses from here on, in the steady ones' pool or in one that is announced in aggregates."""

COMMUNITIES = {"all": ["64600:1"], "red": ["64600:2", "large:64600:1:2"], "wide": []}
ADDRESSES = ("addresses", "is_wide")
CONDITIONS: list[dict[str, bool]] = [
    {"ready": True},
    {"ready": True},
    {},
    {"ready": False},
    {"ready": False, "serving": True},
    {"ready": True, "serving": False},
]


def ipv4(number: int) -> str:
    return str(V4 + number)


def ipv6(number: int) -> str:
    return str(V6 + number)


class History:
    """`steady` prefixes never change; `moving` Services do. Every change is of one object and comes as documents and removals."""

    def __init__(self, seed: int, *, steady: int, moving: int = 40) -> None:
        self.chance = random.Random(seed)
        # Two thirds of the steady prefixes are IPv4, one third IPv6 of the same Services.
        self.both = steady // 3
        self.only = steady - 2 * self.both
        self.names = [f"moving-{number:02}" for number in range(moving)]
        self.services: dict[str, Document] = {}
        self.slices: dict[tuple[str, int], list[tuple[str, dict[str, bool]]]] = {}

    def beginning(self) -> Iterator[Document]:
        """The world before the first change; peers are the caller's to add."""
        yield {"kind": "Namespace", "metadata": metadata("default", "")}
        yield from (node("n1"), node("n2"))
        yield from (pool("default", f"{V4}/17", f"{V6}/113"), pool("wide", f"{V4 + WIDE}/24", f"{V6 + WIDE}/120"))
        red, clash = ([{"matchLabels": {"color": color}}] for color in ("red", "clash"))
        specs: dict[str, Document] = {
            "all": {"communities": COMMUNITIES["all"], "ipAddressPools": ["default"]},
            "red": {"communities": COMMUNITIES["red"], "serviceSelectors": red},
            "wide": {"aggregationLength": 28, "aggregationLengthV6": 124, "ipAddressPools": ["wide"]},
            "clash": {"localPref": 200, "serviceSelectors": clash, "ipAddressPools": ["default"]},
        }
        for name, spec in specs.items():
            yield advertisement("BGPAdvertisement", name, **spec)
        for number in range(self.both + self.only):
            ips = (ipv4(number), ipv6(number)) if number < self.both else (ipv4(number),)
            yield service(f"steady-{number:04}", ips=ips)
            yield endpoints(f"steady-{number:04}", "n2")

    def steady(self) -> Prefixes:
        every = [f"{ipv4(number)}/32" for number in range(self.both + self.only)]
        every += [f"{ipv6(number)}/128" for number in range(self.both)]
        return dict.fromkeys(every, frozenset({"all"}))

    def changing(self) -> Prefixes:
        """What n1 must originate now for the Services that change."""
        found: Prefixes = {}
        for name, each in self.services.items():
            for prefix, ad in self._prefixes(name, each):
                found[prefix] = found.get(prefix, frozenset()) | {ad}
        return found

    def expected(self) -> Prefixes:
        """What n1 must originate now."""
        return self.steady() | self.changing()

    def change(self) -> tuple[list[Document], list[refs.ObjectRef]]:
        """One change: what to put and what to remove."""
        name = self.chance.choice(self.names)
        if name not in self.services:
            self.services[name] = self._service(name)
            put = [self._document(name)]
            if not any(self.slices.get((name, number)) is not None for number in (1, 2)):
                self.slices[name, 1] = [self._endpoint()]
                put.append(self._slice(name, 1))
            return put, []
        match self.chance.choice(["goes", "addresses", "addresses", "color", "policy", "type", *["slice"] * 6]):
            case "goes":
                del self.services[name]
                gone = [refs.ObjectRef("Service", "default", name)]
                # The slices of a Service that went may go with it, later, or never.
                for number in (1, 2):
                    if (name, number) in self.slices and self.chance.random() < 0.7:
                        del self.slices[name, number]
                        gone.append(refs.ObjectRef("EndpointSlice", "default", f"{name}-{number}"))
                return [], gone
            case "slice":
                number = self.chance.choice([1, 2])
                if (name, number) in self.slices and self.chance.random() < 0.3:
                    del self.slices[name, number]
                    return [], [refs.ObjectRef("EndpointSlice", "default", f"{name}-{number}")]
                self.slices[name, number] = [self._endpoint() for _ in range(self.chance.randrange(3))]
                return [self._slice(name, number)], []
            case "addresses":
                self.services[name] |= {key: each for key, each in self._service(name).items() if key in ADDRESSES}
                return [self._document(name)], []
            case what:
                self.services[name][what] = self._service(name)[what]
                return [self._document(name)], []

    def _prefixes(self, name: str, each: Document) -> Iterator[tuple[str, str]]:
        usable = [
            where
            for number in (1, 2)
            for where, said in self.slices.get((name, number), ())
            if said.get("ready", True) or said.get("serving", False)
        ]
        if each["type"] != "LoadBalancer" or (each["color"] == "clash" and not each["is_wide"]):
            return
        if not usable or (each["policy"] == "Local" and "n1" not in usable):
            return
        for ip in each["addresses"]:
            host = ipaddress.ip_network(ip)
            yield (str(host.supernet(4)), "wide") if each["is_wide"] else (str(host), "all")
            if each["color"] == "red":
                yield str(host), "red"

    def _service(self, name: str) -> Document:
        # Seldom another Service's address: those who share one keep it announced as long as any of them is.
        own = self.names.index(name) if self.chance.random() < 0.9 else self.chance.randrange(len(self.names))
        is_wide = self.chance.random() < 0.2
        number = (WIDE if is_wide else MOVING) + own // 15 * 16 + own % 15 + 1
        return {
            "addresses": self.chance.choice([(ipv4(number),), (ipv4(number), ipv6(number)), (ipv6(number),), ()]),
            "is_wide": is_wide,
            "color": self.chance.choice(["none", "none", "none", "red", "clash"]),
            "policy": self.chance.choice(["Cluster", "Cluster", "Local"]),
            "type": self.chance.choice(["LoadBalancer"] * 5 + ["ClusterIP"]),
        }

    def _endpoint(self) -> tuple[str, dict[str, bool]]:
        return self.chance.choice(["n1", "n1", "n2"]), self.chance.choice(CONDITIONS)

    def _document(self, name: str) -> Document:
        each = self.services[name]
        made = service(name, ips=each["addresses"], externalTrafficPolicy=each["policy"], type=each["type"])
        made["metadata"]["labels"] = {"color": each["color"]}
        return made

    def _slice(self, name: str, number: int) -> Document:
        made = endpoints(name)
        made["metadata"]["name"] = f"{name}-{number}"
        made["endpoints"] = [
            {"addresses": [f"10.244.{number}.{index}"], "nodeName": where, "conditions": said}
            for index, (where, said) in enumerate(self.slices[name, number], 1)
        ]
        return made
