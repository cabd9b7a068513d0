"""The speaker and bgpd restart under running sessions: with graceful restart (RFC 4724) the router's kernel sees nothing of it.

`up` keeps routes over a restart of its neighbor, `tor` does not. The speaker is the real program.
"""

import pytest

from tests.live import frr_pair
from tests.live import segment_bgp as s
from tests.live import speaking_node as k

pytestmark = s.MARKS

STEADY = {"192.0.2.1", "2001:db8::1"}


@pytest.fixture(scope="module")
def net():
    both = [s.Toward(ip) for ip in ("10.99.0.11", "fd00:99::11")]
    with s.Segment("up", "tor", "n1") as made:
        made.start("up").load(s.router(64512, "10.99.0.1", *both, settings=["bgp graceful-restart"]))
        made.start("tor").load(s.router(64513, "10.99.0.2", *both, settings=["bgp graceful-restart-disable"]))
        made.start("n1", s.BGP_AND_BFD)
        yield made


@pytest.fixture(scope="module")
def api(net):
    with k.Api(net["n1"]) as made:
        made.apply(k.pool(), k.advertisement(), *k.service("web", "192.0.2.1", "2001:db8::1"))
        for family, (up, tor) in {4: ("10.99.0.1", "10.99.0.2"), 6: ("fd00:99::1", "fd00:99::2")}.items():
            made.apply(
                k.peer(f"up-{family}", up, enableGracefulRestart=True), k.peer(f"tor-{family}", tor, peerASN=64513)
            )
        yield made


@pytest.fixture
def speaker(net, api):
    with k.Speaker(net["n1"], api.kubeconfig) as made:
        for router in ("up", "tor"):
            frr_pair.poll(net[router].routes, lambda found: set(found) >= STEADY)
        made.await_said("configuration applied")
        yield made


def settle(net, api, number):
    """A route that was asked for after all else, and has arrived everywhere."""
    api.apply(*k.service("late", f"192.0.2.{number}", f"2001:db8::{number}"))
    for router in ("up", "tor"):
        frr_pair.poll(
            net[router].routes, lambda found: set(found) == STEADY | {f"192.0.2.{number}", f"2001:db8::{number}"}
        )


def about(changes, prefixes):
    return [change for change in changes if change["dst"] in prefixes]


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_a_restart_of_the_speaker_goes_unnoticed(net, api, speaker, ending):
    lives = {router: s.lives(net[router]) for router in ("up", "tor")}
    with s.route_changes(net["up"]) as at_up, s.route_changes(net["tor"]) as at_tor:
        getattr(speaker, ending)()
        with k.Speaker(net["n1"], api.kubeconfig) as second:
            (applied,) = second.await_said("configuration applied")
            settle(net, api, 100 if ending == "stop" else 101)
    assert applied["lines"] == 0
    assert about(at_up, STEADY) == about(at_tor, STEADY) == []
    assert {router: s.lives(net[router]) for router in ("up", "tor")} == lives


def is_stale(machine):
    found = [
        machine.show(f"show bgp {each} json") for each in ("ipv4 unicast 192.0.2.1/32", "ipv6 unicast 2001:db8::1/128")
    ]
    return [path.get("stale", False) for answer in found for path in answer["paths"]]


def test_bgpd_crashes_and_routes_stay_where_graceful_restart_is(net, api, speaker):
    before = s.lives(net["up"])
    with s.route_changes(net["up"]) as at_up, s.route_changes(net["tor"]) as at_tor:
        net["n1"].kill("bgpd")
        frr_pair.poll(lambda: is_stale(net["up"]), [True, True].__eq__)
        frr_pair.poll(net["tor"].routes, {}.__eq__)
        net["n1"].start("bgpd")
        settle(net, api, 102)
        frr_pair.poll(lambda: is_stale(net["up"]), [False, False].__eq__)
    # Prefixes were back before the sessions opened, so nothing was missing when the end of them was announced. That IPv6 gets
    # the same next hop again depends on when bgpd hears of its link-local address.
    assert {(change["dst"], change["hops"]) for change in about(at_up, STEADY)} <= {("2001:db8::1", 1)}
    assert {change["dst"]: change["hops"] for change in about(at_tor, STEADY)} == dict.fromkeys(STEADY, 1)
    assert {change["hops"] for change in about(at_tor, STEADY)} == {0, 1}
    after = s.lives(net["up"])
    assert {name: after[name][0] - up for name, (up, _) in before.items()} == dict.fromkeys(before, 1)
