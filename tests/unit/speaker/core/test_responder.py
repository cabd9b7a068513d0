"""Which frames are answered, with what, and under which word the others are refused."""

import dataclasses
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker import links, values
from speaker.core import arp, ndp, responder

V4, V6 = ipaddress.IPv4Address, ipaddress.IPv6Address
OWN, CLIENT, OTHER = (links.parse_mac(f"02:00:00:00:00:{last}") for last in ("01", "c1", "99"))
GROUP = links.parse_mac("03:00:00:00:00:01")
ETH0 = links.Interface(2, "eth0", mac=OWN, link_local=V6("fe80::1"))
VIP, VIP6 = V4("10.99.0.200"), V6("fd00:99::200")
ONLY_ETH1, ONLY_ETH1_6 = V4("10.99.0.201"), V6("fd00:99::201")
TABLE = {
    address: values.L2Entry(address, frozenset(names))
    for address, names in ((VIP, ["eth0"]), (ONLY_ETH1, ["eth1"]), (VIP6, []), (ONLY_ETH1_6, ["eth1"]))
}


def request(**changes) -> arp.ArpFrame:
    return dataclasses.replace(
        arp.ArpFrame(links.BROADCAST, CLIENT, arp.Operation.REQUEST, CLIENT, V4("10.99.0.1"), links.UNSPECIFIED, VIP),
        **changes,
    )


def solicitation(target: V6 = VIP6, **changes) -> ndp.Solicitation:
    group = ndp.solicited_node_group(target)
    return dataclasses.replace(
        ndp.Solicitation(ndp.group_mac(group), CLIENT, V6("fd00:99::1"), group, target, CLIENT), **changes
    )


ANSWERED_ARP = [
    ("broadcast", request()),
    ("unicast to us", request(destination=OWN)),
    ("probe from 0.0.0.0", request(sender_address=V4("0.0.0.0"))),
]


@pytest.mark.parametrize("asked", [row[1] for row in ANSWERED_ARP], ids=[row[0] for row in ANSWERED_ARP])
def test_arp_requests_are_answered_by_unicast(asked):
    found = responder.answer(arp.encode(asked), ETH0, TABLE)
    assert isinstance(found, links.Answer)
    assert found.address == VIP
    assert arp.decode(found.frame) == arp.ArpFrame(
        CLIENT, OWN, arp.Operation.REPLY, OWN, VIP, CLIENT, asked.sender_address
    )


ANSWERED_NDP = [("multicast", solicitation()), ("unicast to us", solicitation(destination=OWN, receiver=VIP6))]


@pytest.mark.parametrize("asked", [row[1] for row in ANSWERED_NDP], ids=[row[0] for row in ANSWERED_NDP])
def test_solicitations_are_answered_without_override(asked):
    found = responder.answer(ndp.encode(asked), ETH0, TABLE)
    assert isinstance(found, links.Answer)
    assert found.address == VIP6
    assert ndp.decode(found.frame) == ndp.Advertisement(
        CLIENT, OWN, V6("fe80::1"), V6("fd00:99::1"), VIP6, is_solicited=True, target_link_layer=OWN
    )


REFUSED = [
    ("reply", request(operation=arp.Operation.REPLY), ETH0, "notARequest"),
    ("other station", request(destination=OTHER), ETH0, "notForUs"),
    ("own frame came back", request(sender_mac=OWN), ETH0, "notForUs"),
    ("not announced", request(target_address=V4("10.99.0.1")), ETH0, "notAnnounced"),
    ("restricted", request(target_address=ONLY_ETH1), ETH0, "otherInterface"),
    ("claimed", request(sender_address=VIP), ETH0, "claimedByOther"),
    ("answer would be broadcast", request(sender_mac=links.BROADCAST), ETH0, "malformed"),
    ("interface down", request(), dataclasses.replace(ETH0, is_up=False), "interfaceNotServed"),
    ("slave", request(), dataclasses.replace(ETH0, master=7), "interfaceNotServed"),
    ("no ARP", request(), dataclasses.replace(ETH0, is_noarp=True), "interfaceNotServed"),
    ("no broadcast", request(), dataclasses.replace(ETH0, has_broadcast=False), "interfaceNotServed"),
    ("v6: advertisement", ndp.Advertisement(OWN, CLIENT, VIP6, V6("fe80::1"), VIP6), ETH0, "notARequest"),
    ("v6: other station", solicitation(destination=OTHER), ETH0, "notForUs"),
    ("v6: own frame came back", solicitation(source=OWN), ETH0, "notForUs"),
    ("v6: not announced", solicitation(V6("fd00:99::1")), ETH0, "notAnnounced"),
    ("v6: restricted", solicitation(ONLY_ETH1_6), ETH0, "otherInterface"),
    ("v6: duplicate detection", solicitation(sender=V6("::"), source_link_layer=None), ETH0, "noSourceLinkLayer"),
    ("v6: no source option", solicitation(source_link_layer=None), ETH0, "noSourceLinkLayer"),
    ("v6: answer to a group", solicitation(source_link_layer=GROUP), ETH0, "malformed"),
    ("v6: no link-local", solicitation(), dataclasses.replace(ETH0, link_local=None), "interfaceNotServed"),
]


@pytest.mark.parametrize(("asked", "interface", "word"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_every_no_has_a_name(asked, interface, word):
    frame = arp.encode(asked) if isinstance(asked, arp.ArpFrame) else ndp.encode(asked)
    assert responder.answer(frame, interface, TABLE) == links.Refused(links.Refusal(word))


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (b"", "otherProtocol"),
        (b"\x00" * 60, "otherProtocol"),
        (bytes(12) + b"\x08\x06", "malformed"),
        (bytes(12) + b"\x86\xdd" + bytes(20), "malformed"),
    ],
)
def test_frames_that_are_none(frame, word):
    assert responder.answer(frame, ETH0, TABLE) == links.Refused(links.Refusal(word))


def test_every_refusal_is_tested():
    tested = {row[3] for row in REFUSED} | {"otherProtocol", "answeredByKernel"}  # the last one: test_delegation
    assert tested == {str(refusal) for refusal in links.Refusal}


ETHERTYPES = st.sampled_from([b"\x08\x06", b"\x86\xdd", b"\x08\x00"])


@given(st.binary(min_size=12, max_size=12), ETHERTYPES, st.binary(max_size=100))
def test_fuzzed_frames_never_raise_and_are_never_answered_blindly(head, ethertype, tail):
    found = responder.answer(head + ethertype + tail, ETH0, TABLE)
    match found:
        case links.Answer(address, _):
            assert TABLE[address].is_on("eth0")
        case links.Refused(reason):
            assert reason in links.Refusal


@given(st.sampled_from([arp.encode(request()), ndp.encode(solicitation())]), st.data())
def test_damaged_requests_never_raise(frame, data):
    position = data.draw(st.integers(0, len(frame) - 1))
    damaged = frame[:position] + data.draw(st.binary(max_size=3)) + frame[position + 1 :]
    assert isinstance(responder.answer(damaged, ETH0, TABLE), links.Answer | links.Refused)


@pytest.mark.parametrize(
    ("names", "served"),
    [
        (frozenset(), {"eth0", "eth1", "bond0", "eth*"}),
        ({"eth0"}, {"eth0"}),
        ({"eth*"}, {"eth0", "eth1", "eth*"}),
        ({"bond[01]", "eth1"}, {"bond0", "eth1"}),
        ({"ETH0", "eth"}, set()),
        ({"*"}, {"eth0", "eth1", "bond0", "eth*"}),
    ],
)
def test_interfaces_by_name_or_pattern(names, served):
    entry = values.L2Entry(ipaddress.ip_address("10.99.0.200"), frozenset(names))
    assert {name for name in ("eth0", "eth1", "bond0", "eth*") if entry.is_on(name)} == served
