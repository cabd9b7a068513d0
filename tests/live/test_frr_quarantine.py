"""One object that FRR refuses, and everything else goes on: seen by the router beyond the wire, which must miss nothing meanwhile."""

import contextlib
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from frr_adapter import refs
from frr_adapter.boundary import completing, files, hot, metrics, proofreading, quarantine, reload
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import refusal, reloading, show
from speaker.core import compose
from tests import bgp_world as w
from tests.live import frr_pair

pytestmark = [
    pytest.mark.live,
    pytest.mark.frr,
    pytest.mark.skipif(bool(frr_pair.missing()), reason=frr_pair.missing() or "-"),
]

TEMPLATES = files.read_templates()
WATCH = Path(__file__).parents[1] / "bench/route_watch.py"
UP = """
router bgp 64512
 bgp router-id 10.99.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor 10.99.0.11 remote-as 64600
 neighbor 10.99.0.11 timers connect 1
 neighbor fd00:99::11 remote-as 64600
 neighbor fd00:99::11 timers connect 1
 address-family ipv4 unicast
  neighbor 10.99.0.11 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00:99::11 activate
 exit-address-family
exit
"""
V4 = {"address": "10.99.0.1", "connect_time": 1}
V6 = {"address": "fd00:99::1", "connect_time": 1}
ONESELF = {"address": "10.99.0.11"}
"""FRR refuses a neighbor with an address of its own, and nobody else can know."""

CONFIG_MAP = (refs.ObjectRef("ConfigMap", w.NAMESPACE, "bgpextras"),)
SERVICES = {f"s{n:02}": [f"192.0.2.{n}", f"2001:db8::{n:x}"] for n in range(1, 21)}


def peer(name):
    return (refs.ObjectRef("BGPPeer", w.NAMESPACE, name),)


def config(services=None, peers=None, ads=None, bfd=None, extras=""):
    peers = {"tor-4": V4, "tor-6": V6} if peers is None else peers
    return compose.compose(
        w.plan(
            w.make_world(
                [w.make_peer(name, **fields) for name, fields in peers.items()],
                [w.make_ad(name, **fields) for name, fields in (ads or {"all": {}}).items()],
                [w.make_service(f"default/{name}", *ips) for name, ips in (SERVICES | (services or {})).items()],
                bfd_profiles=[w.make_bfd(name, **fields) for name, fields in (bfd or {}).items()],
                extras=extras,
            )
        )
    )


@pytest.fixture(scope="module")
def pair():
    with frr_pair.Pair() as made:
        made.up.load(UP)
        yield made


class Node:
    """The node under test with the whole stack of appliers."""

    def __init__(self, pair):
        self.pair = pair
        self.registry = metrics.Metrics()
        counted = metrics.ApplyMetrics(self.registry)
        directory, conf, program = pair.n1.directory, pair.n1.frr_conf, pair.n1.frr_reload
        whole = reload.ReloadApplier(conf, program, TEMPLATES, proofreader=proofreading.beside(program))
        completed = completing.CompletingApplier(whole, directory, TEMPLATES)
        self.applier = quarantine.QuarantineApplier(
            hot.HotApplier(completed, directory, TEMPLATES, conf, counted), w.NAMESPACE, counted
        )

    async def hot(self, wanted):
        report = await self.applier.apply(wanted)
        assert report.way is reloading.Way.HOT, report
        return report

    def sessions(self):
        return {item.neighbor: item for item in show.sessions(self.pair.n1.vtysh(show.BGP_NEIGHBORS))}

    def established(self):
        return frr_pair.poll(
            self.sessions,
            lambda found: all(name in found and found[name].is_established for name in ("10.99.0.1", "fd00:99::1")),
        )

    def dropped(self):
        return {name: self.sessions()[name].connections_dropped for name in ("10.99.0.1", "fd00:99::1")}

    def metric(self, start):
        lines = self.registry.render().decode().splitlines()
        return [line for line in lines if line.startswith(start)]


@pytest.fixture
async def node(pair):
    made = Node(pair)
    await made.applier.apply(config())
    made.established()
    everything = {ip for ips in SERVICES.values() for ip in ips}
    frr_pair.poll(pair.up.routes, lambda found: everything <= set(found))
    yield made
    await made.applier.apply(config())
    made.applier.forget()


@contextlib.contextmanager
def nothing_missed(node):
    """No session ends, and the router's kernel keeps every route that was there before, at every moment."""
    up = node.pair.up
    before, dropped = set(up.routes()), node.dropped()
    process = subprocess.Popen(
        ["ip", "netns", "exec", up.namespace, sys.executable, str(WATCH)], stdout=subprocess.PIPE, text=True
    )
    assert json.loads(process.stdout.readline()) == {"ready": True}
    try:
        yield
    finally:
        process.terminate()
        changes = [json.loads(line) for line in process.stdout]
        process.wait(10)
    assert not [change for change in changes if not change["hops"] and change["dst"] in before]
    assert before <= set(up.routes())
    assert node.dropped() == dropped


BAD = [
    ("no such statement", "no such statement", "unknown command"),
    ("no router bgp 64600", "no router bgp 64600", "remove the BGP instance"),
    ("router bgp 65001\n neighbor 10.99.0.77 remote-as 1\nexit", "router bgp 65001", "already running; AS is 64600"),
    ("ip prefix-list nothing permit 10.0.0.0/8\nend\nhostname lost", "end", "end the reading"),
]


@pytest.mark.parametrize(("extras", "statement", "words"), BAD, ids=[row[1] for row in BAD])
async def test_bad_extra_lines_are_left_out_alone(pair, node, extras, statement, words):
    with nothing_missed(node):
        report = await node.applier.apply(config({"new": ["192.0.2.100"]}, extras=extras))
        (told,) = report.left_out
        assert (told.refs, told.is_kept) == (CONFIG_MAP, False)
        assert told.refusal.statement.endswith(statement)
        assert words in told.message
        frr_pair.poll(pair.up.routes, lambda found: "192.0.2.100" in found)
        for number in (101, 102):  # services go on, by single lines
            report = await node.hot(config({"new": [f"192.0.2.{number}"]}, extras=extras))
            assert report.left_out == (told,)
            frr_pair.poll(pair.up.routes, lambda found, number=number: f"192.0.2.{number}" in found)
        assert node.metric("frr_adapter_frr_left_out{") == [
            'frr_adapter_frr_left_out{kind="ConfigMap",name="metallb-system/bgpextras"} 1.0'
        ]
        good = "ip prefix-list mine seq 5 permit 10.0.0.0/8\n"
        report = await node.applier.apply(config({"new": ["192.0.2.102"]}, extras=good))
        assert report.left_out == ()
        assert good.strip() in pair.n1.vtysh("show running-config")
        assert node.metric("frr_adapter_frr_left_out{") == []
        # Edited into a mistake, the lines that ran go on running.
        report = await node.applier.apply(config({"new": ["192.0.2.103"]}, extras=extras))
        assert [each.is_kept for each in report.left_out] == [True]
        assert good.strip() in pair.n1.vtysh("show running-config")
        frr_pair.poll(pair.up.routes, lambda found: "192.0.2.103" in found)


async def test_a_peer_that_frr_refuses_keeps_nobody_waiting(pair, node):
    both = {"tor-4": V4, "tor-6": V6, "self": ONESELF}
    with nothing_missed(node):
        report = await node.applier.apply(config({"new": ["192.0.2.100"]}, both))
        (told,) = report.left_out
        assert told == refusal.LeftOut(peer("self"), told.refusal)
        assert told.message.startswith('FRR refused "router bgp 64600 / neighbor 10.99.0.11 remote-as 64512": ')
        assert "local system" in told.message
        frr_pair.poll(pair.up.routes, lambda found: "192.0.2.100" in found)
        report = await node.hot(config({"new": ["192.0.2.101"]}, both))
        assert report.left_out == (told,)
        report = await node.applier.apply(config({"new": ["192.0.2.101"]}, {**both, "self": {"address": "10.99.0.50"}}))
        assert report.left_out == ()
        assert report.way is reloading.Way.HOT
        assert "10.99.0.50" in node.sessions()
    assert 'frr_adapter_frr_applies_total{outcome="refused",path="hot"} 1.0' in node.metric("frr_adapter_frr_applies")
    assert 'frr_adapter_frr_applies_total{outcome="failed",path="reload"} 1.0' in node.metric("frr_adapter_frr_applies")


async def test_an_edit_of_a_peer_that_frr_refuses_leaves_its_session_as_it_was(pair, node):
    """A local AS that is the node's own."""
    edited = {"tor-4": {**V4, "local_asn": 64600}, "tor-6": V6}
    with nothing_missed(node):
        report = await node.applier.apply(config({"new": ["192.0.2.100"]}, edited))
        (told,) = report.left_out
        assert (told.refs, told.is_kept) == (peer("tor-4"), True)
        assert "what it said before stays in force" in told.message
        frr_pair.poll(pair.up.routes, lambda found: "192.0.2.100" in found)
        await node.hot(config({"new": ["192.0.2.101"]}, edited))
        await node.hot(config({"new": ["192.0.2.102"]}, {**edited, "more": {"address": "10.99.0.50"}}))
        assert (await node.hot(config({"new": ["192.0.2.102"]}))).left_out == ()


async def test_what_frr_makes_something_else_of_is_set_aside_too(pair, node):
    """FRR takes the line without a word and shortens the keepalive time, so no reload would ever be the last."""
    wanted = config({"new": ["192.0.2.100"]})
    (router,) = wanted.routers
    first = dataclasses.replace(router.neighbors[0], timers=frr_config.Timers(20, 30))
    router = dataclasses.replace(router, neighbors=(first, *router.neighbors[1:]))
    with nothing_missed(node):
        report = await node.applier.apply(dataclasses.replace(wanted, routers=(router,)))
        (told,) = report.left_out
        assert (told.refs, told.is_kept) == (peer("tor-4"), True)
        assert told.refusal.statement == "router bgp 64600 / neighbor 10.99.0.1 timers 20 30"
        frr_pair.poll(pair.up.routes, lambda found: "192.0.2.100" in found)


async def test_a_bfd_profile_and_a_peer_and_extras_at_once(pair, node):
    bad = config(
        {"new": ["192.0.2.100"]},
        {"tor-4": V4, "tor-6": V6, "self": ONESELF, "spine": {"interface": "eth1", "dynamic_asn": "external"}},
        bfd={"wrong": {"minimum_ttl": 999}, "right": {"receive_interval": 100}},
        extras="no such statement",
    )
    with nothing_missed(node):
        report = await node.applier.apply(bad)
        assert {ref.kind for each in report.left_out for ref in each.refs} == {"BGPPeer", "BFDProfile", "ConfigMap"}
        assert len(report.left_out) == 3
        shown = pair.n1.vtysh("show running-config")
        assert "profile right" in shown
        assert "profile wrong" not in shown
        assert "no ipv6 nd suppress-ra" in shown
        frr_pair.poll(pair.up.routes, lambda found: "192.0.2.100" in found)


async def test_after_a_restart_the_refused_lines_are_not_met_again(pair, node):
    both = {"tor-4": V4, "tor-6": V6, "self": ONESELF}
    await node.applier.apply(config(peers=both))
    failed = node.metric('frr_adapter_frr_applies_total{outcome="failed"')
    node.applier.forget()
    report = await node.applier.apply(config({"new": ["192.0.2.100"]}, both))
    assert [each.refs for each in report.left_out] == [peer("self")]
    assert node.metric('frr_adapter_frr_applies_total{outcome="failed"') == failed
