"""Addresses from one named pool, from any pool, without buggy ones, and what counters say (cases A60 to A131)."""

import itertools

import pytest

from controller import values
from controller.core import pool_choice
from frr_adapter import addresses
from frr_adapter.model import service as services
from tests import build
from tests.unit.controller import world

DUAL = ("10.96.0.1", "fd00:10:96::1")
CLUSTER_IPS = {"v4": DUAL[:1], "v6": DUAL[1:], "dual": DUAL}
V4 = {"1.2.3.4", "1.2.3.5", "1.2.3.10", "1.2.3.11"}
V6 = {"1000::", "1000::1", "2000::", "2000::1"}


def fields_of(family):
    fields = {"cluster_ips": CLUSTER_IPS[family], "ports": ()}
    if family == "dual":
        fields["family_policy"] = services.FamilyPolicy.REQUIRE_DUAL
    return fields


def named_pools():
    return (
        build.pool("not_this_one", "192.168.0.0/16", "fc00::1:0/112"),
        build.pool("test", "1.2.3.4/31", "1.2.3.10/31", "1000::/127", "2000::/127"),
        build.pool("test-dualstack", "1.2.3.4/31", "1.2.3.10/31", "1000::/127", "2000::/127"),
        build.pool("test-v4", "1.2.3.4/31", "1.2.3.10/31"),
        build.pool("test-v6", "1000::/127", "2000::/127"),
        build.pool("test2", "10.20.30.0/24"),
    )


def ask(here, name, pool, **fields):
    annotations = {"metallb.io/address-pool": pool} if pool else {}
    sharing = fields.pop("sharing", "")
    if sharing:
        annotations["metallb.io/allow-shared-ip"] = sharing
    here.put(build.service(name, annotations=annotations, **fields))
    here.cycle()
    return here.ips(name)


@pytest.mark.parametrize("family", ["v4", "v6", "dual"])
@pytest.mark.parametrize("pool", ["test", ""])
def test_four_fit_and_the_fifth_waits(family, pool):
    """A60 to A70, A72 (named pool), A80 to A82 (any pool). A refused asker leaves again: here it would be served at once."""
    if pool:
        here = world.World(*named_pools())
        valid = V4 | V6
    else:
        here = world.World(
            build.pool("test1", "1.2.3.4/31", "1000::4/127"), build.pool("test2", "1.2.3.10/31", "1000::10/127")
        )
        valid = {"1.2.3.4", "1.2.3.5", "1.2.3.10", "1.2.3.11", "1000::4", "1000::5", "1000::10", "1000::11"}
    fields = fields_of(family)
    count = 2 if family == "dual" else 1
    given = [ask(here, f"s{number}", pool, **fields) for number in range(1, 5)]
    assert all(len(ips) == count and set(ips) <= valid for ips in given)
    assert len(set(itertools.chain(*given))) == 4 * count
    for name in ("s5", "s6"):
        assert ask(here, name, pool, **fields) == ()
        here.remove(name)
    here.remove("s1")
    assert ask(here, "s5", pool, **fields) == given[0]
    assert ask(here, "s6", pool, **fields) == ()
    here.remove("s5", "s6")
    sharing = {**fields, "sharing": "share"}
    assert ask(here, "s5", pool, **{**sharing, "ports": ("tcp/80",)}) == given[0]
    assert ask(here, "s6", pool, **fields) == ()
    here.remove("s6")
    assert ask(here, "s6", pool, **{**sharing, "ports": ("tcp/443",)}) == given[0]
    here.remove("s6")
    assert ask(here, "s6", pool, **{**sharing, "ports": ("tcp/80",)}) == ()


def test_waiting_service_is_served_when_an_address_comes_free():
    """The fixed form of T5: nobody has to touch the waiting service."""
    here = world.World(build.pool("test", "1.2.3.4/32"))
    assert ask(here, "s1", "") == ("1.2.3.4",)
    assert ask(here, "s2", "") == ()
    here.remove("s1")
    here.cycle()
    assert here.ips("s2") == ("1.2.3.4",)


def test_family_change_moves_to_the_other_family():
    """A71. Upstream's allocator alone objects; a whole cycle gives up the old family first, here as there."""
    here = world.World(*named_pools())
    assert ask(here, "s1", "test", **fields_of("v4")) == ("1.2.3.4",)
    here.change("s1", cluster_ips=build.service(cluster_ips=DUAL[1:]).cluster_ips)
    here.cycle()
    assert here.ips("s1") == ("1000::",)


@pytest.mark.parametrize(
    ("family", "pool", "expected"),
    [
        ("dual", "test", ("1.2.3.4", "1000::")),  # A73
        ("v4", "test-v4", ("1.2.3.4",)),  # A74
        ("v6", "test-v6", ("1000::",)),  # A75
        ("dual", "test-v4", ("1.2.3.4",)),
        ("dual", "test-v6", ("1000::",)),
    ],
)
def test_prefer_dual_stack_takes_what_the_pool_has(family, pool, expected):
    here = world.World(*named_pools())
    policy = services.FamilyPolicy.PREFER_DUAL
    assert ask(here, "s1", pool, cluster_ips=CLUSTER_IPS[family], family_policy=policy) == expected
    assert here.pool_of("s1") == pool


def test_prefer_dual_stack_keeps_its_address_in_a_dual_pool():
    """A76: the IPv6 address held so far is in the dual pool too; the other family is added to it."""
    here = world.World(*named_pools())
    policy = services.FamilyPolicy.PREFER_DUAL
    assert ask(here, "s1", "test-v6", cluster_ips=DUAL[1:], family_policy=policy) == ("1000::",)
    annotations = dict(here.services["default/s1"].annotations) | {"metallb.io/address-pool": "test-dualstack"}
    both = build.service(cluster_ips=DUAL).cluster_ips
    here.change("s1", annotations=tuple(sorted(annotations.items())), cluster_ips=both)
    here.cycle()
    assert here.ips("s1") == ("1000::", "1.2.3.4")
    assert here.pool_of("s1") == "test-dualstack"


def test_unknown_pool():
    """A77."""
    here = world.World(*named_pools())
    here.put(build.service("s1", annotations={"metallb.io/address-pool": "nope"}))
    decision = here.cycle()
    assert world.events(decision) == [
        ("Warning", "AllocationFailed", 'Failed to allocate IP for "default/s1": unknown pool "nope"')
    ]
    assert here.ips("s1") == ()


def test_buggy_addresses():
    """A90."""
    here = world.World(
        build.pool("a", "1.2.3.0/31"),
        build.pool("b", "1.2.3.254/31"),
        build.pool("c", "1.2.4.0/31", avoid_buggy_ips=True),
        build.pool("d", "1.2.4.254/31", avoid_buggy_ips=True),
    )
    given = [ask(here, f"s{number}", "") for number in range(7)]
    assert given == [("1.2.3.0",), ("1.2.3.1",), ("1.2.3.254",), ("1.2.3.255",), ("1.2.4.1",), ("1.2.4.254",), ()]


START = (build.pool("test", "1.2.3.0/30", "1000::/126"), build.pool("unused", "9.9.9.0/24"))
OPEN = {"auto_assign": False}  # nothing is given anew, so an empty result means that the address was lost


@pytest.mark.parametrize(
    ("case", "some_pools", "s1", "s2"),
    [
        ("A100", [build.pool("test", "1.2.3.0/30", "1000::/126", **OPEN)], "test", "test"),
        ("A101", [build.pool("test", "1.2.3.0/24", "1000::/120", **OPEN)], "test", "test"),
        ("A102", [build.pool("test", "1.2.3.0/30", "1000::/126", **OPEN)], "test", "test"),
        ("A103", [build.pool("test", "1.2.3.2/31", "1000::/126", **OPEN)], None, "test"),
        ("A104", [build.pool("test", "1.2.3.0/30", "1000::2/127", **OPEN)], "test", None),
        ("A105", [build.pool("test2", "1.2.3.0/30", "1000::/126", **OPEN)], "test2", "test2"),
        (
            "A106",
            [
                build.pool("test", "1.2.3.0/31", "1000::2/127", **OPEN),
                build.pool("test2", "1.2.3.2/31", "1000::/127", **OPEN),
            ],
            "test",
            "test2",
        ),
        (
            "A107",
            [build.pool("test2", "1.2.3.0/31", "1000::/127", avoid_buggy_ips=True, **OPEN)],
            None,
            "test2",
        ),
    ],
)
def test_pools_change_under_live_addresses(case, some_pools, s1, s2):
    here = world.World(*START)
    here.put(build.service("s1"), build.service("s2", cluster_ips=DUAL[1:]))
    here.cycle()
    assert (here.ips("s1"), here.ips("s2")) == (("1.2.3.0",), ("1000::",))
    here.set_pools(*some_pools)
    here.cycle()
    assert (here.pool_of("s1"), here.pool_of("s2")) == (s1, s2), case
    assert here.ips("s1") == (("1.2.3.0",) if s1 else ())
    assert here.ips("s2") == (("1000::",) if s2 else ())


@pytest.mark.parametrize(("family", "expected"), [("v4", {"1.2.3.10", "1.2.3.11"}), ("v6", {"1000::10", "1000::11"})])
def test_auto_assign_off(family, expected):
    """A110 and A111."""
    here = world.World(
        build.pool("test1", "1.2.3.4/31", "1000::4/127", auto_assign=False),
        build.pool("test2", "1.2.3.10/31", "1000::10/127"),
    )
    given = [ask(here, f"s{number}", "", **fields_of(family)) for number in range(5)]
    assert {ip for ips in given for ip in ips} == expected
    assert given[2:] == [(), (), ()]
    refused = here.memory.entries["default/s4"].outcome
    assert isinstance(refused, values.Refused)
    assert [str(verdict) for verdict in refused.verdicts] == ['pool "test2": full', 'pool "test1": autoAssign is off']


def test_auto_assign_off_later_evicts_nobody():
    here = world.World(build.pool("test", "1.2.3.4/31"))
    assert ask(here, "s1", "") == ("1.2.3.4",)
    here.set_pools(build.pool("test", "1.2.3.4/31", auto_assign=False))
    here.cycle()
    assert here.ips("s1") == ("1.2.3.4",)


def test_single_stack_policy_with_two_families():
    """A112. In a whole cycle an address of one family does not fit a service of both; the policy then allows no pair."""
    here = world.World(build.pool("test2", "1.2.3.10/31", "1000::10/127"))
    assert ask(here, "s1", "", **fields_of("v6")) == ("1000::10",)
    here.change("s1", cluster_ips=build.service(cluster_ips=DUAL).cluster_ips)
    decision = here.cycle()
    assert here.ips("s1") == ()
    assert world.warnings(decision) == ["AllocationFailed"]


UNCOUNTABLE = addresses.UNCOUNTABLE


@pytest.mark.parametrize(
    ("case", "blocks", "avoid", "total", "v4", "v6"),
    [
        ("A120", ["1.2.3.0/24"], False, 256, 256, 0),
        ("A121", ["1.2.3.0/24", "2.3.4.128/25"], False, 384, 384, 0),
        ("A122", ["1.2.3.0/24", "2.3.4.128/25"], True, 381, 381, 0),
        ("A123", ["1.2.3.0/24", "2.3.4.128/25", "1000::/64"], True, UNCOUNTABLE, 381, UNCOUNTABLE),
        ("A124", ["1.2.3.0/31", "1000::/127"], True, 3, 1, 2),
        ("T26", ["1000::/64", "2000::/120"], False, UNCOUNTABLE, 0, UNCOUNTABLE),
    ],
)
def test_capacity(case, blocks, avoid, total, v4, v6):
    here = world.World(build.pool("test", *blocks, avoid_buggy_ips=avoid))
    counted = here.decide().counts[0]
    assert (counted.capacity, counted.capacity_ipv4, counted.capacity_ipv6) == (total, v4, v6), case


def test_counters_follow():
    """A130 and A131; the notification of upstream is a pool status to write."""
    here = world.World(build.pool("test", "1.2.3.4/30", "1000::4/126"))
    first = here.cycle().counts[0]
    assert first.capacity == 8
    assert (first.available_ipv4, first.available_ipv6, first.assigned) == (4, 4, 0)
    assert here.pools["test"].status is not None
    assert here.pools["test"].status.available_ipv4 == 4

    def in_use():
        here.cycle()
        status = here.pools["test"].status
        assert status.available_ipv4 == 4 - status.assigned_ipv4
        return status.assigned_ipv4

    here.put(build.service("s1"))
    assert in_use() == 1
    here.put(build.service("s2"))
    assert in_use() == 2
    here.remove("s1")
    assert in_use() == 1
    here.remove("s2")
    assert in_use() == 0
    annotations = {"metallb.io/allow-shared-ip": "key", "metallb.io/loadBalancerIPs": "1.2.3.4"}
    for name, port, expected in (("s1", "tcp/80", 1), ("s2", "tcp/443", 1), ("s3", "tcp/23", 1)):
        here.put(build.service(name, annotations=annotations, ports=(port,)))
        assert in_use() == expected
    for name, expected in (("s1", 1), ("s2", 1), ("s3", 0)):
        here.remove(name)
        assert in_use() == expected
    here.put(build.service("s1"))
    here.cycle()
    here.set_pools()
    assert here.decide().counts == ()


def test_dual_pool_is_required_as_a_whole():
    here = world.World(build.pool("a", "1.2.3.4/31"), build.pool("b", "1000::/127"))
    here.put(build.service("s1", cluster_ips=DUAL, family_policy=services.FamilyPolicy.REQUIRE_DUAL))
    decision = here.cycle()
    assert world.events(decision)[0][2] == (
        'Failed to allocate IP for "default/s1": no available IPs: pool "a": no IPv6 addresses; pool "b": no IPv4 addresses'
    )


def test_order_of_pools():
    """T11: pinned by priority, 0 last, then name; then unpinned by name. T8, T9: closed is closed."""
    catalog = pool_choice.Catalog(
        [
            build.pool("z-open", "10.0.0.0/24"),
            build.pool("a-open", "10.0.1.0/24"),
            build.pool("zero", "10.0.2.0/24", allocation=build.allocation("default")),
            build.pool("two-b", "10.0.3.0/24", allocation=build.allocation("default", priority=2)),
            build.pool("two-a", "10.0.4.0/24", allocation=build.allocation("default", priority=2)),
            build.pool("one", "10.0.5.0/24", allocation=build.allocation(priority=1)),
            build.pool("else", "10.0.6.0/24", allocation=build.allocation("other", priority=1)),
            build.pool(
                "nobody",
                "10.0.7.0/24",
                allocation=build.pools.Allocation(namespaces=frozenset()),
            ),
        ]
    )
    choice = catalog.automatic("default", build.labels())
    assert choice.tiers == (("one", "two-a", "two-b", "zero"), ("a-open", "z-open"))
    assert [(verdict.pool, verdict.why) for verdict in choice.excluded] == [
        ("else", values.WhyNot.NAMESPACE),
        ("nobody", values.WhyNot.NAMESPACE),
    ]


@pytest.mark.parametrize("annotation", ["address-pool", "loadBalancerIPs"])
def test_pool_whose_selectors_match_nothing_is_open_to_nobody(annotation):
    """T9, fixed: upstream lets anybody in who asks."""
    closed = build.pools.Allocation(namespaces=frozenset())
    here = world.World(build.pool("nobody", "10.0.7.0/24", allocation=closed))
    value = "nobody" if annotation == "address-pool" else "10.0.7.7"
    here.put(build.service("s1", annotations={f"metallb.io/{annotation}": value}))
    decision = here.cycle()
    assert here.ips("s1") == ()
    assert world.events(decision)[0][2] == (
        'Failed to allocate IP for "default/s1": pool nobody not compatible for ip assignment: '
        'pool "nobody": namespace is not allowed'
    )
