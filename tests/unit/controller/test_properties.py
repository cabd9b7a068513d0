"""What holds for every history: nobody gets another's address, nothing moves by itself, and remembering changes no answer."""

import dataclasses
import random

import hypothesis
import pytest
from hypothesis import strategies as st

from controller import values
from controller.core import allocator
from controller.core import memory as memories
from frr_adapter import effects
from frr_adapter.model import pool as pools
from frr_adapter.model import service as services
from tests import build
from tests.unit.controller import world

# a busy machine is no failure
PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
V4, V6 = "10.96.0.1", "fd00:10:96::1"
TEAM = build.selector(team="blue")
POOL_SETS = (
    (build.pool("a", "10.0.0.0/30", "1000::/127"), build.pool("b", "10.0.1.0/31")),
    (build.pool("a", "10.0.0.0/30", "1000::/127"), build.pool("b", "10.0.1.0/31", auto_assign=False)),
    (build.pool("a", "10.0.0.0/31"), build.pool("b", "10.0.1.0/31", "1000::/126")),
    (build.pool("c", "10.0.0.0/30", "1000::/127"),),
    (build.pool("a", "1000::/127", is_broken=True), build.pool("b", "10.0.1.0/31")),
    (
        build.pool("a", "10.0.0.0/30", allocation=build.allocation("default", service_selectors=[TEAM])),
        build.pool("b", "10.0.1.0/29", "1000::/126", avoid_buggy_ips=True),
    ),
    (
        build.pool("a", "10.0.0.0/31", allocation=build.allocation("other", priority=3)),
        build.pool("b", "10.0.0.2/31", allocation=build.allocation("default", "other", priority=1)),
        build.pool("c", "10.0.1.0/30"),
    ),
    (build.pool("a", "10.0.0.0/31", "1000::/127"), build.pool("z", "10.0.0.0/30", "1000::/126")),
    (),
)
NAMES = tuple(f"s{number}" for number in range(7))

requests = st.fixed_dictionaries(
    {},
    optional={
        "metallb.io/address-pool": st.sampled_from(["a", "b", "nope"]),
        "metallb.io/loadBalancerIPs": st.sampled_from(["10.0.0.1", "10.0.1.1", "10.0.0.1,1000::1", "1000::1", "oops"]),
        "metallb.io/allow-shared-ip": st.sampled_from(["k", "l"]),
    },
)
some_services = st.builds(
    build.service,
    st.sampled_from(NAMES),
    namespace=st.sampled_from(["default", "default", "other"]),
    cluster_ips=st.sampled_from([(V4,), (V4,), (V6,), (V4, V6), (V6, V4), ()]),
    ports=st.sampled_from([("tcp/80",), ("tcp/81",), ("udp/80", "tcp/80")]),
    annotations=st.one_of(st.just({}), requests),
    service_labels=st.sampled_from([{}, {"team": "blue"}]),
    pod_selector=st.sampled_from([{}, {"app": "x"}]),
    created=st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
    uid=st.sampled_from(["first", "second"]),
    type=st.sampled_from(["LoadBalancer"] * 5 + ["ClusterIP"]),
    family_policy=st.sampled_from(services.FamilyPolicy),
    load_balancer_class=st.sampled_from(["", "", "", "x"]),
    is_local=st.booleans(),
    ingress=st.sampled_from([(), (), (), ("10.0.0.1",), ("10.0.0.1", "1000::1"), ("",), ("junk",)]),
)
puts = st.tuples(st.just("put"), some_services)
updates = st.tuples(st.just("update"), some_services)
removals = st.tuples(st.just("remove"), st.integers(0, 10))
pool_changes = st.tuples(st.just("pools"), st.sampled_from(POOL_SETS))
performances = st.tuples(st.just("perform"), st.floats(0, 1))
steps = st.one_of(puts, puts, updates, updates, removals, pool_changes, performances, performances)
histories = st.lists(steps, min_size=1, max_size=25)


def act(here: world.World, step, decision: memories.Decision, chance: random.Random) -> None:
    match step:
        case ("put", service):
            here.put(service)
        case ("update", service) if service.key in here.services:
            # a user's update: what the controller wrote stays
            old = here.services[service.key]
            ours = tuple(pair for pair in old.annotations if pair[0] == services.ALLOCATED_FROM_ANNOTATION)
            fields = {"uid": old.uid, "created": old.created, "ingress": old.ingress}
            annotations = tuple(sorted((*service.annotations, *ours)))
            version = str(int(old.resource_version) + 1)
            here.put(dataclasses.replace(service, annotations=annotations, resource_version=version, **fields))
        case ("remove", number) if here.services:
            keys = sorted(here.services)
            del here.services[keys[number % len(keys)]]
        case ("pools", some_pools):
            here.set_pools(*some_pools)
        case ("perform", share):
            # some writes arrive, others fail or are late
            still = [e for e in decision.effects if not isinstance(e, effects.WriteServiceStatus) or is_fresh(here, e)]
            here.perform(effect for effect in still if chance.random() <= share)
        case _:
            pass


def is_fresh(here: world.World, write: effects.WriteServiceStatus) -> bool:
    service = here.services.get(write.ref.key)
    return service is not None and (service.uid, service.resource_version) == (write.uid, write.resource_version)


def assert_legal(here: world.World, decision: memories.Decision) -> None:
    holders: dict[object, list[str]] = {}
    for key, outcome in decision.outcomes.items():
        for ip in values.held(outcome):
            holders.setdefault(ip, []).append(key)
    for ip, keys in holders.items():
        claims = [decision.ledger.claims[key] for key in keys]
        assert decision.ledger.holders(ip) == tuple(sorted(keys))
        if len(claims) > 1:
            assert len({(claim.sharing, claim.backend) for claim in claims}) == 1
            assert claims[0].sharing
            ports = [port for claim in claims for port in claim.ports]
            assert len(ports) == len(set(ports))
    for key, outcome in decision.outcomes.items():
        if isinstance(outcome, values.Assigned):
            pool = here.pools[outcome.pool]
            assert pool.is_broken or all(pool.contains(ip) for ip in outcome.ips)
        assert here.services[key].is_load_balancer or isinstance(outcome, values.Released)
    for counted in decision.counts:
        used = {ip for claim in decision.ledger.claims.values() if claim.pool == counted.pool for ip in claim.ips}
        assert counted.assigned == len(used)


@hypothesis.settings(PATIENT, max_examples=40)
@hypothesis.given(histories, st.integers(0, 9))
def test_every_history(history, seed):
    """`World.decide` also asserts that the remembering allocator and the one from scratch agree."""
    chance = random.Random(seed)
    here = world.World(*POOL_SETS[0])
    decision = here.decide()
    for step in history:
        act(here, step, decision, chance)
        decision = here.decide()
        assert_legal(here, decision)
        again = here.decide()
        assert again.changed == ()
        assert again.effects == tuple(e for e in decision.effects if not isinstance(e, effects.EmitEvent))
    settled = here.decide().outcomes
    # all writes arrive: addresses stay as they are, and nothing more is to be done
    here.perform(here.decide().effects)
    arrived = here.decide()
    assert arrived.effects == ()
    held = {key: values.held(outcome) for key, outcome in settled.items()}
    assert {key: values.held(one) for key, one in arrived.outcomes.items()} == {
        key: ips for key, ips in held.items() if not isinstance(settled[key], values.Released)
    }


@hypothesis.settings(PATIENT, max_examples=30)
@hypothesis.given(st.lists(some_services, max_size=8), st.sampled_from(POOL_SETS), st.randoms(use_true_random=False))
def test_order_of_input_does_not_matter(found, some_pools, chance):
    unique = {service.key: service for service in found}
    first = allocator.decide(build.snapshot(unique.values(), some_pools), lb_class="")
    shuffled = chance.sample(list(unique.values()), len(unique))
    turned = build.configuration()
    turned = dataclasses.replace(turned, pools=tuple(chance.sample(some_pools, len(some_pools))))
    snapshot = dataclasses.replace(build.snapshot(), services=tuple(shuffled), configuration=turned)
    second = allocator.decide(snapshot, lb_class="")
    assert second.outcomes == first.outcomes
    assert second.counts == first.counts
    assert second.effects == first.effects


@hypothesis.settings(PATIENT, max_examples=30)
@hypothesis.given(st.lists(some_services, max_size=8), some_services, st.sampled_from(POOL_SETS[:-1]))
def test_nothing_moves_because_of_a_newcomer(found, newcomer, some_pools):
    here = world.World(*some_pools)
    here.put(*(service for service in found if service.key != newcomer.key))
    before = {key: values.held(outcome) for key, outcome in here.decide().outcomes.items()}
    here.put(newcomer)
    after = {key: values.held(outcome) for key, outcome in here.decide().outcomes.items()}
    assert {key: after[key] for key in before if before[key]} == {key: ips for key, ips in before.items() if ips}


@hypothesis.settings(PATIENT, max_examples=30)
@hypothesis.given(st.lists(some_services, max_size=8), st.sampled_from(POOL_SETS))
def test_restart_changes_no_address(found, some_pools):
    here = world.World(*some_pools)
    here.put(*found)
    here.perform(here.decide().effects)
    before = here.decide().outcomes
    here.restart()
    decision = here.decide()
    assert world.writes(decision) == {}
    assert {key: values.held(one) for key, one in decision.outcomes.items()} == {
        key: values.held(one) for key, one in before.items()
    }


def test_long_history():
    """A few hundred steps in one world, so that freed addresses, waiting lists and caches grow old."""
    live(steps=300, seed=20261122)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(20))
def test_very_long_histories(seed):
    live(steps=1000, seed=seed)


def live(steps: int, seed: int) -> None:
    chance = random.Random(seed)
    here = world.World(build.pool("a", "10.0.0.0/28", "1000::/125"), build.pool("b", "10.0.1.0/29"))
    decision = here.decide()
    for number in range(steps):
        name = f"s{chance.randrange(40):02}"
        match chance.randrange(6):
            case 0 | 1 | 2:
                annotations = {}
                if chance.random() < 0.4:
                    annotations["metallb.io/allow-shared-ip"] = chance.choice("kl")
                if chance.random() < 0.2:
                    annotations["metallb.io/loadBalancerIPs"] = f"10.0.0.{chance.randrange(18)}"
                cluster_ips = chance.choice([(V4,), (V4,), (V6,), (V4, V6)])
                policy = chance.choice(list(services.FamilyPolicy))
                ports = (f"tcp/{chance.randrange(3)}",)
                step = "update" if f"default/{name}" in here.services else "put"
                service = build.service(
                    name,
                    uid=f"uid-{number}",
                    created=f"2026-01-01T00:00:{number % 60:02}Z",
                    annotations=annotations,
                    cluster_ips=cluster_ips,
                    family_policy=policy,
                    ports=ports,
                )
                act(here, (step, service), decision, chance)
            case 3:
                act(here, ("remove", chance.randrange(100)), decision, chance)
            case _:
                act(here, ("perform", chance.random()), decision, chance)
        decision = here.decide()
        assert_legal(here, decision)
    assert len(decision.outcomes) > 10


def test_pool_status_alone_decides_nothing_anew():
    """Writing a pool's status makes a new pool object; services must not be looked at again because of that."""
    here = world.World(build.pool("a", "10.0.0.0/30"))
    here.put(build.service("s1"))
    here.decide()
    ledger = here.allocator.decide(here.snapshot).ledger
    here.set_pools(dataclasses.replace(here.pools["a"], status=pools.PoolStatus(9, 9, 9, 9), generation=5))
    assert here.allocator.decide(here.snapshot).ledger is ledger
