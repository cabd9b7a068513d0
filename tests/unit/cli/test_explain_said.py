"""What speakers said of themselves, in every form they have for it, and which of two sources counts."""

import pytest

from cli.core.explain import sayings
from frr_adapter import problems, refs
from frr_adapter.api import node_report
from tests.unit.cli import plan_world as a

PEER = refs.ObjectRef("BGPPeer", "metallb-system", "up")
KEY = ("default", "10.0.0.1")


def by_ref(*documents):
    return {each.ref: each for each in documents}


def state(*lines):
    summary = "configuration error: " + "\n".join(lines)
    return a.document("ConfigurationState", "speaker-n1", status={"result": "Invalid", "errorSummary": summary})


def status(*sessions, **more):
    return a.document("NodeBGPStatus", "n1", status={"node": "n1", "sessions": list(sessions), **more})


def session(**more):
    return {"neighbor": "10.0.0.1", "vrf": "default", "peers": ["up"], "state": "Active", "bfd": "N/A", **more}


def report(frr_error="", sessions=(), problem_lines=()):
    speaker = node_report.Speaker("n1", "", "", node_report.Flags(), problems=tuple(problem_lines))
    return node_report.NodeReport(speaker, frr_error=frr_error, sessions=tuple(sessions))


@pytest.mark.parametrize(
    ("message", "compatible", "field"),
    [
        ("the hold time is 1 s; 3 s or more is allowed", "", "spec.holdTime"),
        (
            "",
            'parsing peer up secret ref not found for peer config "x"/"y"\nfailed to parse peer up password secret',
            "",
        ),
        ("", "peer up referencing non existing bfd profile fast", ""),
    ],
)
def test_problems_as_the_speaker_writes_them_into_its_state(message, compatible, field):
    written = problems.Problem(PEER, field or "spec", problems.Reason.MALFORMED, message or compatible, compatible)
    found = sayings.problems(by_ref(state(written.summary)), "n1", None, "metallb-system")
    assert [each.ref for each in found] == [PEER]
    assert found[0].field == field or found[0].field.startswith("spec.")
    assert found[0].message in (written.message, *written.message.split("\n"))


def test_problems_as_the_speaker_reports_them_count_more_than_its_state():
    line = problems.Problem(PEER, "spec.myASN", problems.Reason.CONFLICT, "found 1; 2 is allowed").line
    documents = by_ref(state("BGPPeer metallb-system/other: spec.port: found -1"))
    found = sayings.problems(documents, "n1", report(problem_lines=[line]), "metallb-system")
    assert found == (sayings.Saying(PEER, "spec.myASN", "found 1; 2 is allowed"),)


def test_a_refusal_of_frr_is_told_from_a_mistake():
    line = 'ConfigMap metallb-system/bgpextras: data[extras]: FRR refused "x y": % Unknown command'
    (found,) = sayings.problems(by_ref(state(line)), "n1", None, "metallb-system")
    assert found.is_refusal
    assert found.ref == refs.ObjectRef("ConfigMap", "metallb-system", "bgpextras")


def test_what_names_no_object_says_nothing():
    assert sayings.problems(by_ref(state("bgpd does not answer")), "n1", None, "metallb-system") == ()
    assert sayings.problems({}, "n1", None, "metallb-system") == ()


def test_sessions_of_a_report_count_more_than_those_of_the_status():
    said = sayings.statuses(by_ref(status(session(lastReset="Peer closed the session"))))["n1"]
    assert sayings.sessions(said, None) == {KEY: sayings.Session("Active", "", "Peer closed the session")}
    now = node_report.Session("default", "10.0.0.1", "Established", bfd="Up")
    assert sayings.sessions(said, report(sessions=[now])) == {KEY: sayings.Session("Established", "Up")}


def test_a_report_without_answers_of_frr_leaves_it_to_the_status():
    said = sayings.statuses(by_ref(status(session())))["n1"]
    assert sayings.sessions(said, report("no answer")) == sayings.sessions(said, None)
    assert sayings.sessions(None, report("no answer")) is None
    assert sayings.sessions(None, report()) == {}


@pytest.mark.parametrize(
    ("word", "meant"), [("N/A", ""), ("", ""), ("Unknown", "Down"), ("Down", "Down"), ("up", "Up")]
)
def test_words_about_bfd(word, meant):
    found = sayings.sessions(None, report(sessions=[node_report.Session("default", "10.0.0.1", "Idle", bfd=word)]))
    assert found[KEY].bfd == meant


def test_a_status_that_cannot_be_read_is_none():
    assert sayings.statuses(by_ref(a.document("NodeBGPStatus", "n1", status={"sessions": 7}))) == {}
