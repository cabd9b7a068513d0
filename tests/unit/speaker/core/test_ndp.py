import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frr_adapter import errors
from speaker import links
from speaker.core import ndp

V6 = ipaddress.IPv6Address
OWN = links.parse_mac("02:00:00:00:00:01")
TARGET = V6("fd00:99::200")
macs = st.binary(min_size=6, max_size=6).map(links.Mac)
unicast = st.ip_addresses(v=6).filter(lambda ip: not ip.is_multicast and not ip.is_unspecified)
solicitations = st.builds(ndp.Solicitation, macs, macs, unicast, st.ip_addresses(v=6), unicast, st.none() | macs)
advertisements = st.builds(
    ndp.Advertisement,
    macs,
    macs,
    unicast,
    unicast,
    unicast,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.none() | macs,
)
SOLICITATION = ndp.Solicitation(
    ndp.group_mac(ndp.solicited_node_group(TARGET)),
    OWN,
    V6("fd00:99::1"),
    ndp.solicited_node_group(TARGET),
    TARGET,
    OWN,
)
FRAME = ndp.encode(SOLICITATION)


def test_groups():
    assert ndp.solicited_node_group(V6("2001:db8::1234:5678")) == V6("ff02::1:ff34:5678")
    assert links.format_mac(ndp.group_mac(V6("ff02::1:ff34:5678"))) == "33:33:ff:34:56:78"
    assert links.format_mac(ndp.group_mac(ndp.ALL_NODES)) == "33:33:00:00:00:01"


def test_a_solicitation_as_it_is_on_the_wire():
    frame = bytes.fromhex(
        "3333ff000200 020000000001 86dd 6000000000203aff fd000099000000000000000000000001"
        "ff0200000000000000000001ff000200 8700 7869 00000000 fd000099000000000000000000000200 0101020000000001"
    )
    assert ndp.encode(SOLICITATION) == frame
    assert ndp.decode(frame) == SOLICITATION


def independent_checksum(frame: bytes) -> int:
    """Sum of pseudo-header and message; all ones when the checksum inside is right (RFC 1071)."""
    message = frame[54:]
    words = frame[22:54] + struct.pack("!I3xB", len(message), 58) + message + b"\x00" * (len(message) % 2)
    total = sum(words[i] << 8 | words[i + 1] for i in range(0, len(words), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(solicitations | advertisements)
def test_encoded_frames_carry_checksum_and_hop_limit(message):
    frame = ndp.encode(message)
    assert independent_checksum(frame) == 0xFFFF
    assert frame[21] == 255


@given(solicitations | advertisements, st.binary(max_size=20))
def test_round_trip_with_padding(message, padding):
    assert ndp.decode(ndp.encode(message) + padding) == message


@given(st.binary(max_size=120))
def test_any_bytes_raise_frame_errors_only(data):
    with pytest.raises(errors.FrameError):
        ndp.decode(data)


@given(st.integers(0, len(FRAME) - 1), st.integers(0, 255))
def test_one_changed_byte_raises_frame_errors_or_is_decoded(position, value):
    changed = FRAME[:position] + bytes((value,)) + FRAME[position + 1 :]
    try:
        message = ndp.decode(changed)
    except errors.FrameError:
        return
    # only Ethernet addresses, traffic class and flow label stand outside checksum and checks
    assert message == SOLICITATION or position < 12


def sealed(frame: bytes) -> bytes:
    """The frame with the checksum made right."""
    blank = frame[:56] + b"\x00\x00" + frame[58:]
    return blank[:56] + struct.pack("!H", ~independent_checksum(blank) & 0xFFFF) + blank[58:]


def with_option(option: bytes) -> bytes:
    message = FRAME[54:78] + option
    return sealed(FRAME[:18] + struct.pack("!H", len(message)) + FRAME[20:54] + message)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (FRAME[:77], "77 bytes"),
        (FRAME[:21] + b"\x40" + FRAME[22:], "hop limit 64; 255 is allowed"),
        (FRAME[:56] + b"\x00\x00" + FRAME[58:], "checksum"),
        (FRAME[:20] + b"\x00" + FRAME[21:], "next header 0"),
        (FRAME[:12] + b"\x08\x00" + FRAME[14:], "Ethernet type 0x0800"),
        (FRAME[:18] + b"\x01\x00" + FRAME[20:], "payload length 256"),
        (FRAME[:18] + b"\x00\x08" + FRAME[20:], "payload length 8"),
        (sealed(FRAME[:54] + b"\x85" + FRAME[55:]), "type 133"),
        (sealed(FRAME[:55] + b"\x01" + FRAME[56:]), "code 1"),
        (sealed(FRAME[:62] + b"\xff" + FRAME[63:]), "multicast"),
        (sealed(FRAME[:22] + b"\xff" + FRAME[23:]), "source ff"),
        (sealed(FRAME[:22] + bytes(16) + FRAME[38:]), "source ::"),
        (with_option(b"\x01\x00\x00\x00\x00\x00\x00\x00"), "length 0"),
        (with_option(b"\x01\x02\x00\x00\x00\x00\x00\x00"), "beyond the end"),
        (with_option(b"\x01"), "whole units"),
    ],
)
def test_errors_say_what_was_found(frame, words):
    with pytest.raises(errors.FrameError) as found:
        ndp.decode(frame)
    assert words in str(found.value)


def test_a_solicited_advertisement_to_a_group_is_refused():
    wrong = ndp.Advertisement(OWN, OWN, V6("fe80::1"), ndp.ALL_NODES, TARGET, is_solicited=True)
    with pytest.raises(errors.FrameError, match="solicited advertisement to a group"):
        ndp.decode(ndp.encode(wrong))


def test_unknown_options_are_skipped():
    nonce = b"\x0e\x01abcdef"
    assert ndp.decode(with_option(nonce + b"\x01\x01" + OWN)) == SOLICITATION
    assert ndp.decode(with_option(nonce)).source_link_layer is None
