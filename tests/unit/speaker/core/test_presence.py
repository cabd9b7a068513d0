"""What speakers say about themselves, and how addresses are handed over."""

import dataclasses
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker import links
from speaker.core import presence

MAC = links.parse_mac("02:00:00:00:00:01")
ETH0 = links.Interface(2, "eth0", MAC)


def interfaces(count):
    return [links.Interface(n, f"interface{n:06}", links.Mac(n.to_bytes(6, "big"))) for n in range(1, count + 1)]


def test_interfaces_that_serve_and_their_macs_are_said():
    down = dataclasses.replace(ETH0, index=3, name="eth1", is_up=False)
    no_cable = links.Interface(4, "eth2", links.parse_mac("02:00:00:00:00:04"), has_carrier=False)
    slave = links.Interface(5, "eth3", links.parse_mac("02:00:00:00:00:05"), master=9)
    said = presence.decode(presence.encode([ETH0, down, no_cable, slave], 256))
    assert said == presence.Presence(frozenset({"eth0"}), frozenset({MAC, no_cable.mac}))


def test_without_interfaces_a_speaker_says_that_it_has_none():
    assert presence.decode(presence.encode([], 256)).interfaces == frozenset()


@pytest.mark.parametrize("count", [1, 5, 20, 200])
def test_what_does_not_fit_is_left_out_names_first(count):
    data = presence.encode(interfaces(count), 256)
    said = presence.decode(data)
    assert len(data) <= 256
    assert len(said.macs) == min(count, len(said.macs)) > 0
    assert said.interfaces is None or len(said.interfaces) == count
    assert (said.interfaces is None) == (count >= 20)


def test_live_nodes_with_what_they_have():
    present = {"a": presence.encode([ETH0], 256), "b": b"garbage", "c": b""}
    assert presence.live(present) == {"a": frozenset({"eth0"}), "b": None, "c": None}
    assert presence.nodes(present)[MAC] == "a"
    assert links.parse_mac("02:00:00:00:00:99") not in presence.nodes(present)


@given(st.binary(max_size=300))
def test_garbage_says_nothing_and_never_raises(data):
    presence.decode(data)
    presence.decode_handover(data)


@given(
    st.lists(st.ip_addresses(v=4), max_size=300, unique=True), st.lists(st.ip_addresses(v=6), max_size=80, unique=True)
)
def test_a_handover_arrives_whole(four, six):
    messages = presence.encode_handover([*four, *six], 512)
    assert all(len(message) <= 512 for message in messages)
    found = [address for message in messages for address in presence.decode_handover(message)]
    assert found == sorted([*four, *six], key=lambda address: (address.version, int(address)))


def test_a_handover_that_was_cut_gives_nothing():
    (message,) = presence.encode_handover([ipaddress.ip_address("192.0.2.1")], 512)
    assert presence.decode_handover(message[:-1]) == ()
