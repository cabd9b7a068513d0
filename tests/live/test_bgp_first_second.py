"""The first second of a session: what is told early and goes again meanwhile must not stay at the router.

By itself FRR waits a second before it tells a new neighbor anything, so that several may share the work; we let it wait a tenth.
Told earlier it is when a policy is evaluated again. FRR 8 leaves out of the withdrawals whoever still waits, and never comes back.
"""

import pytest
import pytest_asyncio

from tests.live import applied_node, frr_pair, raw_frr
from tests.live import segment_bgp as s

pytestmark = s.MARKS

PEERS = {"up": {"address": "10.99.0.1"}}
SERVICES = {"goes": ["192.0.2.1"], "stays": ["192.0.2.2"]}
FAMILY = ("configure terminal", "router bgp 64600", "address-family ipv4 unicast")


@pytest.fixture(scope="module")
def net():
    with s.Segment("up", "n1") as made:
        made.start("up").load(s.router(64512, "10.99.0.1", s.Toward("10.99.0.11")))
        made.start("n1", s.BGP_AND_BFD)
        yield made


@pytest_asyncio.fixture
async def both(net):
    """The router has two prefixes. What earlier tests told FRR behind the applier's back is undone."""
    node = applied_node.Node(net["n1"])
    await node.apply(applied_node.wanted(PEERS, SERVICES))
    frr_pair.poll(net["up"].routes, lambda found: set(found) == {"192.0.2.1", "192.0.2.2"})
    yield
    node.forget()


def goes_early(net):
    """The session comes up anew, tells of both prefixes at once, and loses one of them; what has the router in the end?"""
    before = s.sessions(net["n1"])["10.99.0.1"].connections_established
    net["up"].vtysh("clear bgp *")
    frr_pair.poll(
        lambda: s.sessions(net["n1"])["10.99.0.1"],
        lambda found: found.is_established and found.connections_established > before,
        pause=0.01,
    )
    raw_frr.tell(net["n1"], "bgpd", "clear bgp ipv4 unicast * soft out")
    frr_pair.poll(net["up"].routes, lambda found: set(found) == {"192.0.2.1", "192.0.2.2"}, pause=0.01)
    raw_frr.tell(net["n1"], "bgpd", *FAMILY, "no network 192.0.2.1/32")
    # Told later, and withdrawn again when all is told.
    (tag,) = {item.tag for item in applied_node.wanted(PEERS, SERVICES).classes}
    raw_frr.tell(net["n1"], "bgpd", *FAMILY, f"network 192.0.2.3/32 route-map class-{tag}")
    frr_pair.poll(net["up"].routes, lambda found: "192.0.2.3" in found)
    raw_frr.tell(net["n1"], "bgpd", *FAMILY, "no network 192.0.2.3/32")
    return set(frr_pair.poll(net["up"].routes, lambda found: "192.0.2.3" not in found))


async def test_a_prefix_that_goes_early_is_gone(net, both):
    assert goes_early(net) == {"192.0.2.2"}


async def test_why_nobody_waits(net, both):
    if net.frr.mgmtd:
        pytest.skip("FRR 10 withdraws it in any case")
    # FRR's own second, and some more for a busy machine.
    raw_frr.tell(net["n1"], "bgpd", "configure terminal", "router bgp 64600", "coalesce-time 5000")
    assert goes_early(net) == {"192.0.2.1", "192.0.2.2"}
