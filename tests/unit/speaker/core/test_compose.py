"""All names, numbers and special cases of FRR."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frr_adapter import addresses
from frr_adapter.model import community
from speaker import values
from speaker.core import compose
from tests import bgp_world as w


def _composed(peers=(), ads=(), services=(), **fields):
    settings = {key: fields.pop(key) for key in ("log_level", "frr_log_level") if key in fields}
    return compose.compose(w.plan(w.make_world(peers, ads, services, **fields)), **settings)


def _neighbor(**fields):
    return _composed([w.make_peer(**fields)]).routers[0].neighbors[0]


CHECKS = [
    ({"address": "fd00::1"}, True),
    ({"address": "fd00::1", "dynamic_asn": "external"}, True),
    ({"address": "fd00::1", "asn": 64600}, False),
    ({"address": "fd00::1", "dynamic_asn": "internal"}, False),
    ({"address": "fd00::1", "ebgp_multihop": True}, False),
    ({"address": "fd00::1", "dual_stack_address_family": True}, False),
    ({"address": "10.99.0.1"}, False),
    ({"interface": "eth1", "dynamic_asn": "external"}, False),
]


@pytest.mark.parametrize(("fields", "expected"), CHECKS)
def test_connected_check_is_lifted_for_single_hop_ipv6_ebgp_only(fields, expected):
    assert _neighbor(**fields).disable_connected_check is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"hold_time": 90}, (30, 90)),
        ({"keepalive_time": 10}, (10, 30)),
        ({"hold_time": 90, "keepalive_time": 20}, (20, 90)),
        ({"hold_time": 9, "keepalive_time": 5}, (3, 9)),  # what FRR makes of it, and prints
        ({"hold_time": 0, "keepalive_time": 0}, (0, 0)),
        ({"hold_time": 0}, (0, 0)),
    ],
)
def test_timers_come_in_pairs(fields, expected):
    timers = _neighbor(**fields).timers
    assert (timers and (timers.keepalive, timers.hold)) == expected


@pytest.mark.parametrize(("port", "expected"), [(179, None), (0, None), (1790, 1790)])
def test_the_default_port_is_never_named(port, expected):
    assert _neighbor(port=port).port == expected


@pytest.mark.parametrize(
    ("fields", "remote_as", "summary"),
    [
        ({"asn": 64512}, "64512", "eBGP with AS 64512"),
        ({"asn": 64600}, "64600", "iBGP with AS 64600"),
        ({"dynamic_asn": "external"}, "external", "eBGP with whatever AS answers"),
        ({"dynamic_asn": "internal"}, "internal", "iBGP"),
    ],
)
def test_remote_as(fields, remote_as, summary):
    neighbor = _neighbor(**fields)
    assert (neighbor.remote_as, neighbor.summary) == (remote_as, summary)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"address": "fd00::1", "dual_stack_address_family": True}, True),
        ({"address": "10.99.0.1", "dual_stack_address_family": True}, False),
        ({"interface": "eth1"}, False),
        ({"address": "fd00::1"}, False),
    ],
)
def test_extended_nexthop_only_where_ipv4_needs_it_and_frr_does_not_know(fields, expected):
    assert _neighbor(**fields).extended_nexthop is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("s3cret", "s3cret"), ("s3cret\r\n", "s3cret"), ("", None), ("\n", None)]
)
def test_passwords_lose_the_line_break_of_the_file_they_came_from(text, expected):
    password = _neighbor(password=text).password
    assert (password and password.reveal()) == expected


def test_multihop_has_no_meaning_inside_an_as():
    assert _neighbor(ebgp_multihop=True).ebgp_multihop == 255
    assert _neighbor(ebgp_multihop=True, asn=64600).ebgp_multihop is None


def test_what_equals_the_defaults_of_bfd_is_not_written():
    config = _composed(
        bfd_profiles=[
            w.make_bfd(
                "same",
                receive_interval=300,
                transmit_interval=300,
                detect_multiplier=3,
                echo_interval=50,
                minimum_ttl=254,
            ),
            w.make_bfd("corner", receive_interval=10, transmit_interval=60000, detect_multiplier=255, minimum_ttl=1),
        ]
    )
    corner, same = config.bfd_profiles
    assert (corner.receive_interval, corner.transmit_interval, corner.detect_multiplier) == (10, 60000, 255)
    assert corner.minimum_ttl == 1
    assert {getattr(same, name) for name in ("receive_interval", "echo_interval", "minimum_ttl")} == {None}


@pytest.mark.parametrize(
    ("settings", "expected", "debug"),
    [
        ({"log_level": "all"}, "log stdout", True),
        ({"log_level": "debug"}, "log stdout", True),
        ({"log_level": "info"}, "log stdout informational", False),
        ({"log_level": "warn"}, "log stdout warnings", False),
        ({"log_level": "error"}, "log stdout errors", False),
        ({"log_level": "none"}, None, False),
        ({"log_level": "debug", "frr_log_level": "warnings"}, "log stdout warnings", False),
        ({"log_level": "info", "frr_log_level": "error"}, "log stdout errors", False),
        ({"log_level": "info", "frr_log_level": "debugging"}, "log stdout", True),
    ],
)
def test_log_levels(settings, expected, debug):
    config = _composed(**settings)
    assert (config.log, config.debug) == (expected, debug)


def test_routers_are_grouped_by_vrf_and_only_originate_what_their_neighbors_hear():
    peers = [
        w.make_peer("a", address="10.99.0.1", router_id="10.0.0.9"),
        w.make_peer("b", address="10.99.0.2"),
        w.make_peer("c", address="10.99.0.1", vrf="red"),
    ]
    ads = [w.make_ad("everyone"), w.make_ad("wide", aggregation_v4=24, peers=["c"])]
    config = _composed(peers, ads, [w.make_service("default/web", "192.0.2.1")])
    plain, red = config.routers
    assert (plain.vrf, plain.router_id, [item.name for item in plain.neighbors]) == (
        "",
        "10.0.0.9",
        ["10.99.0.1", "10.99.0.2"],
    )
    assert [str(item.prefix) for item in plain.families[0].originations] == ["192.0.2.1/32"]
    assert (red.vrf, red.router_id) == ("red", "")
    assert [str(item.prefix) for item in red.families[0].originations] == ["192.0.2.0/24", "192.0.2.1/32"]
    assert [item.outbound for item in config.policies] == ["10.99.0.1-out", "10.99.0.2-out", "10.99.0.1-red-out"]


def test_two_peers_with_one_neighbor_share_the_session():
    peers = [w.make_peer("b", port=1790), w.make_peer("a")]
    ads = [w.make_ad("for-a", peers=["a"]), w.make_ad("for-b", aggregation_v4=24, peers=["b"])]
    config = _composed(peers, ads, [w.make_service("default/web", "192.0.2.1")])
    (router,) = config.routers
    (neighbor,) = router.neighbors
    assert neighbor.port is None
    assert neighbor.peers == ("metallb-system/a", "metallb-system/b")
    assert len(config.policies[0].entries) == 2


def test_well_known_communities_get_the_names_that_frr_prints():
    ads = [
        w.make_ad(communities=["65535:65281", "65535:666", "64600:1", "65535:65283", "large:64600:1:2", "large:5:0:0"])
    ]
    (entry,) = _composed([w.make_peer()], ads, [w.make_service("default/web", "192.0.2.1")]).policies[0].entries
    assert entry.communities == ("64600:1", "blackhole", "no-export", "local-AS")
    assert entry.large_communities == ("5:0:0", "64600:1:2")


def test_long_lists_of_names_are_shortened_in_comments():
    services = [w.make_service(f"default/s{number}", f"192.0.2.{number}") for number in range(9)]
    config = _composed([w.make_peer()], [w.make_ad(aggregation_v4=24)], services)
    (origination,) = config.routers[0].families[0].originations
    assert origination.services == ("default/s0", "default/s1", "default/s2", "default/s3", "and 5 more")


# ---- What changes when something changes ------------------------------------------------------------------------------


def _parts(config):
    networks = {
        (str(item.prefix), item.policy)
        for router in config.routers
        for family in router.families
        for item in family.originations
    }
    return networks, config.classes, config.policies, tuple(router.neighbors for router in config.routers)


def test_a_second_service_is_one_network_statement():
    peers = [w.make_peer("a"), w.make_peer("b", address="10.99.0.2")]
    one, two = w.make_service("default/a", "192.0.2.1"), w.make_service("default/b", "192.0.2.2")
    before, after = (_parts(_composed(peers, [w.make_ad()], services)) for services in ([one], [one, two]))
    assert len(after[0] - before[0]) == 1
    assert before[0] < after[0]
    assert before[1:] == after[1:]


def test_an_edited_advertisement_or_a_new_peer_touches_no_network_statement():
    service = w.make_service("default/a", "192.0.2.1")
    before = _parts(_composed([w.make_peer("a")], [w.make_ad(communities=["1:1"])], [service]))
    edited = _parts(_composed([w.make_peer("a")], [w.make_ad(communities=["1:2"], local_pref=7)], [service]))
    assert edited[:2] == before[:2]
    assert edited[2] != before[2]
    peers = [w.make_peer("a"), w.make_peer("b", address="10.99.0.2")]
    joined = _parts(_composed(peers, [w.make_ad(communities=["1:1"])], [service]))
    assert joined[:2] == before[:2]
    assert set(joined[2]) > set(before[2])


@given(st.sets(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3).map(tuple), max_size=40), st.randoms())
def test_tags_are_distinct_in_range_and_do_not_depend_on_order(classes, random):
    mixed = sorted(classes, key=lambda _: random.random())
    tags = compose.class_tags(mixed)
    assert tags == compose.class_tags(classes)
    assert set(tags) == classes
    assert len(set(tags.values())) == len(tags)
    assert all(1 <= tag <= compose.HIGHEST_TAG for tag in tags.values())


def test_tags_survive_collisions():
    classes = [(f"advertisement-{number}",) for number in range(3000)]  # about 68 pairs of them collide
    tags = compose.class_tags(classes)
    alone = [compose.class_tags([key])[key] for key in classes]
    assert len(set(alone)) < len(classes)
    assert len(set(tags.values())) == len(classes)


def test_a_plan_without_names_of_advertisements_forms_classes_by_offers():
    def route(prefix, *communities):
        offers = (values.Offer("a", communities=tuple(map(community.parse, communities))),)
        return values.Route(addresses.parse_block(prefix).networks[0], offers)

    plan = values.BgpPlan(
        "n1", (w.make_peer("a"),), routes=(route("192.0.2.1/32", "1:1"), route("192.0.2.2/32"), route("192.0.2.3/32"))
    )
    config = compose.compose(plan)
    first, second, third = (item.policy for item in config.routers[0].families[0].originations)
    assert first != second
    assert second == third
