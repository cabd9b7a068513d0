"""Which prefix of a change is asked about."""

import ipaddress

import pytest

from frr_adapter.frr import advertised, config

V4 = "router bgp 64600 / address-family ipv4 unicast / network 192.0.2.{}/32 route-map class-1"
V6 = "router bgp 64600 vrf red / address-family ipv6 unicast / network 2001:db8::1/128 route-map class-1"


def running(*prefixes, family="ipv4", vrf=""):
    originations = tuple(config.Origination(ipaddress.ip_network(each), "class-1") for each in prefixes)
    routers = (config.Router(64600, vrf, families=(config.AddressFamily(family, originations),)),)
    return config.FrrConfig("n1", routers=routers)


def test_the_first_prefix_that_was_not_there():
    found = advertised.new_prefix(running("192.0.2.1/32", "192.0.2.3/32"), (V4.format(1), V4.format(2), V4.format(3)))
    assert found.question == "show bgp ipv4 unicast 192.0.2.2/32 json"


def test_of_a_vrf():
    found = advertised.new_prefix(running(), (V6,))
    assert found.question == "show bgp vrf red ipv6 unicast 2001:db8::1/128 json"
    assert advertised.new_prefix(running("2001:db8::1/128", family="ipv6"), (V6,)) == found
    assert advertised.new_prefix(running("2001:db8::1/128", family="ipv6", vrf="red"), (V6,)) is None


@pytest.mark.parametrize(
    "line",
    [
        "route-map class-1 permit 10",
        "router bgp 64600",
        "router bgp 64600 / neighbor 10.99.0.1 password ***",
        "router bgp 64600 / address-family ipv4 unicast / neighbor 10.99.0.1 activate",
        "bfd / profile network / detect-multiplier 5",
        "router bgp 64600 / address-family ipv4 unicast / network 192.0.2.9/24",
        "router bgp 64600 / address-family ipv4 unicast / network import-check",
        "router bgp 64600 / address-family ipv4 unicast / network",
    ],
)
def test_lines_that_bring_no_prefix(line):
    assert advertised.new_prefix(running(), (line,)) is None


def test_whom_bgpd_told():
    assert advertised.neighbors('{"prefix":"x","advertisedTo":{"b":{"hostname":"up"},"a":{}}}') == ("a", "b")
    assert advertised.neighbors("{\n}\n") == ()
    with pytest.raises(ValueError):
        advertised.neighbors("% Network not in table")
