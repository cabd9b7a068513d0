"""The image, built and run as the chart runs it: controller, speaker and FRR, each with its user, its capabilities, `RuntimeDefault` and
a read-only root.

A Service gets an address, a router gets the route, and a station its ARP answer; then one capability less at a time.
"""

import contextlib
import errno
import json
import os
import signal
import socket
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

import frr_adapter
from cli import catalog
from tests.live import frr_pair, image, image_pod, segment
from tests.live import segment_bgp as s
from tests.live import speaking_node as k

pytestmark = [
    *s.MARKS,
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(image.missing()), reason=image.missing() or "-"),
]

ROUTED, ON_LINK = "192.0.2.1", "10.99.0.200"
DAEMONS = ("mgmtd", "zebra", "bgpd", "bfdd", "staticd")
NOT_ROOT = image.Security(
    101, 101, (102,), frozenset({"NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SYS_ADMIN"}), may_escalate=True
)
AS_ROOT = image.Security(
    0, 0, (102,), NOT_ROOT.capabilities | {"KILL", "SETUID", "SETGID"}, may_escalate=False
)  # fmt: skip
NEEDS = {
    "mgmtd": {"NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SYS_ADMIN"},
    "zebra": {"NET_ADMIN", "NET_RAW", "SYS_ADMIN"},
    "bgpd": {"NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SYS_ADMIN"},
    "bfdd": {"NET_BIND_SERVICE", "NET_RAW", "SYS_ADMIN"},
    "staticd": set(),
}
"""As docs/install.md says."""


@pytest.fixture(scope="module")
def built():
    with image.Image() as made:
        yield made


@pytest.fixture(scope="module")
def net():
    with s.Segment("up", "n1") as made:
        made.start("up").load(s.router(64512, "10.99.0.1", s.Toward("10.99.0.11")))
        yield made


@pytest.fixture(scope="module")
def api(net):
    with k.Api(net["n1"]) as made:
        made.apply(
            k._ours("IPAddressPool", "routed", {"addresses": ["192.0.2.1/32"]}),
            k._ours("IPAddressPool", "on-link", {"addresses": [f"{ON_LINK}/32"]}),
            k.advertisement("bgp", ipAddressPools=["routed"]),
            k._ours("L2Advertisement", "l2", {"ipAddressPools": ["on-link"]}),
            k.peer("up", "10.99.0.1"),
        )
        yield made


def wish(name, ip):
    """A Service without an address, that wants this one, and an endpoint on the node."""
    service, endpoints = k.service(name, ip)
    del service["status"]
    service["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": ip}
    return service, endpoints


@pytest.fixture
def pod(built, net, api):
    (group,) = image.chart_security("speaker").groups
    volumes = image.Volumes(group)
    yield image_pod.Pod(built, net, api, volumes)
    volumes.remove()


def runs(container, event="FRR runs"):
    frr_pair.poll(lambda: container.said(event) or container.process.poll() is not None, bool, 30)
    assert container.said(event), container.text
    return container


def learned(net):
    """What the router's kernel has for a moment's ARP: the hardware address of the owner."""
    with segment.inside(net["up"].namespace):
        knocking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with knocking:
        knocking.sendto(b"knock", (ON_LINK, 9))
    found = json.loads(net["up"].ip("-j", "neigh", "show", "to", ON_LINK) or "[]")
    return next((entry.get("lladdr", "") for entry in found), "")


def mac(machine):
    return json.loads(machine.ip("-j", "link", "show", "eth0"))[0]["address"]


def forwarding(machine):
    names = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
    return frr_pair.run("ip", "netns", "exec", machine.namespace, "sysctl", "-n", *names).split()


def child(container, name):
    """The number of a daemon on this machine."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            same = (path / "ns/pid").readlink() == Path(f"/proc/{container.init}/ns/pid").readlink()
            if same and (path / "comm").read_text().strip() == name:
                return int(path.name)
    return None


def capabilities(process):
    status = Path(f"/proc/{process}/status").read_text()
    return {
        line.split(":")[0]: int(line.split(":")[1], 16) for line in status.splitlines() if line.startswith("Cap")
    }  # fmt: skip


def test_what_is_in_it(built, capsys):
    with capsys.disabled():
        print(f"\nimage: {built.size}")
    versions = built.run("dpkg-query", "-W", "-f=${Version}\n", "frr", "frr-pythontools").split()
    assert versions[0] == versions[1]
    assert int(versions[0].split(".")[0]) >= 10
    assert built.run("id", "frr").strip() == "uid=101(frr) gid=101(frr) groups=101(frr),102(frrvty)"
    for absent in ("pip", "pip3", "gcc", "cc", "make", "systemctl"):
        assert not built.run("sh", "-c", f"command -v {absent} || true").strip(), absent
    for program in ("frr-adapter", *(f"frr-adapter-{each}" for each in ("controller", "speaker", "frr"))):
        assert os.access(built.root / "opt/frr-adapter/programs" / program, os.X_OK)
        assert built.run("readlink", "-e", f"/usr/local/bin/{program}").strip().endswith(program)
    assert not list((built.root / "opt/frr-adapter").glob("src/lab"))
    assert built.config()["User"] == "65534:65534"
    assert "CustomResourceDefinition" in built.run("frr-adapter", "crds")
    assert built.run("frr-adapter", "--version") == f"frr-adapter {frr_adapter.__version__}\n"
    assert built.run("frr-adapter", "--help") == catalog.overview("frr-adapter")
    for name in catalog.SUMMARIES:  # each is loaded with all that its options need
        assert f"Usage: frr-adapter {name}" in built.run("frr-adapter", name, "--help")


def test_nothing_of_the_build_stays_behind(built):
    found = built.run("find", "/etc", "/usr/local", "/root", "/mnt", "-type", "f").splitlines()
    assert found
    assert not [line for line in found if "proxy" in line or "/pip" in line or line.endswith(".crt")]
    assert built.run("sh", "-c", "ls -A /var/lib/apt/lists /var/cache/apt | grep -v : || true").strip() == ""


def test_file_capabilities_travel_with_the_image(built, tmp_path):
    """As pushed to a registry: layers are archives, and these are in their headers."""
    built.buildah("push", "--quiet", image.NAME, f"oci:{tmp_path}/pushed")
    found = set()
    for blob in (tmp_path / "pushed/blobs/sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            with tarfile.open(blob) as layer:
                found |= {each.name for each in layer if "SCHILY.xattr.security.capability" in each.pax_headers}
    assert {Path(name).name for name in found} == {name for name in DAEMONS if NEEDS[name]}


def test_a_service_gets_an_address_a_route_and_an_answer(pod, net, api):
    """The whole way, as the chart runs it."""
    forwards = forwarding(net["n1"])
    controller = pod.controller(image.chart_security("controller"))
    frr = pod.frr(image.chart_security("frr"))
    speaker = pod.speaker(image.chart_security("speaker"))
    with controller, frr, speaker:
        runs(frr)
        api.apply(*wish("web", ROUTED), *wish("lan", ON_LINK))
        frr_pair.poll(net["up"].routes, lambda found: set(found) == {ROUTED}, 40)
        frr_pair.poll(lambda: learned(net), lambda found: found == mac(net["n1"]), 20)
        assert s.legs(net["up"]) == {ROUTED: frozenset({"10.99.0.11"})}
        # The real way through frr-reload.py: nobody knows what runs when the speaker starts.
        (applied, *_) = frr_pair.poll(lambda: speaker.said("configuration applied"), bool)
        assert applied["way"] == "reload"
        _look_around(speaker, frr)
        _tells_of_its_node(speaker)
        _asks_the_cluster(pod, controller, speaker)
        _cannot_write(controller, speaker, frr)
        _are_confined(controller, speaker, frr)
        _at_rest(frr)
        _bgpd_crashes(net, frr, speaker)
        # frr-reload.py compares these as well and would turn them on: what a pod cannot write, it cannot change.
        assert forwarding(net["n1"]) == forwards
        assert speaker.stop() == 0
        assert set(net["up"].routes()) == {ROUTED}, "a speaker that stops withdraws nothing"
        assert frr.stop() == 0
        frr_pair.poll(net["up"].routes, lambda found: not found)
        with pod.frr(image.chart_security("frr")) as successor:
            frr_pair.poll(net["up"].routes, lambda found: set(found) == {ROUTED}, 20)  # from the file alone
            assert successor.stop() == 0
        assert not successor.said("frr.conf not loaded entirely"), successor.text
        assert controller.stop() == 0
        assert not [line for line in speaker.lines if line["level"] == "error" and "went away" not in str(line)]


def _look_around(speaker, frr):
    """What people do with `kubectl exec`."""
    for container in (speaker, frr):
        shown = container.exec("vtysh", "-c", "show bgp summary json")
        assert shown.returncode == 0, shown.stderr
        assert json.loads(shown.stdout)["ipv4Unicast"]["peers"]["10.99.0.1"]["state"] == "Established"
        assert "network 192.0.2.1/32" in container.exec("vtysh", "-c", "show running-config").stdout
        compared = container.exec("/usr/lib/frr/frr-reload.py", "--test", "--stdout", "/etc/frr/frr.conf")
        assert compared.returncode == 0, compared.stdout + compared.stderr


def _tells_of_its_node(speaker):
    """Started by `frr-adapter status` and others, wherever they run."""
    asked = speaker.exec("frr-adapter", "node-report")
    assert (asked.returncode, asked.stderr) == (0, "")
    report = json.loads(asked.stdout)
    assert (report["speaker"]["node"], report["speaker"]["version"]) == ("n1", frr_adapter.__version__)
    held = {each["address"] for each in report["speaker"]["layer2"]["addresses"] if each["isHeld"]}
    assert held == {ON_LINK}
    assert report.get("frrError", "") == ""
    assert int(report["frrVersion"].split(".")[0]) >= 10
    assert set(report["running"]) == set(DAEMONS)
    assert "network 192.0.2.1/32" in report["running"]["bgpd"]
    (session,) = report["sessions"]
    assert (session["neighbor"], session["state"]) == ("10.99.0.1", "Established")
    (advertised,) = report["advertised"]
    assert advertised["prefixes"] == [f"{ROUTED}/32"]


def _asks_the_cluster(pod, *containers):
    """With the rights of the pod and nothing else: no kubeconfig, no home, nothing to write to."""
    with image_pod.ServiceAccount(pod) as account:
        for container in containers:
            before = len(account.let_in)
            asked = container.exec(*account.words, "frr-adapter", "status", "-o", "json")
            assert asked.returncode == 0, asked.stderr
            status = json.loads(asked.stdout)
            assert status["source"] == "cluster of this pod"
            assert (status["services"]["total"], status["services"]["withAddress"]) == (2, 2)
            assert [(each["name"], each["established"]) for each in status["peers"]] == [("up", 1)]
            assert status["gaps"] == []
            assert len(account.let_in) > before
        drawn = container.exec(*account.words, "frr-adapter", "explain", "service", "default/web")
        assert (drawn.returncode, drawn.stderr) == (0, "")
        assert ROUTED in drawn.stdout


def _cannot_write(*containers):
    for container in containers:
        for place in ("/", "/opt/frr-adapter", "/usr/lib/frr", "/var/log", "/proc/sys/kernel/domainname"):
            target = place if place.startswith("/proc") else f"{place}/new"
            refused = container.exec("sh", "-c", f"echo x >{target}")
            assert refused.returncode != 0, f"{container.log.stem} wrote {target}"
            assert "ead-only" in refused.stderr or "denied" in refused.stderr


NOWHERE_ALLOWED = """
import ctypes, errno, platform
library = ctypes.CDLL(None, use_errno=True)
status = library.syscall({"x86_64": 279, "aarch64": 239}[platform.machine()], 0, 0, 0, 0, 0, 0)
print(status, errno.errorcode.get(ctypes.get_errno()))
"""
"""move_pages of nothing: anybody may do it, but not under a profile."""


def _are_confined(*containers):
    """Every process; and it is a profile that refuses."""
    assert frr_pair.run(sys.executable, "-c", NOWHERE_ALLOWED).split() == ["0", "None"]
    for container in containers:
        refused = container.exec("/opt/frr-adapter/bin/python", "-c", NOWHERE_ALLOWED)
        assert refused.stdout.split() == ["-1", "EPERM"], refused.stderr
        inside = container.exec("sh", "-c", "grep -H Seccomp: /proc/[0-9]*/status").stdout.splitlines()
        assert len(inside) > 2
        assert {line.split()[-1] for line in inside} == {"2"}, inside  # SECCOMP_MODE_FILTER


def _at_rest(frr):
    """Nothing but FRR's own daemons holds a capability, and they hold no more than docs/install.md says."""
    numbers = {"NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "NET_RAW": 13, "SYS_ADMIN": 21}
    for name in DAEMONS:
        held = capabilities(child(frr, name))
        assert held["CapPrm"] == sum(1 << numbers[each] for each in NEEDS[name]), name
        assert held["CapEff"] == 0, name


def _bgpd_crashes(net, frr, speaker):
    number = child(frr, "bgpd")
    os.kill(number, signal.SIGKILL)
    frr_pair.poll(net["up"].routes, lambda found: not found, 10)
    frr_pair.poll(lambda: frr.said("daemon started again"), bool)
    frr_pair.poll(net["up"].routes, lambda found: set(found) == {ROUTED}, 20)
    assert child(frr, "bgpd") != number
    # The file was loaded before the speaker met it: there was nothing left to say.
    assert speaker.said("FRR is up")


@pytest.mark.parametrize("security", [NOT_ROOT, AS_ROOT], ids=["frr", "superuser"])
def test_frr_runs_as_either_user(pod, security):
    with pod.frr(security) as frr:
        runs(frr)
        assert frr.exec("vtysh", "-c", "show version").returncode == 0
        owners = {Path(f"/proc/{child(frr, name)}").stat().st_uid for name in DAEMONS}
        assert owners == {101}
        assert frr.stop() == 0


@pytest.mark.parametrize("lacking", sorted(NOT_ROOT.capabilities))
@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_daemon_needs_just_these(pod, daemon, lacking):
    command = f"/usr/lib/frr/{daemon}"
    security = NOT_ROOT.without(lacking)
    with pod.container("frr", security, "-P", "0", "--log", "stdout", command=command) as alone:
        socket_file = pod.volumes.make("sockets") / f"{daemon}.vty"
        frr_pair.poll(lambda: socket_file.exists() or alone.process.poll() is not None, bool)
        if lacking in NEEDS[daemon]:
            assert alone.process.wait(5) == 1
            assert f"cap_{lacking.lower()}" in alone.text
        else:
            assert socket_file.exists(), alone.text


@pytest.mark.parametrize("port", ["0", "179"])
def test_bgpd_listens_where_it_is_told_to(pod, net, port):
    (pod.volumes.make("conf") / "frr.conf").write_text("router bgp 64600\n")
    program = "/usr/local/bin/frr-adapter-frr"
    with pod.container("frr", NOT_ROOT, f"FRR_BGP_PORT={port}", program, command="/usr/bin/env") as frr:
        runs(frr)
        assert "router bgp 64600" in frr.exec("vtysh", "-c", "show running-config").stdout
        with segment.inside(net["up"].namespace):
            calling = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        with calling:
            answer = calling.connect_ex(("10.99.0.11", 179))
        assert answer == (0 if port == "179" else errno.ECONNREFUSED)


@pytest.mark.parametrize("lacking", ["SETGID", "SETUID"])
def test_the_superuser_needs_these_two(pod, lacking):
    with pod.frr(AS_ROOT.without(lacking)) as frr:
        assert frr.process.wait(20) == 1
        assert frr.said("FRR cannot run")


def test_frr_that_cannot_start_says_why(pod):
    with pod.frr(NOT_ROOT.without("SYS_ADMIN")) as frr:
        assert frr.process.wait(20) == 1
        (line,) = frr.said("FRR cannot run")
        assert line["reason"] == "mgmtd ended at its start: exit status 1"
        assert "Wanted caps:" in frr.text


def test_file_capabilities_need_the_right_to_escalate(pod):
    with pod.frr(replace(NOT_ROOT, may_escalate=False)) as frr:
        assert frr.process.wait(20) == 1
        assert "Wanted caps:" in frr.text


def test_a_speaker_without_net_raw_answers_nobody(pod, net, api):
    security = image.chart_security("speaker")
    api.apply(*k.service("lan", ON_LINK))
    with pod.frr(NOT_ROOT) as frr, pod.speaker(security.without("NET_RAW")) as speaker:
        runs(frr)
        frr_pair.poll(lambda: speaker.said("configuration applied"), bool, 30)
        net["up"].ip("neigh", "flush", "dev", "eth0")
        assert not learned(net)
        assert "Operation not permitted" in speaker.text
        frr_pair.poll(net["up"].routes, lambda found: set(found) == {ROUTED}, 20)


def test_a_speaker_for_layer_2_needs_no_frr(pod, net, api):
    api.apply(*k.service("lan", ON_LINK))
    net["up"].ip("neigh", "flush", "dev", "eth0")
    with pod.speaker(image.chart_security("speaker"), "--frr-vty-dir=") as speaker:
        frr_pair.poll(lambda: learned(net), lambda found: found == mac(net["n1"]), 30)
        assert speaker.stop() == 0


def test_a_speaker_outside_of_frrs_group_says_so(pod):
    security = replace(image.chart_security("speaker"), groups=())
    with pod.frr(NOT_ROOT) as frr, pod.speaker(security) as speaker:
        runs(frr)
        frr_pair.poll(lambda: "this program has user 0" in speaker.text, bool, 20)
