"""One Service against one set of pools: the table of compatible outcomes (cases S1 to S45)."""

import dataclasses
import random

import pytest

from controller.core import allocator
from frr_adapter.model import service as services
from tests import build
from tests.unit.controller import world

TEAM = [build.selector(team="metallb")]
POOLS = (
    build.pool("pool1", "1.2.3.0/31"),
    build.pool("pool2", "3.4.5.6/32", auto_assign=False),
    build.pool("pool3", "1000::/127"),
    build.pool("pool4", "2000::1/128", auto_assign=False),
    build.pool("pool5", "1.2.3.0/31", "1000::/127"),
    build.pool("pool6", "7.8.9.0/31", allocation=build.allocation("test-ns1", priority=10)),
    build.pool("pool7", "10.11.12.0/31", allocation=build.allocation("test-ns1", priority=11)),
    build.pool("pool8", "13.14.15.0/31", allocation=build.allocation(priority=9, service_selectors=TEAM)),
    build.pool("pool9", "16.17.18.0/31", allocation=build.allocation("test-ns2")),
    build.pool("pool10", "19.20.21.0/31", allocation=build.allocation(priority=8, service_selectors=TEAM)),
    build.pool("pool11", "22.23.24.0/31", allocation=build.allocation("test-ns1", priority=8, service_selectors=TEAM)),
    build.pool("pool12", "25.26.27.0/31", allocation=build.allocation("test-ns1", priority=5, service_selectors=TEAM)),
)
REQUIRE = services.FamilyPolicy.REQUIRE_DUAL
PREFER = services.FamilyPolicy.PREFER_DUAL
DUAL = ("1.2.3.4", "3000::1")
UNTOUCHED = None


def ask_ips(text):
    return {"annotations": {"metallb.io/loadBalancerIPs": text}}


def ask_pool(name):
    return {"annotations": {"metallb.io/address-pool": name}}


V6 = {"cluster_ips": ("3000::1",)}
CASES = [
    ("S2", {"type": "ClusterIP"}, UNTOUCHED, False),
    ("S3", {}, ("1.2.3.0",), False),
    ("S4", {"load_balancer_ip": "1.2.3.1"}, ("1.2.3.1",), False),
    ("S5", ask_ips("1.2.3.1"), ("1.2.3.1",), False),
    ("S6", {"load_balancer_ip": "1.2.3.2", **ask_ips("1.2.3.1")}, UNTOUCHED, True),
    ("S7", {"load_balancer_ip": "please give me an IP"}, UNTOUCHED, True),
    (
        "S8",
        {"annotations": {"metallb.io/loadBalancerIPs": "1.2.3.1", "metallb.io/address-pool": "pool2"}},
        UNTOUCHED,
        True,
    ),
    ("S9", ask_ips("please give me an IP"), UNTOUCHED, True),
    ("S10", ask_ips("1.2.3.1,1.2.3.2"), UNTOUCHED, True),
    ("S11", {"load_balancer_ip": "1.2.3.4", "ingress": ("1.2.3.1",)}, (), True),
    ("S12", ask_pool("pool1"), ("1.2.3.0",), False),
    ("S13", {"ingress": ("1.2.3.0",), **ask_pool("pool2")}, ("3.4.5.6",), False),
    ("S14", ask_pool("does-not-exist"), UNTOUCHED, True),
    ("S15", {"ingress": ("2.3.4.5",)}, ("1.2.3.0",), False),
    ("S16", {"ingress": ("", "10.10.10.10")}, ("1.2.3.0",), False),
    ("S17", {"type": "NodePort", "ingress": ("1.2.3.0",)}, (), False),
    ("S18", {"load_balancer_ip": "3.4.5.6"}, ("3.4.5.6",), False),
    ("S19", {"load_balancer_ip": "3.4.5.6", "is_local": True}, ("3.4.5.6",), False),
    ("S20", {"cluster_ips": ()}, UNTOUCHED, False),
    ("S21", {"load_balancer_ip": "1.2.3.1", **V6}, UNTOUCHED, True),
    ("S22", {**ask_ips("1.2.3.1"), **V6}, UNTOUCHED, True),
    ("S23", {"load_balancer_ip": "1000::"}, UNTOUCHED, True),
    ("S24", ask_ips("1000::"), UNTOUCHED, True),
    ("S25", {"ingress": ("1000::",)}, ("1.2.3.0",), False),
    ("S26", {"ingress": ("1.2.3.0",), **V6}, ("1000::",), False),
    ("S27", {"cluster_ips": DUAL, "family_policy": REQUIRE}, ("1.2.3.0", "1000::"), False),
    ("S28", {"cluster_ips": DUAL, "family_policy": REQUIRE, **ask_pool("pool5")}, ("1.2.3.0", "1000::"), False),
    ("S29", {"cluster_ips": DUAL, "family_policy": PREFER}, ("1.2.3.0", "1000::"), False),
    ("S30", {"namespace": "test-ns1", "family_policy": PREFER}, ("7.8.9.0",), False),
    ("S31", {"cluster_ips": DUAL, "family_policy": PREFER, **ask_pool("pool5")}, ("1.2.3.0", "1000::"), False),
    (
        "S32",
        {"cluster_ips": ("1.2.3.4", "1000::"), "family_policy": PREFER, **ask_pool("pool1")},
        ("1.2.3.0",),
        False,
    ),
    ("S33", {"cluster_ips": ("1000::1",), "family_policy": PREFER, **ask_pool("pool3")}, ("1000::",), False),
    ("S34", {"family_policy": PREFER, **ask_pool("pool5")}, ("1.2.3.0",), False),
    ("S35", {"family_policy": REQUIRE, **ask_pool("pool5")}, UNTOUCHED, True),
    ("S36", {"cluster_ips": DUAL, "load_balancer_ip": "1.2.3.1"}, UNTOUCHED, True),
    ("S37", {"cluster_ips": DUAL, **ask_ips("1.2.3.1")}, UNTOUCHED, True),
    (
        "S38",
        {"cluster_ips": DUAL, "family_policy": REQUIRE, **ask_ips("1.2.3.0,1000::")},
        ("1.2.3.0", "1000::"),
        False,
    ),
    (
        "S39",
        {"cluster_ips": ("3000::1", "5.6.7.8"), "family_policy": REQUIRE, "ingress": ("", "1000::")},
        ("1.2.3.0", "1000::"),
        False,
    ),
    ("S40", ask_ips("1.2.3.0,1000::"), UNTOUCHED, True),  # the legacy clusterIP field is one cluster IP after decoding
    ("S41", {"namespace": "test-ns1"}, ("7.8.9.0",), False),
    ("S42", {"namespace": "test-ns2"}, ("16.17.18.0",), False),
    ("S43", {"service_labels": {"team": "metallb"}}, ("19.20.21.0",), False),
    ("S44", {"namespace": "test-ns1", "service_labels": {"team": "metallb"}}, ("25.26.27.0",), False),
    ("S45", {"ingress": ("1.2.3.0", "1.2.3.1", "1.2.3.2")}, ("1.2.3.0",), True),
]


def case_service(name, fields):
    return build.service("test", **{"cluster_ips": ("1.2.3.4",), "uid": name, **fields})


@pytest.mark.parametrize(("name", "fields", "expected", "warns"), CASES, ids=[case[0] for case in CASES])
def test_outcome(name, fields, expected, warns):
    here = world.World(*POOLS)
    here.put(case_service(name, fields))
    decision = here.decide()
    written = world.writes(decision)
    assert written == ({} if expected is UNTOUCHED else {here.snapshot.services[0].key: expected})
    assert bool(world.warnings(decision)) is warns
    here.cycle()
    here.restart()
    again = here.decide()
    assert world.writes(again) == {}, "what is written stands after a restart"


def test_nothing_there_is_nothing_to_do():
    """S1: the Service is deleted; nobody writes to it."""
    here = world.World(*POOLS)
    here.put(case_service("S3", {}))
    here.cycle()
    here.remove("test")
    decision = here.decide()
    assert world.writes(decision) == {}
    assert decision.outcomes == {}
    assert decision.changed == ("default/test",)


def test_any_case_after_any_other():
    """The same key is a hundred times something else; what was there before never matters."""
    shuffled = random.Random(7)
    memory = allocator.Allocator()
    pools = build.configuration(*POOLS)
    for _ in range(12):
        for name, fields, expected, warns in shuffled.sample(CASES, len(CASES)):
            service = case_service(f"{name}-{shuffled.random()}", fields)
            decision = memory.decide(build.snapshot([service], configuration=pools))
            assert world.writes(decision) == ({} if expected is UNTOUCHED else {service.key: expected}), name
            assert bool(world.warnings(decision)) is warns, name


@pytest.mark.parametrize(
    ("fields", "event"),
    [
        ({}, ("Normal", "IPAllocated", 'Assigned IP ["1.2.3.0"]')),
        (
            {"cluster_ips": DUAL, "family_policy": REQUIRE},
            ("Normal", "IPAllocated", 'Assigned IP ["1.2.3.0" "1000::"]'),
        ),
        (
            {"load_balancer_ip": "9.9.9.9"},
            (
                "Warning",
                "AllocationFailed",
                (
                    'Failed to allocate IP for "default/test": ["9.9.9.9"] is not allowed in config: allowed are '
                    'pool "pool1" 1.2.3.0/31; pool "pool10" 19.20.21.0/31; pool "pool11" 22.23.24.0/31; '
                    'pool "pool12" 25.26.27.0/31; pool "pool2" 3.4.5.6/32; and 5 more pools'
                ),
            ),
        ),
        (
            ask_ips("1.2.3.1,oops"),
            (
                "Warning",
                "LoadBalancerFailed",
                'invalid requested loadbalancer IPs: annotation loadBalancerIPs: "oops" is not an IPv4 or IPv6 address',
            ),
        ),
        (
            {"family_policy": REQUIRE},
            (
                "Warning",
                "not enough clusterips",
                'service requires dual stack but has only ["1.2.3.4"] as clusterIPs',
            ),
        ),
        (
            {"load_balancer_ip": "7.8.9.0"},
            (
                "Warning",
                "AllocationFailed",
                (
                    'Failed to allocate IP for "default/test": pool pool6 not compatible for ip assignment: '
                    'pool "pool6": namespace is not allowed'
                ),
            ),
        ),
        (
            {"cluster_ips": DUAL, "load_balancer_ip": "1.2.3.1"},
            (
                "Warning",
                "AllocationFailed",
                (
                    'Failed to allocate IP for "default/test": requested ["1.2.3.1"] is IPv4, '
                    "but the service needs IPv4 and IPv6"
                ),
            ),
        ),
        (
            {"load_balancer_ip": "1.2.3.1", **ask_pool("pool2")},
            (
                "Warning",
                "AllocationFailed",
                (
                    'Failed to allocate IP for "default/test": requested ["1.2.3.1"] is in pool "pool1", '
                    'but pool "pool2" is requested'
                ),
            ),
        ),
        (
            {"ingress": ("1.2.3.0", "1.2.3.1", "1.2.3.2")},
            (
                "Warning",
                "nolbIPsIPFamily",
                (
                    'the IP family of the load balancer IPs cannot be told: ["1.2.3.0" "1.2.3.1" "1.2.3.2"] found; '
                    "one address or two of different families are allowed"
                ),
            ),
        ),
        (
            {"cluster_ips": ("1.2.3.4", "1.2.3.5")},
            (
                "Warning",
                "noclusterIPsIPFamily",
                "the IP family of the cluster IPs cannot be told; one, or two of different families are allowed",
            ),
        ),
        (
            {"annotations": {"metallb.universe.tf/address-pool": "pool1"}},
            (
                "Warning",
                "deprecatedAnnotation",
                'annotation "metallb.universe.tf/address-pool" is deprecated; "metallb.io/address-pool" is its successor',
            ),
        ),
    ],
)
def test_first_event(fields, event):
    here = world.World(*POOLS)
    here.put(case_service("x", fields))
    assert world.events(here.cycle())[0] == event


def test_refused_claim_is_told():
    here = world.World(build.pool("a", "1.2.3.0/31"))
    here.put(build.service("s1", ingress=("9.9.9.9",)))
    assert world.events(here.cycle()) == [
        (
            "Normal",
            "ClearAssignment",
            (
                'current IP for "default/s1" not allowed by config, it is given up: ["9.9.9.9"] is not allowed in config: '
                'allowed are pool "a" 1.2.3.0/31'
            ),
        ),
        ("Normal", "IPAllocated", 'Assigned IP ["1.2.3.0"]'),
    ]


def test_missing_second_address_is_told_once():
    """T19."""
    here = world.World(build.pool("a", "1.2.3.0/31"))
    here.put(build.service("s1", cluster_ips=DUAL, family_policy=PREFER))
    assert world.events(here.cycle()) == [
        ("Normal", "IPAllocated", 'Assigned IP ["1.2.3.0"]'),
        (
            "Normal",
            "AdditionalAssignFailed",
            'cannot assign additional IP in PreferDualStack: pool "a": no IPv6 addresses',
        ),
    ]
    here.change("s1", labels=build.labels({"touched": "yes"}))
    assert world.events(here.cycle()) == []


def test_second_address_is_added_when_the_pool_becomes_dual():
    here = world.World(build.pool("a", "1.2.3.0/31"))
    here.put(build.service("s1", cluster_ips=DUAL, family_policy=PREFER))
    here.cycle()
    here.set_pools(build.pool("a", "1.2.3.0/31", "1000::/127"))
    assert world.events(here.cycle()) == [("Normal", "IPAllocated", 'Assigned additional IP "1000::"')]
    assert here.ips("s1") == ("1.2.3.0", "1000::")


def test_second_address_is_added_when_one_comes_free():
    here = world.World(build.pool("a", "1.2.3.0/31", "1000::/128"))
    here.put(build.service("s0", cluster_ips=DUAL[1:]), build.service("s1", cluster_ips=DUAL, family_policy=PREFER))
    here.cycle()
    assert (here.ips("s0"), here.ips("s1")) == (("1000::",), ("1.2.3.0",))
    here.remove("s0")
    here.cycle()
    assert here.ips("s1") == ("1.2.3.0", "1000::")


def test_no_second_address_for_a_single_stack_service():
    """T18: upstream adds one, finds that it does not fit, and starts over forever."""
    here = world.World(build.pool("a", "1.2.3.0/31", "1000::/127"))
    here.put(build.service("s1", family_policy=PREFER))
    here.cycle()
    assert here.ips("s1") == ("1.2.3.0",)
    here.change("s1", labels=build.labels({"touched": "yes"}))
    assert here.cycle().effects == ()


@pytest.mark.parametrize("order", ["1000::1,1.2.3.1", "1.2.3.1, 1000::1"])
def test_requested_order_is_kept(order):
    """T17."""
    here = world.World(build.pool("a", "1.2.3.0/31", "1000::/127"))
    here.put(build.service("s1", cluster_ips=DUAL, family_policy=REQUIRE, **ask_ips(order)))
    here.cycle()
    assert here.ips("s1") == tuple(text.strip() for text in order.split(","))
    here.restart()
    assert here.cycle().effects == ()


def test_malformed_request_keeps_the_address():
    """T23."""
    here = world.World(build.pool("a", "1.2.3.0/31"))
    here.put(build.service("s1"))
    here.cycle()
    here.change("s1", load_balancer_ip="nonsense")
    assert world.warnings(here.cycle()) == ["LoadBalancerFailed"]
    assert here.ips("s1") == ("1.2.3.0",)
    here.change("s1", load_balancer_ip="9.9.9.9")
    assert world.warnings(here.cycle()) == ["AllocationFailed"]
    assert here.ips("s1") == ()


def test_unreadable_status_is_cleared():
    """T24."""
    here = world.World(build.pool("a", "1.2.3.0/31"))
    here.put(build.service("s1", ingress=("not-an-ip",)))
    assert world.warnings(here.cycle()) == ["nolbIPsIPFamily"]
    assert here.ips("s1") == ("1.2.3.0",)


def test_other_spelling_of_an_address_is_no_difference():
    """T21."""
    here = world.World(build.pool("a", "1000::/120"))
    annotations = {"metallb.io/ip-allocated-from-pool": "a"}
    here.put(build.service("s1", cluster_ips=DUAL[1:], ingress=("1000:0:0::1",), annotations=annotations))
    assert world.writes(here.decide()) == {}


@pytest.mark.parametrize(
    ("flag", "name", "is_served"), [("", "", True), ("", "x", False), ("x", "", False), ("x", "x", True)]
)
def test_load_balancer_class(flag, name, is_served):
    here = world.World(build.pool("a", "1.2.3.0/31"), lb_class=flag)
    here.put(build.service("s1", load_balancer_class=name))
    here.cycle()
    assert here.ips("s1") == (("1.2.3.0",) if is_served else ())


def test_service_that_lost_its_class_with_its_type_is_cleaned():
    """T10: the API empties the class together with the type."""
    here = world.World(build.pool("a", "1.2.3.0/32"), lb_class="x")
    here.put(build.service("s1", load_balancer_class="x"))
    here.cycle()
    here.put(build.service("s2", load_balancer_class="x"))
    here.change("s1", type="ClusterIP", load_balancer_class="")
    here.cycle()
    assert (here.ips("s1"), here.pool_of("s1")) == ((), None)
    assert here.ips("s2") == ("1.2.3.0",)


def test_service_of_another_class_is_left_alone():
    here = world.World(build.pool("a", "1.2.3.0/32"), lb_class="x")
    annotations = {"metallb.io/ip-allocated-from-pool": "a"}
    here.put(build.service("s1", load_balancer_class="y", ingress=("1.2.3.0",), annotations=annotations))
    assert world.writes(here.cycle()) == {}


def test_local_and_cluster_services_do_not_share():
    """T15 and T16."""
    here = world.World(build.pool("a", "1.2.3.0/31"))
    annotations = {"metallb.io/allow-shared-ip": "k", "metallb.io/loadBalancerIPs": "1.2.3.0"}
    same = {"annotations": annotations, "is_local": True, "pod_selector": {"b": "2", "a": "1"}}
    here.put(
        build.service("s1", ports=("tcp/1",), **same),
        build.service("s2", ports=("tcp/2",), **same),
        build.service("s3", ports=("tcp/3",), annotations=annotations),
        build.service("s4", ports=("tcp/4",), annotations=annotations, is_local=True, pod_selector={}),
    )
    here.cycle()
    assert [here.ips(f"s{number}") for number in range(1, 5)] == [("1.2.3.0",), ("1.2.3.0",), (), ()]
    here.remove("s1", "s2")
    here.cycle()
    assert [here.ips("s3"), here.ips("s4")] == [("1.2.3.0",), ("1.2.3.0",)]


def test_free_address_before_a_shared_one():
    """T14."""
    here = world.World(build.pool("a", "1.2.3.0/30"))
    share = {"metallb.io/allow-shared-ip": "k"}
    here.put(build.service("s1", annotations=share | {"metallb.io/loadBalancerIPs": "1.2.3.1"}))
    here.put(build.service("s2", annotations=share, ports=("tcp/2",)))
    here.put(build.service("s3", annotations=share, ports=("tcp/3",)))
    here.cycle()
    assert [here.ips(name) for name in ("s1", "s2", "s3")] == [("1.2.3.1",), ("1.2.3.0",), ("1.2.3.0",)]


def test_deprecated_prefix_gives_way_to_the_current_one():
    here = world.World(build.pool("a", "1.2.3.0/31"), build.pool("b", "1.2.4.0/31"))
    annotations = {"metallb.universe.tf/address-pool": "b", "metallb.io/address-pool": ""}
    here.put(build.service("s1", annotations=annotations))
    here.cycle()
    assert here.pool_of("s1") == "a"


def test_unchanged_but_new_version_of_an_object_changes_nothing():
    here = world.World(build.pool("a", "1.2.3.0/31"))
    here.put(build.service("s1"))
    here.cycle()
    here.services = {key: dataclasses.replace(one) for key, one in here.services.items()}
    assert here.decide().changed == ()
