"""Random changes of Services and endpoints through the whole speaker into a real FRR, watched in the kernel of the router beyond.

600 steady prefixes stand beside what changes. None of them may ever be missing, no session may end, and in the end the router
has what the rules say. 300 changes always, 10,000 when asked for.
"""

import asyncio
import contextlib
import ipaddress
import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from frr_adapter.frr import reloading, show
from tests import service_histories
from tests.cycle import world
from tests.cycle.objects import metadata, peer
from tests.fakes.cluster import Cluster
from tests.live import applied_node, frr_pair

pytestmark = [
    pytest.mark.live,
    pytest.mark.frr,
    pytest.mark.skipif(bool(frr_pair.missing()), reason=frr_pair.missing() or "-"),
]

WATCH = Path(__file__).parents[1] / "bench/route_watch.py"
STEADY = 600
NEIGHBORS = ("10.99.0.1", "fd00:99::1", "eth1")
UP = """
router bgp 64512
 bgp router-id 10.99.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 neighbor 10.99.0.11 remote-as 64600
 neighbor 10.99.0.11 timers connect 1
 neighbor fd00:99::11 remote-as 64600
 neighbor fd00:99::11 timers connect 1
 neighbor eth1 interface remote-as external
 neighbor eth1 timers connect 1
 address-family ipv4 unicast
  neighbor 10.99.0.11 activate
  neighbor eth1 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00:99::11 activate
  neighbor eth1 activate
 exit-address-family
exit
"""
SPINE = {
    "kind": "BGPPeer",
    "metadata": metadata("spine", world.NAMESPACE),
    "spec": {"myASN": 64600, "interface": "eth1", "dynamicASN": "external", "connectTime": "1s"},
}
PEERS = [
    peer("four", connectTime="1s", password="s3cret"),
    peer("six", peerAddress="fd00:99::1", connectTime="1s"),
    SPINE,
]


class Applier:
    """The real one, what it applied last, and a count of what it did."""

    def __init__(self, node):
        self.node = node
        self.originated = {}
        self.ways = Counter()
        self.resets = []

    def forget(self):
        self.node.forget()

    async def apply(self, wanted):
        report = await self.node.apply(wanted)
        self.ways[report.way] += 1
        self.resets += report.resets
        ads = {each.name: frozenset(each.advertisements) for each in wanted.classes}
        families = [family for router in wanted.routers for family in router.families]
        self.originated = {str(each.prefix): ads[each.policy] for family in families for each in family.originations}
        return report


@contextlib.contextmanager
def watched(machine):
    """Every change of a route in the machine's kernel, in a list that grows; complete when the block has ended."""
    command = ["ip", "netns", "exec", machine.namespace, sys.executable, str(WATCH)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert json.loads(process.stdout.readline()) == {"ready": True}
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(json.loads(line) for line in process.stdout))
    reader.start()
    try:
        yield seen
    finally:
        ended = process.poll()
        process.terminate()
        process.wait(10)
        reader.join(10)
    assert ended is None, "the watch ended early, so it may have missed something"


def first(prefix):
    """The address by which the watch knows a prefix; no aggregate begins with a host that is announced."""
    return prefix.partition("/")[0]


def name(prefix):
    """A prefix as the kernel's tools say it: a host without its length."""
    found = ipaddress.ip_network(prefix)
    return str(found.network_address) if found.prefixlen == found.max_prefixlen else str(found)


def dropped(machine):
    found = {each.neighbor: each for each in show.sessions(machine.vtysh(show.BGP_NEIGHBORS))}
    assert all(found[each].is_established for each in NEIGHBORS)
    return {each: found[each].connections_dropped for each in NEIGHBORS}


def communities(machine, prefix):
    family = "ipv6" if ":" in prefix else "ipv4"
    paths = machine.show(f"show bgp {family} unicast {prefix} json").get("paths", [])
    return {
        frozenset(
            text for kind in ("community", "largeCommunity") for text in path.get(kind, {}).get("string", "").split()
        )
        for path in paths
    }


def meant(ads):
    return frozenset(text.removeprefix("large:") for ad in ads for text in service_histories.COMMUNITIES[ad])


@pytest.fixture
def pair():
    with frr_pair.Pair() as made:
        made.up.load(
            UP.replace(
                " neighbor 10.99.0.11 timers", " neighbor 10.99.0.11 password s3cret\n neighbor 10.99.0.11 timers"
            )
        )
        yield made


@pytest.mark.parametrize("changes", [300, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
async def test_random_services_and_endpoints_disturb_nobody(pair, changes):
    history = service_histories.History(changes, steady=STEADY)
    cluster, applier = Cluster(), Applier(applied_node.Node(pair.n1))
    for document in (*history.beginning(), *PEERS):
        cluster.put(document)
    async with world.speaker(cluster, frr=applier) as program:

        async def arrived(expected):
            await world.eventually(lambda: program.bgp.is_applied and applier.originated == expected, seconds=60)
            frr_pair.poll(lambda: set(pair.up.routes()), {name(each) for each in expected}.__eq__, limit=60)

        await arrived(history.steady())
        # Only then do both paths of each IPv4 route count: what is measured are sessions at rest.
        frr_pair.poll(lambda: {len(each.get("nexthops", "1")) for each in pair.up.routes().values()}, {2}.__eq__)
        before = dropped(pair.n1)
        lost, bursts = Counter(), 0
        with watched(pair.up) as seen:
            done = 0
            while done < changes:
                for _ in range(min(history.chance.choice([1, 1, 1, 2, 3, 8, 20]), changes - done)):
                    was = history.changing().keys()
                    put, gone = history.change()
                    lost.update(first(each) for each in was - history.changing().keys())
                    for ref in gone:
                        cluster.remove(ref)
                    for document in put:
                        cluster.put(document)
                    done += 1
                bursts += 1
                # Every fifth burst comes while the one before is still on its way: later changes go as one behind it.
                await asyncio.sleep(0)
                if bursts % 5:
                    wanted = history.expected()
                    await world.eventually(lambda now=wanted: applier.originated == now, seconds=60)
            expected = history.expected()
            await arrived(expected)
        assert len(seen) > changes // 10
        missing = Counter(each["dst"] for each in seen if not each["hops"])
        assert not {first(each) for each in history.steady()} & missing.keys()
        # What changed went away no more often than it was taken away.
        assert not {prefix: times for prefix, times in missing.items() if times > lost[prefix]}
        assert dropped(pair.n1) == before
        assert applier.resets == []
        assert applier.ways == {reloading.Way.RELOAD: 1, reloading.Way.HOT: applier.ways[reloading.Way.HOT]}
        assert applier.ways[reloading.Way.HOT] > bursts // 3
        odd = [each for each in expected if expected[each] != {"all"}] + list(history.steady())[::100]
        for prefix in odd:
            frr_pair.poll(lambda each=prefix: communities(pair.up, each), {meant(expected[prefix])}.__eq__)
        raw = frr_pair.run(pair.n1.frr_reload, "--test", "--stdout", pair.n1.frr_conf)
        assert reloading.parse_difference(raw) == reloading.Difference()
    applier.forget()
