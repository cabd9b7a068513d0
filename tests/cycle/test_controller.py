"""The controller as a whole on an in-memory cluster: what it writes, and that it then keeps still."""

from frr_adapter import errors, refs
from tests.cycle import world
from tests.cycle.objects import peer, pool, service
from tests.fakes.cluster import Cluster

DUAL = {
    "clusterIPs": ["10.96.0.9", "fd00:10:96::9"],
    "ipFamilies": ["IPv4", "IPv6"],
    "ipFamilyPolicy": "PreferDualStack",
}


def cluster(*documents) -> Cluster:
    made = Cluster()
    for document in documents:
        made.put(document)
    return made


def status_writes(made: Cluster) -> list[str]:
    return [write.path for write in made.writes if write.path.endswith("/status") and "/services/" in write.path]


async def test_a_service_gets_address_annotation_event_and_metrics_in_one_write():
    made = cluster(pool(), service("web"))
    async with world.controller(made) as program:
        await program.settle()
        assert program.ips("web") == ["192.0.2.0"]
        assert program.service("web")["metadata"]["annotations"]["metallb.io/ip-allocated-from-pool"] == "default"
        assert len(status_writes(made)) == 1
        assert program.events("IPAllocated") == ['Assigned IP ["192.0.2.0"]']
        assert program.metric("metallb_allocator_addresses_in_use_total", pool="default") == 1
        assert program.metric("metallb_allocator_addresses_total", pool="default") == 8
        held = made.read(refs.ObjectRef("IPAddressPool", world.NAMESPACE, "default"))
        assert held["status"] == {"assignedIPv4": 1, "assignedIPv6": 0, "availableIPv4": 7, "availableIPv6": 0}


async def test_dual_stack_gets_both_families():
    async with world.controller(
        cluster(pool("default", "192.0.2.0/29", "2001:db8::/124"), service("web", **DUAL))
    ) as program:
        await program.settle()
        assert program.ips("web") == ["192.0.2.0", "2001:db8::"]


async def test_requested_pool_and_requested_address():
    by_pool = {"metallb.io/address-pool": "other"}
    by_address = {"metallb.io/loadBalancerIPs": "192.0.2.5"}
    made = cluster(
        pool(),
        pool("other", "198.51.100.0/29", autoAssign=False),
        service("a", annotations=by_pool),
        service("b", annotations=by_address),
    )
    async with world.controller(made) as program:
        await program.settle()
        assert (program.ips("a"), program.ips("b")) == (["198.51.100.0"], ["192.0.2.5"])


async def test_an_address_outside_every_pool_is_one_clear_event():
    made = cluster(pool(), service("web", annotations={"metallb.io/loadBalancerIPs": "203.0.113.9"}))
    async with world.controller(made) as program:
        await program.settle()
        assert program.ips("web") == []
        (message,) = program.events("AllocationFailed")
        assert message.startswith('Failed to allocate IP for "default/web": ["203.0.113.9"] is not allowed in config')
        assert "192.0.2.0/29" in message


async def test_a_restart_changes_nothing():
    made = cluster(pool(), *(service(f"s{number}") for number in range(5)))
    async with world.controller(made) as program:
        await program.settle()
        before = {f"s{number}": program.ips(f"s{number}") for number in range(5)}
    written = len(status_writes(made))
    async with world.controller(made) as program:
        await program.settle()
        assert {name: program.ips(name) for name in before} == before
    assert len(status_writes(made)) == written


async def test_after_a_restart_who_holds_an_address_comes_before_who_waits():
    # The waiting service sorts first by name and age; the holder must keep its address all the same.
    made = cluster(pool("default", "192.0.2.0/32"), service("a-waits"), service("z-holds", ips=("192.0.2.0",)))
    async with world.controller(made) as program:
        await program.settle()
        assert (program.ips("a-waits"), program.ips("z-holds")) == ([], ["192.0.2.0"])


async def test_a_waiting_service_gets_the_address_that_comes_free():
    made = cluster(pool("default", "192.0.2.0/32"), service("first", ips=("192.0.2.0",)), service("second"))
    async with world.controller(made) as program:
        await program.settle()
        made.remove(refs.ObjectRef("Service", "default", "first"))
        await world.eventually(lambda: program.ips("second") == ["192.0.2.0"])
        await program.settle()


async def test_a_lost_write_is_retried():
    made = cluster(pool(), service("web"))
    refusals = iter([500] * 12)

    def refuse(method: str, path: str) -> errors.KubernetesError | None:
        if path.endswith("/services/web/status") and (status := next(refusals, 0)):
            return errors.KubernetesError(status, "InternalError", "made to fail")
        return None

    made.refuse = refuse
    async with world.controller(made) as program:
        await world.eventually(lambda: program.ips("web") == ["192.0.2.0"], 60)
        await program.settle()


async def test_bad_objects_are_named_and_everything_else_works():
    made = cluster(
        pool("bad", "300.0.0.0/24", "10.0.0.9-10.0.0.1"),
        pool(),
        peer("no-asn", peerASN=0),
        service("web"),
    )
    async with world.controller(made) as program:
        await program.settle()
        assert program.ips("web") == ["192.0.2.0"]
        told = program.events("InvalidConfiguration")
        assert len(told) == 3
        assert any(
            line.startswith("IPAddressPool metallb-system/bad: spec.addresses[0]: invalid CIDR") for line in told
        )
        assert any("start must come first" in line for line in told)
        assert any(line.startswith("BGPPeer metallb-system/no-asn: spec.peerASN: missing peer ASN") for line in told)
        state = made.read(refs.ObjectRef("ConfigurationState", world.NAMESPACE, "controller"))
        assert state["status"]["result"] == "Invalid"
        assert "no-asn" not in state["status"]["errorSummary"]
        assert program.metric("metallb_k8s_client_config_stale_bool") == 1


async def test_mending_the_object_makes_the_state_valid_again():
    made = cluster(pool("default", "300.0.0.0/24"))
    ref = refs.ObjectRef("ConfigurationState", world.NAMESPACE, "controller")
    async with world.controller(made) as program:
        await program.settle()
        made.put(pool())
        await world.eventually(lambda: made.read(ref)["status"]["result"] == "Valid")
        await program.settle()
        assert program.metric("metallb_k8s_client_config_stale_bool") == 0


async def test_an_editing_mistake_in_a_pool_takes_no_address_away():
    made = cluster(pool("default", "192.0.2.0/29"), service("web"))
    async with world.controller(made) as program:
        await program.settle()
        made.put(pool("default", "192.0.2.0/299"))
        await world.eventually(lambda: bool(program.events("InvalidConfiguration")))
        await program.settle()
        assert program.ips("web") == ["192.0.2.0"]
    # and neither does a restart in that state
    async with world.controller(made) as program:
        await program.settle()
        assert program.ips("web") == ["192.0.2.0"]


async def test_a_service_that_is_no_load_balancer_any_more_is_released():
    made = cluster(pool(), service("web"))
    async with world.controller(made) as program:
        await program.settle()
        changed = program.service("web")
        changed["spec"]["type"] = "ClusterIP"
        made.put(changed)
        await world.eventually(lambda: program.ips("web") == [])
        await program.settle()
        assert "metallb.io/ip-allocated-from-pool" not in program.service("web")["metadata"].get("annotations", {})


async def test_another_class_is_left_alone():
    made = cluster(pool(), service("theirs", loadBalancerClass="other.io/lb"), service("ours"))
    async with world.controller(made) as program:
        await program.settle()
        assert (program.ips("theirs"), program.ips("ours")) == ([], ["192.0.2.0"])


async def test_a_burst_is_one_status_write_each_and_few_of_the_counters():
    made = cluster(pool("default", "192.0.2.0/24"))
    async with world.controller(made) as program:
        await program.settle()
        for number in range(200):
            made.put(service(f"s{number:03}"))
        await program.settle()
        assert len({ip for number in range(200) for ip in program.ips(f"s{number:03}")}) == 200
        assert len(status_writes(made)) == 200
        counters = [write for write in made.writes if "/ipaddresspools/" in write.path]
        assert len(counters) < 10
        held = made.read(refs.ObjectRef("IPAddressPool", world.NAMESPACE, "default"))
        assert held["status"]["assignedIPv4"] == 200
        assert program.metric("frr_adapter_service_assignment_seconds_count") == 200


async def test_waiting_for_an_address_is_not_counted_as_waiting_for_us():
    made = cluster(pool("default", "192.0.2.0/32"), service("first"), service("second"))
    async with world.controller(made) as program:
        await program.settle()
        assert program.metric("frr_adapter_service_assignment_seconds_count") == 1
        made.remove(refs.ObjectRef("Service", "default", "first"))
        await world.eventually(lambda: program.ips("second") == ["192.0.2.0"])
        await program.settle()
        assert program.metric("frr_adapter_service_assignment_seconds_count") == 1


class Torn:
    """An outbox that breaks once."""

    def __init__(self, inner) -> None:
        self._inner = inner
        self.is_broken = True
        self.is_behind = False

    def put(self, wanted) -> None:
        if self.is_broken:
            self.is_broken = False
            raise RuntimeError("made to fail")
        self._inner.put(wanted)


async def test_a_cycle_that_breaks_off_after_deciding_loses_nothing():
    made = cluster(pool())
    async with world.controller(made) as program:
        await program.settle()
        torn = Torn(program.out)
        program.loop.connect(torn)
        made.put(service("web"))
        await world.eventually(lambda: program.ips("web") == ["192.0.2.0"])
        assert not torn.is_broken
        await program.settle()
        assert program.metric("metallb_k8s_client_update_errors_total") == 1
        held = made.read(refs.ObjectRef("IPAddressPool", world.NAMESPACE, "default"))
        assert held["status"]["assignedIPv4"] == 1
