"""Changes over the daemons' sockets: seen by the router beyond the wire, without a session ending that need not end.

After every change frr-reload.py is asked whether it would still change anything: it never may.
"""

import contextlib
import dataclasses
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from frr_adapter import errors
from frr_adapter.boundary import completing, files, hot, metrics, reload
from frr_adapter.frr import reloading, show
from speaker.core import compose
from tests import bgp_histories
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
 bgp bestpath as-path multipath-relax
 neighbor 10.99.0.11 remote-as 64600
 neighbor 10.99.0.11 timers connect 1
 neighbor 10.99.0.11 bfd
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
V4 = {"address": "10.99.0.1", "bfd_profile": "plain", "connect_time": 1}
V6 = {"address": "fd00:99::1", "connect_time": 1}
UNNUMBERED = {"interface": "eth1", "dynamic_asn": "external", "connect_time": 1}


def config(services=(), ads=None, peers=None, bfd=None, extras=""):
    """`services` name -> addresses; the others as in tests/bgp_world."""
    made = [w.make_service(f"default/{name}", *ips) for name, ips in dict(services).items()]
    peers = {"tor-4": V4, "tor-6": V6, "spine": UNNUMBERED} if peers is None else peers
    ads = {"all": {}} if ads is None else ads
    world = w.make_world(
        [w.make_peer(name, **fields) for name, fields in peers.items()],
        [w.make_ad(name, **fields) for name, fields in ads.items()],
        made,
        bfd_profiles=[w.make_bfd("plain", **(bfd or {}))],
        extras=extras,
    )
    return compose.compose(w.plan(world))


@pytest.fixture(scope="module")
def pair():
    with frr_pair.Pair() as made:
        made.up.load(UP)
        yield made


class Node:
    """The node under test with its applier; `apply` also proves that nothing is left for frr-reload.py."""

    def __init__(self, pair):
        self.pair = pair
        self.registry = metrics.Metrics()
        directory, conf = pair.n1.directory, pair.n1.frr_conf
        whole = completing.CompletingApplier(
            reload.ReloadApplier(conf, pair.n1.frr_reload, TEMPLATES), directory, TEMPLATES
        )
        self.applier = hot.HotApplier(whole, directory, TEMPLATES, conf, metrics.ApplyMetrics(self.registry))

    async def apply(self, wanted):
        report = await self.applier.apply(wanted)
        self.is_fixed_point()
        return report

    async def hot(self, wanted):
        report = await self.apply(wanted)
        assert report.way is reloading.Way.HOT, report
        return report

    def is_fixed_point(self):
        raw = frr_pair.run(self.pair.n1.frr_reload, "--test", "--stdout", self.pair.n1.frr_conf)
        assert reloading.parse_difference(raw) == reloading.Difference(), raw

    def sessions(self):
        return {item.neighbor: item for item in show.sessions(self.pair.n1.vtysh(show.BGP_NEIGHBORS))}

    def established(self, *names):
        return frr_pair.poll(
            self.sessions, lambda found: all(name in found and found[name].is_established for name in names)
        )

    def dropped(self):
        return {name: item.connections_dropped for name, item in self.sessions().items()}


@pytest.fixture
async def node(pair):
    made = Node(pair)
    await made.applier.apply(config())
    yield made
    made.applier.forget()


def communities(pair, prefix="192.0.2.1/32"):
    paths = pair.up.show(f"show bgp ipv4 unicast {prefix} json").get("paths", [])
    return {path.get("community", {}).get("string") for path in paths}


def counts(node):
    """Attempts by way and outcome."""
    lines = [
        line for line in node.registry.render().decode().splitlines() if line.startswith("frr_adapter_frr_applies")
    ]
    found = {}
    for line in lines:
        labels, value = line.rsplit(" ", 1)
        outcome, way = labels.split('"')[1::2]
        found[way, outcome] = float(value)
    return found


@contextlib.contextmanager
def inside(machine, *command):
    """A program in the machine's namespace, for as long as the block runs; its lines are in the list afterwards."""
    process = subprocess.Popen(["ip", "netns", "exec", machine.namespace, *command], stdout=subprocess.PIPE, text=True)
    assert json.loads(process.stdout.readline()) == {"ready": True}
    seen = []
    try:
        yield seen
    finally:
        process.terminate()
        seen += [json.loads(line) for line in process.stdout]
        process.wait(10)


def settled(node, step):
    """A route that was asked for after everything else has arrived: whatever a change does to sessions it has done by then."""
    wanted = {"192.0.2.200"} if step % 2 else {"192.0.2.201"}
    frr_pair.poll(node.pair.up.routes, lambda found: set(found) & {"192.0.2.200", "192.0.2.201"} == wanted)


WEB = {"web": ["192.0.2.1", "2001:db8::1"]}
BOTH = {**WEB, "shop": ["192.0.2.2"]}


async def test_services_policies_and_timers_change_without_a_reset(pair, node):
    await node.apply(config())
    node.established("10.99.0.1", "fd00:99::1", "eth1")
    before = node.dropped()
    report = await node.hot(config(WEB))
    assert not report.resets
    frr_pair.poll(pair.up.routes, lambda found: {"192.0.2.1", "2001:db8::1"} <= set(found))
    report = await node.hot(config(BOTH))
    assert [line.split(" / ")[-1].split(" route-map")[0] for line in report.changed.added] == ["network 192.0.2.2/32"]
    frr_pair.poll(pair.up.routes, lambda found: "192.0.2.2" in found)

    assert communities(pair) == {None}
    started = time.monotonic()
    await node.applier.apply(config(BOTH, {"all": {"communities": ["64600:2", "65535:65281"]}}))
    frr_pair.poll(lambda: communities(pair), {"64600:2 no-export"}.__eq__)
    # Without the soft clear FRR would look at the edited policy after a second.
    assert time.monotonic() - started < 0.9
    node.is_fixed_point()
    await node.hot(config(BOTH, {"all": {}, "more": {"peers": ["tor-4"], "communities": ["64600:9"]}}))
    # Both advertisements make a new class: every prefix moves to it in place.
    frr_pair.poll(lambda: communities(pair), {None, "64600:9"}.__eq__)
    timed = {"tor-4": {**V4, "hold_time": 30}, "tor-6": {**V6, "connect_time": 2}, "spine": UNNUMBERED}
    assert not (await node.hot(config(BOTH, peers=timed))).resets
    assert not (await node.hot(config(BOTH, peers=timed, bfd={"receive_interval": 200, "detect_multiplier": 5}))).resets
    frr_pair.poll(lambda: pair.up.show("show bfd peers json"), lambda found: found[0]["remote-receive-interval"] == 200)
    await node.hot(config({"shop": ["192.0.2.2"]}, peers=timed))
    frr_pair.poll(pair.up.routes, lambda found: set(found) == {"192.0.2.2"})
    assert node.dropped() == before
    assert counts(node).keys() == {("reload", "applied"), ("hot", "applied")}


async def test_a_peer_comes_and_goes(pair, node):
    alone = {"tor-4": V4, "spine": UNNUMBERED}
    await node.apply(config(WEB, peers=alone))
    node.established("10.99.0.1", "eth1")
    before = node.dropped()
    await node.hot(config(WEB))
    found = node.established("10.99.0.1", "fd00:99::1", "eth1")
    assert found["fd00:99::1"].connections_dropped == 0
    frr_pair.poll(lambda: node.established()["fd00:99::1"].sent_prefixes, (1).__eq__)
    await node.hot(config(WEB, peers=alone))
    frr_pair.poll(pair.up.routes, lambda found: "2001:db8::1" in found)
    assert "fd00:99::1" not in node.sessions()
    assert node.dropped() == before


VRF = {"address": "10.77.0.1", "vrf": "red"}
"""A session in a VRF that this kernel need not have: it never comes up, but FRR configures it."""


async def test_the_first_peer_comes_and_the_last_one_goes(pair, node):
    await node.apply(config(WEB, peers={}))
    assert node.sessions() == {}
    for _ in range(2):
        report = await node.hot(config(WEB, peers={"tor-6": V6}))
        assert not report.resets
        found = node.established("fd00:99::1")
        assert found["fd00:99::1"].connections_dropped == 0
        frr_pair.poll(pair.up.routes, lambda found: set(found) == {"2001:db8::1"})
        await node.hot(config(WEB, peers={}))
        frr_pair.poll(pair.up.routes, lambda found: not found)
        assert "router bgp" not in pair.n1.vtysh("show running-config")


async def test_instances_in_vrfs_come_and_go_without_touching_the_others(pair, node):
    peers = {"tor-4": V4, "tor-6": V6}
    await node.apply(config(WEB, peers=peers))
    node.established("10.99.0.1", "fd00:99::1")
    before = node.dropped()
    red = {**peers, "red": VRF}
    for wanted in (red, {**peers, "red": {**VRF, "my_asn": 64601}}, {**red, "blue": {**VRF, "vrf": "blue"}}, peers):
        await node.hot(config(WEB, peers=wanted))
        shown = pair.n1.vtysh("show running-config")
        assert shown.count("router bgp ") == len({each.get("vrf") for each in wanted.values()})
    assert node.dropped() == before
    assert {"192.0.2.1", "2001:db8::1"} <= set(pair.up.routes())


async def test_unnumbered_sessions_come_change_and_go(pair, node):
    alone = {"tor-4": V4}
    await node.apply(config(WEB, peers=alone))
    node.established("10.99.0.1")
    before = node.dropped()
    for _ in range(2):
        await node.hot(config(WEB, peers={**alone, "spine": UNNUMBERED}))
        found = node.established("10.99.0.1", "eth1")
        assert found["eth1"].connections_dropped == 0
        frr_pair.poll(pair.up.routes, lambda found: "2001:db8::1" in found)
        asn = {"interface": "eth1", "asn": 64512, "connect_time": 1}
        report = await node.hot(config(WEB, peers={**alone, "spine": asn}))
        assert report.resets == ("eth1: AS changed",)
        frr_pair.poll(node.dropped, lambda found: found["eth1"] == 1)
        node.established("10.99.0.1", "eth1")
        await node.hot(config(WEB, peers=alone))
        frr_pair.poll(pair.up.routes, lambda found: set(found) == {"192.0.2.1"})
        assert "ipv6 nd" not in pair.n1.vtysh("show running-config")
    assert node.dropped() == before


async def test_another_as_of_the_node(pair, node):
    """Sessions of that AS end and come back, with a router that takes any AS."""
    await node.apply(config(WEB, peers={"tor-6": V6, "spine": UNNUMBERED}))
    node.established("fd00:99::1", "eth1")
    moved = {"tor-6": {**V6, "my_asn": 64601}, "spine": {**UNNUMBERED, "my_asn": 64601}}
    report = await node.hot(config(WEB, peers=moved))
    assert set(report.resets) == {"fd00:99::1: AS of the node changed", "eth1: AS of the node changed"}
    node.established("eth1")
    report = await node.hot(config(WEB, peers={"tor-6": V6, "spine": UNNUMBERED}))
    node.established("fd00:99::1", "eth1")
    frr_pair.poll(pair.up.routes, lambda found: "2001:db8::1" in found)


async def test_logging_and_debugging_change_without_a_reset(pair, node):
    await node.apply(config(WEB))
    node.established("10.99.0.1", "fd00:99::1", "eth1")
    before = node.dropped()
    for log, debug in (
        ("log stdout", True),
        ("log stdout warnings", False),
        (None, False),
        ("log stdout informational", False),
    ):
        await node.hot(dataclasses.replace(config(WEB), log=log, debug=debug))
        shown = pair.n1.vtysh("show running-config").splitlines()
        assert [line for line in shown if line.startswith("log stdout")] == ([log] if log else [])
        assert bool([line for line in shown if line.startswith("debug ")]) is debug
    assert node.dropped() == before


SETTINGS = [
    ("tor-6", {"hold_time": 30}),
    ("tor-6", {"graceful_restart": True}),
    ("tor-6", {"ebgp_multihop": True}),
    ("tor-6", {"source_address": "fd00:99::11"}),
    ("tor-4", {"bfd_profile": ""}),
]


@pytest.mark.parametrize(("name", "setting"), SETTINGS, ids=str)
async def test_what_is_declared_to_reset_a_session_does_and_nothing_else(pair, node, name, setting):
    if "bfd_profile" in setting and pair.frr.mgmtd:
        pytest.skip("FRR 10 as the router keeps a session down for good when only its own side has BFD")
    plain = {"tor-4": V4, "tor-6": V6, "spine": UNNUMBERED}
    address = plain[name]["address"]
    services = {"a": ["192.0.2.201"]}
    await node.apply(config(services))
    for number, peers in enumerate((plain | {name: {**plain[name], **setting}}, plain), 1):
        node.established("10.99.0.1", "fd00:99::1", "eth1")
        before = node.dropped()
        report = await node.hot(config(services, peers=peers))
        services = {"a": [f"192.0.2.{201 - number % 2}"]}
        await node.hot(config(services, peers=peers))
        settled(node, number)
        expected = before | ({address: before[address] + 1} if report.resets else {})
        assert all(text.startswith(f"{address}: ") for text in report.resets)
        assert frr_pair.poll(node.dropped, expected.__eq__) == expected


SNIFF = """
import json, signal, socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
wire.bind((sys.argv[1], 0))
wire.settimeout(0.1)
going = True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
print(json.dumps({"ready": True}), flush=True)
seen = {each: 0 for each in sys.argv[2:]}
while going:
    try:
        frame = wire.recv(65535)
    except TimeoutError:
        continue
    for each in seen:
        seen[each] += bytes.fromhex(each) in frame
print(json.dumps(seen), flush=True)
"""


async def test_a_new_entry_never_lets_out_what_it_is_not_about(pair, node):
    """On the wire to the second neighbor, the first one's prefix is never seen while entries come, change and go."""
    mine = {"peers": ["tor-4"], "selectors": [{"for": "mine"}]}

    def world(rounds):
        theirs = {
            f"t{n}": {"peers": ["spine"], "aggregation_v4": 32 - n, "communities": [f"64600:{n}"]} for n in rounds
        }
        ads = {"mine": mine, **{name: {**ad, "selectors": [{"for": name}]} for name, ad in theirs.items()}}
        services = [w.make_service("default/mine", "192.0.2.1", labels={"for": "mine"})]
        services += [w.make_service(f"default/{name}", "192.0.2.128", labels={"for": name}) for name in theirs]
        peers = [w.make_peer(name, **fields) for name, fields in {"tor-4": V4, "spine": UNNUMBERED}.items()]
        ads = [w.make_ad(name, **fields) for name, fields in ads.items()]
        return compose.compose(w.plan(w.make_world(peers, ads, services, bfd_profiles=[w.make_bfd("plain")])))

    await node.apply(world([]))
    node.established("10.99.0.1", "eth1")
    frr_pair.poll(pair.up.routes, lambda found: "192.0.2.1" in found)
    foreign, own = "20c0000201", "20c0000280"  # length and address as RFC 4271 puts them on the wire
    with inside(pair.up, sys.executable, "-c", SNIFF, "eth1", foreign, own) as seen:
        for last in (1, 2, 3, 4, 5, 6):
            assert (await node.applier.apply(world(range(last)))).way is reloading.Way.HOT
            frr_pair.poll(pair.up.routes, lambda found, n=last - 1: len(found) >= 2 + n)
        assert (await node.applier.apply(world([]))).way is reloading.Way.HOT
        frr_pair.poll(pair.up.routes, lambda found: set(found) == {"192.0.2.1"})
    assert seen[-1][own] >= 1, "the positive control: the sniffer sees prefixes"
    assert seen[-1][foreign] == 0


async def test_a_refused_line_leaves_the_good_state(pair, node):
    await node.apply(config(WEB))
    file, running = pair.n1.frr_conf.read_text(), sorted(pair.n1.vtysh("show running-config").splitlines())
    peers = {"tor-4": {**V4, "local_asn": 64600}, "tor-6": V6, "spine": UNNUMBERED}
    with pytest.raises(errors.ApplyError, match="local-as"):
        await node.applier.apply(config(BOTH, peers=peers))
    assert counts(node)["hot", "refused"] == 1
    assert counts(node)["reload", "failed"] == 1
    assert pair.n1.frr_conf.read_text() == file
    assert sorted(pair.n1.vtysh("show running-config").splitlines()) == running
    assert (await node.apply(config(BOTH))).way is reloading.Way.RELOAD
    await node.hot(config(WEB))


EDITS = [
    ("router bgp 64600", "address-family ipv4 unicast", "no network 192.0.2.1/32"),
    ("router bgp 64600", "address-family ipv4 unicast", "network 203.0.113.1/32"),
    ("router bgp 64600", "no neighbor fd00:99::1"),
    ("route-map 10.99.0.1-out permit 7",),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit[-1])
async def test_what_a_human_changed_meanwhile_is_found_and_repaired(pair, node, edit):
    await node.apply(config(WEB))
    pair.n1.vtysh("configure terminal", *edit)
    report = await node.apply(config(BOTH))
    assert report.way is reloading.Way.RELOAD
    assert re.match("bgpd (lacks|has unasked): ", report.reason)
    assert counts(node)["hot", "refused"] == 1
    frr_pair.poll(pair.up.routes, lambda found: {"192.0.2.1", "192.0.2.2"} == {each for each in found if "." in each})
    await node.hot(config(WEB))


async def test_an_entry_that_a_human_removed_is_not_opened_by_an_edit(pair, node):
    """Editing an entry that is gone would make one without a condition, which lets everything out."""
    await node.apply(config(WEB))
    (tag,) = {item.tag for item in config(WEB).classes}
    pair.n1.vtysh("configure terminal", f"no route-map 10.99.0.1-out permit {tag}")
    report = await node.apply(config(WEB, {"all": {"communities": ["64600:5"]}}))
    assert report.way is reloading.Way.RELOAD
    assert report.reason.startswith("bgpd lacks: route-map 10.99.0.1-out")
    frr_pair.poll(lambda: communities(pair), {"64600:5"}.__eq__)


async def test_a_daemon_that_died_is_given_everything_anew(pair, node):
    await node.apply(config(WEB))
    await node.hot(config(BOTH))
    pair.n1.kill("bgpd")
    pair.n1.start("bgpd")
    # Even when nobody said that it went: the open connection is dead, and the inner applier completes the new daemon.
    assert (await node.apply(config(WEB))).way is reloading.Way.RELOAD
    node.applier.forget()
    assert (await node.apply(config(BOTH))).way is reloading.Way.RELOAD
    await node.hot(config(WEB))
    node.established("10.99.0.1", "fd00:99::1", "eth1")


async def test_a_random_history_is_a_fixed_point_at_every_step(node):
    world = bgp_histories.World(1, {"tor-4": V4, "tor-6": V6, "spine": UNNUMBERED})
    await node.apply(world.config())
    for step in range(40):
        told = world.change()
        report = await node.apply(world.config())
        assert report.way is reloading.Way.HOT, (step, told, report)
    assert ("hot", "refused") not in counts(node)


@pytest.fixture
async def fresh():
    """A node and a router without a past: graceful restart may keep routes of earlier sessions for minutes."""
    with frr_pair.Pair() as made:
        made.up.load(UP)
        node = Node(made)
        await node.applier.apply(config())
        yield node
        node.applier.forget()


async def test_two_hundred_changes_of_services_miss_no_other_prefix_and_drop_no_session(fresh):
    pair, node = fresh.pair, fresh
    world = bgp_histories.World(7, {"tor-4": V4, "tor-6": V6, "spine": UNNUMBERED})
    steady = {
        f"steady-{n}": {"ips": [f"192.0.2.{100 + n}", f"2001:db8::{100 + n:x}"], "color": "none"} for n in range(20)
    }
    world.services |= steady
    await node.apply(world.config())
    node.established("10.99.0.1", "fd00:99::1", "eth1")

    def expected():
        return {
            str(o.prefix.network_address) for r in world.config().routers for f in r.families for o in f.originations
        }

    frr_pair.poll(lambda: set(pair.up.routes()), expected().__eq__)
    before = node.dropped()
    removals = dict.fromkeys(expected(), 0)
    with inside(pair.up, sys.executable, str(WATCH)) as changes:
        for _ in range(200):
            wanted = expected()
            world.change_service()
            for gone in wanted - expected():
                removals[gone] = removals.get(gone, 0) + 1
            report = await node.applier.apply(world.config())
            assert report.way is reloading.Way.HOT
            assert not report.resets
        assert not {ip for each in steady.values() for ip in each["ips"]} - expected()
        frr_pair.poll(lambda: set(pair.up.routes()), expected().__eq__)
    lost = {}
    for change in changes:
        if not change["hops"]:
            lost[change["dst"]] = lost.get(change["dst"], 0) + 1
    assert not {prefix: times for prefix, times in lost.items() if times > removals.get(prefix, 0)}
    assert len(changes) > 100
    assert node.dropped() == before
    node.is_fixed_point()
