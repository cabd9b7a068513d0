"""The speaker as a whole on an in-memory cluster: what it wants from FRR and the wire, and that it then keeps still."""

import dataclasses
import ipaddress

from frr_adapter import refs
from tests.cycle import world
from tests.cycle.objects import advertisement, endpoints, node, peer, pool, service
from tests.fakes.cluster import Cluster


def cluster(*documents) -> Cluster:
    made = Cluster()
    for document in (node("n1"), node("n2"), *documents):
        made.put(document)
    return made


def announced(*more) -> Cluster:
    return cluster(
        pool(),
        peer(),
        advertisement("BGPAdvertisement"),
        service("web", ips=("192.0.2.0",)),
        endpoints("web", "n2"),
        *more,
    )


def prefixes(program: world.Program) -> list[str]:
    (router,) = program.applier.applied[-1].routers
    return [str(each.prefix) for family in router.families for each in family.originations]


async def test_a_service_becomes_a_route_an_event_and_a_metric():
    made = announced()
    async with world.speaker(made) as program:
        await program.settle()
        assert prefixes(program) == ["192.0.2.0/32"]
        assert program.events("nodeAssigned") == ['announcing from node "n1" with protocol "bgp"']
        labels = {"service": "default/web", "protocol": "bgp", "node": "n1", "ip": "192.0.2.0"}
        assert program.metric("metallb_speaker_announced", **labels) == 1


async def test_nothing_is_applied_before_everything_is_listed():
    made = announced()
    async with world.speaker(made) as program:
        await program.settle()
        # One apply, of the whole: had a half-known world been applied, there would be an empty one before it.
        assert len(program.applier.applied) == 1


async def test_losing_the_last_endpoint_withdraws_and_says_why():
    made = announced()
    async with world.speaker(made) as program:
        await program.settle()
        made.put(endpoints("web", "n2", ready=False))
        await world.eventually(lambda: len(program.applier.applied) == 2)
        await program.settle()
        assert prefixes(program) == []
        assert program.metric("metallb_speaker_announced", service="default/web") is None


async def test_a_local_service_is_announced_only_where_it_has_an_endpoint():
    made = cluster(
        pool(),
        peer(),
        advertisement("BGPAdvertisement"),
        service("web", ips=("192.0.2.0",), externalTrafficPolicy="Local"),
        endpoints("web", "n2"),
    )
    for name, expected in (("n1", []), ("n2", ["192.0.2.0/32"])):
        async with world.speaker(made, name) as program:
            await program.settle()
            assert prefixes(program) == expected


async def test_layer2_has_exactly_one_owner_of_each_address():
    services = [service(f"s{number}", ips=(f"192.0.2.{number}",)) for number in range(8)]
    backends = [endpoints(f"s{number}", "n1", "n2") for number in range(8)]
    made = cluster(pool(), advertisement("L2Advertisement"), *services, *backends)
    owned = {}
    for name in ("n1", "n2"):
        async with world.speaker(made, name) as program:
            await program.settle()
            owned[name] = program.announcer.held()
    assert not owned["n1"] & owned["n2"]
    assert owned["n1"] | owned["n2"] == {ipaddress.ip_address(f"192.0.2.{number}") for number in range(8)}


async def test_a_bad_peer_is_named_and_the_good_one_keeps_running():
    made = announced(peer("bad", peerAddress="10.99.0.2", bfdProfile="missing"))
    async with world.speaker(made) as program:
        await program.settle()
        (router,) = program.applier.applied[-1].routers
        assert [neighbor.name for neighbor in router.neighbors] == ["10.99.0.1"]
        state = made.read(refs.ObjectRef("ConfigurationState", world.NAMESPACE, "speaker-n1"))
        assert state["status"]["result"] == "Invalid"
        assert state["status"]["errorSummary"] == (
            "configuration error: peer bad referencing non existing bfd profile missing"
        )


async def test_what_frr_refuses_is_told_and_tried_again():
    made = announced()
    ref = refs.ObjectRef("ConfigurationState", world.NAMESPACE, "speaker-n1")
    async with world.speaker(made) as program:
        await program.settle()
        program.applier.refusal = "FRR refused the configuration: line 7"
        made.put(service("more", ips=("192.0.2.1",)))
        made.put(endpoints("more", "n1"))
        await world.eventually(lambda: (made.read(ref) or {}).get("status", {}).get("result") == "Invalid")
        assert "line 7" in made.read(ref)["status"]["errorSummary"]
        assert program.metric("metallb_k8s_client_config_stale_bool") == 1
        program.applier.refusal = ""
        await world.eventually(lambda: made.read(ref)["status"]["result"] == "Valid")
        await program.settle()
        assert prefixes(program) == ["192.0.2.0/32", "192.0.2.1/32"]


async def test_when_frr_comes_back_everything_is_applied_again():
    async with world.speaker(announced()) as program:
        await program.settle()
        program.bgp.down()
        assert program.loop.unready() == ("FRR does not answer",)
        program.bgp.up()
        await world.eventually(lambda: len(program.applier.applied) == 2)
        assert program.applier.applied[0] == program.applier.applied[1]


async def test_readiness_says_what_is_the_matter_with_frr():
    async with world.speaker(announced()) as program:
        await program.settle()
        program.bgp.down("bgpd hangs: no answer to `enable` within 5 s")
        assert program.loop.unready() == ("FRR does not answer: bgpd hangs: no answer to `enable` within 5 s",)
        program.bgp.down("bgpd went away")
        assert program.loop.unready() == ("FRR does not answer: bgpd went away",)
        program.bgp.up()
        await world.eventually(lambda: not program.loop.unready())


async def test_a_cycle_that_fails_is_said_until_one_succeeds(monkeypatch):
    async with world.speaker(announced()) as program:
        await program.settle()

        def broken(_plan):
            raise ValueError("no such plan")

        with monkeypatch.context() as patch:
            patch.setattr(program.announcer, "set_plan", broken)
            program.loop.poke()
            await world.eventually(
                lambda: program.loop.unready() == ("the last cycle failed: ValueError: no such plan",)
            )
        program.loop.poke()
        await world.eventually(lambda: not program.loop.unready())
        assert len(program.applier.applied) == 1, "nothing announced was touched"


async def test_the_status_of_a_pool_concerns_no_speaker():
    made = announced()
    async with world.speaker(made) as program:
        await program.settle()
        counters = {"assignedIPv4": 1, "assignedIPv6": 0, "availableIPv4": 7, "availableIPv6": 0}
        made.put({**pool(), "status": counters})
        await program.settle()
        assert len(program.applier.applied) == 1


async def test_a_missing_interface_is_told_on_the_service():
    made = cluster(
        pool(),
        advertisement("L2Advertisement", interfaces=["eth7"]),
        service("web", ips=("192.0.2.0",)),
        endpoints("web", "n1"),
    )
    told = []
    for name in ("n1", "n2"):
        async with world.speaker(made, name) as program:
            await program.settle()
            told += program.events("announceFailed")
    assert len(set(told)) == 1
    assert "eth7" in told[0]


async def test_a_change_on_its_way_is_no_reason_to_be_unready():
    async with world.speaker(announced()) as program:
        await program.settle()
        wanted = dataclasses.replace(program.bgp.wanted, hostname="other")
        program.bgp.want(wanted)
        assert not program.bgp.is_applied
        assert program.loop.unready() == ()
