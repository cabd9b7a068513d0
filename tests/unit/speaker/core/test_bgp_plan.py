"""What every peer is told. The numbers are those of the compatibility tables."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frr_adapter.model import cluster
from speaker import values
from speaker.core import bgp_plan
from tests import bgp_world as w

PLAIN = (0, "")


def test_b10_b12_nothing_without_configuration_or_load_balancer():
    service = w.make_service("default/test1", "192.0.2.1")
    assert w.told(w.make_world(services=[service])) == {}
    peers = [w.make_peer("peer1")]
    assert w.told(w.make_world(peers=peers)) == {"peer1": {}}
    node_port = w.make_service("default/test1", "192.0.2.1", type="NodePort")
    assert w.told(w.make_world(peers, [w.make_ad()], [node_port])) == {"peer1": {}}


def test_b22_b24_two_advertisements_of_different_length():
    exact = {"local_pref": 100, "communities": ["0:2345", "0:1234"]}
    wide = {"local_pref": 1000, "aggregation_v4": 24}
    both = {"192.0.2.1/32": (100, "0:1234 0:2345"), "192.0.2.0/24": (1000, "")}

    def heard(*ads):
        service = w.make_service("default/test1", "192.0.2.1")
        pools = [w.make_pool("p", ["192.0.2.0/24"])]
        return w.told(w.make_world([w.make_peer("peer1")], ads, [service], pools=pools))

    assert heard(w.make_ad("a", **exact), w.make_ad("b", **wide)) == {"peer1": both}
    elsewhere = w.make_ad("b", **wide, nodes=["iris"])
    assert heard(w.make_ad("a", **exact), elsewhere) == {"peer1": {"192.0.2.1/32": both["192.0.2.1/32"]}}
    assert heard(w.make_ad("a", **exact, peers=["peer1"]), w.make_ad("b", **wide)) == {"peer1": both}


def test_b25_b31_life_of_two_services_and_two_peers():
    peers = [w.make_peer("peer1", address="10.99.0.1"), w.make_peer("peer2", address="10.99.0.2")]
    ads = [w.make_ad()]
    test1 = w.make_service("default/test1", "192.0.2.1")

    def heard(*services, peers=peers):
        return w.told(w.make_world(peers, ads, services))

    one = {"192.0.2.1/32": PLAIN}
    assert heard(test1) == {"peer1": one, "peer2": one}  # B25
    assert heard(test1, w.make_service("default/test2")) == {"peer1": one, "peer2": one}  # B26
    two = {**one, "192.0.2.5/32": PLAIN}
    assert heard(test1, w.make_service("default/test2", "192.0.2.5")) == {"peer1": two, "peer2": two}  # B27
    sharing = w.make_service("default/test2", "192.0.2.1")
    shared = w.plan(w.make_world(peers, ads, [test1, sharing]))
    assert [(str(route.prefix), route.services) for route in shared.routes] == [
        ("192.0.2.1/32", ("default/test1", "default/test2"))
    ]  # B28: one statement in FRR, whoever shares the address
    assert heard(sharing) == {"peer1": one, "peer2": one}  # B29
    renamed = [w.make_peer("other", address="10.99.0.2")]
    assert heard(sharing, peers=renamed) == {"other": one}  # B30
    assert heard(peers=renamed) == {"other": {}}  # B31


SELECTIVE = [{"foo": "bar"}]


@pytest.mark.parametrize(
    ("labels", "node_selectors", "expected"),
    [
        ({}, SELECTIVE, ["peer1"]),  # B42
        ({"foo": "bar"}, SELECTIVE, ["peer1", "peer2"]),  # B43
        ({"foo": "baz"}, SELECTIVE, ["peer1"]),  # B44
        ({"foo": "baz"}, [{"foo": "bar"}, {"foo": "baz"}], ["peer1", "peer2"]),  # B45
        ({"foo": "bar"}, [{"foo": "bar"}, {"foo": "baz"}], ["peer1", "peer2"]),  # B46
        ({"foo": "bar"}, [{"host": "frontend"}, {"foo": "bar"}], ["peer1", "peer2"]),  # B47
        ({"host": "frontend"}, [{"host": "frontend"}, {"foo": "bar"}], ["peer1", "peer2"]),  # B48
    ],
)
def test_peers_are_those_that_select_the_node(labels, node_selectors, expected):
    world = w.make_world(
        peers=[w.make_peer("peer2", node_selectors=node_selectors), w.make_peer("peer1")],
        nodes=[w.make_node(labels=labels)],
    )
    assert list(w.told(world)) == expected


def test_b41_a_node_that_the_api_does_not_know_yet_opens_unselective_sessions():
    peers = [w.make_peer("peer1"), w.make_peer("peer2", node_selectors=SELECTIVE)]
    assert list(w.told(w.make_world(peers=peers, nodes=[]))) == ["peer1"]


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"address": "10.99.0.1"}, ["192.0.2.1/32"]),
        ({"address": "fd00::1"}, ["2001:db8::1/128"]),
        ({"address": "10.99.0.1", "dual_stack_address_family": True}, ["192.0.2.1/32", "2001:db8::1/128"]),
        ({"address": "fd00::1", "dual_stack_address_family": True}, ["192.0.2.1/32", "2001:db8::1/128"]),
        ({"interface": "eth1"}, ["192.0.2.1/32", "2001:db8::1/128"]),
    ],
)
def test_a_prefix_goes_only_over_sessions_that_carry_its_family(peer, expected):
    service = w.make_service("default/web", "192.0.2.1", "2001:db8::1")
    assert list(w.told(w.make_world([w.make_peer(**peer)], [w.make_ad()], [service]))["tor"]) == expected


def test_communities_of_advertisements_with_one_prefix_are_united_in_order():
    ads = [
        w.make_ad("a", communities=["65000:2", "large:1:2:3"]),
        w.make_ad("b", communities=["65000:1", "65000:2", "64000:9"]),
        w.make_ad("c", communities=["65000:3"], peers=["someone-else"]),
    ]
    world = w.make_world([w.make_peer()], ads, [w.make_service("default/web", "192.0.2.1")])
    assert w.told(world) == {"tor": {"192.0.2.1/32": (0, "1:2:3 64000:9 65000:1 65000:2")}}


def test_services_under_one_aggregate_disagreeing_about_preference_get_the_highest():
    app = {"app": "a"}
    ads = [
        w.make_ad("low", aggregation_v4=24, local_pref=100, selectors=[app]),
        w.make_ad("high", aggregation_v4=24, local_pref=200, selectors=[{"app": "b"}]),
    ]
    a = w.make_service("default/a", "192.0.2.1", labels=app)
    b = w.make_service("default/b", "192.0.2.2", labels={"app": "b"})
    assert w.told(w.make_world([w.make_peer()], ads, [a, b])) == {"tor": {"192.0.2.0/24": (200, "")}}
    assert w.told(w.make_world([w.make_peer()], ads, [a])) == {"tor": {"192.0.2.0/24": (100, "")}}  # T77


def test_b70_b75_peers_of_each_service():
    peers = [w.make_peer("peer1"), w.make_peer("peer2", address="10.99.0.2")]
    pools = [w.make_pool("pool1", ["192.0.2.0/24"]), w.make_pool("pool2", ["198.51.100.0/24"])]
    svc1, svc2 = w.make_service("default/svc1", "192.0.2.1"), w.make_service("default/svc2", "198.51.100.1")
    ad1, ad2 = w.make_ad("ad1", pools=["pool1"]), w.make_ad("ad2", pools=["pool2"])

    def credited(peers, ads, services):
        plan = w.plan(w.make_world(peers, ads, services, pools=pools))
        found = {}
        for route in plan.routes:
            for service in route.services:
                found.setdefault(service, set()).update(offer.peer for offer in route.offers)
        return found

    assert credited(peers, [ad1, ad2], []) == {}
    both = {"peer1", "peer2"}
    assert credited(peers, [ad1, ad2], [svc1]) == {"default/svc1": both}
    assert credited(peers, [ad1, ad2], [svc1, svc2]) == {"default/svc1": both, "default/svc2": both}
    only = w.make_ad("ad1", pools=["pool1"], peers=["peer1"])
    assert credited(peers, [only, ad2], [svc1, svc2]) == {"default/svc1": {"peer1"}, "default/svc2": both}
    assert credited(peers[1:], [only, ad2], [svc2]) == {"default/svc2": {"peer2"}}


# ---- Properties -------------------------------------------------------------------------------------------------------

_NAMES = st.sampled_from(["a", "b", "c"])
_PEERS = st.lists(
    st.builds(
        lambda name, address, dual: w.make_peer(name, address=address, dual_stack_address_family=dual),
        st.sampled_from(["peer1", "peer2"]),
        st.sampled_from(["10.99.0.1", "fd00::1"]),
        st.booleans(),
    ),
    unique_by=lambda item: item.name,
    max_size=2,
)
_ADS = st.lists(
    st.builds(
        lambda name, length, preference, nodes, peers, selectors, communities: w.make_ad(
            name,
            aggregation_v4=length,
            local_pref=preference,
            nodes=nodes,
            peers=peers,
            selectors=selectors,
            communities=communities,
        ),
        _NAMES,
        st.sampled_from([24, 32]),
        st.sampled_from([0, 100]),
        st.sampled_from([["n1"], ["n1", "n2"], ["n2"]]),
        st.sampled_from([[], ["peer1"]]),
        st.sampled_from([[], [{"app": "x"}]]),
        st.sampled_from([[], ["1:1"], ["1:2", "large:1:2:3"]]),
    ),
    unique_by=lambda item: item.name,
    max_size=3,
)
_SERVICES = st.lists(
    st.builds(
        lambda name, ips, app, local: w.make_service(f"default/{name}", *ips, labels={"app": app}, is_local=local),
        _NAMES,
        st.sampled_from([(), ("192.0.2.1",), ("192.0.2.2", "2001:db8::2"), ("203.0.113.1",)]),
        st.sampled_from(["x", "y"]),
        st.booleans(),
    ),
    unique_by=lambda item: item.key,
    max_size=3,
)
_ENDPOINTS = st.dictionaries(
    _NAMES.map("default/{}".format),
    st.sampled_from([(), (w.HERE,), (w.ELSEWHERE,), (w.UNUSABLE, w.ELSEWHERE)]),
)
_NODES = st.sampled_from([w.make_node(), w.make_node(network_unavailable=True), w.make_node(labels={"rack": "1"})])


def _worlds():
    return st.builds(
        lambda peers, ads, services, endpoints, node: w.make_world(
            peers, ads, services, endpoints=endpoints, nodes=[node]
        ),
        _PEERS,
        _ADS,
        _SERVICES,
        _ENDPOINTS,
        _NODES,
    )


@given(st.lists(_worlds(), min_size=1, max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_the_planner_with_memory_agrees_with_the_one_without(worlds, data):
    planner = bgp_plan.Planner(w.NODE, ignore_exclude=False)
    for world in worlds:
        # Parts of the world before may come back as the very same objects, as they do from one cycle to the next.
        kept = data.draw(st.sampled_from(worlds))
        mixed = dataclasses.replace(world, configuration=kept.configuration, nodes=kept.nodes)
        for step in (world, mixed, world, kept):
            assert planner.plan(step) == bgp_plan.plan(step, w.NODE, ignore_exclude=False)


@given(_worlds(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_input_does_not_matter(world, random):
    def shuffled(items):
        items = list(items)
        random.shuffle(items)
        return tuple(items)

    configuration = dataclasses.replace(
        world.configuration,
        peers=shuffled(world.configuration.peers),
        bgp_advertisements=shuffled(world.configuration.bgp_advertisements),
    )
    other = dataclasses.replace(world, configuration=configuration, services=shuffled(world.services))
    assert w.plan(other) == w.plan(world)


@given(_worlds())
@settings(max_examples=60, deadline=None)
def test_every_route_is_offered_to_somebody_and_every_offer_to_a_peer_of_the_plan(world):
    plan = w.plan(world)
    known = {item.name: item for item in plan.peers}
    for route in plan.routes:
        assert route.offers
        assert route.services
        assert {ad.name for ad in world.configuration.bgp_advertisements} >= set(route.advertisements)
        for offer in route.offers:
            assert route.prefix.version in {int(family) for family in known[offer.peer].families}


class _Counted(tuple):  # noqa: SLOT001  a tuple that counts how often somebody looks into it
    looks = 0

    def __iter__(self):
        self.looks += 1
        return super().__iter__()


def test_an_unchanged_service_is_not_decided_again():
    endpoints = {f"default/s{number}": _Counted([w.HERE]) for number in range(3)}
    services = [w.make_service(f"default/s{number}", f"192.0.2.{number}") for number in range(3)]
    planner = bgp_plan.Planner(w.NODE, ignore_exclude=False)
    world = w.make_world([w.make_peer()], [w.make_ad()], services, endpoints=endpoints)
    first, decisions = planner.plan(world)
    assert all(isinstance(item.verdict, values.Announce) for item in decisions)
    looks = [item.looks for item in endpoints.values()]
    assert planner.plan(world)[0] == first
    assert [item.looks for item in endpoints.values()] == looks
    changed = dataclasses.replace(world, endpoints={**endpoints, "default/s1": (cluster.Endpoint("n2", usable=False),)})
    plan, decisions = planner.plan(changed)
    assert [str(route.prefix) for route in plan.routes] == ["192.0.2.0/32", "192.0.2.2/32"]
    assert [item.looks for item in endpoints.values()] == looks
    relabelled = dataclasses.replace(world, nodes=(w.make_node(network_unavailable=True),))
    assert planner.plan(relabelled)[0].routes == ()
