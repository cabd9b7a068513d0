"""Kernel proxies on a real segment: the kernel answers, also for a speaker that hangs, and nothing is left where it must not be."""

import ipaddress
import os
import re
import signal
import subprocess

import pytest

from speaker import links
from speaker.core import arp, ndp
from tests.live import segment as segments

pytestmark = pytest.mark.live

V4, V6 = ipaddress.IPv4Address, ipaddress.IPv6Address
CLIENT = links.parse_mac("02:00:00:00:00:c1")
VIP6, ROUTED = "fd00:99::200", "10.77.0.1"
RIGHT = {
    "ipv6/conf/eth0/forwarding": 1,
    "ipv6/conf/eth0/proxy_ndp": 1,
    "ipv6/neigh/eth0/proxy_delay": 0,
    "ipv4/conf/eth0/forwarding": 1,
    "ipv4/neigh/eth0/proxy_delay": 0,
}


def run(station: segments.Station, *command: str) -> str:
    return subprocess.run(
        ["ip", "netns", "exec", station.namespace, *command], check=True, capture_output=True, text=True
    ).stdout


def configure(station: segments.Station, **settings) -> None:
    script = "; ".join(f"echo {value} > /proc/sys/net/{name}" for name, value in (RIGHT | settings).items())
    run(station, "sh", "-c", script)


def proxied(station: segments.Station) -> list[str]:
    """What the kernel answers for, with who made it."""
    listed = run(station, "ip", "-4", "neigh", "show", "proxy") + run(station, "ip", "-6", "neigh", "show", "proxy")
    return sorted(re.sub(r"dev eth0 proxy ?", "", line).strip() for line in listed.splitlines())


@pytest.fixture(scope="module")
def segment():
    try:
        made = segments.make()
    except OSError as error:
        pytest.skip(f"needs root or a user namespace with a writable /run/netns: {error}")
    try:
        for node in (made.one, made.two):
            node.arguments = ("--l2-kernel-proxy",)
            with node.ip() as ip:  # somewhere else to send packets to 10.77.0.0/16
                ip.link("add", ifname="veth7", kind="veth", peer="veth8")
                for name in ("veth7", "veth8"):
                    ip.link("set", index=ip.link_lookup(ifname=name)[0], state="up")
                ip.route("add", dst="10.77.0.0/16", oif=ip.link_lookup(ifname="veth7")[0])
        yield made
    finally:
        segments.remove(made)


@pytest.fixture
def node(segment):
    """The first node with the announcer, and every setting right."""
    configure(segment.one)
    segment.one.start()
    yield segment.one
    if segment.one.process.poll() is None:
        segment.one.stop()
    run(segment.one, "sh", "-c", "ip -6 neigh flush proxy; ip -4 neigh flush proxy")


@pytest.fixture
def ear(segment):
    found = segments.Ear(segment.client)
    yield found
    found.close()


def solicitation(address: str, **changes) -> bytes:
    group = ndp.solicited_node_group(V6(address))
    fields = {
        "destination": ndp.group_mac(group),
        "source": CLIENT,
        "sender": V6("fd00:99::1"),
        "receiver": group,
        "target": V6(address),
        "source_link_layer": CLIENT,
    }
    return ndp.encode(ndp.Solicitation(**{**fields, **changes}))


def request(address: str, sender: str = "10.99.0.1") -> bytes:
    return arp.encode(
        arp.ArpFrame(links.BROADCAST, CLIENT, arp.Operation.REQUEST, CLIENT, V4(sender), links.UNSPECIFIED, V4(address))
    )


def answers(ear: segments.Ear, address: str):
    """Announcements are sent to known neighbors too; they are none."""
    return [
        message
        for message in ear.about(address)
        if message.destination == CLIENT
        and (message.is_solicited if isinstance(message, ndp.Advertisement) else not message.is_announcement)
    ]


def answered(ear: segments.Ear, address: str, frame: bytes):
    ear.heard()
    ear.say(frame)
    (answer,) = segments.until(f"an answer for {address}", lambda: answers(ear, address))
    return answer


def raw_answers(node: segments.Node, address: str) -> int:
    return node.report()["addresses"].get(address, [0, 0, 0])[1]


def left_to_kernel(node: segments.Node) -> int:
    return node.report()["refusals"].get("answeredByKernel", 0)


@pytest.fixture
def hang():
    """Stops a process as a debugger or an overloaded machine would, until the end of the test."""
    stopped = []

    def stop(process: subprocess.Popen) -> None:
        process.send_signal(signal.SIGSTOP)
        stopped.append(process)
        segments.until("the process hangs", lambda: state(process.pid) == "T")

    yield stop
    for process in stopped:
        process.send_signal(signal.SIGCONT)


def state(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("address", [VIP6, ROUTED])
def test_one_answer_and_it_is_the_kernels(node, ear, address):
    node.plan(address)
    assert proxied(node) == [f"{address} proto 172"]
    announced = segments.until("an announcement", lambda: ear.about(address))
    assert {links.format_mac(source(message)) for message in announced} == {node.mac}
    answer = answered(ear, address, request(address) if "." in address else solicitation(address))
    assert links.format_mac(source(answer)) == node.mac
    segments.until("the announcer leaves it to the kernel", lambda: left_to_kernel(node) == 1)
    assert raw_answers(node, address) == 0
    assert answers(ear, address) == []


def source(message) -> bytes:
    return message.sender_mac if isinstance(message, arp.ArpFrame) else message.target_link_layer


def test_the_answer_is_like_ours(node, ear):
    node.plan(VIP6)
    found = answered(ear, VIP6, solicitation(VIP6))
    assert (found.is_solicited, found.is_override, found.is_router) == (True, False, False)
    assert found.receiver == V6("fd00:99::1")


def test_a_speaker_that_hangs_goes_on_answering_which_is_the_danger(node, ear, hang):
    node.plan(VIP6, ROUTED, "10.99.0.200")
    hang(node.process)
    assert answered(ear, VIP6, solicitation(VIP6)).is_solicited
    assert answered(ear, ROUTED, request(ROUTED)).operation is arp.Operation.REPLY
    ear.say(request("10.99.0.200"))  # raw: asked first, and silent when the kernel has answered what was asked after it
    answered(ear, VIP6, solicitation(VIP6))
    assert answers(ear, "10.99.0.200") == []


def test_others_take_over_ipv4_addresses_of_a_speaker_that_hangs_but_not_ipv6(segment, node, ear, hang):
    """Two answer for IPv4 then: the price that the documentation names."""
    node.plan(VIP6, ROUTED)
    hang(node.process)
    configure(segment.two)
    segment.two.start()
    try:
        segment.two.plan(VIP6, ROUTED)
        assert proxied(segment.two) == [f"{ROUTED} proto 172"]
        ear.heard()
        ear.say(request(ROUTED))
        found = set()
        segments.until("both answer", lambda: found.update(map(source, answers(ear, ROUTED))) or len(found) == 2)
    finally:
        segment.two.stop()


def test_probes_and_direct_solicitations_that_the_kernel_ignores_are_answered_by_us(node, ear):
    node.plan(VIP6, ROUTED)
    answered(ear, ROUTED, request(ROUTED, sender="0.0.0.0"))
    answered(ear, VIP6, solicitation(VIP6, destination=links.parse_mac(node.mac), receiver=V6(VIP6)))
    assert (raw_answers(node, ROUTED), raw_answers(node, VIP6)) == (1, 1)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("ipv6/conf/eth0/forwarding", 0), ("ipv6/conf/eth0/proxy_ndp", 0), ("ipv6/neigh/eth0/proxy_delay", 80)],
)
def test_with_a_wrong_setting_raw_sockets_answer(node, ear, setting, value):
    configure(node, **{setting: value})
    node.plan(VIP6)
    assert proxied(node) == []
    answered(ear, VIP6, solicitation(VIP6))
    assert raw_answers(node, VIP6) == 1


def test_an_ipv4_address_of_the_own_subnet_is_for_raw_sockets(node, ear):
    node.plan("10.99.0.200")
    assert proxied(node) == []
    answered(ear, "10.99.0.200", request("10.99.0.200"))
    assert raw_answers(node, "10.99.0.200") == 1


def test_a_setting_that_is_undone_costs_one_question_at_most(node, ear):
    node.plan(VIP6)
    answered(ear, VIP6, solicitation(VIP6))
    configure(node, **{"ipv6/conf/eth0/proxy_ndp": 0})

    def is_answered() -> bool:
        ear.say(solicitation(VIP6))
        return bool(answers(ear, VIP6))

    segments.until("raw sockets answer", is_answered)
    assert proxied(node) == []


def test_a_withdrawal_and_a_stop_leave_no_entry(node):
    node.plan(VIP6, ROUTED)
    node.plan(ROUTED)
    assert proxied(node) == [f"{ROUTED} proto 172"]
    node.stop()
    assert proxied(node) == []


def test_who_does_not_hold_the_address_has_no_entry(segment, node, ear):
    node.plan(VIP6, ROUTED)
    configure(segment.two)
    segment.two.start()
    try:
        segment.two.plan(VIP6, ROUTED)  # returns after a second of asking in vain
        assert proxied(segment.two) == []
        node.plan()
        segments.until("the other one takes over", lambda: len(proxied(segment.two)) == 2)
        assert proxied(node) == []
    finally:
        segment.two.stop()


def test_what_a_killed_speaker_left_is_removed_at_the_start_and_foreign_entries_are_not(node, ear):
    run(node, "ip", "neigh", "add", "proxy", "fd00:99::f", "dev", "eth0")
    node.plan(VIP6)
    os.kill(node.process.pid, signal.SIGKILL)
    node.process.wait(10)
    assert proxied(node) == [f"{VIP6} proto 172", "fd00:99::f"]
    assert answered(ear, VIP6, solicitation(VIP6)).is_solicited
    node.start()
    assert proxied(node) == ["fd00:99::f"]
    node.plan("fd00:99::f")
    assert proxied(node) == ["fd00:99::f"]
    node.plan()
    assert proxied(node) == ["fd00:99::f"]


def test_an_interface_that_comes_back_has_its_entries_again(segment, node):
    node.plan(VIP6)
    try:
        run(node, "ip", "link", "set", "eth0", "down")
        segments.until("not served", lambda: not node.report()["interfaces"]["eth0"]["arp"])
        assert proxied(node) == []
    finally:
        run(node, "ip", "link", "set", "eth0", "up")
    segments.until("the entry is back", lambda: proxied(node) == [f"{VIP6} proto 172"])
    run(node, "ip", "addr", "replace", "fd00:99::b/64", "dev", "eth0", "nodad")


def test_a_new_link_layer_address_is_in_the_answers(node, ear):
    node.plan(VIP6)
    fresh = "02:00:00:00:00:61"
    try:
        run(node, "ip", "link", "set", "eth0", "address", fresh)
        segments.until("noticed", lambda: node.report()["interfaces"]["eth0"]["mac"] == fresh)
        assert proxied(node) == [f"{VIP6} proto 172"]
        assert links.format_mac(answered(ear, VIP6, solicitation(VIP6)).target_link_layer) == fresh
    finally:
        run(node, "ip", "link", "set", "eth0", "address", node.mac)
