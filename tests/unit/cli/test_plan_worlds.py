"""Nodes, contests and allocation against the programs' own from-scratch functions, node by node."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.core import allocation, layer2, nodes
from frr_adapter import resolve
from frr_adapter.api import node_report
from frr_adapter.boundary import files
from frr_adapter.resolve import view
from speaker import values
from speaker.core import bgp_plan, compose, l2_plan
from tests.unit.cli import plan_world as a

PROGRAMS = st.fixed_dictionaries(
    {
        "ignore_exclude_lb": st.booleans(),
        "l2_owner": st.sampled_from(["keep", "hash"]),
        "log_level": st.sampled_from(["info", "debug"]),
    }
)


@settings(max_examples=25)
@given(a.histories(), PROGRAMS)
def test_every_node_gets_what_its_own_speaker_would_plan(histories, programs):
    course, found = a.course(**programs), None
    for documents in histories:
        world = course.advance(documents)
        found = nodes.Nodes(world, found)
        assert found.names == tuple(sorted(world.nodes))
        for name in found.names:
            plan, decisions = bgp_plan.plan(world.at(name), name, ignore_exclude=programs["ignore_exclude_lb"])
            assert found.plan(name) == plan
            assert found.decisions(name) == decisions
            assert found.config(name) == compose.compose(plan, log_level=programs["log_level"])


@settings(max_examples=25)
@given(a.histories())
def test_a_node_is_configured_as_if_it_were_resolved_alone(histories):
    course, last = a.course(), {}
    for documents in histories:
        world = course.advance(documents)
        listed = {kind: course._store.objects(kind) for kind in view.ANNOUNCING_KINDS}
        objects = view.config_objects(listed, for_speaker=True)
        last = {
            name: resolve.configuration(objects, node=name, previous=last[name].configuration if name in last else None)
            for name in world.nodes
        }
        assert dict(world.nodes) == last


@settings(max_examples=25)
@given(a.clusters())
def test_groups_are_the_nodes_that_differ_in_their_names_only(documents):
    found = nodes.Nodes(a.course().advance(documents))
    groups = found.groups()
    assert sorted(name for group in groups for name in group) == list(found.names)
    assert list(groups) == sorted(groups)
    bare = {name: dataclasses.replace(found.config(name), hostname="") for name in found.names}
    for group in groups:
        others = [name for name in found.names if name not in group]
        assert all(bare[name] == bare[group[0]] for name in group)
        assert all(bare[name] != bare[group[0]] for name in others)


@settings(max_examples=25)
@given(a.clusters(), PROGRAMS)
def test_contests_are_what_the_nodes_plan_each_for_itself(documents, programs):
    world = a.course(**programs).advance(documents)
    found = layer2.contests(world, {})
    decided = {
        name: l2_plan.plan(
            world.at(name),
            name,
            ignore_exclude=programs["ignore_exclude_lb"],
            live=None,
            keeps=world.programs.l2_owner == "keep",
        )[1]
        for name in world.nodes
    }
    for index, service in enumerate(world.shared.services):
        each = {name: decisions[index] for name, decisions in decided.items()}
        taking = [name for name, decision in each.items() if decision.wish is values.Wish.TAKE]
        keeping = {name for name, decision in each.items() if decision.wish is values.Wish.KEEP}
        contest = found.get(service.key)
        if contest is None:
            assert all(not decision.addresses for decision in each.values())
            continue
        assert [contest.elected] == (taking or [None])
        assert bool(contest.reason) is not bool(contest.candidates)
        stays = [name for name in contest.candidates if name in contest.holders and name in {*taking, *keeping}]
        # All holders that may keep are equally preferred; where two say that they hold, the order decides.
        if programs["l2_owner"] == "keep" and stays:
            assert contest.owner == stays[0]
        else:
            assert contest.owner == contest.elected


def report(node: str, *, live: tuple[str, ...] | None, interfaces=("eth0",), announced=(), fenced=False):
    decisions = tuple(node_report.Decision(service, "layer2") for service in announced)
    heard = node_report.Layer2(interfaces=interfaces, live=live, is_fenced=fenced)
    speaker = node_report.Speaker(node, "", "", node_report.Flags(), decisions=decisions, layer2=heard)
    return node_report.NodeReport(speaker)


def layer2_cluster(*more):
    return [
        a.node("n1"),
        a.node("n2"),
        a.node("n3"),
        a.pool(),
        a.l2(),
        a.service("web", "192.0.2.1"),
        a.endpoints("web", "n1"),
        *more,
    ]


def test_a_node_whose_speaker_is_dead_is_no_candidate():
    world = a.course().advance(layer2_cluster())
    alive = {name: report(name, live=("n1", "n2")) for name in ("n1", "n2")}
    assert set(layer2.contests(world, alive)["default/web"].candidates) == {"n1", "n2"}
    assert set(layer2.contests(world, {})["default/web"].candidates) == {"n1", "n2", "n3"}


def test_the_word_of_a_fenced_speaker_about_others_does_not_count():
    world = a.course().advance(layer2_cluster())
    reports = {"n1": report("n1", live=("n1",), fenced=True), "n2": report("n2", live=("n2", "n3"))}
    assert set(layer2.contests(world, reports)["default/web"].candidates) == {"n2", "n3"}


def test_what_a_node_reports_counts_more_than_its_status():
    world = a.course().advance(layer2_cluster(a.holding("web", "n1"), a.holding("web", "n2")))
    reports = {"n1": report("n1", live=None), "n3": report("n3", live=None, announced=("default/web",))}
    assert layer2.contests(world, reports)["default/web"].holders == ("n2", "n3")


def test_addresses_stay_with_who_has_them_and_new_ones_go_to_who_is_elected():
    world = a.course().advance(layer2_cluster())
    contest = layer2.contests(world, {})["default/web"]
    others = [name for name in contest.candidates if name != contest.elected]
    held = layer2.contests(a.course().advance(layer2_cluster(a.holding("web", others[0]))), {})
    assert held["default/web"].owner == others[0]
    more = [
        a.service("new", "192.0.2.2"),
        a.endpoints("new", "n1"),
        a.service("twin", "192.0.2.1"),
        a.endpoints("twin", "n1"),
    ]
    later = a.course().advance(layer2_cluster(*more))
    holding = layer2.inherited(later, held)
    assert holding == {"default/web": (others[0],), "default/twin": (others[0],), "default/new": ()}
    found = layer2.contests(later, {}, holding)
    assert found["default/web"].owner == found["default/twin"].owner == others[0]
    assert found["default/new"].owner == found["default/new"].elected


@pytest.mark.parametrize("owner", ["keep", "hash"])
def test_settling_writes_what_the_controller_writes_and_then_nothing(owner):
    course = a.course(l2_owner=owner)
    world = course.advance([a.pool(), a.node("n1"), a.service("web"), a.service("old", type="ClusterIP")])
    settled, decision = allocation.settle(course, world)
    assert not decision.unwritten
    raw = settled.documents[a.service("web").ref].raw
    assert raw["status"] == {"loadBalancer": {"ingress": [{"ip": "192.0.2.0", "ipMode": "VIP"}]}}
    assert raw["metadata"]["annotations"] == {"metallb.io/ip-allocated-from-pool": "p"}
    assert allocation.settle(course, settled, decision.memory)[0] is settled


@settings(max_examples=25)
@given(a.clusters())
def test_settling_ends(documents):
    course = a.course()
    settled, decision = allocation.settle(course, course.advance(documents))
    assert not decision.unwritten
    assert allocation.settle(course, settled, decision.memory)[0] is settled


def test_no_password_is_in_the_text():
    lines = "router bgp 64600\n neighbor 10.0.0.9 password open"
    documents = [a.node("n1"), a.peer(password="sesame"), a.document("ConfigMap", "bgpextras", data={"extras": lines})]
    found = nodes.Nodes(a.course().advance(documents))
    text = nodes.text(found.config("n1"), files.read_templates())
    assert "neighbor 10.0.0.1 password ***" in text
    assert "neighbor 10.0.0.9 password ***" in text
    assert "sesame" not in text
    assert "open" not in text


def test_without_bgp_a_node_announces_nothing_over_it():
    documents = [a.node("n1"), a.pool(), a.bgp(), a.peer(), a.service("web", "192.0.2.1"), a.endpoints("web", "n1")]
    assert nodes.Nodes(a.course().advance(documents)).plan("n1").routes
    found = nodes.Nodes(a.course(has_bgp=False).advance(documents))
    assert found.plan("n1") == values.BgpPlan("n1")
    assert found.decisions("n1") == ()
    assert found.config("n1").routers == ()


def test_objects_of_another_namespace_are_not_seen():
    lines = {"extras": "! not ours"}
    strange = [
        a.document("IPAddressPool", "q", {"addresses": ["203.0.113.0/29"]}, "other"),
        a.document("ConfigMap", "bgpextras", None, "other", data=lines),
    ]
    course = a.course()
    world = course.advance([a.node("n1"), a.pool(), *strange])
    assert [pool.name for pool in world.controller.configuration.pools] == ["p"]
    assert nodes.Nodes(world).config("n1").extras == ()
    world = course.advance([a.node("n1"), a.document("ConfigMap", "bgpextras", data=lines)])
    assert world.controller.configuration.pools == ()
    assert nodes.Nodes(world).config("n1").extras == ("! not ours",)
