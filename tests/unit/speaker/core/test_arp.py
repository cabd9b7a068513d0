import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frr_adapter import errors
from speaker import links
from speaker.core import arp

macs = st.binary(min_size=6, max_size=6).map(links.Mac)
frames = st.builds(
    arp.ArpFrame,
    macs,
    macs,
    st.sampled_from(arp.Operation),
    macs,
    st.ip_addresses(v=4),
    macs,
    st.ip_addresses(v=4),
)
REQUEST = bytes.fromhex(
    "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a630001 000000000000 0a6300c8"
)


def test_a_request_as_it_is_on_the_wire():
    mine = links.parse_mac("02:00:00:00:00:01")
    expected = arp.ArpFrame(
        links.BROADCAST,
        mine,
        arp.Operation.REQUEST,
        mine,
        ipaddress.IPv4Address("10.99.0.1"),
        links.UNSPECIFIED,
        ipaddress.IPv4Address("10.99.0.200"),
    )
    assert arp.decode(REQUEST) == expected
    assert arp.encode(expected) == REQUEST
    assert not expected.is_announcement


@given(frames, st.binary(max_size=20))
def test_round_trip_with_padding(frame, padding):
    assert arp.decode(arp.encode(frame) + padding) == frame


@given(st.binary(max_size=80))
def test_any_bytes_raise_frame_errors_only(data):
    try:
        arp.decode(data)
    except errors.FrameError:
        return
    assert data[12:14] == b"\x08\x06"


@given(st.integers(0, len(REQUEST) - 1), st.integers(0, 255))
def test_one_changed_byte_raises_frame_errors_only(position, value):
    changed = REQUEST[:position] + bytes((value,)) + REQUEST[position + 1 :]
    try:
        frame = arp.decode(changed)
    except errors.FrameError:
        return
    assert arp.encode(frame) == changed


@pytest.mark.parametrize(
    ("position", "value", "words"),
    [
        (12, b"\x08\x00", "Ethernet type 0x0800; 0x0806 is allowed"),
        (14, b"\x00\x06", "IPv4 over Ethernet"),
        (16, b"\x86\xdd", "IPv4 over Ethernet"),
        (18, b"\x08", "hardware 1/8"),
        (20, b"\x00\x03", "operation 3; 1 (request) and 2 (reply) are allowed"),
    ],
)
def test_errors_say_what_was_found(position, value, words):
    with pytest.raises(errors.FrameError) as found:
        arp.decode(REQUEST[:position] + value + REQUEST[position + len(value) :])
    assert words in str(found.value)


def test_a_short_frame():
    with pytest.raises(errors.FrameError, match="41 bytes; at least 42"):
        arp.decode(REQUEST[:-1])
