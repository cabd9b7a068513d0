"""Random changes of a cluster, from a seed: a few at once, each one that an operator makes, and now and then a mistake. Pure.

`History` remembers what the objects are; what a step contains is told in words, for people who read a failure.
"""

import base64
import copy
import random
from collections.abc import Callable
from typing import Any

from tests.live.predicting import documents
from tests.live.predicting.documents import Json, Ref
from tests.live.predicting.step import Draft, Step

_LASTING = ("Service", "EndpointSlice")
_COMMUNITIES = ("65000:1", "65000:2", "65001:77", "large:65000:1:2", "blue")
_RANGES = {
    "bgp": (("198.51.100.0/24", "2001:db8:100::/120"), ("198.51.100.3-198.51.100.90", "2001:db8:100::/120")),
    "l2": (
        ("10.99.0.200-10.99.0.203", "fd00:99::200-fd00:99::219"),
        ("10.99.0.200-10.99.0.215", "fd00:99::200-fd00:99::219"),
    ),
}
"""What the pools of the beginning may be cut down to, and be again; the smaller ones leave out addresses that are in use."""
_SPARE = ("192.0.2.0/28", "192.0.2.64/30", "2001:db8:200::/124", "192.0.2.128-192.0.2.130")


class History:
    """What the cluster consists of now, and what happens next."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.objects = {documents.ref_of(each): each for each in documents.beginning()}
        self._made = 0

    def step(self, count: int) -> Step:
        """So many changes at once. The history counts as having gone on, but for mistakes."""
        draft = Draft(self.objects)
        if self.chance.random() < 0.5:
            self._peer(draft)
        while len(draft.words) < count:
            kinds, weights = zip(*_CHANGES, strict=True)
            (change,) = self.chance.choices(kinds, weights)
            change(self, draft)
        self.objects = {
            ref: each
            for ref, each in {**self.objects, **draft.put}.items()
            if ref not in draft.gone and ref not in draft.mistaken
        }
        self.objects.update({documents.ref_of(each): each for each in draft.undo})
        return Step(
            tuple(draft.put.values()),
            tuple(draft.gone),
            tuple(draft.words),
            tuple(draft.undo),
            tuple(draft.mistaken),
        )

    def take_back(self, step: Step, before: dict[Ref, Json]) -> tuple[tuple[Json, ...], tuple[Ref, ...]]:
        """Configuration is again what it was before the step: what to write for that, and what to delete. Services stay as they are."""
        touched = [ref for ref in (*map(documents.ref_of, step.put), *step.gone) if ref[0] not in _LASTING]
        for ref in touched:
            self.objects.pop(ref, None)
        there = {ref: before[ref] for ref in touched if ref in before}
        self.objects.update(there)
        return tuple(there.values()), tuple(ref for ref in touched if ref not in there)

    def peers(self) -> dict[str, Json]:
        """What each BGPPeer says, by name."""
        return {ref[2]: each["spec"] for ref, each in self.objects.items() if ref[0] == "BGPPeer"}

    def word(self) -> str:
        """The password that BGPPeers can refer to."""
        data = self.objects["Secret", documents.SYSTEM, "word"]["data"]
        return base64.b64decode(data["password"]).decode()

    def _name(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}{self._made}"

    def _new_service(self, draft: Draft) -> None:
        name = self._name("s")
        families = self.chance.choice((["IPv4"], ["IPv4"], ["IPv4"], ["IPv6"], ["IPv4", "IPv6"]))
        policy = "RequireDualStack" if len(families) == 2 else "SingleStack"
        made = documents.service(name, ipFamilies=families, ipFamilyPolicy=policy)
        made["spec"]["externalTrafficPolicy"] = self.chance.choice(("Cluster", "Local"))
        if self.chance.random() < 0.1:
            made["spec"]["loadBalancerClass"] = "somebody.example/else"
        made["metadata"]["annotations"] = self._wishes()
        if self.chance.random() < 0.3:
            made["spec"]["selector"] = {"app": "demo"}
            draft.write(made, f"new, {made['metadata']['annotations']} {made['spec']}")
            return
        nodes = tuple(sorted(self.chance.sample(documents.NODES, self.chance.randint(1, 3))))
        by_hand = documents.endpoints(name, nodes)
        draft.put[documents.ref_of(by_hand)] = by_hand
        draft.write(made, f"new, {made['metadata']['annotations']} {made['spec']}, endpoints on {nodes}")

    def _wishes(self) -> dict[str, str]:
        wishes: dict[str, str] = {}
        match self.chance.randrange(7):
            case 0 | 1:
                wishes["metallb.io/address-pool"] = self.chance.choice(("bgp", "l2", "l2", "tiny", "nowhere"))
            case 2:
                wishes["metallb.io/loadBalancerIPs"] = f"198.51.100.{self.chance.randrange(20)}"
            case 3:
                wishes["metallb.io/loadBalancerIPs"] = f"203.0.113.{self.chance.randrange(5)}"
            case 4:
                wishes["metallb.io/allow-shared-ip"] = "together"
                wishes["metallb.io/loadBalancerIPs"] = "198.51.100.77"
            case _:
                pass
        return wishes

    def _edit_service(self, draft: Draft) -> None:
        if not (found := draft.free("Service")) or self._moves_addresses(draft):
            return
        chosen = self.chance.choice(found)
        spec, annotations = chosen["spec"], chosen["metadata"]["annotations"]
        match self.chance.randrange(7):
            case 0:
                gives_up = spec["type"] == "LoadBalancer"
                spec["type"] = "ClusterIP" if gives_up else "LoadBalancer"
                if gives_up:
                    spec.pop("externalTrafficPolicy", None)
                    if spec.pop("loadBalancerClass", None):
                        return  # the API wants it gone with the type, and nothing of ours depends on it
                else:
                    spec["externalTrafficPolicy"] = "Cluster"
                words = f"type {spec['type']}"
            case 1 if spec["type"] == "LoadBalancer":
                spec["externalTrafficPolicy"] = self.chance.choice(("Cluster", "Local"))
                words = f"externalTrafficPolicy {spec['externalTrafficPolicy']}"
            case 2:
                spec["ports"][0]["port"] = self.chance.choice((80, 81, 82))
                words = f"port {spec['ports'][0]['port']}"
            case 3 if spec["ipFamilies"][0] == "IPv4":
                is_dual = len(spec["ipFamilies"]) == 2
                spec["ipFamilies"] = ["IPv4"] if is_dual else ["IPv4", "IPv6"]
                spec["ipFamilyPolicy"] = "SingleStack" if is_dual else "RequireDualStack"
                words = f"families {spec['ipFamilies']}"
            case 4:
                chosen["metadata"]["labels"] = {"tier": self.chance.choice(("gold", "iron"))}
                words = f"labels {chosen['metadata']['labels']}"
            case _:
                annotations.clear()
                annotations.update(self._wishes())
                words = f"annotations {annotations}"
        draft.write(chosen, words)

    def _remove_service(self, draft: Draft) -> None:
        found = [each for each in draft.free("Service", "s") if self._slice_is_free(each, draft)]
        if found and not self._moves_addresses(draft):
            ref = documents.ref_of(self.chance.choice(found))
            by_hand = documents.ref_of(documents.endpoints(ref[2], ()))
            draft.gone += [by_hand] if by_hand in self.objects else []
            draft.remove(ref)

    def _moves_addresses(self, draft: Draft) -> bool:
        return any(ref[0] == "IPAddressPool" for ref in (*draft.put, *draft.gone))

    def _slice_is_free(self, service: Json, draft: Draft) -> bool:
        return documents.ref_of(documents.endpoints(service["metadata"]["name"], ())) not in draft.put

    def _move_endpoints(self, draft: Draft) -> None:
        names = {each["metadata"]["name"] for each in draft.free("Service") if "selector" not in each["spec"]}
        name = self.chance.choice(sorted(names)) if names else ""
        made = documents.endpoints(name, tuple(sorted(self.chance.sample(documents.NODES, self.chance.randint(0, 3)))))
        if name and documents.ref_of(made) not in {*draft.put, *draft.gone}:
            draft.write(made, f"endpoints {[each['nodeName'] for each in made['endpoints']]}")

    def _pool(self, draft: Draft) -> None:
        if any(ref[0] == "Service" and ref in self.objects for ref in (*draft.put, *draft.gone)):
            return  # who gives an address back and who has to leave one race for it: the plan knows no order
        found = draft.free("IPAddressPool")
        extra = [each for each in found if each["metadata"]["name"].startswith("x")]
        match self.chance.randrange(6):
            case 0 if self._unused_ranges():
                made = documents.config(
                    "IPAddressPool",
                    self._name("x"),
                    addresses=[self.chance.choice(self._unused_ranges())],
                    serviceAllocation={"priority": self.chance.choice((0, 1, 50))},
                )
                draft.write(made, f"new {made['spec']}")
            case 1 if extra:
                draft.remove(documents.ref_of(self.chance.choice(extra)))
            case 2 if found:
                chosen = self.chance.choice(found)
                chosen["spec"]["autoAssign"] = not chosen["spec"].get("autoAssign", True)
                draft.write(chosen, f"autoAssign {chosen['spec']['autoAssign']}")
            case 3 if found:
                chosen = self.chance.choice(found)
                chosen["spec"]["avoidBuggyIPs"] = not chosen["spec"].get("avoidBuggyIPs", False)
                draft.write(chosen, f"avoidBuggyIPs {chosen['spec']['avoidBuggyIPs']}")
            case 4 if found:
                chosen = self.chance.choice(found)
                if ranges := _RANGES.get(chosen["metadata"]["name"]):
                    chosen["spec"]["addresses"] = list(self.chance.choice(ranges))
                    draft.write(chosen, f"addresses {chosen['spec']['addresses']}")
            case 5 if found:
                chosen = self.chance.choice(found)
                chosen["spec"]["serviceAllocation"] = {"priority": self.chance.choice((0, 1, 5))}
                draft.write(chosen, f"{chosen['spec']['serviceAllocation']}")
            case _:
                pass

    def _unused_ranges(self) -> list[str]:
        used = {
            text
            for ref, each in self.objects.items()
            if ref[0] == "IPAddressPool"
            for text in each["spec"]["addresses"]
        }
        return [each for each in _SPARE if each not in used]

    def _bgp_advertisement(self, draft: Draft) -> None:
        found = draft.free("BGPAdvertisement")
        if self.chance.random() < 0.2:
            made = documents.config("BGPAdvertisement", self._name("a"), ipAddressPools=["bgp"])
            self._edit_advertisement(made["spec"])
            draft.write(made, f"new {made['spec']}")
        elif len(found) > 1 and self.chance.random() < 0.3:
            draft.remove(documents.ref_of(self.chance.choice(found)))
        elif found:
            chosen = self.chance.choice(found)
            self._edit_advertisement(chosen["spec"])
            draft.write(chosen, str(chosen["spec"]))

    def _edit_advertisement(self, spec: Json) -> None:
        field, value = self.chance.choice(
            (
                ("communities", sorted(self.chance.sample(_COMMUNITIES, self.chance.randint(0, 2)))),
                ("localPref", self.chance.choice((50, 100, 200))),
                ("aggregationLength", self.chance.choice((32, 30, 28))),
                ("aggregationLengthV6", self.chance.choice((128, 124))),
                ("nodeSelectors", [{"matchLabels": {"rack": self.chance.choice(("r0", "r1"))}}]),
                ("peers", sorted(self.chance.sample(sorted(documents.PEERS), 2))),
            )
        )
        if field in spec and self.chance.random() < 0.5:
            del spec[field]
        else:
            spec[field] = value

    def _l2_advertisement(self, draft: Draft) -> None:
        if not (found := draft.free("L2Advertisement")):
            return
        spec = found[0]["spec"]
        match self.chance.randrange(4):
            case 0:
                spec["interfaces"] = self.chance.choice((["eth0"], ["eth*"]))
            case 1:
                spec["nodeSelectors"] = [
                    {"matchLabels": {"kubernetes.io/hostname": self.chance.choice(documents.NODES)}}
                ]
            case 2:
                node = {"matchLabels": {"kubernetes.io/hostname": self.chance.choice(documents.NODES)}}
                spec["preferredNodeSelectors"] = [{"weight": 10, "preference": node}]
            case _:
                for field in ("interfaces", "nodeSelectors", "preferredNodeSelectors"):
                    spec.pop(field, None)
        draft.write(found[0], str(spec))

    def _peer(self, draft: Draft) -> None:
        found = draft.free("BGPPeer")
        missing = [name for name in documents.PEERS if ("BGPPeer", documents.SYSTEM, name) not in self.objects]
        if missing and self.chance.random() < 0.5:
            name = self.chance.choice(missing)
            if ("BGPPeer", documents.SYSTEM, name) not in draft.put:
                draft.write(documents.peer(name), "new")
        elif found:
            chosen = self.chance.choice(found)
            name = chosen["metadata"]["name"]
            if len(found) > 2 and self.chance.random() < 0.1:
                draft.remove(documents.ref_of(chosen))
            elif words := self._edit_peer(name, chosen["spec"]):
                draft.write(chosen, words)

    def _edit_peer(self, name: str, spec: Json) -> str:
        choices: list[tuple[str, Any]] = [
            ("holdTime", self.chance.choice(("9s", "30s", "90s"))),
            ("ebgpMultiHop", True),
            ("disableMP", True),
            ("nodeSelectors", [{"matchLabels": {"rack": "r0"}}]),
        ]
        if name in documents.SECOND:
            choices += [
                ("peerASN", self.chance.choice((64513, 64514, 64515))),
                ("password", "secret-in-the-open"),
                ("passwordSecret", {"name": "word"}),
                ("bfdProfile", self.chance.choice(("calm", "calmer"))),
                ("dualStackAddressFamily", True),
                ("localASN", 64601),
            ]
        field, value = self.chance.choice(choices)
        if field in spec and field != "peerASN" and (spec[field] == value or self.chance.random() < 0.5):
            del spec[field]
        else:
            spec[field] = value
            other = {"password": "passwordSecret", "passwordSecret": "password"}.get(field, "")
            spec.pop(other, None)
        return f"{field} {spec.get(field, 'unset')}"

    def _secret(self, draft: Draft) -> None:
        if draft.free("Secret"):
            text = self._name("word-")
            draft.write(documents.password("word", text), "another password")

    def _profile(self, draft: Draft) -> None:
        if found := draft.free("BFDProfile"):
            chosen = self.chance.choice(found)
            chosen["spec"]["transmitInterval"] = self.chance.choice((300, 400, 500))
            draft.write(chosen, str(chosen["spec"]))

    def _community(self, draft: Draft) -> None:
        if found := draft.free("Community"):
            found[0]["spec"]["communities"][0]["value"] = self.chance.choice(("65000:1", "65000:9", "large:1:2:3"))
            draft.write(found[0], str(found[0]["spec"]))

    def _extras(self, draft: Draft) -> None:
        made = documents.extras(f"ip prefix-list of-the-user permit 10.{self.chance.randrange(4)}.0.0/16")
        ref = documents.ref_of(made)
        if ref in draft.put or ref in draft.gone:
            return
        if ref in self.objects and self.chance.random() < 0.5:
            draft.remove(ref)
        else:
            draft.write(made, str(made["data"]))

    def _node(self, draft: Draft) -> None:
        if found := draft.free("Node"):
            chosen = self.chance.choice(found)
            labels = chosen["metadata"]["labels"]
            if self.chance.random() < 0.5:
                labels["rack"] = self.chance.choice(("r0", "r1"))
            else:
                # A label of a node is not the file's to remove: it goes after the step, together with the mistakes.
                draft.undo.append(copy.deepcopy(chosen))
                labels[documents.EXCLUDE] = ""
            draft.write(chosen, str(labels))

    def _mistake(self, draft: Draft) -> None:
        kind, field, value = self.chance.choice(_MISTAKES)
        if not (found := draft.free(kind)):
            return
        chosen = self.chance.choice(found)
        draft.undo.append(copy.deepcopy(chosen))
        chosen["spec"][field] = value
        draft.write(chosen, f"MISTAKE {field} {value}")

    def _mistaken_newcomer(self, draft: Draft) -> None:
        made = self.chance.choice(_NEWCOMERS)
        if documents.ref_of(made) not in draft.put:
            draft.mistaken.append(documents.ref_of(made))
            draft.write(copy.deepcopy(made), f"MISTAKE new {made['spec']}")


_MISTAKES: tuple[tuple[str, str, Any], ...] = (
    ("IPAddressPool", "addresses", ["198.51.100.0/33"]),
    ("IPAddressPool", "addresses", ["10.99.0.219-10.99.0.200"]),
    ("BGPAdvertisement", "aggregationLength", 33),
    ("BGPAdvertisement", "communities", ["65000:seventy"]),
    ("BGPAdvertisement", "communities", ["no-such-name"]),
    ("BGPPeer", "peerAddress", "10.99.0.300"),
    ("BGPPeer", "holdTime", "2s"),
    ("BGPPeer", "bfdProfile", "no-such-profile"),
    ("BGPPeer", "peerASN", 0),
    ("Community", "communities", [{"name": "blue", "value": "65000"}]),
)
_NEWCOMERS = (
    documents.config("BGPPeer", "nobody", myASN=64600, peerAddress="10.99.0.9"),
    documents.config("IPAddressPool", "overlapping", addresses=["198.51.100.128/25"]),
    documents.config("BGPAdvertisement", "nonsense", communities=["x:y"]),
)
_CHANGES: tuple[tuple[Callable[[History, Draft], None], int], ...] = (
    (History._new_service, 7),
    (History._edit_service, 5),
    (History._remove_service, 3),
    (History._move_endpoints, 2),
    (History._pool, 4),
    (History._bgp_advertisement, 4),
    (History._l2_advertisement, 2),
    (History._peer, 5),
    (History._extras, 1),
    (History._secret, 1),
    (History._profile, 1),
    (History._community, 1),
    (History._node, 2),
    (History._mistake, 1),
    (History._mistaken_newcomer, 1),
)
