"""TCP MD5 passwords (RFC 2385) from Secrets, by the real speaker: right, wrong, and changed while everything runs."""

import pytest

from tests.live import frr_pair
from tests.live import segment_bgp as s
from tests.live import speaking_node as k

pytestmark = s.MARKS

WRONG, RIGHT, NEWER = "t0-wrong", "t1-right", "t2-newer"
SECRET = {"passwordSecret": {"name": "tor"}}


@pytest.fixture(scope="module")
def net():
    """`tor` asks for a password on both sessions, `up` for none."""
    with s.Segment("up", "tor", "n1") as made:
        made.start("up").load(s.router(64512, "10.99.0.1", s.Toward("10.99.0.11")))
        locked = [s.Toward(address, (f"password {RIGHT}",)) for address in ("10.99.0.11", "fd00:99::11")]
        made.start("tor").load(s.router(64513, "10.99.0.2", *locked))
        made.start("n1", s.BGP_AND_BFD)
        yield made


@pytest.fixture(scope="module")
def api(net):
    with k.Api(net["n1"]) as made, k.Speaker(net["n1"], made.kubeconfig):
        made.apply(k.pool(), k.advertisement(), *k.service("web", "192.0.2.1", "2001:db8::1"))
        made.apply(k.peer("up", "10.99.0.1"))
        yield made


def untouched(net):
    return s.lives(net["n1"])["10.99.0.1"]


def test_a_password_that_is_wrong_then_right_then_changed_on_both_sides(net, api):
    tor = net["tor"]
    api.apply(k.password("tor", WRONG))
    api.apply(*(k.peer(f"tor-{n}", ip, peerASN=64513, **SECRET) for n, ip in ((4, "10.99.0.2"), (6, "fd00:99::2"))))
    s.established(net["n1"], "10.99.0.1")
    frr_pair.poll(net["up"].routes, lambda found: set(found) == {"192.0.2.1"})
    before = untouched(net)
    # Until both sides have tried in vain; nobody answers what is signed with another password.
    frr_pair.poll(
        lambda: s.sessions(net["n1"]),
        lambda found: all(found[ip].state in ("Connect", "Active") for ip in ("10.99.0.2", "fd00:99::2")),
    )
    assert not any(each.is_established or each.connections_established for each in s.sessions(tor).values())
    assert tor.routes() == {}

    api.apply(k.password("tor", RIGHT))
    s.established(net["n1"])
    frr_pair.poll(tor.routes, lambda found: set(found) == {"192.0.2.1", "2001:db8::1"})
    lives = s.lives(net["n1"])

    api.apply(k.password("tor", NEWER))
    frr_pair.poll(lambda: s.lives(net["n1"])["10.99.0.2"], (1, 1).__eq__)
    edits = [f"neighbor {ip} password {NEWER}" for ip in ("10.99.0.11", "fd00:99::11")]
    tor.vtysh("configure terminal", "router bgp 64513", *edits)
    s.established(net["n1"])
    frr_pair.poll(tor.routes, lambda found: set(found) == {"192.0.2.1", "2001:db8::1"})
    after = s.lives(net["n1"])
    assert {name for name in after if after[name] != lives[name]} == {"10.99.0.2", "fd00:99::2"}
    assert untouched(net) == before


def test_no_password_is_ever_told_to_people(net, api):
    said = (net["n1"].directory / "speaker.log").read_text()
    assert not [word for word in (WRONG, RIGHT, NEWER) if word in said]
    assert net["n1"].frr_conf.stat().st_mode & 0o777 == 0o600
    assert f"password {NEWER}" in net["n1"].frr_conf.read_text()
