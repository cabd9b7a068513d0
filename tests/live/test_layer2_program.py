"""The speaker's program for layer 2 alone, on a machine where there is no FRR: it serves, and tells of strangers."""

import contextlib
import dataclasses
import http.client
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from speaker import links
from speaker.core import arp, gratuitous, ndp
from tests.live import segment as segments
from tests.live import speaking_node

pytestmark = pytest.mark.live

VIP, VIP6 = "10.99.0.200", "fd00:99::200"
BOTH = (VIP, VIP6)
STRANGER = links.Interface(
    1, "eth0", mac=links.parse_mac("02:00:00:00:00:c1"), link_local=ipaddress.IPv6Address("fe80::c1")
)
METRICS_PORT, HEALTH_PORT = 9120, 17472
FRAMES = {4: 2, 6: 1}
"""Of one announcement, by version of IP."""


@dataclasses.dataclass
class Machine:
    """What `speaking_node` needs to know."""

    name: str
    namespace: str
    directory: Path


class Program:
    """`python -m speaker` without FRR: no sockets, nothing to be found in PATH."""

    def __init__(self, machine: Machine, kubeconfig: Path) -> None:
        self._machine = machine
        flags = {
            "node-name": machine.name,
            "kubeconfig": kubeconfig,
            "namespace": speaking_node.NAMESPACE,
            "host": "127.0.0.1",
            "port": METRICS_PORT,
            "health-probe-port": HEALTH_PORT,
            "frr-vty-dir": "",
            "frr-config-file": "/nonexistent/frr.conf",
            "frr-reload": "/nonexistent/frr-reload",
        }
        command = [shutil.which("ip"), "netns", "exec", machine.namespace, sys.executable, "-m", "speaker"]
        with (machine.directory / "speaker.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in flags.items())],
                stdout=log,
                stderr=log,
                cwd=segments.ROOT,
                env={**os.environ, "PATH": "/nonexistent"},
            )

    def get(self, port: int, path: str) -> tuple[int, str]:
        """From inside the machine; status 0 when nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection):
            try:
                with segments.inside(self._machine.namespace):
                    connection.connect()
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            except OSError:
                return 0, ""

    def metric(self, series: str) -> float:
        lines = self.get(METRICS_PORT, "/metrics")[1].splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} ")), 0.0)

    def said(self, message: str) -> list[dict]:
        lines = (self._machine.directory / "speaker.log").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["msg"] == message]


def documents() -> list[dict]:
    ready = {"addresses": ["10.244.0.1"], "nodeName": "n1", "conditions": {"ready": True}}
    ours = {"namespace": speaking_node.NAMESPACE}
    service = {"type": "LoadBalancer", "ports": [{"port": 80}], "clusterIP": "10.96.0.9"}
    return [
        {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": {"name": "p", **ours},
            "spec": {"addresses": ["10.99.0.200/32", "fd00:99::200/128"]},
        },
        {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": {"name": "all", **ours}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": service,
            "status": {"loadBalancer": {"ingress": [{"ip": address} for address in BOTH]}},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "web-1",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "endpoints": [ready],
        },
    ]


@pytest.fixture(scope="module")
def segment():
    try:
        made = segments.make()
    except OSError as error:
        pytest.skip(f"needs root or a user namespace with a writable /run/netns: {error}")
    try:
        with made.one.ip() as ip:
            ip.link("set", index=1, state="up")
        yield made
    finally:
        segments.remove(made)


@pytest.fixture(scope="module")
def api(segment, tmp_path_factory):
    machine = Machine("n1", segment.one.namespace, tmp_path_factory.mktemp("n1"))
    with speaking_node.Api(machine) as served:
        served.apply(*documents())
        yield served


@pytest.fixture(scope="module")
def program(api):
    made = Program(api._machine, api.kubeconfig)
    try:
        segments.until("the speaker is ready", lambda: made.get(HEALTH_PORT, "/readyz")[0] == 200, seconds=20)
        yield made
    finally:
        made.process.kill()
        made.process.wait(10)


@pytest.fixture
def ear(segment):
    found = segments.Ear(segment.client)
    yield found
    found.close()


def knows(segment, address: str) -> bool:
    segment.client.knock(address)
    return segment.client.neighbor(address) == segment.one.mac


@pytest.mark.parametrize("address", BOTH)
def test_it_serves_without_frr(segment, program, address):
    answers = f'metallb_layer2_responses_sent{{ip="{address}"}}'

    def is_answered() -> bool:
        subprocess.run(["ip", "-n", segment.client.namespace, "neigh", "flush", "to", address], check=True)
        return knows(segment, address) and program.metric(answers) >= 1

    segments.until("the client's kernel asks and is answered", is_answered)
    labels = f'ip="{address}",node="n1",protocol="layer2",service="default/web"'
    shown = {
        frozenset(line.partition("{")[2].partition("}")[0].split(","))
        for line in program.get(METRICS_PORT, "/metrics")[1].splitlines()
        if line.startswith("metallb_speaker_announced{")
    }
    assert frozenset(labels.split(",")) in shown
    assert not [labels for labels in shown if 'protocol="bgp"' in labels]


def test_without_frr_nothing_is_missed(api, program):
    path = f"/apis/metallb.io/v1beta1/namespaces/{speaking_node.NAMESPACE}/configurationstates/speaker-n1"
    state = segments.until("the state is told", lambda: api.call("GET", path).get("status"))
    assert state["result"] == "Valid"
    log = (api._machine.directory / "speaker.log").read_text()
    assert not [line for line in map(json.loads, log.splitlines()) if line["level"] not in {"debug", "info"}]
    assert "/nonexistent" not in log


@pytest.mark.parametrize("address", BOTH)
def test_a_stranger_is_told_of_and_answered_once(segment, api, program, ear, address):
    ip = ipaddress.ip_address(address)
    sent = f'metallb_layer2_gratuitous_sent{{ip="{address}"}}'
    bursts = 5 * FRAMES[ip.version]
    segments.until("the node's own announcements are over", lambda: program.metric(sent) >= bursts)
    before = program.metric(sent)  # with those to stations that it knew
    ear.heard()
    for _ in range(10):
        for frame in gratuitous.burst(ip, STRANGER):
            ear.say(frame)
    rivals = f'frr_adapter_layer2_rivals_total{{ip="{address}",mac="02:00:00:00:00:c1"}}'
    segments.until("all claims are counted", lambda: program.metric(rivals) == 10 * FRAMES[ip.version])

    def told() -> list[dict]:
        events = api.call("GET", "/api/v1/namespaces/default/events")["items"]
        return [each for each in events if each["reason"] == "addressConflict" and address in each["message"]]

    (event,) = segments.until("an event on the Service", told)
    assert event["message"] == f'"{address}" is also claimed by 02:00:00:00:00:c1, as node "n1" hears'
    assert (event["type"], event["involvedObject"]["name"], event["count"]) == ("Warning", "web", 1)
    defence = ear.about(address)
    assert [type(each) for each in defence] == [arp.ArpFrame if ip.version == 4 else ndp.Advertisement] * FRAMES[
        ip.version
    ]
    assert program.metric(sent) == before + FRAMES[ip.version]
    segments.until("the node still answers", lambda: knows(segment, address))
    assert [line["ip"] for line in program.said("another station claims an address")].count(address) == 1


def test_a_stop_is_clean(program):
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(10) == 0
