"""Which peers a service is credited with, and when that is written. Numbers are those of the compatibility tables."""

from speaker.core import bgp_status
from tests import bgp_world as w
from tests.status_world import Scene

SVC1, SVC2 = "default/svc1", "default/svc2"
POOLS = (w.make_pool("pool1", ["10.20.30.0/24"]), w.make_pool("pool2", ["10.20.40.0/24"]))
PEER1, PEER2 = w.make_peer("peer1", address="10.99.0.1"), w.make_peer("peer2", address="10.99.0.2")


def credit(services, ads=None, peers=(PEER2, PEER1)):
    ads = ads or [w.make_ad("ad1", pools=["pool1"]), w.make_ad("ad2", pools=["pool2"])]
    plan = w.plan(w.make_world(peers, ads, [w.make_service(key, *ips) for key, *ips in services], pools=POOLS))
    return dict(bgp_status.credit(plan.routes))


def test_b70_b75_every_change_of_the_peers_of_a_service_is_one_write_about_it_alone():
    scene = Scene().listed()
    both = ("peer1", "peer2")
    assert scene.settle(credit([])) == []  # B70
    assert scene.settle(credit([(SVC1, "10.20.30.1")])) == [SVC1]  # B71
    assert scene.said() == {SVC1: both}
    two = [(SVC1, "10.20.30.1"), (SVC2, "10.20.40.1")]
    assert scene.settle(credit(two)) == [SVC2]  # B72
    assert scene.said() == {SVC1: both, SVC2: both}
    ads = [w.make_ad("ad1", pools=["pool1"], peers=["peer1"]), w.make_ad("ad2", pools=["pool2"])]
    assert scene.settle(credit(two, ads)) == [SVC1]  # B73
    assert scene.said() == {SVC1: ("peer1",), SVC2: both}
    assert scene.settle(credit(two[1:], ads)) == [SVC1]  # B74
    assert scene.said() == {SVC2: both}
    assert scene.settle(credit(two[1:], ads, peers=[PEER2])) == [SVC2]  # B75
    assert scene.said() == {SVC2: ("peer2",)}


def test_services_under_one_aggregate_are_credited_with_the_peers_of_both():
    ads = [
        w.make_ad("a", pools=["pool1"], aggregation_v4=24, peers=["peer1"], selectors=[{"app": "a"}]),
        w.make_ad("b", pools=["pool1"], aggregation_v4=24, peers=["peer2"], selectors=[{"app": "b"}]),
    ]
    services = [
        w.make_service(SVC1, "10.20.30.1", labels={"app": "a"}),
        w.make_service(SVC2, "10.20.30.2", labels={"app": "b"}),
    ]
    plan = w.plan(w.make_world([PEER1, PEER2], ads, services, pools=POOLS))
    assert bgp_status.credit(plan.routes) == {SVC1: ("peer1", "peer2"), SVC2: ("peer1", "peer2")}


def test_peers_of_all_prefixes_of_a_service_count():
    peers = [PEER1, w.make_peer("six", address="fd00::1")]
    services = [("default/both", "10.20.30.1", "2001:db8::1")]
    ads = [w.make_ad("all", pools=["pool1", "pool6"])]
    pools = (w.make_pool("pool1", ["10.20.30.0/24", "2001:db8::/64"]),)
    made = [w.make_service(key, *ips) for key, *ips in services]
    plan = w.plan(w.make_world(peers, ads, made, pools=pools))
    assert bgp_status.credit(plan.routes) == {"default/both": ("peer1", "six")}


def test_a_service_that_nobody_is_told_of_has_no_entry():
    assert credit([(SVC1, "10.20.30.1")], peers=[]) == {}
    assert credit([(SVC1, "10.20.30.1")], [w.make_ad("ad1", pools=["pool1"], peers=["elsewhere"])]) == {}
