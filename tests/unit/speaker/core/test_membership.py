"""The quorum: who may answer, who must be silent, and from when."""

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

from speaker import settings
from speaker.boundary import heartbeats, roster
from speaker.core import membership

NOW = 1000.0


def evidence(heard, confirmed=None, resumed=0.0):
    """Ages in seconds, by name."""
    told = heard if confirmed is None else confirmed
    return roster.Hearing(
        frozenset(heard),
        {name: NOW - age for name, age in heard.items()},
        {name: NOW - age for name, age in told.items()},
        resumed,
    )


def settled(heard, confirmed=None, resumed=0.0):
    """The quorum after it looked at such ages for a second."""
    quorum = membership.Quorum()
    for moment in range(40):
        at = NOW - 1 + moment / 40
        past = evidence({name: min(age, 0.1) for name, age in heard.items()}, resumed=resumed)
        shifted = dataclasses.replace(
            past,
            heard={name: stamp - NOW + at for name, stamp in past.heard.items()},
            confirmed={name: stamp - NOW + at for name, stamp in past.confirmed.items()},
        )
        quorum = quorum.observed(shifted, at)
    return quorum.observed(evidence(heard, confirmed, resumed), NOW)


@pytest.mark.parametrize(
    ("heard", "confirmed", "is_fenced"),
    [
        pytest.param({}, None, False, id="alone by design"),
        pytest.param({"b": 9}, None, False, id="the survivor of two goes on"),
        pytest.param({"b": 0.1, "c": 9}, None, False, id="two of three"),
        pytest.param({"b": 9, "c": 9}, None, True, id="one of three"),
        pytest.param({"b": 0.1, "c": 9, "d": 9}, None, True, id="half of four is no majority"),
        pytest.param({"b": 0.1, "c": 0.2, "d": 9, "e": 9}, None, False, id="three of five"),
        pytest.param({"b": 0.1, "c": 9, "d": 9, "e": 9}, None, True, id="two of five"),
        pytest.param({"b": 0.1, "c": 0.1}, {"b": 9, "c": 9}, True, id="they speak, but nobody hears us"),
        pytest.param({"b": 0.1, "c": 0.1}, {"b": 0.2, "c": 9}, False, id="one of two others hears us"),
        pytest.param(dict.fromkeys("bcdefgh", 0.1), dict.fromkeys("cdefgh", 9) | {"b": 0.1}, False, id="large"),
        pytest.param(dict.fromkeys("bcdefgh", 0.1), dict.fromkeys("bcdefgh", 9), True, id="large, unheard"),
    ],
)
def test_a_majority_must_be_heard_and_must_hear_us(heard, confirmed, is_fenced):
    assert settled(heard, confirmed).is_fenced(NOW) is is_fenced


def test_without_news_the_fence_closes_by_itself():
    quorum = settled({"b": 0.1, "c": 0.1})
    assert not quorum.is_fenced(NOW + 0.2)
    assert quorum.is_fenced(NOW + 0.25)


def test_a_node_starts_fenced_and_waits_until_the_others_know_it():
    quorum = membership.Quorum()
    assert quorum.is_fenced(NOW)
    quorum = quorum.observed(evidence({"b": 0, "c": 0}), NOW)
    assert quorum.is_fenced(NOW)
    later = evidence({"b": -settings.LAN.unfence_after, "c": -settings.LAN.unfence_after})
    quorum = quorum.observed(later, NOW + settings.LAN.unfence_after)
    assert not quorum.is_fenced(NOW + settings.LAN.unfence_after)


def test_a_process_that_stood_still_is_fenced_until_it_hears_a_majority_again():
    quorum = settled({"b": 0.05, "c": 0.05})
    woken = NOW + 30
    assert quorum.is_fenced(woken)
    quorum = quorum.observed(dataclasses.replace(evidence({"b": 0.05, "c": 0.05}), resumed=woken), woken)
    assert quorum.is_fenced(woken)


def test_one_of_two_that_stood_still_waits_for_the_other_or_for_its_death():
    patience = settings.LAN.dead_after(2) + settings.LAN.takeover_after
    silent = evidence({"b": 30}, resumed=NOW)
    quorum = settled({"b": 0.05}).observed(silent, NOW)
    assert quorum.is_fenced(NOW)
    alone = quorum.observed(silent, NOW + patience)
    assert alone.is_fenced(NOW + patience), "it also waits until all know that it is back"
    ends = NOW + patience + settings.LAN.unfence_after
    assert not alone.observed(silent, ends - 0.01).observed(silent, ends).is_fenced(ends)
    heard = quorum.observed(evidence({"b": -0.1}, resumed=NOW), NOW + 0.1)
    assert heard.good_since == NOW + 0.1


def test_who_is_gone_for_long_is_no_longer_expected_but_never_by_a_fenced_node():
    heard = {"b": 0.1, "c": 0.1, "d": 9, "e": 9}
    quorum = settled(heard)
    assert quorum.counted == frozenset("bcde")
    forgotten = quorum.observed(moved(evidence(heard), 61), NOW + 61)
    # fenced: the last look was a minute ago
    assert forgotten.counted == frozenset("bcde")
    for second in range(1, 700):
        quorum = quorum.observed(moved(evidence(heard), second / 10), NOW + second / 10)
    assert quorum.counted == frozenset("bc")
    last = moved(evidence(heard), 70)
    lonely = dataclasses.replace(last, heard=last.heard | {"c": NOW}, confirmed=last.confirmed | {"c": NOW})
    assert not quorum.observed(lonely, NOW + 70).is_fenced(NOW + 70), "two of three that are left"
    back = dataclasses.replace(last, heard=last.heard | {"d": NOW + 70, "e": NOW + 70})
    assert quorum.observed(back, NOW + 70).counted == frozenset("bcde")


def moved(seen, seconds):
    """The same a while later: who was heard of late is heard of late again."""
    fresh = {name: stamp + seconds if NOW - stamp < 1 else stamp for name, stamp in seen.heard.items()}
    return dataclasses.replace(seen, heard=fresh, confirmed=fresh)


@pytest.mark.parametrize("timing", [settings.LAN, settings.WAN], ids=["lan", "wan"])
@pytest.mark.parametrize("members", [1, 2, 3, 5, 16, 17, 100, 1000])
def test_a_node_is_silent_before_others_take_over(timing, members):
    fenced, dead = timing.fence_after(members), timing.dead_after(members)
    assert timing.suspect_after(members) + 4 * timing.step < dead, (
        "who is suspected is asked a few times before it counts"
    )
    assert fenced + 2 * timing.step <= dead, "who counts us is the one whose confirmation we count"
    assert fenced + timing.round < dead + timing.takeover_after, "and others hear of us from those within a round"
    assert timing.unfence_after >= 2 * timing.round


def test_as_many_are_asked_as_the_quorum_believes():
    assert heartbeats.FANOUT == membership.MOST_ASKED


ages = strategies.dictionaries(
    strategies.sampled_from("bcdefghi"), strategies.sampled_from([0.05, 0.2, 0.3, 0.5, 5.0]), min_size=2
)


@hypothesis.given(strategies.sets(strategies.integers(0, 8)), strategies.integers(3, 9))
def test_of_two_sides_of_a_cut_at_most_one_answers(side, size):
    everybody = set(range(size))
    here = side & everybody
    answering = 0
    for part in (here, everybody - here):
        for one in sorted(part)[:1]:
            heard = {f"n{other}": 0.1 if other in part else 5.0 for other in everybody - {one}}
            answering += not settled(heard).is_fenced(NOW)
    assert answering <= 1


@hypothesis.given(ages)
def test_looking_twice_changes_nothing(heard):
    once = settled(heard)
    assert once.observed(evidence(heard), NOW) == once


@hypothesis.given(ages, strategies.sampled_from("bcdefghi"))
def test_hearing_more_never_fences(heard, name):
    if not settled(heard).is_fenced(NOW) and name in heard:
        assert not settled(heard | {name: 0.05}).is_fenced(NOW)
