"""Messages of the kernel, as pyroute2 presents them, to values."""

import ipaddress
import socket

import pytest

from speaker import exclusion, links
from speaker.boundary import netlink

NEW_LINK, DELETE_LINK, NEW_ADDRESS, DELETE_ADDRESS = 16, 17, 20, 21
UP = 0x1 | 0x2 | 0x10000
PERMANENT, TENTATIVE, FAILED, OPTIMISTIC = 0x80, 0x40, 0x08, 0x04


class Message(dict):
    """Fields by key, attributes by `get_attr`."""

    def __init__(self, kind: int = 0, attributes=(), **fields) -> None:
        super().__init__(header={"type": kind}, **fields)
        self._attributes = dict(attributes)

    def get_attr(self, name):
        return self._attributes.get(name)


def link(kind=NEW_LINK, *, index=2, name="eth0", mac="02:00:00:00:00:01", flags=UP, family=0, master=None):
    attributes = {"IFLA_IFNAME": name, "IFLA_ADDRESS": mac, "IFLA_MASTER": master}
    return Message(kind, attributes, index=index, flags=flags, family=family)


def address(text="fe80::1", kind=NEW_ADDRESS, *, index=2, flags=PERMANENT, family=socket.AF_INET6):
    return Message(kind, {"IFA_ADDRESS": text, "IFA_FLAGS": flags}, index=index, flags=flags & 0xFF, family=family)


def picture(*messages, excluded=exclusion.Exclusion()):  # noqa: B008 - frozen
    made = netlink._Picture(excluded)
    for message in messages:
        made.take(message)
    return dict(made.interfaces())


ETH0 = links.Interface(2, "eth0", mac=links.parse_mac("02:00:00:00:00:01"))


def with_link_local(*texts):
    return {2: links.Interface(2, "eth0", mac=ETH0.mac, link_local=ipaddress.IPv6Address(min(texts)))}


SEQUENCES = [
    ("nothing", [], {}),
    ("one link", [link()], {2: ETH0}),
    ("deleted", [link(), link(DELETE_LINK)], {}),
    ("left its bridge, not deleted", [link(), link(DELETE_LINK, family=7)], {2: ETH0}),
    ("link-local address", [link(), address()], with_link_local("fe80::1")),
    ("address before link", [address(), link()], with_link_local("fe80::1")),
    ("two addresses", [link(), address("fe80::2"), address()], with_link_local("fe80::1")),
    ("address gone", [link(), address(), address(kind=DELETE_ADDRESS)], {2: ETH0}),
    ("tentative", [link(), address(flags=PERMANENT | TENTATIVE)], {2: ETH0}),
    ("duplicate", [link(), address(flags=PERMANENT | TENTATIVE | FAILED)], {2: ETH0}),
    ("optimistic", [link(), address(flags=PERMANENT | TENTATIVE | OPTIMISTIC)], with_link_local("fe80::1")),
    ("global address", [link(), address("fd00::1")], {2: ETH0}),
    ("IPv4 address", [link(), address("10.0.0.1", family=socket.AF_INET)], {2: ETH0}),
    ("addresses die with the link", [link(), address(), link(DELETE_LINK), link()], {2: ETH0}),
    ("other message", [link(), Message(24)], {2: ETH0}),
]


@pytest.mark.parametrize(("messages", "expected"), [row[1:] for row in SEQUENCES], ids=[row[0] for row in SEQUENCES])
def test_messages_add_up_to_interfaces(messages, expected):
    assert picture(*messages) == expected


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({"flags": 0x2}, {"is_up": False, "has_carrier": False}),
        ({"flags": 0x1 | 0x10000}, {"has_broadcast": False}),
        ({"flags": UP | 0x80}, {"is_noarp": True}),
        ({"master": 7}, {"master": 7}),
        ({"mac": None}, {"mac": None}),
        ({"mac": "00:00:00:00:00:00"}, {"mac": None}),
        ({"mac": "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:01"}, {"mac": None}),
    ],
)
def test_flags_and_attributes(fields, changes):
    (found,) = picture(link(**fields)).values()
    assert {name: getattr(found, name) for name in changes} == changes


def test_excluded_names_do_not_exist_and_renames_are_followed():
    some = exclusion.Exclusion(("^veth",))
    assert picture(link(name="veth1"), link(index=3), excluded=some).keys() == {3}
    assert picture(link(), link(name="veth1"), excluded=some) == {}
    assert picture(link(name="veth1"), link(), excluded=some).keys() == {2}
