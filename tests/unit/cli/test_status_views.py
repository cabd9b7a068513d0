"""What the views say of small clusters, beyond the cases: verdicts, counts, and how things are written."""

import pytest

from cli.core import owners, running, sessions, status
from cli.view import bars, sheet
from frr_adapter.api import node_report
from tests.unit.cli import plan_world, view_world


def document(documents, **more):
    return status.document(view_world.picture(documents, **more))


def report(node="n1", **more):
    speaker = node_report.Speaker(node, view_world.TAKEN, "0.1.0", node_report.Flags(), **more.pop("speaker", {}))
    return node_report.NodeReport(speaker, **more)


def test_all_is_well():
    found = document(view_world.well())
    assert found.verdict == "ok"
    assert (found.programs.leader, found.programs.speakers_ready, found.programs.speakers) == ("controller-n1", 3, 3)
    assert [(each.name, each.established, each.owns) for each in found.nodes] == [
        ("n1", 1, 0),
        ("n2", 1, 0),
        ("n3", 1, 1),
    ]
    assert (found.services.total, found.services.with_address, found.services.on_layer2) == (2, 2, 1)
    assert {each.name: (each.used_ipv4, each.total_ipv4) for each in found.pools} == {
        "public": (1, 4),
        "segment": (1, 2),
    }


def test_a_gap_makes_it_unknown():
    assert document(view_world.well(), gaps=("no right to list Secret",)).verdict == "unknown"


@pytest.mark.parametrize(
    ("other", "trouble"),
    [
        (view_world.node_status("n2", view_world.session("Active", "N/A")), "session with 10.0.0.1 (up): Active"),
        (
            view_world.node_status("n2", view_world.session(bfd="Down")),
            "session with 10.0.0.1 (up): Established; BFD is down",
        ),
        (view_world.node_status("n2", up=False), "FRR does not answer"),
        (
            view_world.node_status("n2", state="Refused", lastError="no"),
            "FRR refused the configuration: no",
        ),
        (view_world.node_status("n2", lastError="one line"), "FRR did not take everything: one line"),
        (view_world.pod("speaker", "n2", ready=False), "the speaker is not ready"),
    ],
)
def test_trouble_of_a_node(other, trouble):
    found = document(view_world.replaced(view_world.well(), other))
    assert found.verdict == "bad"
    assert {each.name: each.troubles for each in found.nodes if each.troubles} == {"n2": (trouble,)}


def test_a_fenced_node_is_in_trouble():
    fenced = report(speaker={"layer2": node_report.Layer2(is_fenced=True)})
    found = document(view_world.well(), reports={"n1": fenced})
    (trouble,) = (line for each in found.nodes for line in each.troubles if "majority" in line)
    assert trouble == "hears no majority of the speakers and answers for no address"


def test_a_problem_that_programs_say_too_is_told_once():
    typo = plan_world.peer("typo", "10.0.0.300")
    line = document([*view_world.well(), typo]).problems[0]
    said = plan_world.document(
        "ConfigurationState",
        "speaker-n1",
        status={"result": "Invalid", "errorSummary": f"configuration error: {line.object}: {line.text}"},
    )
    (problem,) = document([*view_world.well(), typo, said]).problems
    assert (problem.object, problem.reporters) == ("BGPPeer metallb-system/typo", ("speaker n1",))


def test_a_service_that_waits():
    found = document([*view_world.well(), *(plan_world.service(f"s{number}") for number in range(4))])
    assert found.verdict == "bad"
    reasons = {each.service: each.reason for each in found.services.pending}
    assert reasons["default/s0"] == "gets 192.0.2.1 from pool public as soon as a controller writes it"
    assert reasons["default/s3"] == 'no available IPs: pool "public": full; pool "segment": autoAssign is off'


def test_a_speaker_that_is_not_ready_says_nothing():
    documents = view_world.replaced(view_world.well(), view_world.pod("speaker", "n2", ready=False))
    found = {each.node: each for each in view_world.picture(documents).sessions}
    assert (found["n2"].state, found["n2"].verdict) == ("Unknown", "unknown")
    assert found["n2"].note == "the speaker is not ready; the last word was Established"
    assert found["n1"].verdict == "ok"


def test_a_report_counts_more_than_the_status():
    heard = node_report.Session("default", "10.0.0.1", "Connect", bfd="Unknown", sent_prefixes=3)
    found = view_world.picture(view_world.well(), reports={"n1": report(sessions=(heard,))}).sessions[0]
    assert (found.state, found.bfd, found.verdict, found.sent_prefixes, found.source) == (
        "Connect",
        "Down",
        "down",
        3,
        "report",
    )


def test_who_may_not_list_nodes_sees_what_their_status_says():
    found = view_world.picture(view_world.without(view_world.well(), "Node")).sessions
    assert [each.node for each in found] == ["n1", "n2", "n3"]


def test_choices_of_sessions():
    found = view_world.picture(view_world.well()).sessions
    assert [each.node for each in found if sessions.Choice(node="n2").has(each)] == ["n2"]
    assert [each.node for each in found if sessions.Choice(peer="10.0.0.1").has(each)] == ["n1", "n2", "n3"]
    assert not [each for each in found if sessions.Choice(only_down=True).has(each)]


def test_an_announcer_that_should_not_be_one():
    documents = view_world.replaced(view_world.well(), plan_world.bgp(ipAddressPools=["segment"]))
    found = {each.service: each for each in view_world.picture(documents).announcers}
    assert found["default/web"].note == "still announced by n1, n2, n3"
    assert found["default/web-l2"].note == "not announced by n1, n2, n3"


def test_a_node_that_was_asked_names_its_decisions():
    decision = node_report.Decision("default/web", "bgp", ("192.0.2.0",))
    held = node_report.Decision("default/web-l2", "layer2", ("10.99.0.200",))
    address = node_report.Layer2Address("10.99.0.200", is_held=True, wish="take", interfaces=("eth0",))
    asked = report("n3", speaker={"decisions": (decision, held), "layer2": node_report.Layer2(addresses=(address,))})
    found = view_world.picture(view_world.without(view_world.well(), "ServiceL2Status"), reports={"n3": asked})
    assert [(each.holders, each.interfaces, each.verdict) for each in found.owners] == [(("n3",), ("eth0",), "ok")]
    assert [(each.nodes, each.verdict) for each in found.announcers] == [(view_world.NAMES, "ok")]


def test_the_only_lease_is_that_of_the_controller_whatever_its_name():
    documents = view_world.without(view_world.well(), "Lease")
    named = plan_world.document("Lease", "other", {"holderIdentity": "me"})
    assert view_world.picture([*documents, named]).seen.leader == "me"
    assert view_world.picture([*documents, named, plan_world.document("Lease", "third", {})]).seen.leader is None


@pytest.mark.parametrize(
    ("renewed", "leader"),
    [
        ("2026-01-01T11:59:50.000000Z", "me"),
        ("2026-01-01T11:58:50.000000Z", "me"),
        ("2026-01-01T11:58:00.000000Z", ""),
        ("nonsense", "me"),
    ],
)
def test_nobody_leads_by_a_lease_that_is_over(renewed, leader):
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": renewed}
    lease = plan_world.document("Lease", "frr-adapter-controller", spec)
    assert view_world.picture(view_world.replaced(view_world.well(), lease)).seen.leader == leader


def test_pods_that_go_do_not_count():
    going = view_world.pod("speaker", "n2")
    going.raw["metadata"]["deletionTimestamp"] = view_world.TAKEN
    seen = view_world.picture(view_world.replaced(view_world.well(), going)).seen
    assert [seen.silence(name) for name in view_world.NAMES] == ["", "there is no speaker", ""]


def test_a_node_that_gave_no_report_is_not_believed():
    gaps = ("node n2: pod speaker-n2 gave no report within 10 s",)
    found = view_world.picture(view_world.well(), gaps=gaps, reports={"n1": report()})
    assert [found.seen.silence(name) for name in view_world.NAMES] == ["", "the speaker does not answer", ""]
    assert found.sessions[1].note == "the speaker does not answer; the last word was Established"


def test_who_answers_speaks_though_the_pod_is_not_ready():
    documents = view_world.replaced(view_world.well(), view_world.pod("speaker", "n1", ready=False))
    assert view_world.picture(documents, reports={"n1": report()}).seen.silence("n1") == ""


def test_without_the_right_to_see_pods_nobody_can_tell():
    seen = view_world.picture(view_world.without(view_world.well(), "Pod"), unread=("Pod",)).seen
    assert (seen.pods, seen.silence("n1")) == (None, "")


def test_complaints_of_several_programs_in_one_text():
    text = "configuration error: one\ntwo\nconfiguration error: three"
    said = plan_world.document("ConfigurationState", "controller", status={"errorSummary": text})
    assert view_world.picture([*view_world.well(), said]).seen.complaints == tuple(
        running.Complaint(line, "controller") for line in ("one", "three", "two")
    )


def test_owners_of_no_nodes():
    found = view_world.picture(view_world.without(view_world.well(), "Node"))
    assert owners.owners(found.world, found.seen, {}) == ()


@pytest.mark.parametrize(
    ("used", "total", "shown"),
    [
        (0, 10, "░░░░░░░░░░ 0/10"),
        (6, 10, "██████░░░░ 6/10"),
        (10, 10, "██████████ 10/10"),
        (99, 100, "█████████░ 99/100"),
        (1, 2**63 - 1, "█░░░░░░░░░ 1/2^63+"),
        (3, 2**56, "█░░░░░░░░░ 3/2^56"),
        (12, 10, "██████████ 12/10"),
        (0, 0, "░░░░░░░░░░ 0/0"),
    ],
)
def test_bars(used, total, shown):
    assert bars.bar(used, total).plain == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(99_999, "99999"), (131_072, "2^17"), (250_000, "250k"), (1_234_567, "1.23M"), (2**63, "2^63+")],
)
def test_amounts(number, shown):
    assert bars.amount(number) == shown


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        ("2026-01-01T11:59:51Z", "9s"),
        ("2026-01-01T11:50:09Z", "9m51s"),
        ("2026-01-01T08:59:00Z", "3h01m"),
        ("2025-12-29T10:00:00Z", "3d2h"),
        ("2026-01-01T12:00:05Z", "0s"),
        ("", "-"),
        ("lately", "lately"),
    ],
)
def test_ages(since, shown):
    assert sheet.age(since, view_world.TAKEN) == shown


def test_names():
    assert [sheet.names("abcd"), sheet.names("abcde"), sheet.names(())] == ["a, b, c, d", "a, b, c and 2 more", "-"]
