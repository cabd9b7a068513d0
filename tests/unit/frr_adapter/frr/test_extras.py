"""Extra lines that would undo or contradict what is ours, and those that people use."""

import pytest

from frr_adapter.frr import extras
from speaker.core import compose
from tests import bgp_world as w

TOR = {"address": "10.99.0.1", "connect_time": 5, "bfd_profile": "fast", "password": "x"}
RED = {"address": "10.99.0.2", "vrf": "red", "router_id": "10.0.0.9"}


def objections(text):
    world = compose.compose(
        w.plan(
            w.make_world(
                [w.make_peer("tor", **TOR), w.make_peer("red", **RED)],
                [w.make_ad(name="all")],
                [w.make_service("default/web", "192.0.2.1")],
                bfd_profiles=[w.make_bfd("fast", receive_interval=100)],
                extras=text,
            )
        )
    )
    return [(each.statement, each.words) for each in extras.objections(world)]


TAG = (
    compose.compose(
        w.plan(
            w.make_world(
                [w.make_peer("tor", **TOR)], [w.make_ad(name="all")], [w.make_service("default/web", "192.0.2.1")]
            )
        )
    )
    .classes[0]
    .tag
)


def in_router(line, family=""):
    middle = f" address-family {family} unicast\n" if family else ""
    return f"router bgp 64600\n{middle} {line}\nexit\n"


FINE = [
    "",
    "! a comment\n# another\n\n",
    "ip prefix-list mine seq 5 permit 10.0.0.0/8 le 24",
    "route-map 10.99.0.1-in permit 10\n match ip address prefix-list mine\nexit",
    "route-map 10.99.0.1-in permit 3",
    "router bgp 64600\n neighbor 10.99.0.1 maximum-prefix 50\n neighbor 10.99.0.1 description mine\nexit",
    "router bgp 64600\n neighbor 10.99.0.1 timers 3 9\n neighbor 10.99.0.1 timers connect 5\nexit",
    "router bgp 64600\n neighbor 10.99.0.1 shutdown\n no neighbor 10.99.0.1 shutdown\nexit",
    in_router("neighbor 10.99.0.1 soft-reconfiguration inbound\n  network 203.0.113.0/24\n  network nonsense", "ipv4"),
    in_router("neighbor 10.99.0.77 remote-as 5\n no neighbor 10.99.0.77"),
    in_router("neighbor 10.99.0.77 activate\n  neighbor 10.99.0.77 route-map mine in", "ipv4"),
    "router bgp 64601 vrf blue\n bgp router-id 1.1.1.1\nexit\nno router bgp 64601 vrf blue\n",
    "bfd\n profile mine\n  receive-interval 20\n exit\n no profile mine\nexit",
    "bfd\n profile fast\n  detect-multiplier 4\n exit\nexit",
    "log syslog informational\npassword zebra\nip route 10.0.0.0/8 Null0\nexit\nexit",
    "rpki\n rpki polling_period 1000\nexit\nip route 10.0.0.0/8 Null0\nquit\n",
    "access-list vty seq 5 permit 127.0.0.0/8",
]


@pytest.mark.parametrize("text", FINE)
def test_what_people_need_is_fine(text):
    assert objections(text) == []


BAD = [
    ("no router bgp", "it would remove the BGP instance of the BGPPeers"),
    ("no router bgp 64600", "it would remove the BGP instance of the BGPPeers"),
    ("no router bgp 64600 vrf red", "it would remove the BGP instance of the BGPPeers"),
    ("no bfd", "it would remove the BFDProfiles"),
    ("bfd\n no profile fast", "it would remove the BFDProfile fast"),
    ("bfd\n profile fast\n  receive-interval 20", 'the BFDProfile fast says "receive-interval 100"'),
    ("no route-map 10.99.0.1-in", "it would remove a policy of the speaker"),
    ("no route-map 10.99.0.1-out permit 7", "it would remove a policy of the speaker"),
    ("route-map 10.99.0.1-in permit 20", "the speaker has an entry 20 in it; use another number"),
    (f"route-map 10.99.0.1-out permit {TAG}", f"the speaker has an entry {TAG} in it; use another number"),
    (f"route-map class-{TAG} permit 10", "the speaker has an entry 10 in it; use another number"),
    (in_router("no neighbor 10.99.0.1"), "it would remove the session of BGPPeer metallb-system/tor"),
    (in_router("neighbor 10.99.0.1 remote-as 5"), 'BGPPeer metallb-system/tor says "remote-as 64512"'),
    (in_router("no neighbor 10.99.0.1 timers connect"), 'BGPPeer metallb-system/tor says "timers connect 5"'),
    (in_router("neighbor 10.99.0.1 timers connect 9"), 'BGPPeer metallb-system/tor says "timers connect 5"'),
    (in_router("neighbor 10.99.0.1 bfd profile mine"), 'BGPPeer metallb-system/tor says "bfd profile fast"'),
    (in_router("neighbor 10.99.0.1 password other"), 'BGPPeer metallb-system/tor says "password ***"'),
    (in_router("no neighbor 10.99.0.1 activate", "ipv4"), 'BGPPeer metallb-system/tor says "activate"'),
    (
        in_router("neighbor 10.99.0.1 route-map mine in", "ipv4"),
        'BGPPeer metallb-system/tor says "route-map 10.99.0.1-in in"',
    ),
    (in_router("no network 192.0.2.1/32", "ipv4"), "a Service is behind this prefix"),
    (in_router("network 192.0.2.1/32 backdoor", "ipv4"), "a Service is behind this prefix"),
    (in_router("bgp default ipv4-unicast"), 'the speaker says "no bgp default ipv4-unicast"'),
    (in_router("coalesce-time 1000"), 'the speaker says "coalesce-time 100"'),
    (in_router("no coalesce-time 100"), 'the speaker says "coalesce-time 100"'),
    (
        in_router("no bgp graceful-restart preserve-fw-state"),
        'the speaker says "bgp graceful-restart preserve-fw-state"',
    ),
    ("router bgp 64600 vrf red\n bgp router-id 1.1.1.1", 'a BGPPeer says "bgp router-id 10.0.0.9"'),
    ("end\nip route 10.0.0.0/8 Null0", "it would end the reading of the configuration"),
    ("x" * 5000, "a line has at most 4000 bytes, and no control characters"),
    ("ip foo\x07bar", "a line has at most 4000 bytes, and no control characters"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[row[0][:60] for row in BAD])
def test_what_speaks_against_ours_is_named(text, words):
    assert [found for _, found in objections(text)] == [words]


def test_the_statement_is_named_with_its_blocks():
    text = "router bgp 64600\n  address-family   ipv4 unicast\n   no   network 192.0.2.1/32\n"
    assert objections(text)[0][0] == "router bgp 64600 / address-family ipv4 unicast / no network 192.0.2.1/32"
