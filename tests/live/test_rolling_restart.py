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
import sys
import threading
import time

import pytest

from lab import plan, waiting
from tests.contract import replica
from tests.live import client_traffic, layer2_lab
from tests.live.client_traffic import Figures

pytestmark = [pytest.mark.live, pytest.mark.frr]

SLOWEST = 5000.0
"""Milliseconds without an answer that are still believed of a machine with better things to do."""
SERVICES = "/api/v1/namespaces/default/services"
PODS = "/api/v1/namespaces/metallb-system/pods"
PEERS = "/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers"
NAMES = {"bgp": "echo", "alone": "echo-alone", "l2": "echo-l2"}
LAST_FIRST = ("bgpd", "bfdd", "staticd", "zebra", "mgmtd")
"""The order in which the sidecar ends its daemons."""
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
    pod = cluster.call("GET", f"{PODS}/speaker-{node}")
    sockets = {name: lab.places.node(node) / f"{name}.vty" for name in LAST_FIRST}
    daemons = [name for name, path in sockets.items() if path.exists()]
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        speaker = beside.submit(lab.order, "stop", f"{node}/speaker")
        for daemon in daemons:
            lab.order("stop", f"{node}/{daemon}")
        speaker.result()
    cluster.call("DELETE", f"{PODS}/speaker-{node}")
    kept = {key: value for key, value in pod["metadata"].items() if key in ("name", "namespace", "labels")}
    cluster.apply({**pod, "metadata": kept})
    lab.order("start", f"{node}/speaker")
    for daemon in reversed(daemons):  # who comes before zebra looks for it again ten seconds later
        lab.order("start", f"{node}/{daemon}")
        cluster.until(f"{daemon} answers", lambda path=sockets[daemon]: asyncio.run(waiting.vty_answers(path)))


def roll(cluster, lab, addresses, restart):
    """One node after the other, as a DaemonSet with maxUnavailable 1. When each was told to stop."""
    stops = []
    for node in lab.nodes:
        stops.append((time.time(), node))
        restart(cluster, lab, node)
        is_ready(lab, node)
        routes = " ".join(cluster.router_routes(addresses["bgp"][0]))
        print(f"{node} was away for {time.time() - stops[-1][0]:.1f} s; the router then knows {routes}")
    return stops


def tell(what: str, found: Figures, more: str = "") -> None:
    print(
        f"{what}: {found.lost} of {found.asked} lost, longest gap {found.gap:.0f} ms, "
        f"{found.broken} of {found.flows} flows moved{more}"
    )


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
        tell(f"{what}, layer 2, {address}", traffic.figures(address), f"{more}; owners {heard.owners(address)}")
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
        found = traffic.figures(address)
        tell(f"speakers, BGP, {address}", found)
        assert traffic.lost(address) == ()
        assert found.broken == 0
    judge_layer2("speakers", addresses, traffic, heard, stops)


@pytest.mark.parametrize("graceful", [False, True], ids=["no graceful restart", "graceful restart"])
def test_all_pods_are_replaced_with_their_frr(cluster, lab, addresses, graceful):
    """In this order: a peer that restarts gracefully must not be changed back."""
    for peer in cluster.call("GET", PEERS)["items"] if graceful else ():
        path = f"{PEERS}/{peer['metadata']['name']}"
        cluster.call("PATCH", path, {"spec": {"enableGracefulRestart": True}}, "application/merge-patch+json")
    negotiated_anew(cluster, lab, addresses, graceful)
    with watching(lab, addresses) as (traffic, heard):
        stops = roll(cluster, lab, addresses, replace_pod)
        all_announce(cluster, lab, addresses)
    for kind in ("bgp", "alone"):
        for address in addresses[kind]:
            found = traffic.figures(address)
            tell(f"pods, {kind}, {'with' if graceful else 'without'} graceful restart, {address}", found)
            if graceful:
                assert traffic.lost(address) == ()
                assert found.broken == 0
            # Without it the only node that has a backend is missed; others are replaced by others.
            assert found.gap < SLOWEST if kind == "bgp" else found.lost == 0 or not graceful
    judge_layer2("pods", addresses, traffic, heard, stops)


def negotiated_anew(cluster, lab, addresses, graceful):
    """All sessions begin again, and the router knows of each neighbor whether it restarts gracefully."""

    def is_known():
        neighbors = json.loads(cluster.vtysh("up", "show bgp neighbors json"))
        told = {
            name: each.get("gracefulRestartInfo", {}).get("remoteGrMode", "") == "Restart"
            for name, each in neighbors.items()
            if each.get("bgpState") == "Established"
        }
        return len(told) == 2 * len(lab.nodes) and set(told.values()) == {graceful}

    for node in lab.nodes:
        cluster.until(
            f"{node} is configured",
            lambda node=node: (
                ("neighbor 10.99.0.1 graceful-restart\n" in cluster.vtysh(node, "show running-config")) is graceful
            ),
        )
    cluster.vtysh("up", "clear bgp *")
    cluster.until("all sessions know", is_known)
    all_announce(cluster, lab, addresses)


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
        tell(f"controllers, {kind}", traffic.figures(*addresses[kind]))
        assert traffic.lost(*addresses[kind]) == ()
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
