"""Kinds of network devices: which of them answers, with which link-layer address, and that a node never takes itself for a rival."""

import ipaddress
import itertools

import pyroute2
import pytest

from speaker import links
from speaker.core import arp, ndp
from tests.live import segment as segments

pytestmark = pytest.mark.live

CLIENT = links.parse_mac("02:00:00:00:00:c1")
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def segment():
    try:
        made = segments.make()
    except OSError as error:
        pytest.skip(f"needs root or a user namespace with a writable /run/netns: {error}")
    try:
        made.one.start()
        yield made
    finally:
        segments.remove(made)


@pytest.fixture
def ear(segment):
    found = segments.Ear(segment.client)
    yield found
    found.close()


@pytest.fixture(params=[4, 6])
def vip(request):
    """An address that no other test uses."""
    number = next(_numbers)
    return f"10.99.0.{199 + number}" if request.param == 4 else f"fd00:99::{0x200 + number:x}"


@pytest.fixture
def devices(segment):
    """Names of devices that the test makes; they are gone afterwards, and nothing is announced."""
    made: list[str] = []
    yield made
    segment.one.plan()
    with segment.one.ip() as ip:
        for name in made:
            for index in ip.link_lookup(ifname=name):
                ip.link("del", index=index)
    segments.until("all are gone", lambda: segment.one.report()["interfaces"].keys().isdisjoint(made))


def add(segment, devices: list[str], name: str, mac: str, **fields) -> None:
    """A device of that kind on the node, on top of eth0 where the kind has something below; skipped where there is no such kind."""
    with segment.one.ip() as ip:
        if fields.pop("on_eth0", False):
            fields["link"] = ip.link_lookup(ifname="eth0")[0]
        try:
            ip.link("add", ifname=name, address=mac, **fields)
        except pyroute2.NetlinkError as error:
            pytest.skip(f"this kernel has no devices of kind {fields['kind']}: {error}")
        devices.append(name)
        ip.link("set", index=ip.link_lookup(ifname=name)[0], state="up")


def enslave(segment, name: str, master: str) -> None:
    with segment.one.ip() as ip:
        index = ip.link_lookup(ifname=name)[0]
        ip.link("set", index=index, state="down")  # as bonds demand
        ip.link("set", index=index, master=ip.link_lookup(ifname=master)[0])
        ip.link("set", index=index, state="up")


def served(segment, name: str, vip: str) -> bool:
    return bool((segment.one.report()["interfaces"].get(name) or {}).get("ndp" if ":" in vip else "arp"))


def question(vip: str) -> bytes:
    target = ipaddress.ip_address(vip)
    if isinstance(target, ipaddress.IPv4Address):
        asker = ipaddress.IPv4Address("10.99.0.1")
        return arp.encode(
            arp.ArpFrame(links.BROADCAST, CLIENT, arp.Operation.REQUEST, CLIENT, asker, links.UNSPECIFIED, target)
        )
    group, asker = ndp.solicited_node_group(target), ipaddress.IPv6Address("fd00:99::1")
    return ndp.encode(ndp.Solicitation(ndp.group_mac(group), CLIENT, asker, group, target, CLIENT))


def answers(ear: segments.Ear, vip: str) -> set[str]:
    """Who answered for the address of late, unsolicited announcements aside."""
    return {
        links.format_mac(each.sender_mac if isinstance(each, arp.ArpFrame) else each.target_link_layer)
        for each in ear.about(vip)
        if each.destination == CLIENT
    }


def until_answered(segment, ear: segments.Ear, vip: str, *macs: str) -> None:
    """Asks until all of these have answered; nobody else may."""
    found: set[str] = set()

    def look() -> bool:
        ear.say(question(vip))
        found.update(answers(ear, vip))
        return found >= set(macs)

    segments.until(f"{macs} answer for {vip}", look)
    assert found == set(macs)
    assert segment.one.report()["rivals"] == 0


def test_two_interfaces_on_one_subnet_answer_each_for_itself(segment, ear, vip, devices):
    second = "02:00:00:00:01:01"
    segment.plug(segment.one, "eth1", second)
    devices.append("eth1")
    segments.until("eth1 is served", lambda: served(segment, "eth1", vip))
    segment.one.plan(vip)
    until_answered(segment, ear, vip, segment.one.mac, second)
    segment.one.plan((vip, ["eth1"]))
    ear.heard()
    until_answered(segment, ear, vip, second)


def test_a_pattern_chooses_among_interfaces(segment, ear, vip, devices):
    second = "02:00:00:00:01:02"
    segment.plug(segment.one, "lan7", second)
    devices.append("lan7")
    segment.one.plan((vip, ["la*"]))
    until_answered(segment, ear, vip, second)


def test_a_bridge_answers_for_its_ports(segment, ear, vip, devices):
    port, bridge = "02:00:00:00:01:03", "02:00:00:00:01:04"
    segment.plug(segment.one, "eth1", port)
    add(segment, devices, "trunk", bridge, kind="bridge")
    devices.append("eth1")
    enslave(segment, "eth1", "trunk")
    segments.until("the bridge is served", lambda: served(segment, "trunk", vip) and not served(segment, "eth1", vip))
    segment.one.plan((vip, ["eth1", "trunk"]))
    until_answered(segment, ear, vip, bridge)


def test_a_macvlan_answers_with_its_own_address(segment, ear, vip, devices):
    own = "02:00:00:00:01:05"
    add(segment, devices, "mv0", own, kind="macvlan", macvlan_mode="bridge", on_eth0=True)
    segments.until("the macvlan is served", lambda: served(segment, "mv0", vip))
    segment.one.plan((vip, ["mv0"]))
    until_answered(segment, ear, vip, own)


def test_a_new_address_of_the_device_is_used(segment, ear, vip, devices):
    first, later = "02:00:00:00:01:06", "02:00:00:00:01:07"
    segment.plug(segment.one, "eth1", first)
    devices.append("eth1")
    segment.one.plan((vip, ["eth1"]))
    until_answered(segment, ear, vip, first)
    with segment.one.ip() as ip:
        ip.link("set", index=ip.link_lookup(ifname="eth1")[0], address=later)
    segments.until("it is noticed", lambda: segment.one.report()["interfaces"]["eth1"]["mac"] == later)
    ear.heard()
    until_answered(segment, ear, vip, later)


def test_a_vlan_answers_only_in_its_own(segment, ear, vip, devices):
    own = "02:00:00:00:01:08"
    add(segment, devices, "eth0.5", own, kind="vlan", vlan_id=5, on_eth0=True)
    segments.until("the VLAN is served", lambda: served(segment, "eth0.5", vip))
    segment.one.plan(vip)
    until_answered(segment, ear, vip, segment.one.mac)  # the client is not in the VLAN


def test_a_bond_answers_for_its_links(segment, ear, vip, devices):
    link, bond = "02:00:00:00:01:09", "02:00:00:00:01:0a"
    add(segment, devices, "bond0", bond, kind="bond", bond_mode=1)
    segment.plug(segment.one, "eth1", link)
    devices.append("eth1")
    enslave(segment, "eth1", "bond0")
    segments.until("the bond is served", lambda: served(segment, "bond0", vip) and not served(segment, "eth1", vip))
    segment.one.plan((vip, ["bond0"]))
    until_answered(segment, ear, vip, bond)
