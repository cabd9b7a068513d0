"""What happens over several cycles: pools and services come and go (cases S50 to S62 and the reactions of one to the other).

S50 to S55 of upstream speak of a process that has not heard of pools yet and of requests to reprocess. Here no cycle runs
before everything is listed, and every cycle considers everything, so what remains of them is the result.
"""

import pytest

from controller import values
from controller.core import allocator
from frr_adapter import addresses
from frr_adapter.model import pool as pools
from frr_adapter.model import service as services
from tests import build
from tests.unit.controller import world

DUAL = ("1.2.3.4", "1000::")


def test_no_pools_then_one_then_none():
    """S51 to S54."""
    here = world.World()
    here.put(build.service("s1"))
    assert here.cycle().effects == ()
    here.set_pools(build.pool("default", "1.2.3.0/24"))
    here.cycle()
    assert here.ips("s1") == ("1.2.3.0",)
    here.set_pools()
    decision = here.cycle()
    assert here.ips("s1") == ()
    assert world.events(decision) == []
    assert decision.outcomes["default/s1"] == values.Refused(values.Refusal.NO_POOLS, "there are no pools")


def test_nothing_happens_before_the_first_decision():
    """S50 and S55: an allocator that was not asked has decided nothing."""
    assert allocator.Allocator().decide(build.snapshot()).effects == ()


def test_second_service_gets_what_the_first_leaves():
    """S56 to S58."""
    here = world.World(build.pool("default", "1.2.3.0/32"))
    here.put(build.service("svc1"))
    here.cycle()
    here.put(build.service("svc2"))
    decision = here.cycle()
    assert world.writes(decision) == {}
    assert world.events(decision) == [
        (
            "Warning",
            "AllocationFailed",
            'Failed to allocate IP for "default/svc2": no available IPs: pool "default": full',
        )
    ]
    here.remove("svc1")
    here.cycle()
    assert here.ips("svc2") == ("1.2.3.0",)


def test_pool_added_and_removed():
    """S59 to S61."""
    default = build.pool("default", "1.2.3.0/24", "1000::/127")
    here = world.World(default)
    here.put(build.service("s1"))
    here.cycle()
    assert here.ips("s1") == ("1.2.3.0",)
    second = build.pool("second", "4.5.6.0/24")
    here.set_pools(default, second)
    here.cycle()
    assert here.ips("s1") == ("1.2.3.0",)
    here.set_pools(second)
    here.cycle()
    assert here.ips("s1") == ("4.5.6.0",)
    assert here.pool_of("s1") == "second"


def test_dual_stack_from_a_masked_pool():
    """S62."""
    here = world.World(build.pool("default", "1.2.3.0/24", "1000::1/127"))
    here.put(build.service("s1", cluster_ips=DUAL, family_policy=services.FamilyPolicy.REQUIRE_DUAL))
    here.cycle()
    assert here.ips("s1") == ("1.2.3.0", "1000::")


def test_restart_gives_nobody_anothers_address():
    """T1: the waiting, even older ones, come after all who have something."""
    here = world.World(build.pool("default", "1.2.3.0/31", "1000::/127"))
    here.put(build.service("young", created="2026-05-05T00:00:00Z"))
    here.cycle()
    assert here.ips("young") == ("1.2.3.0",)
    here.put(build.service("old", created="2025-01-01T00:00:00Z"))
    here.restart()
    here.cycle()
    assert (here.ips("young"), here.ips("old")) == (("1.2.3.0",), ("1.2.3.1",))


def test_restart_settles_a_quarrel_by_number_then_age_then_key():
    contested = {"ingress": ("1.2.3.0",), "annotations": {"metallb.io/ip-allocated-from-pool": "default"}}
    pool = build.pool("default", "1.2.3.0/30", "1000::/126")
    here = world.World(pool)
    here.put(
        build.service("a", created="2026-02-02T00:00:00Z", **contested),
        build.service("b", created="2026-01-01T00:00:00Z", **contested),
    )
    here.cycle()
    assert (here.ips("b"), here.ips("a")) == (("1.2.3.0",), ("1.2.3.1",))
    here = world.World(pool)
    pair = {**contested, "ingress": ("1.2.3.0", "1000::")}
    here.put(
        build.service("a", created="2025-01-01T00:00:00Z", **contested),
        build.service("b", cluster_ips=DUAL, family_policy=services.FamilyPolicy.REQUIRE_DUAL, **pair),
    )
    here.cycle()
    assert (here.ips("b"), here.ips("a")) == (("1.2.3.0", "1000::"), ("1.2.3.1",))


def test_the_oldest_waits_least():
    here = world.World(build.pool("default", "1.2.3.0/32"))
    here.put(build.service("holder"))
    here.cycle()
    here.put(build.service("a", created="2026-03-03T00:00:00Z"), build.service("b", created="2026-02-02T00:00:00Z"))
    here.cycle()
    here.remove("holder")
    here.cycle()
    assert (here.ips("a"), here.ips("b")) == ((), ("1.2.3.0",))


def test_address_freed_by_a_move_is_given_in_the_same_cycle():
    """T6."""
    here = world.World(build.pool("default", "1.2.3.0/31", auto_assign=True))
    here.put(build.service("s1"), build.service("s2"))
    here.cycle()
    here.put(build.service("s3", annotations={"metallb.io/loadBalancerIPs": "1.2.3.0"}))
    here.cycle()
    assert here.ips("s3") == ()
    here.set_pools(build.pool("default", "1.2.3.0/30"))
    here.change("s1", load_balancer_ip="1.2.3.3")
    here.cycle()
    assert (here.ips("s1"), here.ips("s3")) == (("1.2.3.3",), ("1.2.3.0",))


def test_waiting_sharer_is_served_when_ports_come_free():
    here = world.World(build.pool("default", "1.2.3.0/32"))
    share = {"metallb.io/allow-shared-ip": "k"}
    here.put(build.service("s1", annotations=share), build.service("s2", annotations=share))
    here.cycle()
    assert (here.ips("s1"), here.ips("s2")) == (("1.2.3.0",), ())
    here.change("s1", ports=(build.port("tcp/81"),))
    here.cycle()
    assert (here.ips("s1"), here.ips("s2")) == (("1.2.3.0",), ("1.2.3.0",))


def test_colliding_port_moves_the_service_that_changed():
    here = world.World(build.pool("default", "1.2.3.0/31"))
    share = {"metallb.io/allow-shared-ip": "k"}
    here.put(build.service("s1", annotations=share, ports=("tcp/1",)))
    here.put(build.service("s2", annotations=share, ports=("tcp/2",)))
    here.cycle()
    assert here.ips("s1") == here.ips("s2") == ("1.2.3.0",)
    here.change("s1", ports=(build.port("tcp/2"),))
    decision = here.cycle()
    assert (here.ips("s1"), here.ips("s2")) == (("1.2.3.1",), ("1.2.3.0",))
    assert [reason for _, reason, _ in world.events(decision)] == ["ClearAssignment", "IPAllocated"]


def test_removed_sharing_key_moves_the_service_that_changed():
    here = world.World(build.pool("default", "1.2.3.0/31"))
    share = {"metallb.io/allow-shared-ip": "k"}
    here.put(build.service("s1", annotations=share, ports=("tcp/1",)))
    here.put(build.service("s2", annotations=share, ports=("tcp/2",)))
    here.cycle()
    kept = tuple(pair for pair in here.services["default/s2"].annotations if pair[0] not in share)
    here.change("s2", annotations=kept)
    here.cycle()
    assert (here.ips("s1"), here.ips("s2")) == (("1.2.3.0",), ("1.2.3.1",))


def test_prefer_then_require_with_one_address():
    here = world.World(build.pool("a", "1.2.3.0/31"))
    here.put(build.service("s1", cluster_ips=DUAL, family_policy=services.FamilyPolicy.PREFER_DUAL))
    here.cycle()
    here.change("s1", family_policy=services.FamilyPolicy.REQUIRE_DUAL)
    assert world.warnings(here.cycle()) == ["AllocationFailed"]
    assert here.ips("s1") == ()
    here.set_pools(build.pool("a", "1.2.3.0/31"), build.pool("b", "1.2.4.0/31", "1000::/127"))
    here.cycle()
    assert here.ips("s1") == ("1.2.4.0", "1000::")


def test_dual_pool_becomes_single():
    here = world.World(build.pool("a", "1.2.3.0/31", "1000::/127"))
    here.put(build.service("s1", cluster_ips=DUAL, family_policy=services.FamilyPolicy.PREFER_DUAL))
    here.cycle()
    here.set_pools(build.pool("a", "1.2.3.0/31"), build.pool("b", "1.2.4.0/31", "2000::/127"))
    here.cycle()
    assert here.ips("s1") == ("1.2.4.0", "2000::")


def test_better_pool_moves_nobody():
    here = world.World(build.pool("a", "1.2.3.0/31"))
    here.put(build.service("s1"))
    here.cycle()
    better = build.pool("b", "1.2.4.0/31", allocation=build.allocation("default", priority=1))
    here.set_pools(build.pool("a", "1.2.3.0/31"), better)
    here.cycle()
    assert here.ips("s1") == ("1.2.3.0",)


@pytest.mark.parametrize(
    "closed",
    [
        {"allocation": build.allocation("other")},
        {"allocation": build.allocation(service_selectors=[build.selector(team="x")])},
        {"avoid_buggy_ips": True},
    ],
)
def test_pool_that_closes_evicts(closed):
    here = world.World(build.pool("a", "1.2.3.0/32"), build.pool("b", "1.2.4.4/32"))
    here.put(build.service("s1"))
    here.cycle()
    here.set_pools(build.pool("a", "1.2.3.0/32", **closed), build.pool("b", "1.2.4.4/32"))
    decision = here.cycle()
    assert here.ips("s1") == ("1.2.4.4",)
    assert [reason for _, reason, _ in world.events(decision)] == ["ClearAssignment", "IPAllocated"]


@pytest.mark.parametrize("is_restarted", [True, False])
def test_broken_pool_keeps_what_it_gave(is_restarted):
    here = world.World(build.pool("a", "1.2.3.0/31", "10.0.0.0/24"))
    here.put(build.service("s1"), build.service("s2", load_balancer_ip="10.0.0.9"))
    here.cycle()
    if is_restarted:
        here.restart()
    here.set_pools(build.pool("a", "10.0.0.0/24", is_broken=True))
    decision = here.cycle()
    assert world.writes(decision) == {}
    assert (here.ips("s1"), here.ips("s2")) == (("1.2.3.0",), ("10.0.0.9",))
    kept = decision.outcomes["default/s1"]
    assert isinstance(kept, values.Kept)
    assert kept.why is values.Keeping.POOL_BROKEN
    assert kept.detail.startswith('pool "a" has entries that cannot be used: ["1.2.3.0"] is not allowed in config')
    assert here.pools["a"].status == pools.PoolStatus(2, 0, 254, 0)
    here.set_pools(build.pool("a", "10.0.0.0/24"))
    here.cycle()
    assert here.ips("s1") == ("10.0.0.0",)


def test_broken_pool_without_any_address_keeps_what_it_gave():
    here = world.World(build.pool("a", "1.2.3.0/31"))
    here.put(build.service("s1"))
    here.cycle()
    here.set_pools(pools.Pool(ref=here.pools["a"].ref, is_broken=True))
    here.put(build.service("s2"))
    decision = here.cycle()
    assert (here.ips("s1"), here.ips("s2")) == (("1.2.3.0",), ())
    assert world.warnings(decision) == ["AllocationFailed"]


def test_address_given_out_counts_before_the_status_shows_it():
    here = world.World(build.pool("default", "1.2.3.0/31"))
    here.put(build.service("late", created="2026-05-05T00:00:00Z"))
    first = here.decide()
    here.put(build.service("early", created="2025-01-01T00:00:00Z"))
    second = here.decide()
    assert world.writes(first) == {"default/late": ("1.2.3.0",)}
    assert world.writes(second) == {"default/late": ("1.2.3.0",), "default/early": ("1.2.3.1",)}
    assert [message for _, _, message in world.events(second)] == ['Assigned IP ["1.2.3.1"]']


def test_a_write_is_wanted_until_it_shows_but_told_once():
    here = world.World(build.pool("default", "1.2.3.0/31"))
    here.put(build.service("s1"))
    first, second = here.decide(), here.decide()
    assert world.writes(first) == world.writes(second) == {"default/s1": ("1.2.3.0",)}
    assert (len(world.events(first)), len(world.events(second))) == (1, 0)


def test_status_emptied_by_hand_is_filled_again():
    here = world.World(build.pool("default", "1.2.3.0/31"))
    here.put(build.service("s1"))
    here.cycle()
    here.change("s1", ingress=())
    assert world.writes(here.cycle()) == {"default/s1": ("1.2.3.0",)}


def test_pool_status_edited_by_hand_is_reverted():
    here = world.World(build.pool("default", "1.2.3.0/31"))
    here.put(build.service("s1"))
    here.cycle()
    here.set_pools(build.pool("default", "1.2.3.0/31", status=pools.PoolStatus(7, 7, 7, 7)))
    decision = here.cycle()
    assert decision.changed == ()
    assert here.pools["default"].status == pools.PoolStatus(1, 0, 1, 0)


def test_recreated_service_is_a_new_one():
    here = world.World(build.pool("default", "1.2.3.0/31"))
    here.put(build.service("s1", load_balancer_ip="1.2.3.1"))
    here.cycle()
    here.put(build.service("s1", uid="another"))
    decision = here.cycle()
    assert here.ips("s1") == ("1.2.3.0",)
    assert world.events(decision) == [("Normal", "IPAllocated", 'Assigned IP ["1.2.3.0"]')]


def test_change_of_type_frees_for_others():
    here = world.World(build.pool("default", "1.2.3.0/32"))
    here.put(build.service("s1"))
    here.cycle()
    here.put(build.service("s2"))
    here.cycle()
    here.change("s1", type="NodePort")
    decision = here.cycle()
    assert decision.outcomes["default/s1"] == values.Released()
    assert (here.ips("s1"), here.ips("s2")) == ((), ("1.2.3.0",))
    assert "default/s1" not in here.decide().outcomes


def test_explanation_follows_the_holders():
    here = world.World(build.pool("default", "1.2.3.0/30"))
    ask = {"metallb.io/loadBalancerIPs": "1.2.3.0"}
    share = ask | {"metallb.io/allow-shared-ip": "k"}
    here.put(build.service("s1", annotations=share, ports=("tcp/1",)))
    here.cycle()
    here.put(build.service("s9", annotations=ask, ports=("tcp/9",)))
    here.cycle()
    here.put(build.service("s2", annotations=share, ports=("tcp/2",)))
    messages = [message for _, reason, message in world.events(here.cycle()) if reason == "AllocationFailed"]
    assert messages == [
        (
            'Failed to allocate IP for "default/s9": cannot change sharing key for "default/s9", '
            'address "1.2.3.0" also in use by default/s1,default/s2'
        )
    ]


def test_failed_decision_leaves_no_half_changed_ledger():
    here = world.World(build.pool("default", "1.2.3.0/31"))
    here.put(build.service("s1"))
    here.cycle()
    broken = build.service("s2", ports=("tcp/80",))
    object.__setattr__(broken, "family_policy", "Nonsense")
    object.__setattr__(broken, "cluster_ips", (None,))
    with pytest.raises(AttributeError):
        here.allocator.decide(build.snapshot([*here.services.values(), broken], here.pools.values()))
    here.put(build.service("s3"))
    here.cycle()
    assert (here.ips("s1"), here.ips("s3")) == (("1.2.3.0",), ("1.2.3.1",))
    assert here.decide().ledger.holders(addresses.parse_address("1.2.3.0")) == ("default/s1",)
