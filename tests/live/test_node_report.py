"""What nodes say of themselves, asked from outside through `exec`, beside what vtysh, the files and the API say."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from cli.boundary import nodes
from frr_adapter import refs
from frr_adapter.api import node_report
from frr_adapter.boundary import kube
from frr_adapter.model import cluster as model

pytestmark = [pytest.mark.live, pytest.mark.frr]

SYSTEM = "metallb-system"
IN_PEER, IN_SECRET, IN_EXTRAS = "geheim-in-peer", "geheim-in-secret", "geheim-in-extras"
PASSWORDS = (IN_PEER, IN_SECRET, IN_EXTRAS)
MASKED = re.compile(r"(password) .*")


def peer(name: str, **spec) -> dict:
    base = {"myASN": 64600, "peerASN": 64999}
    return {
        "apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer",
        "metadata": {"name": name, "namespace": SYSTEM}, "spec": {**base, **spec},
    }  # fmt: skip


@pytest.fixture(scope="module")
def cluster(lab_factory):
    made = lab_factory(2, True, True)
    made.call(
        "POST",
        f"/api/v1/namespaces/{SYSTEM}/secrets",
        {"metadata": {"name": "tor"}, "type": "kubernetes.io/basic-auth", "stringData": {"password": IN_SECRET}},
    )
    made.apply(
        peer("one", peerAddress="10.99.0.77", password=IN_PEER),
        peer("two", peerAddress="10.99.0.78", passwordSecret={"name": "tor"}),
    )
    extras = f"router bgp 64600\n neighbor 10.99.0.79 remote-as 64999\n neighbor 10.99.0.79 password {IN_EXTRAS}\n"
    made.call(
        "POST",
        f"/api/v1/namespaces/{SYSTEM}/configmaps",
        {"metadata": {"name": "bgpextras"}, "data": {"extras": extras}},
    )
    for node in made.plan.nodes:
        made.until(f"{node.name} runs it", lambda n=node.name: running_everything(made, n), 40)
    made.until("both nodes announce", lambda: made.router_routes("198.51.100.0/32") == ("n1", "n2"), 40)
    return made


def running_everything(cluster, node: str) -> bool:
    text = cluster.vtysh(node, "show running-config")
    return all(f"password {each}" in text for each in PASSWORDS)


def reports(cluster, raw: list[bytes] | None = None):
    """As the command asks; `raw` gets the bytes."""

    class Recording:
        def __init__(self, connected: kube.Kube) -> None:
            self._connected = connected

        async def exec(self, path, argv, container):
            answer = await self._connected.exec(path, argv, container)
            if raw is not None:
                raw.append(answer)
            return answer

    pods = [
        model.Pod(refs.ObjectRef("Pod", SYSTEM, f"speaker-{node.name}"), node.name, None) for node in cluster.plan.nodes
    ]

    async def ask():
        async with await kube.Kube.connect(cluster.kubeconfig) as connected:
            return await nodes.reports(Recording(connected), SYSTEM, pods)

    return asyncio.run(ask())


def test_a_report_is_what_vtysh_the_files_and_the_api_say(cluster):
    def is_applied():
        found, gaps = reports(cluster)
        return (
            gaps == () and all(each.speaker.applied == each.speaker.wanted != "" for each in found.values()) and found
        )

    found = cluster.until("both run what is wanted", is_applied, 20)
    assert list(found) == ["n1", "n2"]
    for node, report in found.items():
        assert (report.speaker.node, report.frr_error, report.speaker.apply_error) == (node, "", "")
        assert report.frr_version in cluster.vtysh(node, "show version").splitlines()[0]
        file = (cluster.places.node(node) / "frr.conf").read_text()
        assert all(each in file for each in PASSWORDS)
        assert MASKED.sub(r"\1 ***", file) == report.speaker.applied
        running = MASKED.sub(r"\1 ***", cluster.vtysh(node, "show running-config"))
        for line in ("router bgp 64600", *(word for word in running.splitlines() if "neighbor " in word)):
            assert line in report.running["bgpd"]
        shown = json.loads(cluster.vtysh(node, "show bgp vrf all neighbors json"))["default"]
        states = {name: each["bgpState"] for name, each in shown.items() if isinstance(each, dict)}
        assert len(states) == 5
        up = {name for name, state in states.items() if state == "Established"}
        assert {each.neighbor for each in report.sessions} == states.keys()
        assert {each.neighbor for each in report.sessions if each.state == "Established"} == up
        assert {each.neighbor for each in report.advertised} == up == {"10.99.0.1", "fd00:99::1"}
        for each in report.advertised:
            family = "ipv6" if ":" in each.neighbor else "ipv4"
            question = f"show bgp {family} unicast neighbors {each.neighbor} advertised-routes json"
            assert set(each.prefixes) == json.loads(cluster.vtysh(node, question))["advertisedRoutes"].keys()
            assert len(each.prefixes) >= 2


def test_passwords_are_nowhere(cluster):
    raw: list[bytes] = []
    found, gaps = reports(cluster, raw)
    assert (len(found), len(raw), gaps) == (2, 2, ())
    for answer in raw:
        assert not [each for each in PASSWORDS if each.encode() in answer]
        assert b"neighbor 10.99.0.77 password ***" in answer
        assert b"geheim" not in answer
    for node in cluster.plan.nodes:
        assert running_everything(cluster, node.name)


def test_layer2_is_told_as_the_api_has_it(cluster):
    statuses = cluster.call("GET", f"/apis/metallb.io/v1beta1/namespaces/{SYSTEM}/servicel2statuses")["items"]
    (owner,) = (each["status"]["node"] for each in statuses if each["status"]["serviceName"] == "web-l2")
    found, _ = reports(cluster)
    held = {node: [each for each in report.speaker.layer2.addresses if each.is_held] for node, report in found.items()}
    assert {node for node, addresses in held.items() if addresses} == {owner}
    assert {each.address for each in held[owner]} == {"10.99.0.200", "fd00:99::200"}
    for report in found.values():
        assert report.speaker.layer2.live == ("n1", "n2")
        assert not report.speaker.layer2.is_fenced
        assert "eth0" in report.speaker.layer2.interfaces


def test_kubectl_reaches_frr_and_the_command(cluster):
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl on this machine")

    def kubectl(*words):
        environment = {**os.environ, "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true"}
        argv = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", "-n", SYSTEM, "exec", "speaker-n1", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60, env=environment).stdout

    assert re.search(
        r"^10\.99\.0\.1 .*64512", kubectl("-c", "frr", "--", "vtysh", "-c", "show bgp summary"), re.MULTILINE
    )
    printed = kubectl("-c", "speaker", "--", "frr-adapter", "node-report")
    assert msgspec.json.decode(printed, type=node_report.NodeReport).speaker.node == "n1"
    if Path("/etc/frr").is_dir():
        assert kubectl("-c", "speaker", "--", "cat", "/etc/frr/frr.conf").startswith("! FRR configuration of node n1")


def test_a_dead_daemon_and_a_dead_speaker_leave_the_rest(cluster):
    cluster.lab("stop", "n1/bgpd")

    def is_told():
        found, _ = reports(cluster)
        report = found["n1"]
        return "bgpd.vty" in report.frr_error and report.speaker.unready and report

    report = cluster.until("n1 says that bgpd is gone", is_told)
    assert "zebra" in report.running
    assert any(each.text.startswith("FRR is down: ") for each in report.speaker.history)
    assert report.speaker.applied == ""
    assert report.speaker.wanted
    cluster.lab("stop", "n2/speaker")
    found, gaps = reports(cluster)
    assert list(found) == ["n1"]
    assert len(gaps) == 1
    assert gaps[0].startswith(
        "node n2: pod speaker-n2 gave no report: NonZeroExitCode: frr-adapter: node-report: the speaker"
    )
    cluster.lab("start", "n1/bgpd")
    cluster.lab("start", "n2/speaker")
    both = cluster.until("both answer", lambda: (asked := reports(cluster)) and asked[1] == () and asked[0], 40)
    assert list(both) == ["n1", "n2"]
