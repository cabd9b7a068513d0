"""What holds: defaults completed, references resolved, selectors turned into names."""

import ipaddress
import random

import pytest

from frr_adapter import addresses
from frr_adapter.model import community
from tests.unit.config.documents import document, node, peer, pool, resolved

SECRET = document("Secret", "s", type="kubernetes.io/basic-auth", data={"password": "bm9wYXNz"})


def one_peer(**spec):
    answer = resolved([peer("p", **spec)])
    assert answer.problems == ()
    return answer.configuration.peers[0]


def test_nothing_gives_nothing():
    answer = resolved([])
    assert (answer.configuration.pools, answer.configuration.peers, answer.problems) == ((), (), ())


def test_entries_keep_their_order_and_ranges_become_minimal_networks():
    entries = (
        "10.20.30.40/24",
        "40.0.0.150-40.0.0.200",
        "40.0.0.210 - 40.0.0.240",
        "40.0.0.250-40.0.0.250",
        "fc00::/64",
    )
    (found,) = resolved([pool("p", *entries)]).configuration.pools
    assert [str(network) for network in found.networks] == [
        "10.20.30.0/24",
        "40.0.0.150/31", "40.0.0.152/29", "40.0.0.160/27", "40.0.0.192/29", "40.0.0.200/32",
        "40.0.0.210/31", "40.0.0.212/30", "40.0.0.216/29", "40.0.0.224/28", "40.0.0.240/32",
        "40.0.0.250/32",
        "fc00::/64",
    ]  # fmt: skip
    assert found.auto_assign
    assert not found.is_broken
    assert found.families == frozenset(addresses.Family)


def test_a_bad_entry_leaves_the_others_and_marks_the_pool():
    (found,) = resolved([pool("p", "1.2.3.0/24", "nonsense")]).configuration.pools
    assert [str(network) for network in found.networks] == ["1.2.3.0/24"]
    assert found.is_broken


def test_of_overlapping_pools_the_older_one_stays_whole():
    older = pool("z", "10.0.0.0/16", created="2026-01-01T00:00:00Z")
    younger = pool("a", "10.0.0.0/24", "10.9.0.0/24", created="2026-02-01T00:00:00Z")
    found = {each.name: each for each in resolved([younger, older]).configuration.pools}
    assert [str(network) for network in found["z"].networks] == ["10.0.0.0/16"]
    assert [str(network) for network in found["a"].networks] == ["10.9.0.0/24"]
    assert (found["z"].is_broken, found["a"].is_broken) == (False, True)


@pytest.mark.parametrize(
    ("allocation", "namespaces"),
    [
        ({"namespaces": ["a"]}, {"a"}),
        ({"namespaceSelectors": [{"matchLabels": {"team": "m"}}]}, {"test-ns2"}),
        ({"namespaces": ["a"], "namespaceSelectors": [{"matchLabels": {"team": "m"}}]}, {"a", "test-ns2"}),
        ({"namespaceSelectors": [{"matchLabels": {"team": "red"}}]}, set()),
        ({"priority": 3}, None),
        ({"serviceSelectors": [{"matchLabels": {"x": "y"}}]}, None),
        ({"namespaces": ["a", "a"]}, set()),
    ],
)
def test_namespaces_of_a_pool(allocation, namespaces):
    documents = [
        pool("p", "1.2.3.0/24", spec={"serviceAllocation": allocation}),
        document("Namespace", "test-ns2", labels={"team": "m"}),
        document("Namespace", "other"),
    ]
    (found,) = resolved(documents).configuration.pools
    assert found.allocation is not None
    assert found.allocation.namespaces == (None if namespaces is None else frozenset(namespaces))


@pytest.mark.parametrize(
    ("spec", "timers"),
    [
        ({"holdTime": "180s"}, (180, 60)),
        ({"keepaliveTime": "60s"}, (180, 60)),
        ({"holdTime": "0s", "keepaliveTime": "0s"}, (0, 0)),
        ({}, (None, None)),
        ({"holdTime": "1m30s", "keepaliveTime": "500ms"}, (90, 0)),
    ],
)
def test_timers_are_completed(spec, timers):
    found = one_peer(**spec)
    assert (found.hold_time, found.keepalive_time) == timers


def test_a_full_peer_is_read_field_by_field():
    found = one_peer(
        peerPort=1179, holdTime="180s", connectTime="1s", routerID="10.20.30.40", sourceAddress="10.20.30.40",
        enableGracefulRestart=True, ebgpMultiHop=True, vrf="foo", localASN=65410, disableMP=True, dualStackAddressFamily=True,
    )  # fmt: skip
    assert (found.port, found.connect_time, found.router_id, str(found.source_address)) == (
        1179,
        1,
        "10.20.30.40",
        "10.20.30.40",
    )
    assert found.graceful_restart
    assert found.ebgp_multihop
    assert (found.vrf, found.local_asn, found.disable_mp, found.dual_stack_address_family) == ("foo", 65410, True, True)
    assert found.families == frozenset(addresses.Family)


def test_an_unnumbered_peer_needs_no_address():
    documents = [document("BGPPeer", "p", {"myASN": 42, "interface": "net0", "dynamicASN": "internal"})]
    answer = resolved(documents)
    assert answer.problems == ()
    assert (answer.configuration.peers[0].endpoint, answer.configuration.peers[0].is_external) == ("net0", False)


def test_a_password_from_a_secret_is_resolved_and_never_printed():
    found = resolved([peer("p", passwordSecret={"name": "s"}), SECRET]).configuration.peers[0]
    assert found.password is not None
    assert found.password.reveal() == "nopass"
    assert "nopass" not in f"{found!r} {found.password}"


def test_aggregation_within_a_range_is_fine():
    answer = resolved([pool("p", "3.3.3.2-3.3.3.254"), document("BGPAdvertisement", "a", {"aggregationLength": 26})])
    assert answer.problems == ()
    assert answer.configuration.bgp_advertisements[0].pools == {"p"}


def test_an_unfit_pool_is_taken_out_of_the_advertisement_alone():
    documents = [
        pool("p", "1.1.1.0/28"),
        pool("q", "2.2.2.0/24"),
        document("BGPAdvertisement", "a", {"aggregationLength": 24}),
    ]
    assert resolved(documents).configuration.bgp_advertisements[0].pools == {"q"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"localPref": 100, "aggregationLength": 24}, {"localPref": 200}),
        ({"localPref": 100, "peers": ["peer1"]}, {"localPref": 200, "peers": ["peer2"]}),
        (
            {"localPref": 100, "nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "n1"}}]},
            {"localPref": 200, "nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "n2"}}]},
        ),
        ({"localPref": 100}, {"localPref": 200, "serviceSelectors": [{"matchLabels": {"app": "x"}}]}),
    ],
)
def test_different_local_preferences_that_never_meet(first, second):
    documents = [
        pool("p", "1.2.3.0/24"), node("n1"), node("n2"),
        document("BGPAdvertisement", "a", first), document("BGPAdvertisement", "b", second),
    ]  # fmt: skip
    answer = resolved(documents)
    assert answer.problems == ()
    assert [each.pools for each in answer.configuration.bgp_advertisements] == [{"p"}, {"p"}]


def test_aliases_literals_and_an_alias_named_like_a_literal():
    documents = [
        document("Community", "c", {"communities": [{"name": "bar", "value": "large:123:64512:1234"}, {"name": "65000:1", "value": "1:1"}]}),
        document("BGPAdvertisement", "a", {"communities": ["bar", "65000:1", "0:1234"]}),
    ]  # fmt: skip
    found = resolved(documents).configuration.bgp_advertisements[0].communities
    assert found == (
        community.LargeCommunity(123, 64512, 1234),
        community.StandardCommunity(0, 1234),
        community.StandardCommunity(1, 1),
    )


def test_pools_by_name_and_by_label_and_unknown_names():
    documents = [
        pool("pool1", "1.1.1.0/24", labels={"t": "1"}), pool("pool2", "2.2.2.0/24"),
        document("L2Advertisement", "by-label", {"ipAddressPoolSelectors": [{"matchLabels": {"t": "1"}}]}),
        document("L2Advertisement", "by-name", {"ipAddressPools": ["pool2", "unknown"]}),
        document("L2Advertisement", "everything", {}),
    ]  # fmt: skip
    found = {each.name: each.pools for each in resolved(documents).configuration.l2_advertisements}
    assert found == {"by-label": {"pool1"}, "by-name": {"pool2"}, "everything": {"pool1", "pool2"}}


NODES = [
    node("edge-a", role="edge", zone="primary"),
    node("edge-b", role="edge"),
    node("worker-a", role="worker", zone="primary"),
    node("worker-b", role="worker"),
]


def prefer(weight, **labels):
    return {"weight": weight, "preference": {"matchLabels": labels}}


@pytest.mark.parametrize(
    ("spec", "scores"),
    [
        ({}, {}),
        ({"preferredNodeSelectors": [prefer(100, role="edge")]}, {"edge-a": 100, "edge-b": 100}),
        (
            {"preferredNodeSelectors": [prefer(60, zone="primary"), prefer(50, role="edge")]},
            {"edge-a": 110, "edge-b": 50, "worker-a": 60},
        ),
        (
            {
                "preferredNodeSelectors": [prefer(100, zone="primary")],
                "nodeSelectors": [{"matchLabels": {"role": "edge"}}],
            },
            {"edge-a": 100},
        ),
        (
            {"preferredNodeSelectors": [prefer(10)], "nodeSelectors": [{"matchLabels": {"role": "worker"}}]},
            {"worker-a": 10, "worker-b": 10},
        ),
        ({"preferredNodeSelectors": [prefer(50, role="gpu")]}, {}),
    ],
)
def test_scores_of_preferred_nodes(spec, scores):
    (found,) = resolved([*NODES, document("L2Advertisement", "l2", spec)]).configuration.l2_advertisements
    assert dict(found.scores) == scores


@pytest.mark.parametrize(
    "peers",
    [
        [peer("a"), peer("b", vrf="red"), peer("c", vrf="green")],
        [peer("a"), peer("b", "1.2.3.5", my_asn=43, vrf="red")],
        [
            peer("a", nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "edge-a"}}]),
            peer("b", nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "edge-b"}}]),
        ],
    ],
)
def test_peers_that_get_along(peers):
    answer = resolved([*NODES, *peers])
    assert answer.problems == ()
    assert len(answer.configuration.peers) == len(peers)


def test_a_bad_peer_of_another_node_concerns_nobody_here():
    elsewhere = peer("p", bfdProfile="missing", nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "edge-b"}}])
    assert resolved([*NODES, elsewhere], node="edge-a").problems == ()
    assert len(resolved([*NODES, elsewhere], node="edge-b").problems) == 1


def test_a_peer_edited_into_a_mistake_stays_as_it_worked():
    good = resolved([peer("p"), peer("q", "1.2.3.9")])
    edited = resolved([peer("p", bfdProfile="missing"), peer("q", "1.2.3.9")], previous=good.configuration)
    assert edited.configuration.peers == good.configuration.peers
    assert len(edited.problems) == 1


def test_a_peer_edited_onto_another_loses_nothing():
    good = resolved([peer("a", "1.2.3.3"), peer("b", "1.2.3.4")])
    edited = resolved([peer("a", "1.2.3.4"), peer("b", "1.2.3.4")], previous=good.configuration)
    assert edited.configuration.peers == good.configuration.peers


def test_an_advertisement_that_can_no_longer_announce_its_pool_stays_as_it_was():
    small, large = pool("small", "192.0.2.0/28"), pool("large", "10.0.0.0/16")
    good = resolved([small, large, document("BGPAdvertisement", "adv", {})])
    wide = document("BGPAdvertisement", "adv", {"aggregationLength": 24, "localPref": 200})
    after = resolved([small, large, wide], previous=good.configuration)
    assert after.configuration.bgp_advertisements == good.configuration.bgp_advertisements
    (problem,) = after.problems
    assert "at least 28 is allowed" in problem.message
    shrunk = resolved([pool("small", "192.0.2.0/29"), large, wide], previous=after.configuration)
    assert shrunk.configuration.bgp_advertisements == good.configuration.bgp_advertisements


def test_a_pool_that_was_never_announced_is_taken_out_alone():
    small, large = pool("small", "192.0.2.0/28"), pool("large", "10.0.0.0/16")
    wide = document("BGPAdvertisement", "adv", {"aggregationLength": 24})
    before = resolved([large, wide])
    (adv,) = resolved([small, large, wide], previous=before.configuration).configuration.bgp_advertisements
    assert (adv.pools, adv.aggregation_v4) == ({"large"}, 24)
    (fresh,) = resolved([small, large, wide]).configuration.bgp_advertisements
    assert fresh.pools == {"large"}


def test_an_advertisement_whose_alias_vanishes_stays_as_it_was():
    alias = document("Community", "c", {"communities": [{"name": "x", "value": "1:1"}]})
    advertisement = document("BGPAdvertisement", "a", {"communities": ["x"]})
    good = resolved([alias, advertisement])
    after = resolved([advertisement], previous=good.configuration)
    assert after.configuration.bgp_advertisements == good.configuration.bgp_advertisements
    assert len(after.problems) == 1


def test_the_order_of_objects_never_matters():
    documents = [
        *NODES, SECRET, pool("p1", "10.0.0.0/8"), pool("p2", "10.1.0.0/16", "11.0.0.0/8"), peer("a"), peer("b"),
        peer("c", "1.2.3.5", passwordSecret={"name": "s"}),
        document("BGPAdvertisement", "x", {"localPref": 1}), document("BGPAdvertisement", "y", {"localPref": 2}),
        document("L2Advertisement", "l", {"nodeSelectors": [{"matchLabels": {"role": "edge"}}]}),
    ]  # fmt: skip
    expected = resolved(documents)
    for seed in range(20):
        shuffled = documents[:]
        random.Random(seed).shuffle(shuffled)
        answer = resolved(shuffled)
        assert answer.configuration == expected.configuration
        assert sorted(answer.problems) == sorted(expected.problems)


def test_an_aggregate_holds_its_address():
    assert addresses.aggregate(ipaddress.ip_address("10.20.30.77"), 24) == ipaddress.ip_network("10.20.30.0/24")


@pytest.mark.parametrize("status", [{}, {"assignedIPv4": "many"}, None])
def test_nonsense_in_the_counters_costs_no_pool(status):
    answer = resolved([pool("p", "192.0.2.0/24", status=status)])
    assert answer.problems == ()
    assert answer.configuration.pools[0].status is None
