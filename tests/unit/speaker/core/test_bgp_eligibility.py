"""Who announces a service over BGP, and why not. The numbers are those of the compatibility tables."""

import pytest

from frr_adapter import addresses
from frr_adapter.model import advertisement, cluster
from speaker.core import eligibility
from tests import bgp_world as w

V4 = frozenset({addresses.Family.IPV4})
V6 = frozenset({addresses.Family.IPV6})
BOTH = V4 | V6


def _ad(local_pref, nodes, peers=(), **fields):
    return w.make_ad(local_pref=local_pref, nodes=nodes, peers=peers, **fields)


CONFLICTS = [
    ("B90", [_ad(100, "A"), _ad(100, "A")], False),
    ("B91", [_ad(100, "A"), _ad(200, "B")], False),
    ("B92", [_ad(100, "A"), _ad(200, "AB")], True),
    ("B93", [_ad(100, "AB"), _ad(200, "A")], True),
    ("B94", [_ad(100, ""), _ad(200, "A")], False),
    ("B95", [_ad(100, "A"), _ad(200, "")], False),
    ("B96", [_ad(100, "A", ["peer1"]), _ad(200, "A", ["peer2"])], False),
    ("B97", [_ad(100, "A")], False),
    ("B98", [], False),
    ("B99", [_ad(100, "A"), _ad(200, "A")], True),
    ("B100", [_ad(100, "A", ["peer1"]), _ad(200, "A", ["peer2", "peer1"])], True),
    ("B101", [_ad(100, "A", ["peer2", "peer1"]), _ad(200, "A", ["peer1"])], True),
    ("B102", [_ad(100, "A", ["peer1", "peer3"]), _ad(200, "A", ["peer2", "peer1"])], True),
    ("B103", [_ad(100, "A", ["peer2", "peer1"]), _ad(200, "A", ["peer1", "peer3"])], True),
    ("B104", [_ad(100, "A"), _ad(200, "A", ["peer1"])], True),
    ("B105", [_ad(100, "A", ["peer1"]), _ad(200, "A")], True),
]


@pytest.mark.parametrize(("ads", "expected"), [row[1:] for row in CONFLICTS], ids=[row[0] for row in CONFLICTS])
def test_local_preferences_conflict(ads, expected):
    assert eligibility.have_conflict(ads, V4) is expected
    assert eligibility.have_conflict(ads[::-1], V4) is expected


@pytest.mark.parametrize(
    ("lengths_a", "lengths_b", "families", "expected"),
    [
        ((32, 128), (24, 128), V4, False),
        ((32, 128), (24, 128), V6, True),
        ((32, 128), (24, 128), BOTH, True),
        ((32, 128), (24, 64), BOTH, False),
        ((32, 128), (32, 64), V6, False),
        ((32, 128), (32, 64), V4, True),
        ((32, 128), (24, 64), frozenset(), True),
    ],
)
def test_conflict_depends_on_the_lengths_of_the_families_in_the_pool(lengths_a, lengths_b, families, expected):
    a = _ad(100, "A", aggregation_v4=lengths_a[0], aggregation_v6=lengths_a[1])
    b = _ad(200, "A", aggregation_v4=lengths_b[0], aggregation_v6=lengths_b[1])
    assert advertisement.local_pref_conflict(a, b, families) is expected


NGINX = {"app": "nginx"}
APACHE = {"app": "apache"}
SELECTIONS = [
    ("B110", [{}], ""),
    ("B111", [{"selectors": [NGINX]}], ""),
    ("B112", [{"selectors": [APACHE]}], "noMatchingAdvertisement"),
    ("B113", [{"selectors": [APACHE, NGINX]}], ""),
    ("B114", [{"selectors": [APACHE]}, {"selectors": [NGINX]}], ""),
    ("B115", [{"local_pref": 100}, {"local_pref": 200, "selectors": [NGINX]}], "conflictingAdvertisements"),
]


@pytest.mark.parametrize(("ads", "expected"), [row[1:] for row in SELECTIONS], ids=[row[0] for row in SELECTIONS])
def test_decision_with_service_selectors(ads, expected):
    world = w.make_world(
        ads=[w.make_ad(f"ad{number}", **fields) for number, fields in enumerate(ads)],
        services=[w.make_service("default/web", "192.0.2.1", labels=NGINX)],
    )
    assert w.reason(world) == expected


MATCHES = [
    ("B80", [{}], ["ad0"]),
    ("B81", [{"selectors": [NGINX]}], ["ad0"]),
    ("B82", [{"selectors": [APACHE]}], []),
    ("B83", [{"nodes": ["n2"]}], []),
    ("B84", [{"selectors": [APACHE]}, {"selectors": [NGINX]}, {}], ["ad1", "ad2"]),
    ("B85", [{"selectors": [APACHE, NGINX]}], ["ad0"]),
]


@pytest.mark.parametrize(("ads", "expected"), [row[1:] for row in MATCHES], ids=[row[0] for row in MATCHES])
def test_advertisements_for_service_and_node(ads, expected):
    found = eligibility.matching_advertisements(
        eligibility.advertisements_of(
            w.make_pool(), [w.make_ad(f"ad{number}", **fields) for number, fields in enumerate(ads)], w.NODE
        ),
        w.make_service(labels=NGINX),
    )
    assert [item.name for item in found] == expected


NO_ADDRESS = cluster.Endpoint(w.NODE, usable=True, has_address=False)
NOWHERE = cluster.Endpoint("", usable=True)
ENDPOINTS = [
    ("B13", False, [w.ELSEWHERE], ""),
    ("B14", True, [w.ELSEWHERE], "noLocalEndpoints"),
    ("B15", True, [w.ELSEWHERE, w.HERE], ""),
    ("B16", True, [w.UNUSABLE, w.HERE], ""),
    ("B17", False, [], "noEndpoints"),
    ("B17 local", True, [], "noLocalEndpoints"),
    ("B18", False, [w.UNUSABLE], "noEndpoints"),
    ("B19", False, [w.UNUSABLE, w.ELSEWHERE], ""),
    ("B19 local", True, [w.UNUSABLE, w.ELSEWHERE], "noLocalEndpoints"),
    ("B120", True, [w.HERE], ""),
    ("B121", True, [w.UNUSABLE], "noLocalEndpoints"),
    ("B122", True, [w.UNUSABLE, w.HERE], ""),
    ("B123", True, [w.HERE, w.UNUSABLE], ""),
    ("B124", True, [w.UNUSABLE, w.UNUSABLE], "noLocalEndpoints"),
    ("B125", True, [w.UNUSABLE, w.HERE, w.HERE], ""),
    ("no address", False, [NO_ADDRESS], "noEndpoints"),
    ("no address local", True, [NO_ADDRESS], "noLocalEndpoints"),
    ("no node", False, [NOWHERE], ""),
    ("no node local", True, [NOWHERE], "noLocalEndpoints"),
]


@pytest.mark.parametrize(
    ("is_local", "endpoints", "expected"), [row[1:] for row in ENDPOINTS], ids=[row[0] for row in ENDPOINTS]
)
def test_decision_by_endpoints(is_local, endpoints, expected):
    world = w.make_world(
        ads=[w.make_ad()],
        services=[w.make_service("default/web", "192.0.2.1", is_local=is_local)],
        endpoints={"default/web": tuple(endpoints)},
    )
    assert w.reason(world) == expected


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_b50_b51_excluded_nodes(node):
    label = {cluster.EXCLUDE_LABEL: ""}
    world = w.make_world(
        ads=[w.make_ad(nodes=["n1", "n2"])],
        services=[w.make_service("default/web", "192.0.2.1")],
        nodes=[w.make_node("n1", labels=label), w.make_node("n2", labels=label)],
    )
    assert w.reason(world, node=node) == "nodeLabeledExcludeBalancers"
    assert w.reason(world, node=node, ignore_exclude=True) == ""


def test_the_first_no_wins():
    """Everything is wrong at once; mending one thing after the other uncovers the next reason."""
    excluded = {cluster.EXCLUDE_LABEL: "true"}
    wrong = {
        "ad": {"nodes": ["n2"], "selectors": [APACHE], "local_pref": 1},
        "ad2": {"nodes": ["n2"], "selectors": [APACHE], "local_pref": 2},
        "node": {"network_unavailable": True, "labels": excluded},
        "endpoints": (),
    }
    steps = [
        ("notOwner", {}),
        ("noMatchingAdvertisement", {"ad": {"selectors": [APACHE]}, "ad2": {"selectors": [APACHE]}}),
        ("conflictingAdvertisements", {"ad": {"local_pref": 1}, "ad2": {"local_pref": 2}}),
        ("nodeNetworkUnavailable", {"ad": {}, "ad2": {}}),
        ("nodeLabeledExcludeBalancers", {"node": {"labels": excluded}}),
        ("noEndpoints", {"node": {}}),
        ("", {"endpoints": (w.HERE,)}),
    ]
    for expected, mended in steps:
        wrong |= mended
        world = w.make_world(
            ads=[w.make_ad("a", **wrong["ad"]), w.make_ad("b", **wrong["ad2"])],
            services=[w.make_service("default/web", "192.0.2.1")],
            nodes=[w.make_node(**wrong["node"])],
            endpoints={"default/web": wrong["endpoints"]},
        )
        assert w.reason(world) == expected


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (w.make_service("default/web", "192.0.2.1", type="ClusterIP"), "notLoadBalancer"),
        (w.make_service("default/web"), "noIPAllocated"),
        (w.make_service("default/web", "192.0.2.1", ""), "invalidIP"),
        (w.make_service("default/web", "192.0.2.x"), "invalidIP"),
        (w.make_service("default/web", "203.0.113.1"), "ipNotAllowed"),
        (w.make_service("default/web", "192.0.2.1", "203.0.113.1"), "ipNotAllowed"),
        (w.make_service("default/web", "192.0.2.1", "2001:db8::1"), ""),
    ],
)
def test_what_precedes_the_protocol(service, expected):
    assert w.reason(w.make_world(ads=[w.make_ad()], services=[service])) == expected


def test_a_pool_must_hold_all_addresses():
    pools = [w.make_pool("p", ["192.0.2.0/24"]), w.make_pool("q", ["2001:db8::/64"])]
    service = w.make_service("default/web", "192.0.2.1", "2001:db8::1")
    assert w.reason(w.make_world(ads=[w.make_ad(pools=["p", "q"])], pools=pools, services=[service])) == "ipNotAllowed"


def test_buggy_addresses_are_announced():
    pools = [w.make_pool(avoid_buggy_ips=True)]
    world = w.make_world(ads=[w.make_ad()], pools=pools, services=[w.make_service("default/web", "192.0.2.255")])
    assert w.reason(world) == ""


@pytest.mark.parametrize(
    ("annotation", "is_broken", "expected"),
    [("p", True, ""), ("other", True, "ipNotAllowed"), (None, True, "ipNotAllowed"), ("p", False, "ipNotAllowed")],
)
def test_a_broken_pool_keeps_what_was_allocated_from_it(annotation, is_broken, expected):
    annotations = {} if annotation is None else {"metallb.io/ip-allocated-from-pool": annotation}
    world = w.make_world(
        ads=[w.make_ad()],
        pools=[w.make_pool("p", [], is_broken=is_broken)],
        services=[w.make_service("default/web", "192.0.2.1", annotations=annotations)],
    )
    assert w.reason(world) == expected
