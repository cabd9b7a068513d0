"""A peer in a VRF: its session and its routes live there, and a VRF that the machine lacks harms nobody else.

Where the kernel has no VRF devices the first part is skipped; FRR reads the rendered configuration all the same.
"""

import subprocess

import pytest
import pytest_asyncio

from tests.live import applied_node, frr_pair
from tests.live import segment_bgp as s

pytestmark = [*s.MARKS, pytest.mark.asyncio(loop_scope="module")]

SERVICES = {"web": ["192.0.2.1"]}
PEERS = {"plain": {"address": "10.99.0.1"}, "red": {"address": "10.98.0.2", "vrf": "red", "asn": 64513}}


@pytest.fixture(scope="module")
def net():
    """`up` is a router of the main table, `tor` one behind a cable of its own, which belongs to the VRF where there is one."""
    with s.Segment("up", "tor", "n1") as made:
        made.wire("n1", "tor")
        made.start("up").load(s.router(64512, "10.99.0.1", s.Toward("10.99.0.11")))
        made["tor"].ip("addr", "add", "10.98.0.2/24", "dev", "eth1")
        made.start("tor").load(s.router(64513, "10.98.0.2", s.Toward("10.98.0.11")))
        yield made


@pytest.fixture(scope="module")
def vrf(net):
    """Why there is no VRF; empty when there is."""
    n1 = net["n1"]
    add = ["ip", "-n", n1.namespace, "link", "add", "red", "type", "vrf", "table", "10"]
    done = subprocess.run(add, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"this kernel makes no VRF device: {done.stderr.strip()}"
    n1.ip("link", "set", "red", "up")
    n1.ip("link", "set", "eth1", "master", "red")
    n1.ip("addr", "add", "10.98.0.11/24", "dev", "eth1")
    return ""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(net, vrf):
    net.start("n1", s.BGP_AND_BFD)
    made = applied_node.Node(net["n1"])
    await made.apply(applied_node.wanted(PEERS, SERVICES))
    yield made
    made.forget()


async def test_a_router_in_a_vrf_gets_routes(net, node, vrf):
    if vrf:
        pytest.skip(vrf)
    assert frr_pair.poll(lambda: s.legs(net["tor"]), {"192.0.2.1": {"10.98.0.11"}}.__eq__)
    assert set(s.established(net["n1"])) == {"10.99.0.1", "10.98.0.2"}


async def test_the_other_routers_are_not_harmed(net, node):
    assert frr_pair.poll(lambda: s.legs(net["up"]), {"192.0.2.1": {"10.99.0.11"}}.__eq__)
    assert "router bgp 64600 vrf red" in net["n1"].vtysh("show running-config").splitlines()
    before = s.lives(net["n1"])["10.99.0.1"]
    await node.apply(applied_node.wanted({"plain": PEERS["plain"]}, {"web": ["192.0.2.2"]}))
    assert frr_pair.poll(lambda: s.legs(net["up"]), {"192.0.2.2": {"10.99.0.11"}}.__eq__)
    assert "router bgp 64600 vrf red" not in net["n1"].vtysh("show running-config").splitlines()
    assert s.lives(net["n1"]) == {"10.99.0.1": before}
