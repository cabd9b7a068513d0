"""The real announcer on a real segment, seen from a client: frames on the wire and the kernel's neighbor table.

Absence is never shown by waiting: a test asks the announcers for their counts until the frame was decided, then looks.
"""

import ipaddress
import itertools
import random
import subprocess
import time

import pytest

from speaker import links
from speaker.core import arp, ndp
from tests.live import segment as segments

pytestmark = pytest.mark.live

V4, V6 = ipaddress.IPv4Address, ipaddress.IPv6Address
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
        made.two.start()
        yield made
    finally:
        segments.remove(made)


@pytest.fixture
def ear(segment):
    found = segments.Ear(segment.client)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def nothing_announced(segment):
    yield
    segment.one.plan()
    segment.two.plan()


@pytest.fixture
def vip():
    """An address that no other test uses."""
    return f"10.99.0.{199 + next(_numbers)}"


@pytest.fixture
def vip6():
    return f"fd00:99::{0x200 + next(_numbers):x}"


def request(address: str, **changes) -> bytes:
    fields = {
        "destination": links.BROADCAST,
        "source": CLIENT,
        "operation": arp.Operation.REQUEST,
        "sender_mac": CLIENT,
        "sender_address": V4("10.99.0.1"),
        "target_mac": links.UNSPECIFIED,
        "target_address": V4(address),
    }
    return arp.encode(arp.ArpFrame(**{**fields, **changes}))


def solicitation(address: str, **changes) -> bytes:
    target = V6(address)
    group = ndp.solicited_node_group(target)
    fields = {
        "destination": ndp.group_mac(group),
        "source": CLIENT,
        "sender": V6("fd00:99::1"),
        "receiver": group,
        "target": target,
        "source_link_layer": CLIENT,
    }
    return ndp.encode(ndp.Solicitation(**{**fields, **changes}))


def refused(node: segments.Node, reason: str) -> int:
    return node.report()["refusals"].get(reason, 0)


def until_refused(node: segments.Node, reason: str, before: int) -> None:
    segments.until(f"{node.namespace} refuses: {reason}", lambda: refused(node, reason) > before)


def until_answered(node: segments.Node, address: str, count: int = 1) -> None:
    segments.until(
        f"{node.namespace} answers for {address}",
        lambda: node.report()["addresses"].get(address, [0, 0, 0])[1] >= count,
    )


def announced_by(messages) -> set[str]:
    return {
        links.format_mac(message.sender_mac if isinstance(message, arp.ArpFrame) else message.target_link_layer)
        for message in messages
    }


def until_known(station: segments.Station, address: str, mac: str) -> None:
    segments.until(f"{station.namespace}: {address} is at {mac}", lambda: station.neighbor(address) == mac)


def resolve(segment, address: str, mac: str) -> None:
    segment.client.knock(address)
    until_known(segment.client, address, mac)


def test_exactly_one_node_answers_arp(segment, ear, vip):
    segment.one.plan(vip)
    ear.heard()
    before = refused(segment.two, "notAnnounced")
    started = time.monotonic()
    ear.say(request(vip))
    (answer,) = segments.until("an answer", lambda: ear.about(vip))
    assert time.monotonic() - started < 0.5
    assert answer == arp.ArpFrame(
        CLIENT,
        links.parse_mac(segment.one.mac),
        arp.Operation.REPLY,
        links.parse_mac(segment.one.mac),
        V4(vip),
        CLIENT,
        V4("10.99.0.1"),
    )
    until_refused(segment.two, "notAnnounced", before)
    assert [m for m in ear.about(vip) if m.destination == CLIENT] == []


def test_exactly_one_node_answers_ndp(segment, ear, vip6):
    segment.two.plan(vip6)
    ear.heard()
    before = refused(segment.one, "notAnnounced")
    ear.say(solicitation(vip6))
    (answer,) = segments.until("an answer", lambda: [m for m in ear.about(vip6) if m.is_solicited])
    assert (answer.destination, answer.receiver) == (CLIENT, V6("fd00:99::1"))
    assert links.format_mac(answer.target_link_layer) == segment.two.mac
    assert not answer.is_override
    until_refused(segment.one, "notAnnounced", before)
    assert [m for m in ear.about(vip6) if m.is_solicited] == []


def test_the_kernel_of_a_client_resolves_both_families(segment, vip, vip6):
    segment.two.plan(vip, vip6)
    resolve(segment, vip, segment.two.mac)
    resolve(segment, vip6, segment.two.mac)
    assert segment.two.report()["addresses"][vip][:2] == [1, 1]


@pytest.mark.parametrize("family", ["vip", "vip6"])
def test_a_takeover_moves_the_entry_of_the_client_without_a_question(segment, family, request):
    address = request.getfixturevalue(family)
    segment.one.plan(address)
    resolve(segment, address, segment.one.mac)
    started = time.monotonic()
    segment.one.plan()
    segment.two.plan(address)
    until_known(segment.client, address, segment.two.mac)
    assert time.monotonic() - started < 1.0
    assert segment.two.report()["addresses"][address][:2] == [0, 0]


@pytest.mark.parametrize("family", ["vip", "vip6"])
def test_nobody_takes_an_address_that_another_node_answers_for(segment, ear, family, request):
    address = request.getfixturevalue(family)
    segment.one.plan(address)
    ear.heard()
    segment.two.plan(address)  # returns after a second of asking in vain
    said = [message for message in ear.heard() if about(message) == address and is_from(message, segment.two)]
    assert len(said) >= 2
    assert not any(is_claim(message, address) for message in said)
    resolve(segment, address, segment.one.mac)
    segment.one.plan()
    until_known(segment.client, address, segment.two.mac)


def about(message):
    return str(message.target_address if isinstance(message, arp.ArpFrame) else message.target)


def is_from(message, node):
    mac = message.sender_mac if isinstance(message, arp.ArpFrame) else message.source
    return links.format_mac(mac) == node.mac


def is_claim(message, address):
    if isinstance(message, arp.ArpFrame):
        return str(message.sender_address) == address
    return isinstance(message, ndp.Advertisement)


def test_an_address_outside_the_plan_is_not_answered(segment, ear, vip, vip6):
    segment.one.plan(vip)
    segment.one.plan()
    ear.heard()
    for frame in (request(vip), solicitation(vip6)):
        before = [refused(node, "notAnnounced") for node in (segment.one, segment.two)]
        ear.say(frame)
        until_refused(segment.one, "notAnnounced", before[0])
        until_refused(segment.two, "notAnnounced", before[1])
    assert ear.about(vip) == ear.about(vip6) == []


def test_an_unchanged_plan_sends_nothing_new(segment, vip):
    once = segment.one.plan(vip)["addresses"][vip]
    assert once[2] >= 2
    assert segment.one.plan(vip)["addresses"][vip] == once


def test_frames_for_others_are_refused(segment, ear, vip, vip6):
    segment.one.plan(vip, vip6)
    ear.heard()
    cases = [
        ("claimedByOther", request(vip, sender_address=V4(vip))),
        ("noSourceLinkLayer", solicitation(vip6, sender=V6("::"), source_link_layer=None)),
        ("notForUs", tagged(request(vip), 5)),
    ]
    for reason, frame in cases:
        before = refused(segment.one, reason)
        ear.say(frame)
        until_refused(segment.one, reason, before)
    answers = [message for message in (*ear.about(vip), *ear.about(vip6)) if message.destination == CLIENT]
    assert answers == []


def tagged(frame: bytes, vlan: int) -> bytes:
    return frame[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + frame[12:]


def test_damaged_frames_do_no_harm(segment, ear, vip, vip6):
    segment.one.plan(vip, vip6)
    before = refused(segment.one, "malformed")
    generator = random.Random(7)
    for _ in range(300):
        frame = bytearray(generator.choice((request(vip), solicitation(vip6))))
        for _ in range(3):
            frame[generator.randrange(22, len(frame))] = generator.randrange(256)
        ear.say(bytes(frame[: generator.randrange(len(frame) - 12, len(frame) + 1)]))
    until_refused(segment.one, "malformed", before)
    ear.heard()
    ear.say(request(vip))
    until_answered(segment.one, vip)
    assert segment.one.mac in announced_by(ear.about(vip))


def test_neighbors_that_the_node_knows_are_told_by_unicast(segment, ear, vip, vip6):
    for own in ("10.99.0.1", "fd00:99::1"):
        segment.one.knock(own)
        until_known(segment.one, own, segment.client.mac)
    ear.heard()
    segment.one.plan(vip, vip6)
    found = {vip: [], vip6: []}

    def both_heard() -> bool:
        messages = ear.heard()
        for address, kept in found.items():
            kept += [
                message
                for message in messages
                if address in (str(getattr(message, "sender_address", "")), str(getattr(message, "target", "")))
                and message.destination == CLIENT
            ]
        return all(found.values())

    segments.until("unicast announcements", both_heard)
    (reply,), (advertisement,) = found.values()
    assert reply.is_announcement
    assert advertisement.is_override
    assert not advertisement.is_solicited


def groups(node: segments.Node) -> str:
    command = ["ip", "netns", "exec", node.namespace, "cat", "/proc/net/igmp6"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_solicited_node_groups_are_joined_and_left(segment):
    segment.one.plan("fd00:99::ab:cdef")
    assert "ff0200000000000000000001ffabcdef" in groups(segment.one)
    segment.one.plan()
    segments.until("left", lambda: "ff0200000000000000000001ffabcdef" not in groups(segment.one))


def test_many_groups_need_many_sockets(segment):
    """net.core.optmem_max limits the memberships of one socket."""
    segment.one.plan(*(f"fd00:99::1:{number:x}" for number in range(1, 1501)))
    segments.until(
        "all joined", lambda: groups(segment.one).count("ff0200000000000000000001ff01") == 1500, seconds=30.0
    )
    segment.one.plan()
    segments.until("all left", lambda: "ff0200000000000000000001ff01" not in groups(segment.one), seconds=30.0)


@pytest.fixture
def snooping_switch(segment):
    """The switch delivers groups only where they were joined, and asks who did (MLD querier)."""
    folder = "/sys/class/net/br0/bridge"

    def switch(**settings: int) -> None:
        script = "; ".join(f"echo {value} > {folder}/multicast_{name}" for name, value in settings.items())
        subprocess.run(["ip", "netns", "exec", segment.switch, "sh", "-c", script], check=True)

    switch(query_response_interval=20, startup_query_interval=50, querier=1)
    yield
    switch(querier=0)


def arrives(ear: segments.Ear, node: segments.Node, frame: bytes) -> bool:
    """Whether the node's solicitation socket hears the frame: a second one, which every switch floods, closes the question."""
    before = refused(node, "notAnnounced")
    flooded = solicitation("fd00:99::dead", destination=ndp.group_mac(ndp.ALL_NODES), receiver=ndp.ALL_NODES)
    ear.say(frame)
    ear.say(flooded)
    until_refused(node, "notAnnounced", before)
    return refused(node, "notAnnounced") > before + 1


def test_a_snooping_switch_delivers_solicitations_to_the_owner(segment, ear, snooping_switch, vip6):
    segment.one.plan(vip6)
    segments.until("the switch snoops", lambda: not arrives(ear, segment.two, solicitation("fd00:99::77:7777")))
    ear.heard()
    ear.say(solicitation(vip6))
    until_answered(segment.one, vip6)
    assert not arrives(ear, segment.two, solicitation(vip6))
    assert not arrives(ear, segment.one, solicitation("fd00:99::77:7777"))
    assert announced_by(m for m in ear.about(vip6) if m.is_solicited) == {segment.one.mac}


def interface(node: segments.Node, name: str):
    return node.report()["interfaces"].get(name)


@pytest.fixture
def cables(segment):
    """Plugs interfaces in; whatever the test leaves of them, and of the bridge `trunk`, is gone afterwards."""
    plugged = [(segment.one, "trunk")]

    def plug(station: segments.Station, name: str, mac: str) -> None:
        plugged.append((station, name))
        segment.plug(station, name, mac)

    yield plug
    for station, name in plugged:
        with station.ip() as ip:
            for index in ip.link_lookup(ifname=name):
                ip.link("del", index=index)
    segment.one.plan()
    names = {name for _, name in plugged}
    segments.until("all are gone", lambda: not names & segment.one.report()["interfaces"].keys())


def test_an_interface_that_appears_later_is_served_and_restrictions_hold(segment, ear, cables, vip, vip6):
    one, mac = segment.one, "02:00:00:00:00:21"
    one.plan((vip, ["eth1"]), (vip6, ["eth1"]))
    before = refused(one, "otherInterface")
    ear.say(request(vip))
    until_refused(one, "otherInterface", before)
    before = refused(one, "otherInterface")
    ear.say(solicitation(vip6))
    until_refused(one, "otherInterface", before)
    assert ear.about(vip) == ear.about(vip6) == []
    cables(one, "eth1", mac)
    segments.until("eth1 is served", lambda: (interface(one, "eth1") or {}).get("ndp"))
    messages = []

    def said() -> set[str]:
        """Addresses of which somebody has said where they are."""
        messages.extend(ear.heard())
        return {str(getattr(m, "sender_address", None) or getattr(m, "target", "")) for m in messages}

    segments.until("announcements from eth1", lambda: said() >= {vip, vip6})
    assert announced_by(m for m in messages if getattr(m, "sender_address", None) == V4(vip)) == {mac}
    assert announced_by(m for m in messages if isinstance(m, ndp.Advertisement) and m.target == V6(vip6)) == {mac}
    resolve(segment, vip, mac)
    resolve(segment, vip6, mac)
    remove_link(one, "eth1")
    segments.until("eth1 is gone", lambda: interface(one, "eth1") is None)


def remove_link(station: segments.Station, name: str) -> None:
    with station.ip() as ip:
        ip.link("del", index=ip.link_lookup(ifname=name)[0])


def test_a_new_link_layer_address_is_noticed(segment, vip, vip6):
    one, fresh = segment.one, "02:00:00:00:00:31"
    one.plan(vip, vip6)
    for address in (vip, vip6):
        resolve(segment, address, one.mac)
    try:
        set_link(one, "eth0", address=fresh)
        for address in (vip, vip6):
            until_known(segment.client, address, fresh)
    finally:
        set_link(one, "eth0", address=one.mac)
    for address in (vip, vip6):
        until_known(segment.client, address, one.mac)


def set_link(station: segments.Station, name: str, **fields) -> None:
    with station.ip() as ip:
        ip.link("set", index=ip.link_lookup(ifname=name)[0], **fields)


def test_an_interface_that_comes_back_is_announced_again(segment, ear, vip):
    segment.two.plan(vip)
    set_link(segment.two, "eth0", state="down")
    segments.until("eth0 is not served", lambda: not interface(segment.two, "eth0")["arp"])
    ear.heard()
    sent = segment.two.report()["addresses"][vip][2]
    set_link(segment.two, "eth0", state="up")
    segments.until("announced again", lambda: segment.two.report()["addresses"][vip][2] > sent)
    assert announced_by(segments.until("on the wire", lambda: ear.about(vip))) == {segment.two.mac}
    with segment.two.ip() as ip:  # the kernel drops global IPv6 addresses with the link
        ip.addr("replace", index=ip.link_lookup(ifname="eth0")[0], address="fd00:99::c", prefixlen=64, flags=2)


def test_slaves_and_excluded_interfaces_are_not_served(segment, cables):
    one = segment.one
    cables(one, "veth7", "02:00:00:00:00:41")
    cables(one, "eth1", "02:00:00:00:00:42")
    segments.until("eth1 is served", lambda: (interface(one, "eth1") or {}).get("arp"))
    assert interface(one, "veth7") is None
    with one.ip() as ip:
        ip.link("add", ifname="trunk", kind="bridge")
        (bridge,) = ip.link_lookup(ifname="trunk")
        ip.link("set", index=ip.link_lookup(ifname="eth1")[0], master=bridge)
        ip.link("set", index=bridge, state="up")
    segments.until("the bridge is served instead", lambda: (interface(one, "trunk") or {}).get("arp"))
    assert not interface(one, "eth1")["arp"]
    set_link(one, "eth1", master=0)
    segments.until("eth1 is served again", lambda: interface(one, "eth1")["arp"])


def test_lost_netlink_events_are_made_up_for(segment, cables, vip):
    one = segment.one
    one.plan((vip, ["eth1"]))
    one.deafen(30)
    segments.until("the announcer lists anew", lambda: one.report()["restarts"] == 1)
    cables(one, "eth1", "02:00:00:00:00:51")
    segments.until("eth1 is served", lambda: (interface(one, "eth1") or {}).get("arp"))
    resolve(segment, vip, "02:00:00:00:00:51")


def test_stop_sends_nothing(segment, ear, vip, vip6):
    short_lived = segments.Node(segment.two.namespace, segment.two.mac, segment.two.number)
    short_lived.start()
    sent = short_lived.plan(vip, vip6)["addresses"]
    assert (sent[vip][2], sent[vip6][2]) == (2, 1)
    segments.until("both families on the wire", lambda: any(isinstance(m, ndp.Advertisement) for m in ear.heard()))
    short_lived.stop()
    assert ear.about(vip) == []
    before = refused(segment.two, "notAnnounced")
    ear.say(request(vip))
    ear.say(solicitation(vip6))
    until_refused(segment.two, "notAnnounced", before + 1)
    assert ear.heard() == []
