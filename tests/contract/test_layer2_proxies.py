"""The port `Proxies`: the in-memory twin and the kernel, in a network namespace of its own, keep the same contract."""

import contextlib
import ipaddress
import os
import subprocess

import pyroute2
import pytest
from pyroute2 import netns

from speaker import links
from speaker.boundary import proxies
from tests.fakes import proxies as memory

pytestmark = pytest.mark.contract

V4, V6 = ipaddress.IPv4Address, ipaddress.IPv6Address
NAMESPACE = f"fra-proxies-{os.getpid()}"
LOOPBACK = links.Interface(1, "lo")
A, B, C = links.Target(1, V4("192.0.2.1")), links.Target(1, V6("2001:db8::1")), links.Target(1, V6("2001:db8::2"))
NOWHERE = links.Target(4242, V6("2001:db8::1"))
NOTHING = frozenset()


class Kernel:
    """The kernel's side, with what others do to it."""

    def __init__(self) -> None:
        netns.pushns(NAMESPACE)
        try:
            self.made = proxies.KernelProxies()
        finally:
            netns.popns()

    def answering(self, interface: links.Interface) -> links.Answering:
        """/proc shows the namespace of who reads."""
        netns.pushns(NAMESPACE)
        try:
            return self.made.answering(interface)
        finally:
            netns.popns()

    def listed(self) -> str:
        return "".join(_run("ip", family, "neigh", "show", "proxy") for family in ("-4", "-6"))

    def add_foreign(self, target: links.Target) -> None:
        _run("ip", "neigh", "add", "proxy", str(target.address), "dev", "lo")


class Memory:
    def __init__(self) -> None:
        self.made = memory.MemoryProxies()
        self.made.gone.add(4242)
        self.made.settings[1] = links.Answering()

    def answering(self, interface: links.Interface) -> links.Answering:
        return self.made.answering(interface)

    def listed(self) -> str:
        return "\n".join(str(target.address) for target in (*self.made.ours, *self.made.foreign))

    def add_foreign(self, target: links.Target) -> None:
        self.made.foreign.add(target)


def _run(*command: str) -> str:
    return subprocess.run(
        ["ip", "netns", "exec", NAMESPACE, *command], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def namespace():
    try:
        netns.create(NAMESPACE)
    except OSError as error:
        pytest.skip(f"needs root or a user namespace with a writable /run/netns: {error}")
    yield
    netns.remove(NAMESPACE)


@pytest.fixture(params=["memory", "kernel"])
def side(request):
    if request.param == "kernel":
        request.getfixturevalue("namespace")
    found = Kernel() if request.param == "kernel" else Memory()
    with contextlib.closing(found.made):
        yield found


def test_what_is_kept_is_exactly_what_is_wanted(side):
    assert side.made.keep(NOTHING) == NOTHING
    assert side.made.keep(frozenset({A, B})) == {A, B}
    assert side.made.keep(frozenset({A, B})) == {A, B}
    assert [side.made.stands(target) for target in (A, B, C)] == [True, True, False]
    assert side.made.keep(frozenset({B, C})) == {B, C}
    assert [side.made.stands(target) for target in (A, B, C)] == [False, True, True]
    assert side.made.keep(NOTHING) == NOTHING
    assert side.listed().split() == []


def test_foreign_entries_answer_too_and_are_never_touched(side):
    side.add_foreign(B)
    assert side.made.keep(frozenset({B, C})) == {B, C}
    assert side.made.stands(B)
    assert side.made.keep(NOTHING) == NOTHING
    assert side.made.stands(B)
    assert not side.made.stands(C)
    assert "2001:db8::1" in side.listed()


def test_an_interface_that_is_gone_is_no_error(side):
    assert side.made.keep(frozenset({NOWHERE, A})) == {A}
    assert not side.made.stands(NOWHERE)
    assert side.made.keep(NOTHING) == NOTHING


def test_a_fresh_namespace_answers_nothing(side):
    found = side.answering(LOOPBACK)
    assert not found.proxies_ipv6
    assert not found.takes_direct_ipv6
    assert side.made.leaves_by(V4("198.51.100.1")) is None


def test_another_speaker_of_ours_finds_what_the_last_one_left(namespace):
    first, second = Kernel(), Kernel()
    first.made.keep(frozenset({A, B}))
    first.made.close()
    assert second.made.keep(frozenset({B})) == {B}
    assert "proto 172" in second.listed()
    assert "192.0.2.1" not in second.listed()
    second.made.close()


def test_many_entries_take_several_messages(namespace):
    kernel = Kernel()
    many = frozenset(links.Target(1, V6("2001:db8::1:0") + number) for number in range(700))
    assert kernel.made.keep(many | {A, NOWHERE}) == many | {A}
    assert kernel.listed().count("2001:db8::1:") == 700
    assert kernel.made.keep(NOTHING) == NOTHING
    assert kernel.listed() == ""
    kernel.made.close()


def test_settings_and_routes_are_read_as_they_are(namespace):
    kernel = Kernel()
    with pyroute2.IPRoute(netns=NAMESPACE) as ip:
        ip.link("add", ifname="eth0", kind="veth", peer="eth1")
        (index,) = ip.link_lookup(ifname="eth0")
        ip.link("set", index=index, state="up")
        ip.link("set", index=ip.link_lookup(ifname="eth1")[0], state="up")
        ip.addr("add", index=index, address="10.99.0.11", prefixlen=24)
    assert kernel.made.leaves_by(V4("10.99.0.200")) == index
    assert kernel.made.leaves_by(V4("10.99.0.11")) is None
    interface = links.Interface(index, "eth0")
    assert (kernel.answering(interface).delay_ipv4, kernel.answering(interface).delay_ipv6) == (80, 80)
    for name in ("ipv4/conf/eth0/forwarding", "ipv6/conf/eth0/forwarding", "ipv6/conf/eth0/proxy_ndp"):
        _run("sh", "-c", f"echo 1 > /proc/sys/net/{name}")
    for name in ("ipv4", "ipv6"):
        _run("sh", "-c", f"echo 0 > /proc/sys/net/{name}/neigh/eth0/proxy_delay")
    assert kernel.answering(interface) == links.Answering(True, 0, True, True, 0)
    for name in ("forwarding", "proxy_ndp"):
        _run("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/all/{name}")
    assert kernel.answering(interface).takes_direct_ipv6
    kernel.made.close()
