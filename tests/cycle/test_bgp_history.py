"""A long random history of Services and endpoints, told to a whole speaker; FRR's configuration language is interpreted in memory.

At every line: no steady prefix is missing, nothing but originations and their classes is touched, no session is reset. After every
burst what runs is what the rules say.
"""

import asyncio
import contextlib
import re

import pytest

from frr_adapter.frr import delta, reloading, statements
from frr_adapter.frr.grammar import Daemon
from tests import frr_interpreter, frr_meaning, service_histories
from tests.cycle import world
from tests.cycle.objects import peer
from tests.fakes.cluster import Cluster

PEERS = [
    peer("four", password="s3cret"),
    peer("six", peerAddress="fd00:99::1"),
    peer("dual", peerAddress="fd00:99::2", dualStackAddressFamily=True),
]
ALLOWED = re.compile(
    r"(no )?network \S+( route-map class-\d+)?|(no )?route-map class-\d+( permit 10)?|set tag \d+|"
    r"route-map \S+-out (permit|deny) \d+|no route-map \S+-out permit \d+|match tag \d+|set (large-)?community .*"
)


class Interpreted:
    """An applier that sends the difference, line by line, to an interpreter of FRR's language, and looks after every line."""

    def __init__(self, steady):
        self.steady = frozenset(steady)
        self.running = None
        self.daemon = None
        self.sessions = None
        self.applies = 0
        self.lines = 0
        self.wrong = ""

    def forget(self): ...

    async def apply(self, wanted):
        try:
            return await self._apply(wanted)
        except AssertionError as problem:
            self.wrong = str(problem)
            raise

    async def _apply(self, wanted):
        if self.running is None or not self.running.routers:
            self.running, self.daemon = wanted, frr_interpreter.Daemon(statements.wanted(wanted, Daemon.BGPD))
            self.sessions = self._sessions()
            return reloading.ApplyReport(way=reloading.Way.RELOAD)
        found = delta.delta(self.running, wanted)
        assert isinstance(found, delta.Delta), found
        assert found.resets == ()
        for batch in found.batches:
            assert batch.daemon in (Daemon.BGPD, Daemon.POLICY), batch
            for line in batch.lines:
                assert ALLOWED.fullmatch(line.text), line
                if batch.daemon is Daemon.BGPD:
                    self.daemon.take(line)
                    assert self.steady <= self._prefixes(), line
                    self.lines += 1
            await asyncio.sleep(0)  # while FRR works, the world goes on
        assert self.daemon.state == statements.wanted(wanted, Daemon.BGPD)
        assert self._sessions() == self.sessions
        self.running = wanted
        self.applies += 1
        return reloading.ApplyReport(way=reloading.Way.HOT)

    def _prefixes(self):
        return {each[-1].split()[1] for each in self.daemon.state if each[-1].startswith("network ")}

    def _sessions(self):
        return {each for each in self.daemon.state if each[-1].startswith(("neighbor ", "bgp ", "no bgp "))}

    def originated(self):
        """Prefix -> advertisements that speak for it."""
        ads = {each.name: frozenset(each.advertisements) for each in self.running.classes}
        families = self.running.routers[0].families
        return {str(each.prefix): ads[each.policy] for family in families for each in family.originations}

    def check_told(self):
        """Once nothing is under way: those who carry the family of a prefix are told, with what belongs to it."""
        found = self.originated()
        heard = {key[1]: answers for key, answers in frr_meaning.told(self.daemon.state).items()}
        four, six = ({each for each in found if (":" in each) is is_six} for is_six in (False, True))
        assert heard["10.99.0.1"].keys() == four
        assert heard["fd00:99::1"].keys() == six
        assert heard["fd00:99::2"].keys() == four | six
        for prefix, words in heard["fd00:99::2"].items():
            assert words == attributes(found[prefix])


async def runs(program, applier, expected):
    """Polls until this and nothing else is originated; the difference is the message."""
    with contextlib.suppress(AssertionError):
        await world.eventually(
            lambda: applier.wrong or (program.bgp.is_applied and applier.originated() == expected), seconds=3
        )
    assert not applier.wrong
    assert applier.originated() == expected
    assert program.bgp.is_applied
    applier.check_told()


def attributes(ads):
    texts = sorted({text for ad in ads for text in service_histories.COMMUNITIES[ad]})
    plain = " ".join(text for text in texts if not text.startswith("large:"))
    large = " ".join(text.removeprefix("large:") for text in texts if text.startswith("large:"))
    return frozenset(
        ([f"set community {plain}"] if plain else []) + ([f"set large-community {large}"] if large else [])
    )


@pytest.mark.parametrize("changes", [1000, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
async def test_random_services_and_endpoints_disturb_nobody(changes):
    history = service_histories.History(changes, steady=45)
    cluster, applier = Cluster(), Interpreted(history.steady())
    for document in (*history.beginning(), *PEERS):
        cluster.put(document)
    async with world.speaker(cluster, frr=applier) as program:
        await world.eventually(lambda: not program.loop.unready())
        await runs(program, applier, history.steady())
        done = bursts = 0
        while done < changes:
            for _ in range(min(history.chance.choice([1, 1, 1, 2, 3, 8, 20]), changes - done)):
                put, gone = history.change()
                for ref in gone:
                    cluster.remove(ref)
                for document in put:
                    cluster.put(document)
                done += 1
                if history.chance.random() < 0.3:
                    await asyncio.sleep(0)  # changes come while one is being applied
            bursts += 1
            expected = history.expected()
            await runs(program, applier, expected)
    assert applier.applies >= bursts // 2
    assert applier.lines > changes // 4
