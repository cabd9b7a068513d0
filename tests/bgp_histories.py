"""Random histories of a BGP world: one change after another, as people and programs make them. Used by unit and live tests."""

import copy
import random
from typing import Any

from speaker.core import compose
from tests import bgp_world as w

COMMUNITIES = ["64600:1", "64600:2", "65535:65281", "64600:300", "large:64600:1:2", "large:64600:9:9"]
LABELS = ["red", "blue", "none"]
SPARE = ["10.99.0.21", "10.99.0.22", "fd00:99::21"]
"""Routers that do not exist: sessions that never come up."""


class World:
    """Services, advertisements, peers and BFD profiles; `change` alters one thing and names it."""

    def __init__(self, seed: int, peers: dict[str, dict[str, Any]] | None = None, *, spare: bool = True) -> None:
        self.chance = random.Random(seed)
        self.peers: dict[str, dict[str, Any]] = peers or {"tor-4": {"address": "10.99.0.1"}}
        self.fixed = frozenset(self.peers)
        self.spare = spare
        self.services: dict[str, dict[str, Any]] = {}
        self.ads: dict[str, dict[str, Any]] = {"all": {"selectors": [{"color": "red"}]}, "none": {}}
        self.profiles: dict[str, dict[str, Any]] = {"plain": {}}

    def snapshot(self):
        """What the speaker would see."""
        services = [
            w.make_service(f"default/{name}", *each["ips"], labels={"color": each["color"]})
            for name, each in self.services.items()
        ]
        return w.make_world(
            [w.make_peer(name, **fields) for name, fields in sorted(copy.deepcopy(self.peers).items())],
            [w.make_ad(name, **copy.deepcopy(fields)) for name, fields in sorted(self.ads.items())],
            services,
            bfd_profiles=[w.make_bfd(name, **fields) for name, fields in sorted(self.profiles.items())],
        )

    def config(self):
        """What the speaker would want."""
        return compose.compose(w.plan(self.snapshot()))

    def change(self) -> str:
        """One change of any kind."""
        kinds = [self.change_service] * 4 + [self.change_advertisement] * 3 + [self.change_profile]
        if self.spare:
            kinds += [self.change_peer] * 4
        return self.chance.choice(kinds)()

    def change_service(self) -> str:
        """A service comes, goes, or wears another label."""
        number = self.chance.randrange(24)
        name = f"s{number:02}"
        if name not in self.services:
            ips = [f"192.0.2.{number}", f"2001:db8::{number:x}"][: self.chance.choice([1, 2])]
            self.services[name] = {"ips": ips, "color": self.chance.choice(LABELS)}
            return f"service {name} comes with {ips}"
        if self.chance.random() < 0.5:
            del self.services[name]
            return f"service {name} goes"
        self.services[name]["color"] = self.chance.choice(LABELS)
        return f"service {name} is {self.services[name]['color']}"

    def change_advertisement(self) -> str:
        """An advertisement comes, goes, or tells something else."""
        name = self.chance.choice(["all", "none", "extra", "wide"])
        if name not in self.ads:
            self.ads[name] = {"selectors": [{"color": self.chance.choice(LABELS)}]}
            if name == "wide":
                self.ads[name] |= {"aggregation_v4": 28, "aggregation_v6": 124}
            return f"advertisement {name} comes"
        kind = self.chance.choice(["goes", "communities", "preference", "peers"])
        ad = self.ads[name]
        match kind:
            case "goes":
                del self.ads[name]
            case "communities":
                ad["communities"] = self.chance.sample(COMMUNITIES, self.chance.randrange(4))
            case "preference":
                ad["local_pref"] = self.chance.choice([0, 100, 300])
            case "peers":
                ad["peers"] = self.chance.sample(sorted(self.peers), self.chance.randrange(len(self.peers) + 1))
        return f"advertisement {name}: {kind} {ad}"

    def change_peer(self) -> str:
        """A router that does not exist comes, goes or is changed; sometimes a fixed one, in what resets nothing."""
        if self.chance.random() < 0.2:
            name = self.chance.choice(sorted(self.fixed))
            self.peers[name] |= self.chance.choice([{"hold_time": 30}, {"hold_time": 60}, {"connect_time": 2}])
            return f"peer {name}: timers"
        address = self.chance.choice(SPARE)
        name = f"spare-{address.replace('.', '-').replace(':', '-')}"
        if name not in self.peers:
            self.peers[name] = {"address": address, **self._some_setting()}
            return f"peer {name} comes"
        if self.chance.random() < 0.4:
            del self.peers[name]
            for ad in self.ads.values():
                ad["peers"] = [each for each in ad.get("peers", ()) if each != name]
            return f"peer {name} goes"
        setting = self._some_setting()
        self.peers[name] = {"address": address, **setting} if self.chance.random() < 0.3 else self.peers[name] | setting
        return f"peer {name}: {self.peers[name]}"

    def change_profile(self) -> str:
        """A BFD profile nobody uses comes or goes, or one is edited."""
        name = self.chance.choice(["plain", "spare"])
        in_use = any(peer.get("bfd_profile") == name for peer in self.peers.values())
        if name in self.profiles and not in_use and self.chance.random() < 0.3:
            del self.profiles[name]
            return f"profile {name} goes"
        self.profiles[name] = self.chance.choice(
            [
                {},
                {"receive_interval": 200, "transmit_interval": 250},
                {"detect_multiplier": 5, "minimum_ttl": 250},
                {"echo_interval": 90, "passive_mode": True},
                {"echo_mode": True},
            ]
        )
        return f"profile {name}: {self.profiles[name]}"

    def _some_setting(self) -> dict[str, Any]:
        found = self.chance.choice(
            [
                {"password": self.chance.choice(["s3cret", "0ther?#"])},
                {"hold_time": self.chance.choice([30, 90]), "keepalive_time": 10},
                {"connect_time": self.chance.choice([3, 5])},
                {"ebgp_multihop": True},
                {"graceful_restart": True},
                {"local_asn": 64700},
                {"port": 1790},
                {"source_address": "10.99.0.11"},
                {"dual_stack_address_family": True},
                {"asn": self.chance.choice([64513, 64600])},
                {"bfd_profile": "plain"},
                {},
            ]
        )
        return found if found.get("bfd_profile", "plain") in self.profiles else {}
