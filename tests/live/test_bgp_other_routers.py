"""BIRD 2 and GoBGP as the routers of a node with the real speaker: sessions of both families, passwords, BFD, attributes.

BIRD has a password and BFD on its IPv4 session and listens on another port for IPv6. GoBGP takes both families over one session.
"""

import time

import pytest

from tests.live import frr_pair
from tests.live import other_routers as o
from tests.live import segment_bgp as s
from tests.live import speaking_node as k

BIRD_PORT = 1790
LACKING = o.missing("bird", "bird2") or o.missing("gobgpd", "gobgpd")
pytestmark = [*s.MARKS, pytest.mark.skipif(bool(LACKING), reason=LACKING or "-")]

V4, V6 = "192.0.2.1", "2001:db8::1"
BIRD = f"""
protocol bfd {{ interface "eth0" {{ min rx interval 300 ms; min tx interval 300 ms; multiplier 3; }}; }}
protocol bgp n1_4 {{
  local 10.99.0.1 as 64512;
  neighbor 10.99.0.11 as 64600;
  password "t0-secret";
  bfd on;
  ipv4 {{ import all; export none; }};
}}
protocol bgp n1_6 {{
  local fd00:99::1 port {BIRD_PORT} as 64512;
  neighbor fd00:99::11 as 64600;
  passive yes;
  ipv6 {{ import all; export none; }};
}}
"""


def gobgp_neighbor(address, *families, **more):
    listed = [{"config": {"afi-safi-name": f"{family}-unicast"}} for family in families]
    return {"config": {"neighbor-address": address, "peer-as": 64600, **more}, "afi-safis": listed}


GOBGP = {
    "global": {
        "config": {"as": 64513, "router-id": "10.99.0.2", "local-address-list": ["10.99.0.2", "fd00:99::2"]},
    },
    "neighbors": [
        gobgp_neighbor("10.99.0.11", "ipv4", "ipv6", **{"auth-password": "t0-secret"}),
        gobgp_neighbor("fd00:99::11", "ipv6"),
    ],
}
SECRET = {"passwordSecret": {"name": "tor"}}
GOBGP_4 = k.peer("gobgp-4", "10.99.0.2", peerASN=64513, dualStackAddressFamily=True, **SECRET)
AS_PATH, LOCAL_PREFERENCE, COMMUNITIES, LARGE = 2, 5, 8, 32
"""Path attributes by their numbers (RFC 4271, 1997, 8092)."""


@pytest.fixture(scope="module")
def net():
    with s.Segment("up", "tor", "n1") as made:
        made.start("n1", s.BGP_AND_BFD)
        yield made


@pytest.fixture(scope="module")
def bird(net):
    return o.Bird(net["up"], "10.99.0.1", BIRD)


@pytest.fixture(scope="module")
def gobgp(net):
    return o.GoBgp(net["tor"], GOBGP)


@pytest.fixture(scope="module")
def api(net, bird, gobgp):
    """A speaker without peers."""
    with k.Api(net["n1"]) as made, k.Speaker(net["n1"], made.kubeconfig) as speaker:
        made.apply(
            k.pool(),
            k.password("tor", "t0-secret"),
            k.bfd_profile("usual", receiveInterval=300, transmitInterval=300),
            k.advertisement("marked", communities=["64600:1", "65535:65281", "large:64600:1:4294967295"]),
            *k.service("web", V4, V6),
        )
        speaker.await_said("configuration applied")
        yield made


def test_bird_with_password_and_bfd_and_another_port(net, bird, api):
    started = time.monotonic()
    with_bfd = {"bfdProfile": "usual", "sourceAddress": "10.99.0.11", **SECRET}
    api.apply(k.peer("bird-4", "10.99.0.1", **with_bfd), k.peer("bird-6", "fd00:99::1", peerPort=BIRD_PORT))
    for session in ("n1_4", "n1_6"):
        frr_pair.poll(lambda name=session: bird.is_established(name), bool, limit=70)
    took = time.monotonic() - started
    print(f"established with BIRD after {took:.1f} s")
    frr_pair.poll(lambda: bird.is_bfd_up("10.99.0.11"), bool)
    frr_pair.poll(lambda: s.is_bfd_up(net["n1"]), bool)
    # BIRD punishes a neighbor whose BFD session breaks off while it comes up: it stays away for a minute.
    assert took < 20
    assert s.lives(net["n1"])["10.99.0.1"] == (1, 0)
    assert s.sessions(net["n1"])["fd00:99::1"].port == BIRD_PORT
    expected = {V4: {"10.99.0.11"}, V6: {"fd00:99::11"}}
    assert frr_pair.poll(bird.routes, expected.__eq__)
    for prefix in (f"{V4}/32", f"{V6}/128"):
        found = bird.attributes(prefix)
        assert found["BGP.as_path"] == "64600"
        assert found["BGP.community"] == "(64600,1) (65535,65281)"
        assert found["BGP.large_community"] == "(64600, 1, 4294967295)"
        assert "BGP.local_pref" not in found or found["BGP.local_pref"] == "100"


def test_gobgp_with_both_families_over_one_session(net, gobgp, api):
    api.apply(GOBGP_4)
    frr_pair.poll(lambda: gobgp.is_established("10.99.0.11"), bool)
    found = frr_pair.poll(gobgp.routes, lambda found: set(found) == {f"{V4}/32", f"{V6}/128"})
    for attributes in found.values():
        by_type = {each["type"]: each for each in attributes}
        assert [segment["asns"] for segment in by_type[AS_PATH]["as_paths"]] == [[64600]]
        assert by_type[COMMUNITIES]["communities"] == [64600 << 16 | 1, 65535 << 16 | 65281]
        assert by_type[LARGE]["value"] == [{"ASN": 64600, "LocalData1": 1, "LocalData2": 4294967295}]
        assert LOCAL_PREFERENCE not in by_type
    hops = {
        prefix: next(each["nexthop"] for each in attributes if "nexthop" in each)
        for prefix, attributes in found.items()
    }
    assert hops == {f"{V4}/32": "10.99.0.11", f"{V6}/128": "fd00:99::11"}
    assert s.lives(net["n1"])["10.99.0.2"] == (1, 0)


def test_gobgp_with_ipv6(net, gobgp, api):
    api.delete(GOBGP_4)
    frr_pair.poll(gobgp.routes, {}.__eq__)
    api.apply(k.peer("gobgp-6", "fd00:99::2", peerASN=64513))
    frr_pair.poll(lambda: gobgp.is_established("fd00:99::11"), bool)
    frr_pair.poll(gobgp.routes, lambda found: set(found) == {f"{V6}/128"})


def test_both_hear_of_a_withdrawal_and_of_other_communities(net, bird, gobgp, api):
    before = s.lives(net["n1"])
    api.apply(k.advertisement("marked", communities=["64600:9"]))
    frr_pair.poll(lambda: bird.attributes(f"{V6}/128").get("BGP.community"), "(64600,9)".__eq__)
    assert "BGP.large_community" not in bird.attributes(f"{V6}/128")
    api.delete(k.service("web", V4, V6)[0])
    frr_pair.poll(bird.routes, {}.__eq__)
    frr_pair.poll(gobgp.routes, {}.__eq__)
    assert s.lives(net["n1"]) == before
