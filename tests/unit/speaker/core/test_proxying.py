"""Where the kernel may answer by itself, and which questions it leaves to us."""

import dataclasses
import ipaddress

import pytest

from frr_adapter import addresses
from speaker import links, values
from speaker.core import arp, ndp, probing, proxying

V4, V6 = ipaddress.IPv4Address, ipaddress.IPv6Address
ETH0 = links.Interface(2, "eth0", mac=links.parse_mac("02:00:00:00:00:01"), link_local=V6("fe80::1"))
ETH1 = links.Interface(3, "eth1", mac=links.parse_mac("02:00:00:00:00:02"), link_local=V6("fe80::2"))
CLIENT = links.parse_mac("02:00:00:00:00:c1")
A, C6 = V4("10.99.0.200"), V6("fd00:99::200")
RIGHT = links.Answering(forwards_ipv4=True, delay_ipv4=0, forwards_ipv6=True, proxies_ipv6=True, delay_ipv6=0)
BOTH = {2: RIGHT, 3: RIGHT}


def table(*entries: values.L2Entry) -> links.Table:
    return {entry.address: entry for entry in entries}


TABLE = table(values.L2Entry(A), values.L2Entry(C6))


def test_everything_is_right_on_both_interfaces():
    found = proxying.choose(TABLE, [ETH0, ETH1], BOTH, {A: 9})
    assert found.kernel == {links.Target(index, address) for index in (2, 3) for address in (A, C6)}
    assert found.raw == frozenset()


@pytest.mark.parametrize(
    ("change", "family", "why"),
    [
        ({"forwards_ipv4": False}, 4, "net.ipv4.conf.eth0.forwarding is not 1"),
        ({"delay_ipv4": 80}, 4, "net.ipv4.neigh.eth0.proxy_delay is not 0"),
        ({"delay_ipv4": None}, 4, "net.ipv4.neigh.eth0.proxy_delay is not 0"),
        ({"forwards_ipv6": False}, 6, "net.ipv6.conf.eth0.forwarding is not 1"),
        ({"proxies_ipv6": False}, 6, "net.ipv6.conf.eth0.proxy_ndp is not 1"),
        ({"delay_ipv6": 80}, 6, "net.ipv6.neigh.eth0.proxy_delay is not 0"),
        ({"delay_ipv6": None}, 6, "net.ipv6.neigh.eth0.proxy_delay is not 0"),
    ],
)
def test_one_wrong_setting_concerns_one_family_of_one_interface(change, family, why):
    found = proxying.choose(TABLE, [ETH0, ETH1], BOTH | {2: dataclasses.replace(RIGHT, **change)}, {A: 9})
    concerned = A if family == 4 else C6
    assert found.kernel == {links.Target(i, a) for i in (2, 3) for a in (A, C6)} - {links.Target(2, concerned)}
    assert found.raw == {links.RawBecause("eth0", addresses.Family(family), why)}


@pytest.mark.parametrize("route", [{}, {A: None}, {A: 2}], ids=["unknown", "none", "same"])
def test_ipv4_needs_a_route_through_another_interface(route):
    found = proxying.choose(table(values.L2Entry(A)), [ETH0], BOTH, route)
    assert found.kernel == frozenset()
    (because,) = found.raw
    assert "route" in because.why


def test_an_interface_of_which_nothing_is_known_is_left_to_raw_sockets():
    assert proxying.choose(TABLE, [ETH0], {}, {A: 9}).kernel == frozenset()


def test_only_interfaces_that_serve_and_are_meant():
    slave = dataclasses.replace(ETH0, master=7)
    speechless = dataclasses.replace(ETH0, link_local=None)
    assert proxying.choose(TABLE, [slave], BOTH, {A: 9}) == links.Delegated()
    assert proxying.choose(TABLE, [speechless], BOTH, {A: 9}).kernel == {links.Target(2, A)}
    only = table(values.L2Entry(C6, frozenset({"eth1"})))
    assert proxying.choose(only, [ETH0, ETH1], BOTH, {}).kernel == {links.Target(3, C6)}


def test_the_number_of_entries_is_bounded_and_the_choice_is_stable():
    many = table(*(values.L2Entry(C6 + number) for number in range(proxying.MOST + 5)))
    found = proxying.choose(many, [ETH0], BOTH, {})
    assert found.kernel == {links.Target(2, C6 + number) for number in range(proxying.MOST)}
    assert [because.why for because in found.raw] == ["the kernel answers for 1024 addresses at most"]


def solicitation(**changes) -> bytes:
    group = ndp.solicited_node_group(C6)
    fields = {
        "destination": ndp.group_mac(group),
        "source": CLIENT,
        "sender": V6("fd00:99::1"),
        "receiver": group,
        "target": C6,
        "source_link_layer": CLIENT,
    }
    return ndp.encode(ndp.Solicitation(**{**fields, **changes}))


def request(sender: str) -> bytes:
    return arp.encode(
        arp.ArpFrame(links.BROADCAST, CLIENT, arp.Operation.REQUEST, CLIENT, V4(sender), links.UNSPECIFIED, A)
    )


@pytest.mark.parametrize(
    ("question", "is_ours"),
    [
        (request("10.99.0.1"), False),
        (request("0.0.0.0"), True),
        (probing.probe(A, ETH0)[0], True),
        (solicitation(), False),
        (solicitation(destination=ETH0.mac), False),
        (solicitation(destination=ETH0.mac, receiver=C6), True),
        (probing.probe(C6, ETH0)[0], False),
        (b"", True),
    ],
)
def test_which_questions_are_left_to_us(question, is_ours):
    assert proxying.is_left_to_us(question, RIGHT) is is_ours


def test_a_kernel_that_proxies_everywhere_takes_direct_solicitations_too():
    everywhere = dataclasses.replace(RIGHT, takes_direct_ipv6=True)
    assert not proxying.is_left_to_us(solicitation(destination=ETH0.mac, receiver=C6), everywhere)
