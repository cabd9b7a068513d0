"""What a speaker says of itself, with a whole speaker around it; and that being asked changes nothing."""

from frr_adapter.boundary import files
from speaker.boundary import recent
from speaker.core import node_report
from tests.cycle import world
from tests.cycle.objects import advertisement, endpoints, node, peer, pool, service
from tests.fakes import clock
from tests.fakes.cluster import Cluster

PASSWORD = "in-the-clear"


def cluster() -> Cluster:
    made = Cluster()
    for document in (
        node("n1"),
        pool(),
        pool("l2", "192.0.2.16/29"),
        peer(password=PASSWORD),
        advertisement("BGPAdvertisement", ipAddressPools=["default"]),
        advertisement("L2Advertisement", ipAddressPools=["l2"]),
        service("web", ips=("192.0.2.0",)),
        endpoints("web", "n2"),
        service("wire", ips=("192.0.2.16",)),
        endpoints("wire", "n2"),
    ):
        made.put(document)
    return made


def asked(program: world.Program, history: recent.Recent):
    occasion = node_report.Occasion("now", False, history.occurrences())
    return node_report.assemble(program.loop.facts(), occasion, "1", files.read_templates())


async def test_the_report_says_what_the_loop_does():
    history = recent.Recent(clock.ManualClock())
    made = cluster()
    async with world.speaker(made) as program:
        program.loop.tell_history(history.note)
        before = asked(program, history)
        assert (before.wanted, before.applied, before.decisions) == ("", "", ())
        assert before.unready
        await program.settle()
        found = asked(program, history)
        assert found.unready == ()
        assert "network 192.0.2.0/32" in found.wanted
        assert found.applied == found.wanted
        decided = {(each.service, each.protocol): each.reason for each in found.decisions}
        assert decided["default/web", "bgp"] == ""
        assert decided["default/wire", "bgp"] == "notOwner"
        assert decided["default/web", "layer2"] == "noMatchingAdvertisement"
        assert "announced default/web by bgp (192.0.2.0)" in [each.text for each in found.history]
        assert decided["default/wire", "layer2"] == ""
        assert [(each.address, each.is_held, each.wish) for each in found.layer2.addresses] == [
            ("192.0.2.16", True, "take")
        ]
        made.put(endpoints("web", "n2", ready=False))
        await world.eventually(lambda: len(program.applier.applied) == 2)
        await program.settle()
        after = asked(program, history)
        assert "withdrawn default/web by bgp (192.0.2.0): noEndpoints" in [each.text for each in after.history]
        assert "network 192.0.2.0/32" not in after.applied


async def test_no_password_is_told_and_frr_gets_the_real_one():
    history = recent.Recent(clock.ManualClock())
    async with world.speaker(cluster()) as program:
        program.loop.tell_history(history.note)
        await program.settle()
        told = asked(program, history)
        assert PASSWORD not in str(told)
        assert "neighbor 10.99.0.1 password ***" in told.applied
        await program.settle()
        assert len(program.applier.applied) == 1
        for config in (program.applier.applied[0], program.bgp.wanted, program.bgp.applied):
            assert [each.reveal() for each in config.secrets] == [PASSWORD]


async def test_what_frr_refuses_is_told():
    history = recent.Recent(clock.ManualClock())
    async with world.speaker(cluster()) as program:
        program.loop.tell_history(history.note)
        program.applier.refusal = "no such thing"
        await world.eventually(lambda: bool(asked(program, history).apply_error))
        found = asked(program, history)
        assert found.apply_error == "no such thing"
        assert found.applied == ""
        assert found.wanted
        assert "FRR did not take the configuration: no such thing" in [each.text for each in found.history]
