"""What `watch` tells of two pictures, one after the other."""

import pytest

from cli import values
from cli.core import changes, status
from cli.core import world as worlds
from tests.unit.cli import plan_world, view_world


def told(before, after):
    course = worlds.Course(values.Programs())
    first, second = (view_world.picture(documents, course) for documents in (before, after))
    return [(each.tone, each.text) for each in changes.between(first, second)]


def replaced(*others):
    return view_world.replaced(view_world.well(), *others)


def test_nothing_happens():
    assert told(view_world.well(), view_world.well()) == []


def test_the_first_line_says_how_things_are():
    (line,) = changes.first(status.document(view_world.picture(view_world.well())))
    assert line.text == ("watching test: 2 Services, 2 with address; 3 nodes, 3 of 3 sessions established; 0 problems")


@pytest.mark.parametrize(
    ("others", "lines"),
    [
        (
            [view_world.node_status("n2", view_world.session("Active", "Down", lastReset="BFD down"))],
            [("bad", "session n2 with 10.0.0.1 (up): Established, BFD Up → Active, BFD Down (BFD down)")],
        ),
        (
            [view_world.node_status("n2", view_world.session(), view_world.session(neighbor="10.0.0.9", peers=[]))],
            [("ok", "session n2 with 10.0.0.9: new, Established, BFD Up")],
        ),
        ([view_world.node_status("n1", up=False)], [("bad", "FRR on n1: does not answer")]),
        ([view_world.node_status("n1", wanted="b", applied="b")], [("ok", "FRR on n1: runs b")]),
        (
            [view_world.node_status("n1", wanted="b", state="Refused", lastError="no")],
            [("bad", "FRR on n1: refused the configuration: no")],
        ),
        ([view_world.node_status("n1", wanted="b", state="Applying")], []),
        (
            [plan_world.document("Lease", "frr-adapter-controller", {"holderIdentity": "controller-n2"})],
            [("idle", "controller: controller-n2 leads")],
        ),
        (
            [plan_world.document("Lease", "frr-adapter-controller", {"holderIdentity": ""})],
            [("unknown", "controller: nobody leads")],
        ),
        (
            [view_world.pod("controller", "n1", ready=False), view_world.pod("controller", "n2")],
            [("bad", "controller controller-n1 on n1: not ready"), ("ok", "controller controller-n2 on n2: ready")],
        ),
        (
            [view_world.given("new", "192.0.2.2", "public"), plan_world.endpoints("new", "n1")],
            [("ok", "Service default/new: got 192.0.2.2 from pool public")],
        ),
        (
            [view_world.given("web", "192.0.2.3", "public")],
            [("idle", "Service default/web: 192.0.2.0 → 192.0.2.3 from pool public")],
        ),
        ([plan_world.service("s")], []),
        (
            [plan_world.service("s", annotations={"metallb.io/address-pool": "nope"})],
            [("bad", 'Service default/s: pending: unknown pool "nope"')],
        ),
        (
            [plan_world.holding("web-l2", "n1")],
            [("bad", "layer-2 owner of default/web-l2: n3 → n1, n3 (2 nodes say that they answer: n1, n3)")],
        ),
    ],
)
def test_something_is_there_or_changes(others, lines):
    found = told(view_world.well(), replaced(*others))
    if lines and lines[0][1].startswith("Service default/s: pending"):
        assert found[0][1].startswith(lines[0][1])
    else:
        assert found == lines


def test_what_goes():
    before, after = view_world.well(), view_world.without(view_world.well(), "ServiceBGPStatus", "bgp-web-n2")
    after = view_world.without(view_world.without(after, "ServiceL2Status"), "Pod", "controller-n1")
    assert told(before, after) == [
        ("bad", "controller controller-n1 on n1: gone"),
        ("bad", "layer-2 owner of default/web-l2: n3 → nobody (nobody answers yet; elected is n3)"),
        ("idle", "BGP: default/web no longer announced by n2"),
    ]


def test_a_service_is_deleted_or_loses_what_it_had():
    gone = view_world.without(view_world.well(), "Service", "web")
    assert ("idle", "Service default/web: lost 192.0.2.0 (gone)") in told(view_world.well(), gone)
    lost = replaced(plan_world.service("web", annotations={"metallb.io/address-pool": "public"}))
    assert ("bad", "Service default/web: lost 192.0.2.0") in told(view_world.well(), lost)


def test_a_problem_comes_and_goes():
    typo = plan_world.peer("typo", "10.0.0.300")
    (line,) = told(view_world.well(), replaced(typo))
    assert line[0] == "bad"
    assert line[1].startswith("problem: BGPPeer metallb-system/typo: spec.peerAddress: ")
    (mended,) = told(replaced(typo), view_world.well())
    assert mended[1].startswith("no longer a problem: BGPPeer metallb-system/typo")


def test_a_mistake_keeps_the_session():
    """As in the programs: the last good version holds, so nothing but the problem is told."""
    broken = plan_world.peer(bfdProfile="fast", holdTime="never")
    found = told(view_world.well(), replaced(broken))
    assert [text.split(":")[0] for _, text in found] == ["problem"]


def test_sessions_are_gone_with_their_peer():
    after = view_world.without(view_world.well(), "BGPPeer")
    after = view_world.replaced(
        after,
        *(
            plan_world.document(
                "NodeBGPStatus",
                name,
                status={
                    "node": name,
                    "frr": {"up": True, "version": "10.3"},
                    "configuration": {"state": "Applied", "wanted": "a", "applied": "a"},
                    "sessions": [],
                },
            )
            for name in view_world.NAMES
        ),
    )
    after = view_world.without(after, "ServiceBGPStatus")
    found = told(view_world.well(), after)
    assert [text for _, text in found[:3]] == [f"session {name} with 10.0.0.1 (up): gone" for name in view_world.NAMES]
