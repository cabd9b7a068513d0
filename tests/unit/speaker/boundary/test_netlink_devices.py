"""VLANs and bonds as the kernel tells of them, byte by byte (include/uapi/linux/{netlink,if_link}.h), through the library's parser.

Written down because not every kernel has these kinds; `tests/live/test_layer2_devices.py` makes them where it does.
"""

import ipaddress
import struct

import pytest
from pyroute2.netlink.rtnl import marshal

from speaker import exclusion, links
from speaker.boundary import netlink

NEW_LINK, DELETE_LINK, NEW_ADDRESS = 16, 17, 20
UP, BROADCAST, RUNNING, MASTER, SLAVE, MULTICAST, LOWER_UP = 0x1, 0x2, 0x40, 0x400, 0x800, 0x1000, 0x10000
PLAIN = UP | BROADCAST | RUNNING | MULTICAST | LOWER_UP
PARENT, VLAN, BOND, ETH0, ETH1 = 2, 7, 9, 3, 4
FIRST, SECOND = "02:00:00:00:00:03", "02:00:00:00:00:04"


def attribute(kind: int, payload: bytes) -> bytes:
    padding = -len(payload) % 4
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(padding)


def number(kind: int, value: int, form: str = "=I") -> bytes:
    return attribute(kind, struct.pack(form, value))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def link(index: int, name: str, mac: str, flags: int = PLAIN, *more: bytes, kind: int = NEW_LINK) -> bytes:
    """struct ifinfomsg of family AF_UNSPEC and type ARPHRD_ETHER; IFLA_IFNAME 3, IFLA_ADDRESS 1, IFLA_MTU 4."""
    header = struct.pack("=BxHiII", 0, 1, index, flags, 0)
    body = text(3, name) + number(4, 1500) + attribute(1, links.parse_mac(mac)) + b"".join(more)
    return message(kind, header + body)


def information(kind: str, *data: bytes) -> bytes:
    """IFLA_LINKINFO 18 with IFLA_INFO_KIND 1 and IFLA_INFO_DATA 2."""
    return attribute(18, text(1, kind) + attribute(2, b"".join(data)))


def port(master: int) -> tuple[bytes, bytes]:
    """IFLA_MASTER 10, and IFLA_INFO_SLAVE_KIND 4 within IFLA_LINKINFO."""
    return number(10, master), attribute(18, text(1, "veth") + text(4, "bond"))


def vlan(mac: str = FIRST, flags: int = PLAIN, kind: int = NEW_LINK) -> bytes:
    """IFLA_LINK 5 is the device below; IFLA_VLAN_ID 1, IFLA_VLAN_PROTOCOL 5."""
    about = information("vlan", number(1, 5, "=H"), number(5, 0x8100, ">H"))
    return link(VLAN, "eth0.5", mac, flags, number(5, PARENT), about, kind=kind)


def bond(mac: str = FIRST, flags: int = PLAIN | MASTER, active: int = ETH0) -> bytes:
    """IFLA_BOND_MODE 1 (active backup), IFLA_BOND_ACTIVE_SLAVE 2."""
    return link(BOND, "bond0", mac, flags, information("bond", number(1, 1, "=B"), number(2, active)))


def link_local(index: int, address: str) -> bytes:
    """struct ifaddrmsg, permanent; IFA_ADDRESS 1, IFA_FLAGS 8."""
    header = struct.pack("=BBBBI", 10, 64, 0x80, 253, index)
    return message(NEW_ADDRESS, header + attribute(1, ipaddress.IPv6Address(address).packed) + number(8, 0x80))


def picture(*messages: bytes) -> dict[str, links.Interface]:
    made = netlink._Picture(exclusion.DEFAULT)
    for parsed in marshal.MarshalRtnl().parse(b"".join(messages)):
        made.take(parsed)
    return {each.name: each for each in made.interfaces().values()}


PORTS = (link(ETH0, "eth0", FIRST, PLAIN | SLAVE, *port(BOND)), link(ETH1, "eth1", FIRST, PLAIN | SLAVE, *port(BOND)))


def served(*messages: bytes) -> dict[str, str]:
    """Interfaces that answer ARP, with their link-layer address."""
    return {name: links.format_mac(each.mac) for name, each in picture(*messages).items() if each.answers_arp}


def test_a_vlan_is_served_beside_the_device_below():
    below = link(PARENT, "eth0", FIRST)
    assert served(below, vlan()) == {"eth0": FIRST, "eth0.5": FIRST}
    assert served(below, vlan(SECOND)) == {"eth0": FIRST, "eth0.5": SECOND}
    found = picture(below, vlan(), link_local(VLAN, "fe80::5"))
    assert (found["eth0.5"].answers_ndp, found["eth0"].answers_ndp) == (True, False)
    assert found["eth0.5"].index == VLAN


def test_a_vlan_goes_down_and_away_with_the_device_below():
    below = link(PARENT, "eth0", FIRST)
    assert served(below, vlan(), vlan(flags=BROADCAST)) == {"eth0": FIRST}
    assert picture(below, vlan(), vlan(flags=PLAIN & ~LOWER_UP))["eth0.5"].has_carrier is False
    assert served(below, vlan(), vlan(kind=DELETE_LINK)) == {"eth0": FIRST}


def test_a_bond_is_served_in_place_of_its_links():
    assert served(bond(), *PORTS) == {"bond0": FIRST}
    assert {name: each.master for name, each in picture(bond(), *PORTS).items()} == {
        "bond0": None,
        "eth0": BOND,
        "eth1": BOND,
    }


def test_a_bond_that_takes_the_address_of_the_active_link_is_followed():
    """`fail_over_mac=active`."""
    assert served(bond(), *PORTS, bond(SECOND, active=ETH1)) == {"bond0": SECOND}


def test_a_bond_without_a_working_link_has_no_carrier():
    found = picture(bond(), *PORTS, bond(flags=(PLAIN | MASTER) & ~LOWER_UP & ~RUNNING))
    assert found["bond0"].has_carrier is False
    assert found["bond0"].is_up


def test_a_link_that_leaves_its_bond_is_served_again():
    assert served(bond(), *PORTS, link(ETH1, "eth1", SECOND)) == {"bond0": FIRST, "eth1": SECOND}


@pytest.mark.parametrize("flags", [PLAIN | 0x80, PLAIN & ~BROADCAST])
def test_devices_without_arp_or_broadcast_answer_no_arp(flags):
    assert served(link(5, "tun0", FIRST, flags)) == {}
