import pytest

from frr_adapter import effects, errors, refs
from frr_adapter.boundary import perform, retry
from tests.fakes import clock
from tests.performing import one_by_one
from tests.unit.boundary import samples

PACE = retry.Pace(first=0.001, longest=0.01, attempts=3)
WEB = refs.ObjectRef("Service", "default", "web")
POOL = refs.ObjectRef("IPAddressPool", "metallb-system", "p")


@pytest.fixture
def time():
    return clock.ManualClock()


@pytest.fixture
def performer(world, time):
    return perform.Performer(world, time, perform.Author("metallb-controller", "controller-0"), PACE)


def service_status(world, ips=("198.51.100.1",), pool="p", **changes) -> effects.WriteServiceStatus:
    meta = world.read(WEB)["metadata"]
    fields = {"ref": WEB, "uid": meta["uid"], "resource_version": meta["resourceVersion"], "ips": ips, "pool": pool}
    return effects.WriteServiceStatus(**{**fields, **changes})


async def test_address_and_annotation_are_one_patch(world, performer):
    world.put(samples.service("web"))
    effect = service_status(world, ips=("198.51.100.1", "2001:db8:100::1"))
    assert await one_by_one(performer, [effect]) == ()
    after = world.read(WEB)
    assert after["status"] == {"loadBalancer": {"ingress": [{"ip": "198.51.100.1"}, {"ip": "2001:db8:100::1"}]}}
    assert after["metadata"]["annotations"] == {"mine": "kept", "metallb.io/ip-allocated-from-pool": "p"}
    assert [(write.method, write.path) for write in world.writes] == [
        ("PATCH", "/api/v1/namespaces/default/services/web/status")
    ]


async def test_a_released_service_has_neither_address_nor_annotation(world, performer):
    world.put(samples.service("web"))
    await one_by_one(performer, [service_status(world)])
    assert await one_by_one(performer, [service_status(world, ips=(), pool=None)]) == ()
    after = world.read(WEB)
    assert after["status"] == {"loadBalancer": {}}
    assert after["metadata"]["annotations"] == {"mine": "kept"}


@pytest.mark.parametrize("changes", [{"resource_version": "1"}, {"uid": "another"}])
async def test_a_service_that_changed_meanwhile_is_left_alone(world, performer, changes):
    world.put(samples.service("web"))
    effect = service_status(world, **changes)
    (failure,) = await one_by_one(performer, [effect])
    assert (failure.effect, failure.error.status, failure.is_ordinary) == (effect, 409, True)
    assert world.read(WEB)["status"] == {"loadBalancer": {}}


async def test_a_service_that_is_gone_is_ordinary(world, performer):
    effect = effects.WriteServiceStatus(WEB, "u", "1", (), None)
    (failure,) = await one_by_one(performer, [effect])
    assert (failure.error.status, failure.is_ordinary, len(world.writes)) == (404, True, 1)


async def test_pool_counters_are_written(world, performer):
    world.put(samples.pool("p"))
    assert await one_by_one(performer, [effects.WritePoolStatus(POOL, 1, 2, 253, 2**63 - 1)]) == ()
    assert world.read(POOL)["status"] == {
        "assignedIPv4": 1,
        "assignedIPv6": 2,
        "availableIPv4": 253,
        "availableIPv6": 2**63 - 1,
    }


async def test_what_may_pass_is_retried_and_what_does_not_pass_is_returned(world, performer):
    world.put(samples.service("web"))
    world.put(samples.pool("p"))
    counter = iter(range(100))

    def refuse(_method, path):
        if "services" in path and next(counter) < 2:
            return errors.KubernetesError(503, "ServiceUnavailable", "starting")
        if "ipaddresspools" in path:
            return errors.KubernetesError(500, "InternalError", "etcd")
        return None

    world.refuse = refuse
    pool_effect = effects.WritePoolStatus(POOL, 0, 0, 0, 0)
    failures = await one_by_one(performer, [pool_effect, service_status(world)])
    assert [(failure.effect, failure.error.status, failure.is_ordinary) for failure in failures] == [
        (pool_effect, 500, False)
    ]
    assert world.read(WEB)["status"]["loadBalancer"] == {"ingress": [{"ip": "198.51.100.1"}]}
    assert len(world.writes) == 3 + PACE.attempts
