"""What metrics say about sessions, against what FRR says; and how long a change takes until neighbors are told.

One numbered session per family and one unnumbered, all with BFD.
"""

import ipaddress
import re

import pytest

from frr_adapter.frr import show
from tests.live import applied_node
from tests.live import segment_bgp as s
from tests.live.cared_node import Node, until

pytestmark = s.MARKS

PEERS = {
    "four": {"address": "10.99.0.1", "bfd_profile": "usual"},
    "six": {"address": "fd00:99::1", "bfd_profile": "usual"},
    "link": {"interface": "eth1", "dynamic_asn": "external", "bfd_profile": "usual"},
}
SERVICES = {"web": ["192.0.2.1", "2001:db8::1"]}


def wanted(services):
    return applied_node.wanted(PEERS, services, bfd={"usual": {}})


@pytest.fixture
def net():
    with s.Segment("n1", "up") as made:
        made.wire("n1", "up")
        for name in ("n1", "up"):
            made.start(name, s.BGP_AND_BFD)
        neighbors = [s.Toward(name, ("bfd",)) for name in ("10.99.0.11", "fd00:99::11")]
        made["up"].load(s.router(64512, "10.99.0.1", *neighbors, s.Toward("eth1", ("bfd",), "external")))
        yield made


def series(node, name):
    """Peer label -> value."""
    pattern = re.compile(rf'{name}{{peer="([^"]*)",vrf="default"}} (\S+)')
    return {peer: float(value) for peer, value in pattern.findall(node.registry.render().decode())}


def answer(node, question):
    return node.machine.vtysh(question)


async def test_metrics_say_what_frr_says(net):
    async with Node(net["n1"]).running() as node:
        await node.apply(wanted(SERVICES))
        await until(
            lambda: s.is_bfd_up(net["n1"]) and len(show.bfd_sessions(answer(node, show.bfd_peers_command()))) == 3
        )
        node.observing.scraped()
        await until(lambda: set(series(node, "metallb_bfd_session_up").values()) == {1})

        def labels():
            return {item.label for item in show.sessions(answer(node, show.BGP_NEIGHBORS)) if item.is_established}

        def up():
            return {peer for peer, value in series(node, "metallb_bgp_session_up").items() if value}

        # Both ends of a session may begin, and one of them wins: ports change until then.
        await until(lambda: len(up()) == 3 and up() == labels())
        assert "eth1" in up()
        for name in up() - {"eth1"}:
            address, _, port = name.rpartition(":")
            assert ipaddress.ip_address(address)
            assert int(port) > 0
        bfd = series(node, "metallb_bfd_session_up")
        assert set(bfd) == {"10.99.0.1", "fd00:99::1", s.link_local(net["up"], "eth1")}
        await until(lambda: sorted(series(node, "metallb_bgp_announced_prefixes_total").values()) == [1, 1, 2])
        assert series(node, "metallb_bgp_announced_prefixes_total")["eth1"] == 2
        assert min(series(node, "metallb_bgp_opens_sent").values()) >= 1
        before = series(node, "metallb_bfd_control_packet_input")
        assert before.keys() == bfd.keys()
        await until(
            lambda: all(
                value > before[peer] for peer, value in series(node, "metallb_bfd_control_packet_input").items()
            )
        )

        fewer = {name: fields for name, fields in PEERS.items() if name != "link"}
        await node.want(applied_node.wanted(fewer, SERVICES, bfd={"usual": {}}))
        await until(lambda: len(series(node, "metallb_bgp_session_up")) == 2)
        await until(lambda: len(series(node, "metallb_bfd_session_up")) == 2)


def observed(node, name):
    """How often, and how long altogether."""
    text = node.registry.render().decode()
    name = f"frr_adapter_bgp_event_{name}_seconds"
    return tuple(float(re.search(rf"^{name}_{what} (\S+)$", text, re.MULTILINE)[1]) for what in ("count", "sum"))


async def test_how_long_a_new_prefix_takes_to_be_told(net):
    async with Node(net["n1"]).running() as node:
        await node.apply(wanted(SERVICES))
        assert observed(node, "applied")[0] == 0
        await until(lambda: s.is_bfd_up(net["n1"]) and len(s.established(net["n1"])) == 3)
        await until(node.observing.has_session)
        already = observed(node, "applied")[0]
        for number in range(2, 7):
            services = {f"s{each}": [f"192.0.2.{each}"] for each in range(2, number + 1)}
            await node.want(wanted({**SERVICES, **services}))
            await until(lambda expected=number - 1: observed(node, "advertised")[0] == expected)
        assert observed(node, "applied")[0] == already + 5
        # FRR itself waits for 50 ms before it tells anybody.
        assert 0.02 < observed(node, "advertised")[1] / 5 < 1
        await node.want(wanted(SERVICES))
        assert observed(node, "applied")[0] == already + 6
        assert observed(node, "advertised")[0] == 5
