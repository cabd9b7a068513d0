"""When BFD waits, when it is mended, when somebody is told that it is heard on one side only."""

import dataclasses

import pytest

from frr_adapter.boundary import files
from frr_adapter.frr import bfd_care, config, delta, render, show

KEY = ("default", "10.99.0.1")
IN_RED = ("red", "10.99.0.1")
WANTED = frozenset({KEY})


def settings(profile="fast", vrf=""):
    neighbors = (
        config.Neighbor(("tor",), "10.99.0.1", "64512", bfd_profile=profile),
        config.Neighbor(("spine",), "10.99.0.2", "64512"),
    )
    return config.FrrConfig("n1", routers=(config.Router(64600, vrf, neighbors=neighbors),))


def session(state="Idle", **fields):
    return show.Session("default", "10.99.0.1", state, **fields)


def sent(opens):
    return session("OpenSent", messages=show.MessageStats(opens_sent=opens))


def after(*looks, memory=bfd_care.NOTHING_SEEN):
    """Memory after looks, each (time, sessions)."""
    for now, sessions in looks:
        memory = bfd_care.seen(memory, WANTED, sessions, now)
    return memory


def test_a_new_session_gets_everything_but_bfd():
    held = bfd_care.held(settings(), bfd_care.NOTHING_SEEN)
    first, second = held.routers[0].neighbors
    assert (first.bfd_profile, first.bfd_held) == (None, "fast")
    assert second == settings().routers[0].neighbors[1]
    assert bfd_care.held(settings(None), bfd_care.NOTHING_SEEN) == settings(None)


@pytest.mark.parametrize("profile", ["fast", ""])
def test_what_waits_is_only_a_comment(profile):
    held = bfd_care.held(settings(profile), bfd_care.NOTHING_SEEN)
    text = render.render(held, files.read_templates())
    comment = "! BFD with profile fast follows" if profile else "! BFD follows"
    assert [line for line in text.splitlines() if "bfd" in line.lower()] == [
        f" {comment} as soon as the session was up once"
    ]
    released = delta.delta(held, settings(profile))
    lines = [line.text for batch in released.batches for line in batch.lines]
    assert lines == ["neighbor 10.99.0.1 bfd", *(["neighbor 10.99.0.1 bfd profile fast"] if profile else [])]
    assert released.resets == ()


@pytest.mark.parametrize(
    "seen",
    [
        session("Established"),
        session(bfd="Down"),
        session("Active", connections_established=1, connections_dropped=1),
    ],
    ids=["up", "has it already", "was up once"],
)
def test_it_has_bfd_from_then_on(seen):
    memory = after((0, [seen]))
    assert bfd_care.held(settings(), memory) == settings()
    assert bfd_care.held(settings(), after((1, [session()]), memory=memory)) == settings()


def test_the_same_object_when_nothing_waits():
    wanted = settings()
    assert bfd_care.held(wanted, after((0, [session("Established")]))) is wanted


def test_a_neighbor_that_answers_and_does_not_come_up_gets_bfd_all_the_same():
    limit = bfd_care.REFUSED_SECONDS
    assert after((0, [sent(1)]), (limit - 0.1, [sent(1)])).released == frozenset()
    assert after((0, [sent(1)]), (limit, [sent(1)])).released == WANTED


def test_a_neighbor_that_does_not_answer_waits_for_ever():
    assert after((0, [session("Active")]), (9999, [session("Active")])).released == frozenset()


def test_a_session_that_went_and_came_back_waits_again():
    memory = after((0, [session("Established")]), (1, []))
    assert memory.released == frozenset()
    assert after((2, [session()]), memory=memory).released == frozenset()


def test_only_those_that_want_bfd_are_remembered():
    memory = bfd_care.seen(bfd_care.NOTHING_SEEN, frozenset(), [session("Established")], 0)
    assert memory == bfd_care.NOTHING_SEEN


def test_sessions_are_told_apart_by_their_vrf():
    wanted = settings(vrf="red")
    assert bfd_care.with_bfd(wanted) == {IN_RED}
    red = dataclasses.replace(session("Established"), vrf="red")
    memory = bfd_care.seen(bfd_care.NOTHING_SEEN, bfd_care.with_bfd(wanted), [red], 0)
    assert bfd_care.held(wanted, memory) == wanted
    assert bfd_care.held(wanted, after((0, [session("Established")]))) != wanted


# ---- Mending ----

UP = show.BfdSession("10.99.0.1", status="up")
DOWN = show.BfdSession("10.99.0.1", status="down")
HAS = session("Established", bfd="Up")


def findings(*looks):
    """Repairs and one-sided sessions at each look, each (time, session, bfd)."""
    memory, found = bfd_care.NOTHING_SEEN, []
    for now, one, bfd in looks:
        memory, item = bfd_care.watched(memory, WANTED, [one], bfd, now)
        found.append((bool(item.repairs), bool(item.one_sided)))
    return found


def test_a_session_that_bfdd_lost_is_mended_with_growing_pauses():
    found = findings(*((now, HAS, []) for now in range(60)))
    times = [now for now, (repairs, _) in enumerate(found) if repairs]
    assert times == [5, 15, 35]


def test_when_bfdd_has_it_again_counting_starts_anew():
    found = findings((0, HAS, []), (4, HAS, [UP]), (6, HAS, []), (10, HAS, []), (11, HAS, []))
    assert [repairs for repairs, _ in found] == [False, False, False, False, True]


def test_pauses_have_an_end():
    found = findings(*((now, HAS, []) for now in range(400)))
    times = [now for now, (repairs, _) in enumerate(found) if repairs]
    assert times[-1] - times[-2] == bfd_care.LONGEST_PAUSE


@pytest.mark.parametrize(
    ("one", "bfd"),
    [(session("Active", bfd="Unknown"), []), (session("Established"), []), (session("Active", bfd="Down"), [DOWN])],
    ids=["router not known yet", "no BFD", "bfdd has it"],
)
def test_nothing_to_mend(one, bfd):
    assert findings(*((now, one, bfd) for now in range(20))) == [(False, False)] * 20


def test_unnumbered_sessions_are_known_by_their_interface():
    one = show.Session("default", "eth1", "Established", bfd="Up")
    key = frozenset({one.key})
    right, wrong = (show.BfdSession("fe80::1", interface=name, status="up") for name in ("eth1", "eth2"))
    memory = bfd_care.NOTHING_SEEN
    for now in (0, 20):
        memory, found = bfd_care.watched(memory, key, [one], [right], now)
        assert found == bfd_care.Findings()
    for now in (30, 36):
        memory, found = bfd_care.watched(memory, key, [one], [wrong], now)
    assert found.repairs == (one.key,)


def test_the_lines_that_mend():
    lines = bfd_care.repair(settings(), [KEY, IN_RED, ("default", "10.99.0.2")])
    assert [(line.path, line.text) for line in lines] == [
        (("router bgp 64600",), "no neighbor 10.99.0.1 bfd"),
        (("router bgp 64600",), "neighbor 10.99.0.1 bfd"),
        (("router bgp 64600",), "neighbor 10.99.0.1 bfd profile fast"),
    ]
    assert [line.text for line in bfd_care.repair(settings(""), [KEY])][1:] == ["neighbor 10.99.0.1 bfd"]
    assert bfd_care.repair(bfd_care.held(settings(), bfd_care.NOTHING_SEEN), [KEY]) == ()


# ---- One side ----


def test_bgp_without_bfd_is_told_after_a_while_and_no_longer_when_it_comes():
    looks = [(now, HAS, [DOWN]) for now in (0, 9, 10, 11)] + [(12, HAS, [UP]), (13, HAS, [DOWN])]
    assert [one_sided for _, one_sided in findings(*looks)] == [False, False, True, True, False, False]


def test_a_session_that_is_down_is_not_one_sided():
    one = session("Active", bfd="Down")
    assert not any(one_sided for _, one_sided in findings(*((now, one, [DOWN]) for now in range(30))))
