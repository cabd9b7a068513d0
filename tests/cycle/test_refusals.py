"""The speaker with an FRR that refuses one object: everything else runs, and the ConfigurationState says who and why."""

from frr_adapter import refs
from frr_adapter.boundary import metrics, quarantine
from frr_adapter.frr import refusal
from tests.cycle import world
from tests.cycle.objects import advertisement, endpoints, metadata, node, peer, pool, service
from tests.fakes.cluster import Cluster

STATE = refs.ObjectRef("ConfigurationState", world.NAMESPACE, "speaker-n1")


class Frr(world.Applier):
    """Refuses a neighbor with the node's own address, as the real one."""

    async def apply(self, wanted):
        if any(each.name == "10.99.0.11" for router in wanted.routers for each in router.neighbors):
            found = refusal.Refusal("router bgp 64600 / neighbor 10.99.0.11 remote-as 64512", "Can not configure it")
            raise refusal.RefusedError(f"FRR refused the configuration: {found}", (found,))
        return await super().apply(wanted)


class Choosing(quarantine.QuarantineApplier):
    """Shows what FRR took in the end."""

    def __init__(self):
        self.frr = Frr()
        super().__init__(self.frr, world.NAMESPACE, metrics.ApplyMetrics(metrics.Metrics()))

    @property
    def applied(self):
        return self.frr.applied


def cluster(*documents) -> Cluster:
    made = Cluster()
    for document in (
        *(node("n1"), pool(), peer(), advertisement("BGPAdvertisement")),
        *(service("web", ips=("192.0.2.0",)), endpoints("web", "n1"), *documents),
    ):
        made.put(document)
    return made


def extras(text):
    return {"kind": "ConfigMap", "metadata": metadata("bgpextras", world.NAMESPACE), "data": {"extras": text}}


def message(made):
    return (made.read(STATE) or {}).get("status", {}).get("errorSummary", "")


def running(program):
    (router,) = program.applier.applied[-1].routers
    prefixes = [str(each.prefix) for family in router.families for each in family.originations]
    return [each.name for each in router.neighbors], prefixes


async def test_a_refused_peer_is_told_and_the_rest_runs():
    made = cluster(peer("self", peerAddress="10.99.0.11"))
    async with world.speaker(made, frr=Choosing()) as program:
        await program.settle()
        assert running(program) == (["10.99.0.1"], ["192.0.2.0/32"])
        await world.eventually(lambda: message(made) != "")
        assert message(made) == (
            'configuration error: BGPPeer metallb-system/self: spec: FRR refused "router bgp 64600 / neighbor 10.99.0.11 '
            'remote-as 64512": Can not configure it; it is left out until it changes'
        )
        assert program.loop.unready() == ()
        assert program.metric("metallb_k8s_client_config_stale_bool") == 1
        made.put(service("more", ips=("192.0.2.1",)))
        made.put(endpoints("more", "n1"))
        await world.eventually(lambda: running(program)[1] == ["192.0.2.0/32", "192.0.2.1/32"])
        await program.settle()
        assert "10.99.0.11" in message(made)
        made.put(peer("self", peerAddress="10.99.0.12"))
        await world.eventually(lambda: running(program)[0] == ["10.99.0.1", "10.99.0.12"])
        await world.eventually(lambda: message(made) == "")
        await program.settle()


async def test_extra_lines_that_would_undo_ours_are_told_and_the_rest_runs():
    made = cluster(extras("ip forwarding\nno router bgp\n"))
    async with world.speaker(made, frr=Choosing()) as program:
        await program.settle()
        assert running(program) == (["10.99.0.1"], ["192.0.2.0/32"])
        assert program.applier.applied[-1].extras == ()
        await world.eventually(lambda: message(made) != "")
        assert message(made) == (
            'configuration error: ConfigMap metallb-system/bgpextras: data[extras]: FRR refused "no router bgp": it would '
            "remove the BGP instance of the BGPPeers; it is left out until it changes"
        )
        made.put(extras("ip forwarding\n"))
        await world.eventually(lambda: program.applier.applied[-1].extras == ("ip forwarding",))
        await world.eventually(lambda: message(made) == "")
        await program.settle()
