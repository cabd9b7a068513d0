"""What two routers of different AS receive: each exactly its own, with the attributes as advertised; one is internal (iBGP).

`up` is AS 64512, `tor` is in the nodes' AS 64600, both on one segment with the nodes n1 and n2.
"""

import pytest
import pytest_asyncio

from tests.live import applied_node, frr_pair
from tests.live import segment_bgp as s

pytestmark = [*s.MARKS, pytest.mark.asyncio(loop_scope="module")]

PEERS = {
    "up-4": {"address": "10.99.0.1"},
    "up-6": {"address": "fd00:99::1"},
    "tor-4": {"address": "10.99.0.2", "asn": 64600},
    "tor-6": {"address": "fd00:99::2", "asn": 64600},
}
UP, TOR = ["up-4", "up-6"], ["tor-4", "tor-6"]
NODES = ("n1", "n2")


@pytest.fixture(scope="module")
def net():
    with s.Segment("up", "tor", *NODES) as made:
        for name, asn in (("up", 64512), ("tor", 64600)):
            neighbors = [
                s.Toward(address) for number in (11, 12) for address in (f"10.99.0.{number}", f"fd00:99::{number}")
            ]
            made.start(name).load(s.router(asn, f"10.99.0.{s.NUMBERS[name]}", *neighbors))
        for name in NODES:
            made.start(name, s.BGP_AND_BFD)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(net):
    """Both nodes, with sessions to both routers and nothing to tell."""
    made = {name: applied_node.Node(net[name]) for name in NODES}
    for name, each in made.items():
        await each.apply(applied_node.wanted(PEERS, {}, node=name, nodes=NODES))
    for name in NODES:
        s.established(net[name])
    yield made
    for each in made.values():
        each.forget()


@pytest.fixture
def node(nodes):
    return nodes["n1"]


def knows(machine, *prefixes):
    """Waits until the router's kernel has exactly these."""
    return frr_pair.poll(lambda: set(machine.routes()), set(prefixes).__eq__)


def heard(machine, prefix):
    """The one path to the prefix, as (communities, large communities, local preference)."""
    (path,) = s.paths(machine, prefix)
    return path.communities, path.large, path.local_preference


async def test_each_router_gets_exactly_its_own(net, node):
    ads = {
        "to-up": {"peers": UP, "selectors": [{"color": "red"}, {"color": "purple"}]},
        "to-tor": {"peers": TOR, "selectors": [{"color": "blue"}, {"color": "purple"}]},
        "to-both": {"selectors": [{"color": "white"}]},
        "to-up-by-ipv4-only": {"peers": ["up-4"], "selectors": [{"color": "old"}]},
    }
    colors = ("red", "blue", "purple", "white", "old", "nobody")
    services = {color: [f"192.0.2.{n}", f"2001:db8::{n}"] for n, color in enumerate(colors, 1)}
    await node.apply(applied_node.wanted(PEERS, services, ads, labels={color: color for color in colors}))
    knows(net["up"], *services["red"], *services["purple"], *services["white"], services["old"][0])
    knows(net["tor"], *services["blue"], *services["purple"], *services["white"])
    for router in ("up", "tor"):
        own = {"10.99.0.11"}, {s.link_local(net["n1"])}
        assert {prefix: hops in own for prefix, hops in s.legs(net[router]).items()} == dict.fromkeys(
            net[router].routes(), True
        )

    moved = {**{color: color for color in colors}, "red": "blue"}
    await node.apply(applied_node.wanted(PEERS, services, ads, labels=moved))
    knows(net["up"], *services["purple"], *services["white"], services["old"][0])
    knows(net["tor"], *services["red"], *services["blue"], *services["purple"], *services["white"])


WELL_KNOWN = ["65535:65281", "65535:65282", "65535:0"]


async def test_attributes_as_received(net, node):
    colors = {"plain": "plain", "marked": "marked", "famous": "famous"}
    services = {name: [f"192.0.2.{n}", f"2001:db8::{n}"] for n, name in enumerate(colors, 1)}
    ads = {
        "plain": {"selectors": [{"color": "plain"}]},
        "marked": {
            "selectors": [{"color": "marked"}],
            "communities": ["64600:1", "0:65535", "large:64600:1:4294967295", "large:4294967295:0:7"],
            "local_pref": 300,
        },
        "to-up": {"peers": UP, "selectors": [{"color": "marked"}], "local_pref": 300, "communities": ["64600:2"]},
        "famous": {"selectors": [{"color": "famous"}], "communities": WELL_KNOWN},
    }
    await node.apply(applied_node.wanted(PEERS, services, ads, labels=colors))
    for router in ("up", "tor"):
        knows(net[router], *(ip for ips in services.values() for ip in ips))
    none = frozenset()
    large = frozenset({"64600:1:4294967295", "4294967295:0:7"})
    for plain, marked, famous in (
        ("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"),
        ("2001:db8::1/128", "2001:db8::2/128", "2001:db8::3/128"),
    ):
        # Local preference is for neighbors of the own AS only (RFC 4271, 5.1.5).
        assert heard(net["up"], plain) == (none, none, None)
        assert heard(net["tor"], plain) == (none, none, 100)
        assert heard(net["up"], marked) == ({"64600:1", "64600:2", "0:65535"}, large, None)
        assert heard(net["tor"], marked) == ({"64600:1", "0:65535"}, large, 300)
        for router in ("up", "tor"):
            assert heard(net[router], famous)[0] == {"no-export", "no-advertise", "graceful-shutdown"}

    ads["marked"] = {**ads["marked"], "communities": ["64600:9"], "local_pref": 50}
    ads["to-up"] = {**ads["to-up"], "communities": [], "local_pref": 50}
    before = s.lives(net["n1"])
    with s.route_changes(net["up"]) as changes:
        await node.apply(applied_node.wanted(PEERS, services, ads, labels=colors))
        frr_pair.poll(lambda: heard(net["tor"], "192.0.2.2/32"), (frozenset({"64600:9"}), none, 50).__eq__)
        frr_pair.poll(lambda: heard(net["up"], "2001:db8::2/128"), (frozenset({"64600:9"}), none, None).__eq__)
    assert not [change for change in changes if not change["hops"]]
    assert s.lives(net["n1"]) == before


async def test_an_aggregate_stays_while_any_of_its_services_does(net, node):
    ads = {
        "wide": {"aggregation_v4": 24, "aggregation_v6": 64, "peers": UP},
        "exact": {"peers": TOR},
    }
    one, two = ["192.0.2.1", "2001:db8::1"], ["192.0.2.200", "2001:db8::200"]
    await node.apply(applied_node.wanted(PEERS, {"one": one, "two": two}, ads))
    knows(net["up"], "192.0.2.0/24", "2001:db8::/64")
    knows(net["tor"], *one, *two)
    with s.route_changes(net["up"]) as changes:
        await node.apply(applied_node.wanted(PEERS, {"two": two}, ads))
        knows(net["tor"], *two)  # by now the other router would have heard as well
        knows(net["up"], "192.0.2.0/24", "2001:db8::/64")
    assert changes == []
    await node.apply(applied_node.wanted(PEERS, {}, ads))
    knows(net["up"])
    knows(net["tor"])


async def test_one_of_two_nodes_withdraws_and_the_other_leg_is_untouched(net, nodes):
    services = {"web": ["192.0.2.1", "2001:db8::1"]}
    both = {ip: len(NODES) for ips in services.values() for ip in ips}
    for name, each in nodes.items():
        await each.apply(applied_node.wanted(PEERS, services, node=name, nodes=NODES))
    counted = {
        name: lambda m=net[name]: {prefix: len(hops) for prefix, hops in s.legs(m).items()} for name in ("up", "tor")
    }
    for legs in counted.values():
        frr_pair.poll(legs, both.__eq__)
    assert s.legs(net["up"])["192.0.2.1"] == {"10.99.0.11", "10.99.0.12"}

    with s.route_changes(net["up"]) as changes:
        await nodes["n2"].apply(applied_node.wanted(PEERS, {}, node="n2", nodes=NODES))
        expected = {"192.0.2.1": {"10.99.0.11"}, "2001:db8::1": {s.link_local(net["n1"])}}
        assert frr_pair.poll(lambda: s.legs(net["up"]), expected.__eq__)
        await nodes["n2"].apply(applied_node.wanted(PEERS, services, node="n2", nodes=NODES))
        frr_pair.poll(counted["up"], both.__eq__)
    # One leg after two, then two again; never none.
    for prefix in expected:
        assert [change["hops"] for change in changes if change["dst"] == prefix] == [1, 2]
