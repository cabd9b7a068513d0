"""From which moment a change counts: from the watch event that caused it, through the cycle, to the applier."""

import asyncio

from tests.cycle import world
from tests.cycle.objects import advertisement, endpoints, node, peer, pool, service
from tests.fakes.cluster import Cluster


def announced() -> Cluster:
    made = Cluster()
    base = (node("n1"), pool(), peer(), advertisement("BGPAdvertisement"))
    for document in (*base, service("web", ips=("192.0.2.0",)), endpoints("web", "n1")):
        made.put(document)
    return made


async def test_a_change_counts_from_its_event_and_the_first_configuration_does_not():
    made = announced()
    async with world.speaker(made) as program:
        await program.settle()
        assert program.landed == []
        before = asyncio.get_running_loop().time()
        made.put(service("more", ips=("192.0.2.1",)))
        made.put(endpoints("more", "n1"))
        await program.settle()
        after = asyncio.get_running_loop().time()
        assert program.landed
        assert all(before <= since <= after for since in program.landed)


async def test_what_concerns_no_configuration_is_not_counted():
    made = announced()
    async with world.speaker(made) as program:
        await program.settle()
        made.put(service("quiet"))
        await program.settle()
        program.loop.poke()
        await program.settle()
        assert program.landed == []
