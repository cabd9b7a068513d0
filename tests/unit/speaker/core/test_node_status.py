"""What a speaker tells about BGP on its node."""

import dataclasses

import pytest

from frr_adapter import effects, refs
from frr_adapter.frr import reloading, show
from speaker import values
from speaker.core import compose, node_status
from tests import bgp_world as w

WORLD = w.make_world(
    peers=[
        w.make_peer("tor", address="10.99.0.1", bfd_profile="fast"),
        w.make_peer("blue", address="10.99.0.2", vrf="blue"),
        w.make_peer("cable", interface="eth1", bfd_profile="fast"),
    ],
    ads=[w.make_ad()],
    services=[w.make_service("default/web", "192.0.2.1")],
    bfd_profiles=[w.make_bfd()],
)
WANTED = compose.compose(w.plan(WORLD))
OLDER = dataclasses.replace(WANTED, debug=True)
UP = show.Session("default", "10.99.0.1", "Established", last_reset="Peer closed the session")


def observed(*sessions, bfd=()):
    return values.Observation(sessions, bfd)


def progress(**changes):
    return node_status.Progress(**{"is_up": True, "wanted": WANTED, "applied": WANTED, **changes})


def test_sessions_are_those_that_are_wanted_and_what_frr_says_of_them():
    found = observed(UP, show.Session("blue", "10.99.0.2", "Active"))
    told = node_status.sessions_of(WANTED, found)
    assert [(each.vrf, each.neighbor, each.peers, each.state) for each in told] == [
        ("blue", "10.99.0.2", ("blue",), "Active"),
        ("default", "10.99.0.1", ("tor",), "Established"),
        ("default", "eth1", ("cable",), "Unknown"),
    ]
    assert [each.last_reset for each in told] == ["", "Peer closed the session", ""]


def test_a_session_of_the_users_own_lines_has_no_peer():
    told = node_status.sessions_of(None, observed(UP))
    assert told == (effects.SessionStatus("10.99.0.1", "default", (), "Established", "N/A", "Peer closed the session"),)


@pytest.mark.parametrize(
    ("bfd", "expected"),
    [
        ((), {"10.99.0.1": "Down", "10.99.0.2": "N/A", "eth1": "Down"}),
        (
            (show.BfdSession("10.99.0.1", status="up"), show.BfdSession("10.99.0.2", vrf="blue", status="down")),
            {"10.99.0.1": "Up", "10.99.0.2": "Down", "eth1": "Down"},
        ),
        (
            (
                show.BfdSession("10.99.0.1", vrf="blue", status="up"),
                show.BfdSession("fe80::1", "default", "eth1", "up"),
            ),
            {"10.99.0.1": "Down", "10.99.0.2": "N/A", "eth1": "Up"},
        ),
    ],
    ids=["none there", "one of each", "by VRF and by interface"],
)
def test_bfd(bfd, expected):
    told = node_status.sessions_of(WANTED, observed(bfd=bfd))
    assert {each.neighbor: str(each.bfd) for each in told} == expected


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "Applied"),
        ({"error": "ConfigMap metallb-system/bgpextras is left out"}, "Applied"),
        ({"applied": OLDER}, "Applying"),
        ({"applied": OLDER, "error": "line 7"}, "Refused"),
        ({"applied": None}, "Applying"),
        ({"applied": None, "is_up": False, "error": "FRR does not answer"}, "Applying"),
        ({"wanted": None, "applied": None}, "Applying"),
    ],
)
def test_how_far_the_configuration_got(changes, state):
    assert progress(**changes).state == state


def test_the_object_says_it_all_and_only_once():
    chronicle = node_status.Chronicle("n1", "metallb-system")
    chronicle.applied(reloading.ApplyReport(way=reloading.Way.RELOAD, version="8.4.4"))
    chronicle.applied(reloading.ApplyReport(way=reloading.Way.HOT, resets=("10.99.0.1: AS changed",)))
    chronicle.applied(reloading.ApplyReport(way=reloading.Way.HOT))
    status = chronicle.untold(progress(), observed(UP))
    assert (status.ref, status.labels) == (
        refs.ObjectRef("NodeBGPStatus", "metallb-system", "n1"),
        (("metallb.io/component-type", "speaker"), ("metallb.io/node-name", "n1")),
    )
    assert (status.frr_version, status.is_frr_up, status.state, status.way) == ("8.4.4", True, "Applied", "hot")
    assert status.resets == ("10.99.0.1: AS changed",)
    assert status.wanted == status.applied
    assert len(status.wanted) == 12
    assert chronicle.untold(progress(), observed(UP)) is None
    assert chronicle.untold(progress(), observed()) is not None
    chronicle.forget()
    assert chronicle.untold(progress(), observed()) is not None


def test_counters_of_a_session_are_no_news():
    chronicle = node_status.Chronicle("n1", "metallb-system")
    assert chronicle.untold(progress(), observed(UP)) is not None
    later = dataclasses.replace(UP, sent_prefixes=7, messages=show.MessageStats(keepalives_sent=9))
    assert chronicle.untold(progress(), observed(later)) is None


def test_what_runs_and_what_is_wanted_have_names_of_their_own():
    chronicle = node_status.Chronicle("n1", "metallb-system")
    first = chronicle.untold(progress(applied=OLDER), observed())
    assert first.wanted != first.applied
    second = chronicle.untold(progress(wanted=OLDER, applied=None), observed())
    assert (second.wanted, second.applied) == (first.applied, "")
