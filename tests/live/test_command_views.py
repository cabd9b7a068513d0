"""The views of the operator's command over a lab: they say what FRR, the kernel and the files say, and `watch` sees what happens."""

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading

import pytest

from tests import command

pytestmark = [pytest.mark.live, pytest.mark.frr]

NODES = ("n1", "n2")


@pytest.fixture(scope="module")
def lab(lab_factory):
    made = lab_factory(nodes=2, demo=True, programs=True)
    made.until("all is well", lambda: answer(made, "status")["verdict"] == "ok", 60)
    return made


def answer(lab, *words, status=None):
    ran = command.run(*words, "-o", "json", "--kubeconfig", str(lab.kubeconfig))
    assert status is None or ran.status == status, ran.stderr
    assert ran.stdout, ran.stderr
    return json.loads(ran.stdout)


class Watch:
    """`frr-adapter watch` with its output in a pipe."""

    def __init__(self, lab):
        argv = [sys.executable, "-m", "cli", "watch", "--kubeconfig", str(lab.kubeconfig)]
        self._program = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._heard = queue.SimpleQueue()
        self.lines = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self._program.stdout:
            self._heard.put(line)

    def until(self, text):
        """The first line with that text, from here on."""
        while True:
            try:
                line = self._heard.get(timeout=30)
            except queue.Empty:
                raise AssertionError(f"{text!r} was not told; told was: {self.lines}") from None
            self.lines.append(line)
            if text in line:
                return line

    def interrupt(self):
        self._program.send_signal(signal.SIGINT)
        status = self._program.wait(timeout=20)
        return status, self._program.stderr.read()

    def close(self):
        self._program.kill()
        self._program.wait()


def test_status(lab):
    found = answer(lab, "status", "--check", status=0)
    assert {each["name"]: each["usedIpv4"] for each in found["pools"]} == {"bgp": 2, "l2": 1}
    assert {each["name"]: (each["established"], each["sessions"]) for each in found["nodes"]} == dict.fromkeys(
        NODES, (2, 2)
    )
    services = found["services"]
    assert (services["total"], services["withAddress"], services["pending"]) == (3, 3, [])
    assert found["programs"]["speakersReady"] == 2


def test_sessions_are_those_of_frr(lab):
    found = answer(lab, "sessions")["sessions"]
    assert {each["source"] for each in found} == {"report"}
    for node in NODES:
        shown = json.loads(lab.vtysh(node, "show bgp vrf all neighbors json"))["default"]
        peers = {name: each for name, each in shown.items() if isinstance(each, dict)}
        mine = {each["neighbor"]: each for each in found if each["node"] == node}
        assert {name: each["bgpState"] for name, each in peers.items()} == {
            name: each["state"] for name, each in mine.items()
        }
        families = {name: each["addressFamilyInfo"].values() for name, each in peers.items()}
        assert {name: sum(each["sentPrefixCounter"] for each in of) for name, of in families.items()} == {
            name: each["sentPrefixes"] for name, each in mine.items()
        }


def test_owners_are_where_the_neighbors_send(lab):
    (found,) = answer(lab, "owners")["owners"]
    assert found["verdict"] == "ok"
    (holder,) = found["holders"]
    macs = {each["address"] for each in json.loads(lab.exec(holder, ["ip", "-j", "link", "show"])) if "address" in each}
    (address,) = (each for each in found["addresses"] if ":" not in each)

    def neighbor():
        lab.client_get(f"http://{address}/")
        (entry,) = json.loads(lab.exec("up", ["ip", "-j", "neigh", "show", address]))
        return entry["lladdr"]

    assert lab.until("the router knows the address", neighbor) in macs
    announcers = {each["service"]: each["nodes"] for each in answer(lab, "owners")["announcers"]}
    assert announcers["default/web"] == list(lab.until("routes", lambda: lab.router_routes(_web(lab))))


def _web(lab):
    found = {each["service"]: each["addresses"] for each in answer(lab, "owners")["announcers"]}
    return next(each for each in found["default/web"] if ":" not in each)


def test_config_is_what_the_node_has(lab):
    found = answer(lab, "config", "n1", status=0)
    assert (found["verdict"], found["differences"], found["notes"], found["alike"]) == ("ok", [], [], ["n2"])
    assert found["rendered"] == (lab.places.node("n1") / "frr.conf").read_text()
    assert len(set(found["fingerprints"].values())) == 1
    assert "router bgp 64600" in found["running"]["bgpd"]


def test_a_line_by_hand_is_a_difference(lab):
    telling = ["configure terminal", "router bgp 64600"]
    wrapper = str(lab.places.node("n2") / "vtysh")

    def tell(line):
        words = [word for each in (*telling, line) for word in ("-c", each)]
        subprocess.run([wrapper, *words], check=True, capture_output=True, timeout=30)

    tell("neighbor 10.99.0.1 description by hand")
    try:
        found = answer(lab, "config", "n2", "--diff", status=1)
        assert found["differences"] == [
            {"daemon": "bgpd", "lacking": [], "unasked": ["router bgp 64600 / neighbor 10.99.0.1 description by hand"]}
        ]
    finally:
        tell("no neighbor 10.99.0.1 description by hand")
    assert answer(lab, "config", "n2", "--diff", status=0)["verdict"] == "ok"


def test_without_asking_the_nodes_and_from_a_bundle(lab, tmp_path):
    known = answer(lab, "sessions", "--no-nodes")
    assert {(each["source"], each["state"]) for each in known["sessions"]} == {("status", "Established")}
    assert answer(lab, "config", "n1", "--no-nodes", status=0)["isAsked"] is False
    path = str(tmp_path / "b.tar.gz")
    assert command.run("bundle", "--output", path, "--kubeconfig", str(lab.kubeconfig)).status == 0
    for words in (("status",), ("sessions",), ("owners",), ("config", "n1")):
        packed = json.loads(command.run(*words, "-o", "json", "--from-bundle", path).stdout)
        live = answer(lab, *words)
        assert {**packed, "source": "", "takenAt": ""} == {**live, "source": "", "takenAt": ""}


def test_watch(lab):
    with contextlib.closing(Watch(lab)) as watch:
        assert "3 Services, 3 with address; 2 nodes, 4 of 4 sessions established" in watch.until("watching")
        spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}
        metadata = {"name": "extra", "namespace": "default"}
        lab.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        assert "from pool bgp" in watch.until("✓ Service default/extra: got 198.51.100.")
        lab.lab("stop", "up/bgpd")
        lost = watch.until("✗ session n1 with 10.99.0.1 (router-v4): Established → ")
        assert lost.startswith("20")
        lab.lab("start", "up/bgpd")
        lab.until("the router listens", lambda: lab.vtysh("up", "show bgp summary"))
        lab.vtysh("n1", "clear bgp *")  # else it tries again after two minutes
        watch.until("✓ session n1 with 10.99.0.1 (router-v4): ")
        lab.call("DELETE", "/api/v1/namespaces/default/services/extra")
        watch.until("· Service default/extra: lost 198.51.100.")
        assert watch.interrupt() == (0, "")
