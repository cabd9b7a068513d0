"""Which interfaces an announced service is told to be on."""

import ipaddress

import pytest

from speaker import values
from speaker.core import l2_status

A, B = ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("2001:db8::1")
ANNOUNCE = values.Announce()
ABSTAIN = values.Abstain(values.Reason.NOT_OWNER)


def decision(service, *addresses, verdict=ANNOUNCE, protocol=values.Protocol.LAYER2):
    return values.Decision(service, protocol, addresses, verdict, values.Wish.TAKE)


def plan(**interfaces):
    """By family: `v4` is on A, `v6` on B."""
    return values.L2Plan(
        tuple(
            values.L2Entry({"v4": A, "v6": B}[family], frozenset(names.split())) for family, names in interfaces.items()
        )
    )


@pytest.mark.parametrize(
    ("entries", "addresses", "expected"),
    [
        ({"v4": ""}, (A,), ()),
        ({"v4": "eth1 bond[01] eth0"}, (A,), ("bond[01]", "eth0", "eth1")),
        ({"v4": "eth1", "v6": "eth0"}, (A, B), ("eth0", "eth1")),
        ({"v4": "eth1", "v6": ""}, (A, B), ()),
    ],
    ids=["all", "sorted as configured", "both families", "all of one family"],
)
def test_interfaces_are_those_of_the_addresses(entries, addresses, expected):
    assert l2_status.told([decision("default/web", *addresses)], plan(**entries)) == {"default/web": expected}


def test_only_what_is_announced_on_layer_2_is_told():
    decisions = [
        decision("default/a", A),
        decision("default/b", B, verdict=ABSTAIN),
        decision("default/c", A, protocol=values.Protocol.BGP),
    ]
    assert l2_status.told(decisions, plan(v4="eth0", v6="eth0")) == {"default/a": ("eth0",)}


def test_services_that_share_an_address_share_its_interfaces():
    decisions = [decision("default/a", A), decision("default/b", A)]
    told = l2_status.told(decisions, plan(v4="eth0 eth1"))
    assert told == dict.fromkeys(("default/a", "default/b"), ("eth0", "eth1"))
