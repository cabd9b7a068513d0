"""Who claims our addresses: what is counted, and what people are told."""

import ipaddress

import pytest

from speaker import links
from speaker.core import rivals

A, B, C6 = (ipaddress.ip_address(text) for text in ("192.0.2.9", "192.0.2.10", "2001:db8::1"))
MAC, OTHER = (links.parse_mac(f"02:00:00:00:00:{number:02x}") for number in (9, 10))
STRANGER, UNKNOWN = links.Standing.STRANGER, links.Standing.UNKNOWN


def test_a_claim_on_what_is_held_is_told_at_once_and_once():
    memory = rivals.Rivals()
    assert memory.heard(A, MAC, STRANGER, 0.0, is_held=True)
    assert [memory.heard(A, MAC, STRANGER, now, is_held=True) for now in (0.0, 1.0, 500.0)] == [False] * 3
    assert memory.heard(A, OTHER, STRANGER, 500.0, is_held=True)
    assert memory.found(500.0) == (links.Rival(A, MAC, 4), links.Rival(A, OTHER, 1))


@pytest.mark.parametrize("standing", [links.Standing.BEFORE_US, links.Standing.BEHIND_US])
def test_speakers_are_no_rivals(standing):
    memory = rivals.Rivals()
    assert not memory.heard(A, MAC, standing, 0.0, is_held=True)
    assert memory.found(0.0) == ()


def test_who_answers_for_what_is_wanted_must_go_on_for_a_while():
    memory = rivals.Rivals()
    told = [memory.heard(A, MAC, STRANGER, now, is_held=False) for now in (0.0, 0.25, 0.75, 1.75)]
    assert told == [False, False, True, False]
    assert not memory.heard(B, MAC, STRANGER, 2.0, is_held=False)
    assert memory.found(2.0) == (links.Rival(A, MAC, 4), links.Rival(B, MAC, 1, is_present=False))


def test_where_nobody_watches_only_what_is_held_can_be_claimed():
    memory = rivals.Rivals()
    assert [memory.heard(A, MAC, UNKNOWN, now, is_held=False) for now in (0.0, 1.0, 2.0)] == [False] * 3
    assert memory.found(2.0) == ()
    assert memory.heard(A, MAC, UNKNOWN, 3.0, is_held=True)


def test_after_a_long_silence_it_is_news_again():
    memory = rivals.Rivals()
    memory.heard(A, MAC, STRANGER, 0.0, is_held=True)
    later = rivals.QUIET_SECONDS + 1
    assert memory.found(later) == (links.Rival(A, MAC, 1, is_present=False),)
    assert memory.heard(A, MAC, STRANGER, later, is_held=True)
    assert memory.found(later) == (links.Rival(A, MAC, 2),)


def test_what_is_no_longer_wanted_is_forgotten():
    memory = rivals.Rivals()
    for address in (C6, B, A):
        memory.heard(address, MAC, STRANGER, 0.0, is_held=True)
    assert [each.address for each in memory.found(0.0)] == [A, B, C6]
    memory.keep({B})
    assert [each.address for each in memory.found(0.0)] == [B]


def test_stations_can_be_invented_and_memory_is_bounded():
    memory = rivals.Rivals()
    for number in range(2 * rivals.MOST):
        memory.heard(A, links.Mac(number.to_bytes(6, "big")), STRANGER, 0.0, is_held=True)
    assert len(memory.found(0.0)) == rivals.MOST
