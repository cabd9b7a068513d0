"""Everything that a rollout replaces is replaced, one after the other, while clients ask every 10 ms: lost questions are counted.

A node's turn ends when its new program says that it is ready: at once, where a kubelet would take seconds to notice. The figures
that each test prints are those of docs/upgrade.md.
"""

import asyncio
import concurrent.futures
import contextlib
import json
import math
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from lab import plan, waiting
from tests.contract import replica
from tests.live import client_traffic, layer2_lab
from tests.live.client_traffic import Figures

pytestmark = [pytest.mark.live, pytest.mark.frr]

ROOT = Path(__file__).parents[2]
SLOWEST = 5000.0
"""Milliseconds without an answer that are still believed of a machine with better things to do."""
SERVICES = "/api/v1/namespaces/default/services"
PODS = "/api/v1/namespaces/metallb-system/pods"
PEERS = "/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers"
NAMES = {"bgp": "echo", "alone": "echo-alone", "l2": "echo-l2"}
LAST_FIRST = ("bgpd", "bfdd", "staticd", "zebra", "mgmtd")
"""The order in which the sidecar ends its daemons."""
WAYS: dict[str, dict[str, object]] = {
    "no graceful restart": {},
    "graceful restart": {"enableGracefulRestart": True},
    "graceful restart and BFD": {"enableGracefulRestart": True, "bfdProfile": "fast"},
}
IS_READY = """
import sys, time, urllib.error, urllib.request
end = time.monotonic() + 30
while time.monotonic() < end:
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d/readyz", timeout=1):
            sys.exit(0)
    except OSError:
        time.sleep(0.02)
sys.exit(1)
"""


@pytest.fixture(scope="module")
def cluster(lab_factory):
    return lab_factory(3, True, True)


@pytest.fixture(scope="module")
def lab(cluster):
    made = layer2_lab.Watched(cluster.places, 3)
    made.plug()
    return made


@pytest.fixture(scope="module")
def addresses(cluster, lab):
    """Two of each kind, with an echo behind them: announced to the router by all nodes, only by n1, and answered for on layer 2."""
    labels = {"metadata": {"labels": {"alone": "yes"}}}
    cluster.call("PATCH", "/api/v1/namespaces/default/pods/demo-n1", labels, "application/merge-patch+json")
    alone = client_traffic.service("echo-alone", "bgp")
    alone["spec"] |= {"selector": {"alone": "yes"}, "externalTrafficPolicy": "Local"}
    with client_traffic.backends(lab):
        cluster.apply(client_traffic.service("echo", "bgp"), alone, client_traffic.service("echo-l2", "l2"))
        given = {
            kind: cluster.until(f"{name} has addresses", lambda name=name: addresses_of(cluster, name))
            for kind, name in NAMES.items()
        }
        all_announce(cluster, lab, given)
        with client_traffic.flowing(lab, client=(*given["bgp"], *given["alone"]), up=given["l2"]):
            pass  # the nodes' forwarding knows all of them now
        yield given


def addresses_of(cluster, name):
    status = cluster.call("GET", f"{SERVICES}/{name}")["status"].get("loadBalancer", {})
    return tuple(each["ip"] for each in status.get("ingress", []))


def all_announce(cluster, lab, addresses):
    for kind, nodes in (("bgp", lab.nodes), ("alone", ("n1",))):
        for address in addresses[kind]:
            cluster.until(
                f"{nodes} announce {address}", lambda each=address, nodes=nodes: cluster.router_routes(each) == nodes
            )


def is_ready(lab, node):
    lab.run(node, sys.executable, "-I", "-c", IS_READY % plan.HEALTH_PORT)


def restart_speaker(_cluster, lab, node):
    lab.order("stop", f"{node}/speaker")
    lab.order("start", f"{node}/speaker")


def replace_pod(cluster, lab, node):
    """Speaker and FRR end together; a new Pod object comes, FRR begins with nothing, the new speaker finds it."""
    pod = cluster.call("DELETE", f"{PODS}/speaker-{node}")
    sockets = {name: lab.places.node(node) / f"{name}.vty" for name in LAST_FIRST}
    daemons = [name for name, path in sockets.items() if path.exists()]
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        speaker = beside.submit(lab.order, "stop", f"{node}/speaker")
        for daemon in daemons:
            lab.order("stop", f"{node}/{daemon}")
        speaker.result()
    cluster.call("DELETE", f"{PODS}/speaker-{node}", {"gracePeriodSeconds": 0})  # as a kubelet says that it is over
    kept = {key: value for key, value in pod["metadata"].items() if key in ("name", "namespace", "labels")}
    cluster.apply({**pod, "metadata": kept})
    assert cluster.call("GET", f"{PODS}/speaker-{node}")["metadata"]["uid"] != pod["metadata"]["uid"]
    lab.order("start", f"{node}/speaker")
    for daemon in reversed(daemons):  # who comes before zebra looks for it again ten seconds later
        lab.order("start", f"{node}/{daemon}")
        cluster.until(f"{daemon} answers", lambda path=sockets[daemon]: asyncio.run(waiting.vty_answers(path)))


def stays_ready(lab, node, seconds):
    """As long as `minReadySeconds` says: only then a pod counts as available."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        is_ready(lab, node)
        time.sleep(min(0.5, max(0.0, end - time.monotonic())))


def roll(cluster, lab, addresses, restart, pause=0):
    """One node after the other, as a DaemonSet with maxUnavailable 1. When each was told to stop."""
    stops = []
    for node in lab.nodes:
        stops.append((time.time(), node))
        restart(cluster, lab, node)
        is_ready(lab, node)
        stays_ready(lab, node, pause)
        routes = " ".join(cluster.router_routes(addresses["bgp"][0]))
        print(f"{node} was away for {time.time() - stops[-1][0]:.1f} s; the router then knows {routes}")
    return stops


def tell(what: str, traffic, address: str, stops=(), more: str = "") -> Figures:
    """What is in the page; and when it was lost, in seconds since the first stop."""
    found = traffic.figures(address)
    print(
        f"{what}, {address}: {found.lost} of {found.asked} lost, longest gap {found.gap:.0f} ms, "
        f"{found.broken} of {found.flows} flows moved{more}"
    )
    if found.lost:
        began = stops[0][0] if stops else time.time()
        print("  stops:", [(node, round(at - began, 2)) for at, node in stops])
        print("  lost:", [(each.flow, round(each.sent - began, 3)) for each in traffic.lost(address)][:20])
    return found


@contextlib.contextmanager
def watching(lab, addresses):
    """Clients behind the router ask by BGP, the router itself on layer 2, and a station asks who has these addresses."""
    lab.settle()
    with lab.recording(*addresses["l2"]) as heard:
        for address in addresses["l2"]:
            heard.more(address, 10)
        with client_traffic.flowing(
            lab, client=(*addresses["bgp"], *addresses["alone"]), up=addresses["l2"]
        ) as traffic:
            yield traffic, heard
            lab.settle()
            traffic.more([each for given in addresses.values() for each in given], 100)
        for address in addresses["l2"]:
            heard.more(address, 10)


def judge_layer2(what, addresses, traffic, heard, stops=()) -> None:
    """Never two owners: between two stops an address moves once at most, and away from who was stopped. What it cost is told."""
    for address in addresses["l2"]:
        asked = {each.number for each in heard.all("asked", address)}
        unanswered = asked - {each.number for each in heard.answers(address)}
        more = f"; who has it: {len(unanswered)} of {len(asked)} unanswered, {heard.silence(address):.0f} ms at most"
        tell(f"{what}, layer 2", traffic, address, stops, f"{more}; owners {heard.owners(address)}")
        ends = [*(at for at, _ in stops[1:]), math.inf]
        for (at, stopped), end in zip(stops, ends, strict=True):
            owners, claims = (
                [each for each in frames if at <= each.time < end]
                for frames in (heard.answers(address), heard.all("claim", address))
            )
            heirs = [each for each in owners if each.station != stopped]
            assert len({each.station for each in heirs}) == 1
            last = max((each.time for each in owners if each.station == stopped), default=at)
            assert last < heirs[0].time
            assert {each.station for each in claims if each.time > heirs[0].time} <= {heirs[0].station}
        assert heard.silence(address) < SLOWEST
        assert traffic.figures(address).gap < SLOWEST


def test_all_speakers_restart_and_no_packet_is_lost_by_bgp(cluster, lab, addresses):
    with watching(lab, addresses) as (traffic, heard):
        stops = roll(cluster, lab, addresses, restart_speaker)
    for address in (*addresses["bgp"], *addresses["alone"]):
        found = tell("speakers, BGP", traffic, address, stops)
        assert traffic.lost(address) == ()
        assert found.broken == 0
    judge_layer2("speakers", addresses, traffic, heard, stops)


@pytest.mark.long
def test_the_pause_of_the_chart_lets_routers_know_a_node_again(cluster, lab, addresses):
    """Without graceful restart, and with `minReadySeconds` of the chart's values: never are two nodes away at once."""
    values = yaml.safe_load((ROOT / "charts/frr-adapter/values.yaml").read_text(encoding="utf-8"))
    pause = values["speaker"]["minReadySeconds"]
    assert f"`speaker.minReadySeconds` ({pause} s" in (ROOT / "docs/upgrade.md").read_text(encoding="utf-8")
    seen = []

    def replace_after_looking(cluster, lab, node):
        seen.append([cluster.router_routes(each) for each in addresses["bgp"]])
        replace_pod(cluster, lab, node)

    negotiated_anew(cluster, lab, addresses, {})
    roll(cluster, lab, addresses, replace_after_looking, pause)
    assert seen == [[lab.nodes] * len(addresses["bgp"])] * len(lab.nodes)
    all_sessions(cluster, lab, {})
    all_announce(cluster, lab, addresses)


@pytest.mark.parametrize(
    "way", ["graceful restart and BFD", *(pytest.param(way, marks=pytest.mark.long) for way in list(WAYS)[:2])]
)
def test_all_pods_are_replaced_with_their_frr(cluster, lab, addresses, way):
    """In this order: a peer that restarts gracefully must not be changed back."""
    spec = WAYS[way]
    if "bfdProfile" in spec:
        guard(cluster)
    for peer in cluster.call("GET", PEERS)["items"]:
        path = f"{PEERS}/{peer['metadata']['name']}"
        cluster.call("PATCH", path, {"spec": spec}, "application/merge-patch+json")
    negotiated_anew(cluster, lab, addresses, spec)
    with watching(lab, addresses) as (traffic, heard):
        stops = roll(cluster, lab, addresses, replace_pod)
        all_sessions(cluster, lab, spec)
        all_announce(cluster, lab, addresses)
    for kind in ("bgp", "alone"):
        for address in addresses[kind]:
            found = tell(f"pods, {kind}, {way}", traffic, address, stops)
            if spec:
                assert traffic.lost(address) == ()
                assert found.broken == 0
            elif kind == "bgp":  # others are there
                assert found.gap < SLOWEST
            else:  # nobody else is
                assert found.lost > 0
    judge_layer2(f"pods, {way}", addresses, traffic, heard, stops)


def guard(cluster):
    """BFD on both sides; the router then knows its neighbors by address.

    With FRR 10 and a listen range it knows a neighbor only while its session is up, and so does its BFD: it refuses for ever.
    """
    meta = {"name": "fast", "namespace": "metallb-system"}
    cluster.apply({"apiVersion": "metallb.io/v1beta1", "kind": "BFDProfile", "metadata": meta, "spec": {}})
    lines = ["configure terminal", f"router bgp {plan.ROUTER_ASN}"]
    for number, (group, segment) in enumerate(zip(("nodes4", "nodes6"), plan.ROUTER_SEGMENT, strict=True)):
        lines += [f"no bgp listen range {segment.network} peer-group {group}", f"neighbor {group} bfd"]
        lines += [f"neighbor {node.segment[number].ip} peer-group {group}" for node in cluster.plan.nodes]
    wrapper = str(cluster.places.node("up") / "vtysh")
    subprocess.run([wrapper, *(word for line in lines for word in ("-c", line))], check=True, timeout=60)


def negotiated_anew(cluster, lab, addresses, spec):
    """All sessions begin again, and the router has its BFD."""
    for node in lab.nodes:
        cluster.until(
            f"{node} is configured",
            lambda node=node: (
                ("neighbor 10.99.0.1 graceful-restart\n" in cluster.vtysh(node, "show running-config")) is bool(spec)
            ),
        )
    if "bfdProfile" not in spec:  # comes with the sessions as they are
        cluster.vtysh("up", "clear bgp *")
    all_sessions(cluster, lab, spec)
    all_announce(cluster, lab, addresses)


def all_sessions(cluster, lab, spec):
    """They are up, and the router knows of each neighbor whether it restarts gracefully: routes that stay are no proof of it."""

    def are_up():
        neighbors = json.loads(cluster.vtysh("up", "show bgp neighbors json"))
        told = {
            name: each.get("gracefulRestartInfo", {}).get("remoteGrMode", "") == "Restart"
            for name, each in neighbors.items()
            if each.get("bgpState") == "Established"
        }
        return len(told) == 2 * len(lab.nodes) and set(told.values()) == {bool(spec)}

    cluster.until("all sessions are up", are_up)
    if "bfdProfile" in spec:
        words = "Status: up"
        cluster.until("BFD is up", lambda: cluster.vtysh("up", "show bfd peers").count(words) == 2 * len(lab.nodes))


class Newcomers:
    """Services that are made one after the other while controllers change, and the time until each had its addresses."""

    def __init__(self, cluster) -> None:
        self.waited: list[float] = []
        self.given: dict[str, tuple[str, ...]] = {}
        self._cluster = cluster
        self._is_over = threading.Event()

    def make(self) -> None:
        while not self._is_over.is_set():
            name = f"late-{len(self.given)}"
            started = time.monotonic()
            self._cluster.apply(client_traffic.service(name, "bgp"))
            self.given[name] = self._cluster.until(
                f"{name} has addresses", lambda name=name: addresses_of(self._cluster, name)
            )
            self.waited.append(time.monotonic() - started)

    @contextlib.contextmanager
    def coming(self):
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            made = beside.submit(self.make)
            try:
                yield
            finally:
                self._is_over.set()
            made.result()


async def test_controllers_are_replaced_and_no_address_changes(cluster, lab, addresses, tmp_path):
    """As a Deployment of two replicas does it: a new one is ready before an old one ends, the leader first."""
    lab.order("stop", "controller")
    replicas: list[replica.Replica] = []

    async def another(word: str) -> None:
        made = replica.Replica(cluster.kubeconfig, tmp_path / str(len(replicas)), ("--namespace=metallb-system",))
        replicas.append(made)
        made.start()

        async def is_there() -> bool:
            return await made.ready() == word

        await replica.until(is_there)

    newcomers = Newcomers(cluster)
    try:
        await another("ok\n")
        await another("ok: standby\n")
        with watching(lab, addresses) as (traffic, heard), newcomers.coming():
            for old in tuple(replicas):
                await another("ok: standby\n")
                old.process.send_signal(signal.SIGTERM)
                assert await old.ended() == 0
    finally:
        for each in replicas:
            if each.process.poll() is None:
                each.process.terminate()
            each.process.wait(10)
        lab.order("start", "controller")
    for kind, name in NAMES.items():
        assert addresses_of(cluster, name) == addresses[kind]
        for address in addresses[kind]:
            tell(f"controllers, {kind}", traffic, address)
            assert traffic.lost(address) == ()
    assert {name: addresses_of(cluster, name) for name in newcomers.given} == newcomers.given
    assert len({each for given in newcomers.given.values() for each in given}) == 2 * len(newcomers.given)
    waited = sorted(newcomers.waited)
    print(
        f"controllers: {len(waited)} new Services, half within {waited[len(waited) // 2]:.2f} s, all within {waited[-1]:.2f} s"
    )
    for address in addresses["l2"]:
        assert len(heard.owners(address)) == 1
    for name in newcomers.given:
        cluster.call("DELETE", f"{SERVICES}/{name}")
