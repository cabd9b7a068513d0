"""Questions about an address, and who is heard to hold it."""

import dataclasses
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker import links, values
from speaker.core import arp, gratuitous, ndp, probing, responder
from speaker.links import Claim

IP4 = ipaddress.IPv4Address("192.0.2.7")
IP6 = ipaddress.IPv6Address("2001:db8::7")
OURS = links.Interface(2, "eth0", links.parse_mac("02:00:00:00:00:01"), link_local=ipaddress.IPv6Address("fe80::1"))
THEIRS = links.Interface(2, "eth0", links.parse_mac("02:00:00:00:00:02"), link_local=ipaddress.IPv6Address("fe80::2"))
TABLE = {ip: values.L2Entry(ip, frozenset()) for ip in (IP4, IP6)}


@pytest.mark.parametrize("ip", [IP4, IP6])
def test_a_holder_answers_the_question_once_and_is_heard(ip):
    answers = [responder.answer(frame, THEIRS, TABLE) for frame in probing.probe(ip, OURS)]
    frames = [answer.frame for answer in answers if isinstance(answer, links.Answer)]
    assert len(frames) == 1
    assert probing.heard(frames[0], {OURS.mac}) == links.Heard(ip, Claim.ANSWER, THEIRS.mac)


@pytest.mark.parametrize("ip", [IP4, IP6])
def test_who_is_about_to_take_it_is_heard(ip):
    claims = {probing.heard(frame, {OURS.mac}) for frame in probing.probe(ip, THEIRS)}
    assert links.Heard(ip, Claim.PROBE, THEIRS.mac) in claims
    assert not any(claim and claim.address == ip and claim.claim is Claim.ANSWER for claim in claims)


@pytest.mark.parametrize("ip", [IP4, IP6])
def test_an_announcement_is_a_claim(ip):
    for frame in gratuitous.burst(ip, THEIRS):
        assert probing.heard(frame, {OURS.mac}) == links.Heard(ip, Claim.ANSWER, THEIRS.mac)


@pytest.mark.parametrize("ip", [IP4, IP6])
def test_nothing_of_our_own_is_heard(ip):
    own = {OURS.mac, links.parse_mac("02:00:00:00:00:03")}
    for frame in (*probing.probe(ip, OURS), *gratuitous.burst(ip, OURS)):
        assert probing.heard(frame, own) is None


def test_an_ordinary_question_claims_the_address_of_who_asks():
    asker = ipaddress.IPv4Address("192.0.2.50")
    request = arp.ArpFrame(
        links.BROADCAST, THEIRS.mac, arp.Operation.REQUEST, THEIRS.mac, asker, links.UNSPECIFIED, IP4
    )
    assert probing.heard(arp.encode(request), ()) == links.Heard(asker, Claim.ANSWER, THEIRS.mac)
    group = ndp.solicited_node_group(IP6)
    question = ndp.Solicitation(ndp.group_mac(group), THEIRS.mac, THEIRS.link_local, group, IP6, THEIRS.mac)
    assert probing.heard(ndp.encode(question), ()) == links.Heard(THEIRS.link_local, Claim.ANSWER, THEIRS.mac)


@pytest.mark.parametrize(
    "interface",
    [
        dataclasses.replace(OURS, mac=None),
        dataclasses.replace(OURS, is_up=False),
        dataclasses.replace(OURS, has_broadcast=False, link_local=None),
    ],
)
@pytest.mark.parametrize("ip", [IP4, IP6])
def test_nothing_is_asked_where_nothing_is_served(ip, interface):
    assert probing.probe(ip, interface) == ()


@given(st.binary(max_size=120))
def test_garbage_claims_nothing(noise):
    assert probing.heard(noise, ()) is None or len(noise) >= 42
