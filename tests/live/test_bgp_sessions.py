"""One node with a session of every kind, each to a router of its own: what arrives there, in bgpd and in the kernel."""

import dataclasses

import pytest
import pytest_asyncio

from tests.live import applied_node, frr_pair
from tests.live import segment_bgp as s

pytestmark = [*s.MARKS, pytest.mark.asyncio(loop_scope="module")]

V4, V6 = "192.0.2.1", "2001:db8::1"
SERVICES = {"web": [V4, V6]}
BOTH = ("ipv4", "ipv6")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A router, the peers that stand for it on the node, and what it shall have: prefix -> next hop and AS path."""

    router: str
    asn: int
    toward: tuple[s.Toward, ...]
    peers: dict[str, dict]
    gets: dict[str, str]
    as_path: str = "64600"


LINK_LOCAL = "the node's link-local address"
KINDS = {
    "eBGP, one session per family": Kind(
        "up",
        64512,
        (s.Toward("10.99.0.11"), s.Toward("fd00:99::11")),
        {"up-4": {"address": "10.99.0.1"}, "up-6": {"address": "fd00:99::1"}},
        {V4: "10.99.0.11", V6: LINK_LOCAL},
    ),
    "iBGP, one session per family": Kind(
        "tor",
        64600,
        (s.Toward("10.99.0.11"), s.Toward("fd00:99::11")),
        {
            "tor-4": {"address": "10.99.0.2", "asn": 64600},
            "tor-6": {"address": "fd00:99::2", "dynamic_asn": "internal"},
        },
        {V4: "10.99.0.11", V6: LINK_LOCAL},
        as_path="Local",
    ),
    "both families over one IPv4 session": Kind(
        "spine",
        64514,
        (s.Toward("10.99.0.11", families=BOTH),),
        {"spine": {"address": "10.99.0.3", "asn": 64514, "dual_stack_address_family": True}},
        {V4: "10.99.0.11", V6: LINK_LOCAL},
    ),
    "both families over one IPv6 session": Kind(
        "hop",
        64515,
        (s.Toward("fd00:99::11", ("capability extended-nexthop",), families=BOTH),),
        {"hop": {"address": "fd00:99::4", "dynamic_asn": "external", "dual_stack_address_family": True}},
        {V4: LINK_LOCAL, V6: LINK_LOCAL},
    ),
    "unnumbered": Kind(
        "leaf",
        64516,
        (s.Toward("eth1", remote_as="external"),),
        {"leaf": {"interface": "eth1", "dynamic_asn": "external"}},
        {V4: LINK_LOCAL, V6: LINK_LOCAL},
    ),
    "another AS shown to this router": Kind(
        "edge",
        64517,
        (s.Toward("10.99.0.11", remote_as=64700),),
        {"edge": {"address": "10.99.0.6", "asn": 64517, "local_asn": 64700}},
        {V4: "10.99.0.11"},
        as_path="64700",
    ),
    "beyond another hop, from a given address": Kind(
        "n2",
        64518,
        (s.Toward("10.96.0.11", ("ebgp-multihop 5", "update-source 10.97.0.2")),),
        {
            "far": {
                "address": "10.97.0.2",
                "asn": 64518,
                "ebgp_multihop": True,
                "source_address": "10.96.0.11",
            }
        },
        {V4: "10.97.0.1"},
    ),
}


def lay_out(net):
    """The last router stands behind `hop`; the node has one more address, which nobody has on the segment."""
    net.wire("n1", "leaf")
    net.wire("hop", "n2")
    net["hop"].ip("addr", "add", "10.97.0.1/30", "dev", "eth1")
    net["n2"].ip("addr", "add", "10.97.0.2/30", "dev", "eth1")
    net["n2"].ip("link", "set", "eth0", "down")
    net["n1"].ip("addr", "add", "10.96.0.11/32", "dev", "lo")
    net["n1"].ip("route", "add", "10.97.0.0/30", "via", "10.99.0.4")
    net["hop"].ip("route", "add", "10.96.0.11/32", "via", "10.99.0.11")
    net["n2"].ip("route", "add", "10.96.0.11/32", "via", "10.97.0.1")
    forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
    frr_pair.run("ip", "netns", "exec", net["hop"].namespace, "sh", "-c", forward)


@pytest.fixture(scope="module")
def net():
    with s.Segment("n1", *(kind.router for kind in KINDS.values())) as made:
        lay_out(made)
        made.start("n1", s.BGP_AND_BFD)
        for kind in KINDS.values():
            number = s.NUMBERS[kind.router]
            made.start(kind.router).load(s.router(kind.asn, f"10.99.0.{number}", *kind.toward))
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(net):
    made = applied_node.Node(net["n1"])
    peers = {name: fields for kind in KINDS.values() for name, fields in kind.peers.items()}
    await made.apply(applied_node.wanted(peers, SERVICES))
    yield made
    made.forget()


@pytest.mark.parametrize("name", KINDS)
async def test_what_the_router_has(net, node, name):
    kind = KINDS[name]
    machine = net[kind.router]
    interface = "eth1" if kind.toward[0].is_interface else "eth0"
    own = s.link_local(net["n1"], interface)
    expected = {prefix: frozenset({own if hop == LINK_LOCAL else hop}) for prefix, hop in kind.gets.items()}
    assert frr_pair.poll(lambda: s.legs(machine), expected.__eq__) == expected
    for prefix in kind.gets:
        (path,) = s.paths(machine, f"{prefix}/{128 if ':' in prefix else 32}")
        assert path.as_path == kind.as_path
        assert (path.communities, path.large) == (frozenset(), frozenset())
        assert path.local_preference == (100 if kind.asn == 64600 else None)
    assert set(s.sessions(machine)) == {each.neighbor for each in kind.toward}


async def test_every_session_came_up_once(node):
    found = s.established(node.machine)
    assert len(found) == sum(len(kind.peers) for kind in KINDS.values())
    assert {
        name: (item.connections_dropped, item.last_reset) for name, item in found.items() if item.connections_dropped
    } == {}
