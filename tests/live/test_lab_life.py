"""Services come and go, programs and daemons die and return: seen in the router's kernel and by the client's packets."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import objects, world

pytestmark = [pytest.mark.live, pytest.mark.frr]

WATCH = Path(__file__).parents[1] / "bench/route_watch.py"
SERVICES = "/api/v1/namespaces/default/services"


@pytest.fixture(scope="module")
def cluster(lab_cluster):
    lab_cluster.apply(*objects.demo())
    for prefix in ("198.51.100.0/32", "2001:db8:100::/128"):
        lab_cluster.until(
            f"both nodes announce {prefix}", lambda p=prefix: lab_cluster.router_routes(p) == ("n1", "n2"), 60
        )
    return lab_cluster


def service(name: str, **spec) -> dict:
    base = {"type": "LoadBalancer", "selector": {"app": "demo"}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {**base, **spec}}


def address_of(lab, name: str) -> str:
    def found() -> str:
        ingress = lab.call("GET", f"{SERVICES}/{name}")["status"].get("loadBalancer", {}).get("ingress") or [{}]
        return ingress[0].get("ip", "")

    return lab.until(f"{name} has an address", found)


def pid_of(lab, target: str) -> int:
    children = json.loads(lab.lab("status", "-o", "json").stdout)["children"]
    return next((each["pid"] or 0 for each in children if each["target"] == target), 0)


@contextlib.contextmanager
def route_changes(lab):
    """Every change of a route in the router's kernel while the block runs."""
    prefix = world.entry_to(world.running(lab.places), lab.places, "up")
    watcher = subprocess.Popen([*prefix, sys.executable, str(WATCH)], stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    assert json.loads(watcher.stdout.readline()) == {"ready": True}
    seen: list[dict] = []
    try:
        yield seen
    finally:
        watcher.terminate()
        seen += [json.loads(line) for line in watcher.stdout]
        watcher.wait(10)


def ready(lab, target: str) -> bool:
    """Whether a speaker says that FRR runs what it wants."""
    done = lab.exec(target.partition("/")[0], [sys.executable, "-c", READY], check=False)
    return done.strip() == "200"


READY = (
    "import urllib.request\n"
    "try: print(urllib.request.urlopen('http://127.0.0.1:17472/readyz', timeout=2).status)\n"
    "except Exception as error: print(error)\n"
)


def test_a_new_service_is_reachable_and_a_deleted_one_is_withdrawn(cluster):
    cluster.call("POST", SERVICES, service("fresh"))
    address = address_of(cluster, "fresh")
    cluster.until("all next hops", lambda: cluster.router_routes(f"{address}/32") == ("n1", "n2"))
    answered = {cluster.client_get(f"http://{address}/")["node"] for _ in range(20)}
    assert answered == {"n1", "n2"}
    cluster.call("DELETE", f"{SERVICES}/fresh")
    cluster.until("withdrawn", lambda: cluster.router_routes(f"{address}/32") == ())
    with pytest.raises(OSError, match=address):
        cluster.client_get(f"http://{address}/", 1.0)


def test_a_killed_speaker_takes_no_route_with_it(cluster):
    with route_changes(cluster) as changes:
        before = pid_of(cluster, "n1/speaker")
        os.kill(before, signal.SIGKILL)
        assert cluster.client_get("http://198.51.100.0/")
        cluster.until("a new speaker", lambda: pid_of(cluster, "n1/speaker") not in (0, before))
        cluster.until("it is ready", lambda: ready(cluster, "n1/speaker"), 40)
    assert changes == []


def test_restarting_controller_and_speakers_changes_no_address_and_no_route(cluster):
    names = ("web", "web-local", "web-l2")
    addresses = {name: address_of(cluster, name) for name in names}
    versions = {name: cluster.call("GET", f"{SERVICES}/{name}")["metadata"]["resourceVersion"] for name in names}
    with route_changes(cluster) as changes:
        for target in ("controller", "n1/speaker", "n2/speaker"):
            cluster.lab("restart", target)
        for target in ("n1/speaker", "n2/speaker"):
            cluster.until(f"{target} is ready", lambda t=target: ready(cluster, t), 40)
    assert changes == []
    assert {name: address_of(cluster, name) for name in names} == addresses
    after = {name: cluster.call("GET", f"{SERVICES}/{name}")["metadata"]["resourceVersion"] for name in names}
    assert after == versions


@pytest.mark.parametrize("daemon", ["bgpd", "zebra"])
def test_a_killed_daemon_costs_its_own_next_hop_and_comes_back_whole(cluster, daemon):
    """bgpd alone is the hard case: zebra still shows the policies, so a comparison of the whole FRR finds nothing missing."""
    prefix = "198.51.100.0/32"
    os.kill(pid_of(cluster, f"n2/{daemon}"), signal.SIGKILL)
    started = time.monotonic()
    while time.monotonic() - started < 1.0:
        assert "n1" in cluster.router_routes(prefix)
        assert cluster.client_get("http://198.51.100.0/", 3.0)
    cluster.until("both next hops again", lambda: cluster.router_routes(prefix) == ("n1", "n2"), 40)
    cluster.until("the speaker is content", lambda: ready(cluster, "n2/speaker"), 40)
    assert cluster.client_get("http://198.51.100.0/")
    # What was learnt again is complete: a new prefix needs the policies too.
    cluster.call("POST", SERVICES, service(f"after-{daemon}"))
    address = address_of(cluster, f"after-{daemon}")
    cluster.until("all next hops", lambda: cluster.router_routes(f"{address}/32") == ("n1", "n2"))
    cluster.call("DELETE", f"{SERVICES}/after-{daemon}")
    cluster.until("withdrawn", lambda: cluster.router_routes(f"{address}/32") == ())


def test_a_bad_object_is_named_and_nothing_is_lost(cluster):
    bad = {
        "apiVersion": "metallb.io/v1beta2",
        "kind": "BGPPeer",
        "metadata": {"name": "no-asn", "namespace": "metallb-system"},
        "spec": {"myASN": 64600, "peerAddress": "10.99.0.9"},
    }
    with route_changes(cluster) as changes:
        cluster.apply(bad)

        def told() -> bool:
            events = cluster.call("GET", "/api/v1/namespaces/metallb-system/events")["items"]
            return any(
                "BGPPeer metallb-system/no-asn: spec.peerASN: missing peer ASN" in each["message"] for each in events
            )

        cluster.until("an event on the object", told)

        def states() -> list[str]:
            listed = cluster.call("GET", "/apis/metallb.io/v1beta1/namespaces/metallb-system/configurationstates")
            return [
                each["status"]["result"] for each in listed["items"] if each["metadata"]["name"].startswith("speaker-")
            ]

        cluster.until("both speakers say Invalid", lambda: states() == ["Invalid", "Invalid"])
        cluster.call("DELETE", "/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers/no-asn")
        cluster.until("both speakers say Valid", lambda: states() == ["Valid", "Valid"])
    assert changes == []
    assert cluster.client_get("http://198.51.100.0/")
