"""Parts of a plan on their own: the diff, what a reset is traced back to, --fail-on, and random clusters one after another."""

import dataclasses
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import values
from cli.core import allocation, blaming, differing, failing, layer2, merging, nodes, planning, world
from cli.documents import plan
from frr_adapter import refs
from frr_adapter.api import kinds
from frr_adapter.boundary import files
from frr_adapter.frr import config, fingerprint, grammar, resets
from tests.unit.cli import plan_world as a

TEMPLATES = files.read_templates()
LINES = st.lists(st.sampled_from(["!", "exit", "a", "b", "c", "d", "e", "f"]), max_size=40)


def patched(before: list[str], diff: str) -> list[str]:
    """What the diff makes of the lines; fails when it does not fit."""
    after, at = [], 0
    for line in diff.splitlines():
        if head := re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", line):
            start = int(head[1]) - (0 if head[2] == "0" else 1)
            after += before[at:start]
            at = start
            assert len(after) == int(head[3]) - (0 if head[4] == "0" else 1)
        elif line[0] == "+":
            after.append(line[1:])
        else:
            assert before[at] == line[1:]
            after += [line[1:]] if line[0] == " " else []
            at += 1
    return after + before[at:]


@given(LINES, LINES, LINES, LINES)
def test_a_diff_leads_from_one_text_to_the_other(head, before, after, tail):
    old, new = [*head, *before, *tail], [*head, *after, *tail]
    diff = differing.unified("\n".join(old), "\n".join(new))
    assert patched(old, diff) == new
    assert bool(diff) is (old != new)


def test_only_three_lines_around_a_change_are_shown():
    old = [str(number) for number in range(100)]
    new = [*old[:50], "new", *old[50:]]
    assert (
        differing.unified("\n".join(old), "\n".join(new)) == "@@ -48,6 +48,7 @@\n 47\n 48\n 49\n+new\n 50\n 51\n 52\n"
    )


# ---- Blame ----

NEIGHBOR = config.Neighbor(("metallb-system/up",), "10.0.0.1", "64512")
FIELDS = sorted({field for fields in blaming._FIELDS.values() for field in fields})


def frr(neighbor: config.Neighbor = NEIGHBOR, **router) -> config.FrrConfig:
    family = config.AddressFamily("ipv4", activations=(config.Activation(neighbor.name, "i", "o"),))
    fields = {"asn": 64600, "neighbors": (neighbor,), "families": (family,), **router}
    return config.FrrConfig("n1", routers=(config.Router(**fields),))


def blamed(before: config.FrrConfig, after: config.FrrConfig, *fields: str):
    ref = refs.ObjectRef("BGPPeer", a.NAMESPACE, "up")
    origin = values.Origin("f.yaml", 1, {field: number for number, field in enumerate(FIELDS, 10)})
    blame = blaming.Blame([merging.Changed(ref, merging.Change.CHANGED, fields, origin)], a.NAMESPACE)
    return [blame.reset(each, before, after) for each in resets.resets(before, after)]


@pytest.mark.parametrize(
    ("change", "field", "statement"),
    [
        ({"remote_as": "64999"}, "spec.peerASN", "neighbor 10.0.0.1 remote-as 64999"),
        ({"local_as": 7}, "spec.localASN", "neighbor 10.0.0.1 local-as 7 no-prepend replace-as"),
        ({"port": 1790}, "spec.peerPort", "neighbor 10.0.0.1 port 1790"),
        ({"ebgp_multihop": 255}, "spec.ebgpMultiHop", "neighbor 10.0.0.1 ebgp-multihop 255"),
        ({"disable_connected_check": True}, "spec.ebgpMultiHop", "neighbor 10.0.0.1 disable-connected-check"),
        ({"update_source": "10.0.0.9"}, "spec.sourceAddress", "neighbor 10.0.0.1 update-source 10.0.0.9"),
        ({"extended_nexthop": True}, "spec.dualStackAddressFamily", "neighbor 10.0.0.1 capability extended-nexthop"),
        ({"graceful_restart": True}, "spec.enableGracefulRestart", "neighbor 10.0.0.1 graceful-restart"),
    ],
)
def test_a_reset_is_traced_to_statement_and_field(change, field, statement):
    before, after = frr(), frr(dataclasses.replace(NEIGHBOR, **change))
    (found,) = blamed(before, after, field)
    assert (found.statement, found.field, found.peers) == (statement, field, ("metallb-system/up",))
    assert found.where == f"f.yaml:{10 + FIELDS.index(field)}"


def test_what_is_taken_back_is_shown_as_it_is_taken_back():
    (found,) = blamed(frr(dataclasses.replace(NEIGHBOR, bfd_profile="")), frr(), "spec.bfdProfile")
    assert (found.reason, found.statement, found.field) == (
        "BFD removed",
        "no neighbor 10.0.0.1 bfd",
        "spec.bfdProfile",
    )


def test_resets_of_the_whole_instance_name_the_peer_that_changed():
    (found,) = blamed(frr(), frr(router_id="10.9.9.9"), "spec.routerID")
    assert (found.statement, found.field) == ("bgp router-id 10.9.9.9", "spec.routerID")
    (found,) = blamed(frr(), frr(asn=64601), "spec.myASN")
    assert (found.statement, found.field) == ("router bgp 64601", "spec.myASN")


def test_an_address_family_that_comes_or_goes_is_traced():
    more = config.AddressFamily("ipv6", activations=(config.Activation("10.0.0.1", "i", "o"),))
    both = (*frr().routers[0].families, more)
    (found,) = blamed(frr(), frr(families=both), "spec.dualStackAddressFamily")
    assert found.statement == "address-family ipv6 unicast / neighbor 10.0.0.1 activate"
    (found,) = blamed(frr(families=both), frr(), "spec.dualStackAddressFamily")
    assert found.statement == "address-family ipv6 unicast / no neighbor 10.0.0.1 activate"


def test_every_reason_for_a_reset_has_fields_and_every_field_exists():
    resetting = [each.name for each in grammar.SETTINGS if each.resets is not grammar.Resets.NEVER]
    for name in (*resetting, "AS", "AS of the node", "router ID", "address family"):
        assert blaming._FIELDS[name]
    known = {f"spec.{kinds_field}" for kinds_field in _fields_of_peer()}
    assert set(FIELDS) <= known


def _fields_of_peer() -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kinds.BGPPeerSpec)}


def test_an_unknown_cause_is_no_cause():
    (found,) = blamed(frr(), frr(dataclasses.replace(NEIGHBOR, port=1790)), "spec.holdTime")
    assert (found.field, found.where) == ("", "")


# ---- --fail-on ----


@pytest.mark.parametrize(
    ("summary", "word"),
    [
        ({"session_resets": 1}, "resets"),
        ({"sessions_lost": 1}, "resets"),
        ({"addresses_lost": 1}, "address-changes"),
        ({"addresses_changed": 1}, "address-changes"),
        ({"addresses_pending": 1}, "address-changes"),
        ({"owners_moved": 1}, "moves"),
        ({"owners_lost": 1}, "moves"),
    ],
)
def test_what_happens_is_named(summary, word):
    assert failing.happens(plan.PlanDocument(summary=plan.Summary(**summary))) == {failing.Word(word)}


def test_good_news_fail_nothing():
    summary = plan.Summary(addresses_gained=3, sessions_gained=2, owners_gained=1, nodes_changed=5, problems=1)
    old = plan.Problem("BGPPeer", "", "x", "", "", is_new=False)
    warning = plan.Problem("Service", "", "x", "", "", severity="warning")
    assert not failing.happens(plan.PlanDocument(summary=summary, problems=(old, warning)))


def test_mistakes_that_are_new_or_in_the_files_count():
    new = plan.Problem("BGPPeer", "", "x", "", "")
    written = plan.Problem("BGPPeer", "", "x", "", "", where="f.yaml:1", is_new=False)
    for each in (new, written):
        assert failing.happens(plan.PlanDocument(problems=(each,))) == {failing.Word.PROBLEMS}
    assert failing.happens(plan.PlanDocument(gaps=("x",))) == {failing.Word.GAPS}


def test_words_are_read():
    assert failing.words("") == frozenset()
    assert failing.words("moves, gaps") == {failing.Word.MOVES, failing.Word.GAPS}
    assert failing.words("any") == frozenset(failing.Word)
    with pytest.raises(ValueError, match='found "x"; allowed are problems, resets'):
        failing.words("gaps,x")


# ---- Wholes ----


def gathered(documents, **more) -> values.Gathered:
    return values.Gathered(documents=tuple(documents), **more)


def planned(before, manifests=(), **options) -> plan.PlanDocument:
    return planning.plan(gathered(before), gathered(manifests), planning.Options(**options), TEMPLATES)


@settings(max_examples=15)
@given(a.clusters())
def test_the_same_objects_again_change_nothing(documents):
    objects = [each for each in documents if each.ref.kind not in ("EndpointSlice", "ServiceL2Status")]
    found = planned(documents, objects)
    assert (found.addresses, found.nodes, found.owners) == ((), (), ())
    assert {each.change for each in found.objects} <= {"unchanged"}
    assert not any(each.is_new for each in found.problems)


@settings(max_examples=25)
@given(a.clusters(), a.clusters())
def test_every_node_that_changes_is_told_of_once_and_as_it_changes(before, after):
    there = {each.ref for each in after}
    going = tuple(each.ref for each in before if each.ref not in there)
    found = planned(before, after, delete=going)
    course = world.Course(values.Programs())
    old, decision = allocation.settle(course, course.advance(before))
    merged = merging.apply(old.documents, after, namespace=a.NAMESPACE, delete=going)
    new, _ = allocation.settle(course, course.advance(merged.documents.values()), decision.memory)
    was, shall = nodes.Nodes(old), nodes.Nodes(new)
    told = [name for change in found.nodes for name in change.nodes]
    assert len(told) == len(set(told))
    for name in {*was.names, *shall.names}:
        changes = [change for change in found.nodes if name in change.nodes]
        if name not in shall.names:
            assert [change.way for change in changes] == ["stop"]
            continue
        text = nodes.text(shall.config(name), TEMPLATES)
        before_text = nodes.text(was.config(name), TEMPLATES) if name in was.names else ""
        for change in changes:
            assert bool(change.diff) or change.resets
            if change.nodes[0] == name:
                assert patched(before_text.splitlines(), change.diff) == text.splitlines()
        if not changes:
            assert text == before_text
    assert found.summary.nodes == len(new.nodes)
    held = {change.service: change.after for change in found.addresses if change.change in ("gained", "changed")}
    for service in new.controller.services:
        if service.key in held:
            assert service.ingress == held[service.key]


def test_the_owner_that_is_there_counts_and_not_who_was_elected_before():
    cluster = [a.node("n1"), a.node("n2"), a.pool(), a.l2(), a.service("web", "192.0.2.1"), a.endpoints("web", "n1")]
    elected = layer2.contests(world.Course(values.Programs()).advance(cluster), {})["default/web"].elected
    other = {"n1": "n2", "n2": "n1"}[elected]
    excluded = a.node(other, **{a.EXCLUDED: ""})
    found = planned([*cluster, a.holding("web", other)], [excluded])
    assert [(each.change, each.before, each.after) for each in found.owners] == [("moved", other, elected)]
    assert "label" in found.owners[0].reason
    assert planned([*cluster, a.holding("web", elected)], [excluded]).owners == ()


def test_a_moment_knows_why_an_address_changes():
    before = [a.node("n1"), a.pool("p", "192.0.2.0/30"), a.service("web", "192.0.2.3")]
    found = planned(before, [a.pool("p", "192.0.2.0/31")])
    (change,) = found.addresses
    assert (change.change, change.before, change.after) == ("changed", ("192.0.2.3",), ("192.0.2.0",))
    assert change.reason.startswith("not allowed any more: ")
    assert found.warnings == (
        "IPAddressPool metallb-system/p changes while it is in use: 1 Service loses the address that it gave",
    )


@pytest.mark.parametrize(("version", "count"), [("8.4.4", 0), ("10.3", 1), ("", 1)])
def test_what_only_newer_versions_of_frr_reset_depends_on_the_version(version, count):
    status = a.document("NodeBGPStatus", "n1", status={"frr": {"version": version}})
    before = [a.node("n1"), a.peer(), status]
    found = planned(before, [a.peer(enableGracefulRestart=True)])
    assert found.summary.session_resets == count


def test_the_memory_of_a_moment_outlives_a_mistake():
    before = [a.node("n1"), a.pool(), a.peer(), a.bgp("ad", communities=["64600:1"]), a.service("web", "192.0.2.1")]
    found = planned([*before, a.endpoints("web", "n1")], [a.bgp("ad", communities=["nonsense"])])
    assert found.nodes == ()
    assert found.summary.new_problems == 1
    (warning,) = found.warnings
    assert warning.startswith("BGPAdvertisement metallb-system/ad: its last good version stays in force")


def test_a_node_that_wants_something_else_than_its_objects_say_is_told_of():
    before = [a.node("n1"), a.node("n2"), a.pool(), a.peer(), a.bgp()]
    config = nodes.Nodes(world.Course(values.Programs()).advance(before)).config("n1")
    right = {"configuration": {"wanted": fingerprint.fingerprint(config)}}
    well = [a.document("NodeBGPStatus", name, status=right) for name in ("n1", "n2")]
    assert planned([*before, *well]).gaps == ()
    wrong = a.document("NodeBGPStatus", "n2", status={"configuration": {"wanted": "0123456789ab"}})
    (gap,) = planned([*before, well[0], wrong]).gaps
    assert gap.startswith("n2: the speaker wants another frr.conf than the objects say")
