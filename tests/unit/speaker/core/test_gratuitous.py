"""What is announced, to whom, and what makes it due."""

import dataclasses
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frr_adapter import addresses
from speaker import links, values
from speaker.core import arp, gratuitous, ndp

V4, V6 = ipaddress.IPv4Address, ipaddress.IPv6Address
OWN = links.parse_mac("02:00:00:00:00:01")
ETH0 = links.Interface(2, "eth0", mac=OWN, link_local=V6("fe80::1"))
ETH1 = links.Interface(3, "eth1", mac=links.parse_mac("02:00:00:00:00:02"))
A, B, C6 = V4("10.99.0.200"), V4("10.99.0.201"), V6("fd00:99::200")
NEIGHBOR = links.Neighbor(V4("10.99.0.1"), links.parse_mac("02:00:00:00:00:c1"), 1.0)
NEIGHBOR6 = links.Neighbor(V6("fd00:99::1"), links.parse_mac("02:00:00:00:00:c1"), 1.0)


def table(**entries):
    known = {"a": A, "b": B, "c6": C6}
    return {known[name]: values.L2Entry(known[name], frozenset(on)) for name, on in entries.items()}


def told(taken, interface, neighbors):
    """Everything that leaves by unicast, as address and frame."""
    receivers = gratuitous.receivers(len(taken), interface, neighbors)
    return [
        (address, frame)
        for address in taken
        for neighbor in receivers[addresses.family_of(address)]
        for frame in gratuitous.directed(address, interface, neighbor)
    ]


def test_an_ipv4_burst_is_a_reply_with_the_own_target_and_a_request():
    reply, request = (arp.decode(frame) for frame in gratuitous.burst(A, ETH0))
    assert reply == arp.ArpFrame(links.BROADCAST, OWN, arp.Operation.REPLY, OWN, A, OWN, A)
    assert request == arp.ArpFrame(links.BROADCAST, OWN, arp.Operation.REQUEST, OWN, A, links.UNSPECIFIED, A)


def test_an_ipv6_burst_is_an_advertisement_with_override_to_all_nodes():
    (frame,) = gratuitous.burst(C6, ETH0)
    assert ndp.decode(frame) == ndp.Advertisement(
        links.parse_mac("33:33:00:00:00:01"),
        OWN,
        V6("fe80::1"),
        V6("ff02::1"),
        C6,
        is_override=True,
        target_link_layer=OWN,
    )


@pytest.mark.parametrize(
    ("address", "changes"),
    [
        (A, {"is_up": False}),
        (A, {"has_broadcast": False}),
        (A, {"master": 9}),
        (A, {"mac": None}),
        (C6, {"link_local": None}),
        (C6, {"is_noarp": True}),
    ],
)
def test_no_burst_where_the_family_is_not_announced(address, changes):
    assert gratuitous.burst(address, dataclasses.replace(ETH0, **changes)) == ()
    assert told([address], dataclasses.replace(ETH0, **changes), [NEIGHBOR, NEIGHBOR6]) == []


def test_directed_frames_go_to_neighbors_of_the_family():
    found = told([A, C6], ETH0, [NEIGHBOR6, NEIGHBOR])
    assert [address for address, _ in found] == [A, C6]
    reply, advertisement = arp.decode(found[0][1]), ndp.decode(found[1][1])
    assert reply == arp.ArpFrame(NEIGHBOR.mac, OWN, arp.Operation.REPLY, OWN, A, OWN, A)
    assert (advertisement.destination, advertisement.receiver) == (NEIGHBOR6.mac, V6("fd00:99::1"))
    assert advertisement.is_override
    assert not advertisement.is_solicited


def test_a_neighbor_of_the_other_family_is_told_nothing():
    assert gratuitous.directed(A, ETH0, NEIGHBOR6) == gratuitous.directed(C6, ETH0, NEIGHBOR) == ()


def test_directed_frames_skip_ourselves_and_groups_and_prefer_the_freshest():
    crowd = [
        links.Neighbor(V4(0x0A630000 + n), links.Mac(b"\x06" + n.to_bytes(5, "big")), float(n)) for n in range(200)
    ]
    odd = [links.Neighbor(V4("10.99.9.9"), OWN), links.Neighbor(V4("224.0.0.1"), links.parse_mac("01:00:5e:00:00:01"))]
    found = told([A], ETH0, [*reversed(crowd), *odd])
    assert [arp.decode(frame).destination for _, frame in found] == [other.mac for other in crowd[:64]]


@pytest.mark.parametrize(("count", "per_address"), [(1, 64), (32, 64), (33, 62), (2048, 1), (2049, 0)])
def test_directed_frames_are_bounded_in_all(count, per_address):
    crowd = [links.Neighbor(V4(0x0A630000 + n), links.Mac(b"\x06" + n.to_bytes(5, "big"))) for n in range(100)]
    taken = [V4(0x0A640000 + n) for n in range(count)]
    assert len(told(taken, ETH0, crowd)) == count * per_address


PLANS = [
    ("nothing to nothing", {}, {}, []),
    ("new everywhere", {}, {"a": []}, [(2, A), (3, A)]),
    ("new, restricted", {}, {"a": ["eth1"]}, [(3, A)]),
    ("unchanged", {"a": []}, {"a": []}, []),
    ("one more", {"a": []}, {"a": [], "b": []}, [(2, B), (3, B)]),
    ("withdrawn", {"a": []}, {}, []),
    ("widened", {"a": ["eth0"]}, {"a": []}, [(3, A)]),
    ("narrowed", {"a": []}, {"a": ["eth0"]}, []),
    ("moved", {"a": ["eth0"]}, {"a": ["eth1"]}, [(3, A)]),
    ("v6 needs a link-local address", {}, {"c6": []}, [(2, C6)]),
]


@pytest.mark.parametrize(("before", "after", "expected"), [row[1:] for row in PLANS], ids=[row[0] for row in PLANS])
def test_what_a_new_plan_makes_due(before, after, expected):
    found = gratuitous.gained_by_plan(table(**before), table(**after), [ETH0, ETH1])
    assert found == {links.Target(index, address) for index, address in expected}


def changed(**changes) -> links.Interface:
    return dataclasses.replace(ETH0, **changes)


EVERY = {"a": [], "b": ["eth1"], "c6": []}
INTERFACES = [
    ("appeared", None, ETH0, [A, C6]),
    ("unchanged", ETH0, ETH0, []),
    ("came up", changed(is_up=False), ETH0, [A, C6]),
    ("went down", ETH0, changed(is_up=False), []),
    ("cable back", changed(has_carrier=False), ETH0, [A, C6]),
    ("cable out", ETH0, changed(has_carrier=False), []),
    ("appeared without cable", None, changed(has_carrier=False), []),
    ("new MAC", changed(mac=ETH1.mac), ETH0, [A, C6]),
    ("got its link-local address", changed(link_local=None), ETH0, [C6]),
    ("other link-local address", changed(link_local=V6("fe80::2")), ETH0, []),
    ("left its bridge", changed(master=5), ETH0, [A, C6]),
    ("renamed", changed(name="old0"), ETH0, [A, C6]),
    ("renamed into a restriction", ETH0, changed(name="eth1"), [A, B, C6]),
]


@pytest.mark.parametrize(
    ("old", "new", "expected"), [row[1:] for row in INTERFACES], ids=[row[0] for row in INTERFACES]
)
def test_what_a_changed_interface_makes_due(old, new, expected):
    found = gratuitous.gained_by_interface(old, new, table(**EVERY))
    assert found == {links.Target(2, address) for address in expected}


def test_memberships_are_the_solicited_node_groups_where_the_entry_is_announced():
    group = V6("ff02::1:ff00:200")
    both = [ETH0, dataclasses.replace(ETH1, link_local=V6("fe80::3"))]
    assert gratuitous.memberships(table(a=[], c6=[]), both) == {links.Membership(2, group), links.Membership(3, group)}
    assert gratuitous.memberships(table(c6=["eth1"]), both) == {links.Membership(3, group)}
    assert gratuitous.memberships(table(c6=[]), [ETH1]) == frozenset()


names = st.sampled_from(["a", "b", "c6"])
plans = st.dictionaries(names, st.lists(st.sampled_from(["eth0", "eth1"]), max_size=2), max_size=3)


@given(plans, plans)
def test_whatever_is_announced_before_and_after_is_never_due(before, after):
    old, new = table(**before), table(**after)
    for target in gratuitous.gained_by_plan(old, new, [ETH0, ETH1]):
        name = {2: "eth0", 3: "eth1"}[target.interface]
        assert new[target.address].is_on(name)
        assert target.address not in old or not old[target.address].is_on(name)
    assert gratuitous.gained_by_plan(new, new, [ETH0, ETH1]) == frozenset()
