"""The chain as a whole: over random clusters its verdicts are those of the programs, exactly one hop is the cause, and it never says too much."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import errors, values
from cli.core import nodes, world
from cli.core.explain import case, chain
from cli.documents.explain import ExplainDocument
from controller import values as controller_values
from controller.core import allocator
from frr_adapter.api import node_report
from speaker import values as speaker_values
from tests.unit.cli import plan_world as a

NAMES = (
    *("type", "pools", "address", "endpoints", "advertisements", "nodes"),
    *("owner", "intent", "applied", "sessions", "advertised", "wire"),
)

FEW = settings(max_examples=30)


def explained(documents, service="default/web", **more):
    fields = {key: more.pop(key) for key in ("reports", "programs", "gaps", "events") if key in more}
    gathered = values.Gathered(tuple(documents), **fields)
    return chain.explain(gathered, case.Question(service, **more))


def hop(document, name):
    (found,) = (each for each in document.hops if each.name == name)
    return found


def cause(document):
    return next((each for each in document.hops if each.is_cause), None)


@FEW
@given(a.clusters(), st.sampled_from(a.SERVICES), st.sampled_from(["", *a.NODES]))
def test_verdicts_are_those_of_the_programs(documents, name, node):
    known = {each.ref.name for each in documents if each.ref.kind == "Node"}
    if node and node not in known:
        with pytest.raises(errors.NoAnswerError, match=f"Node {node} is not there"):
            explained(documents, f"default/{name}", node=node)
        return
    found = explained(documents, f"default/{name}", node=node)
    assert tuple(each.name for each in found.hops) == NAMES
    seen = world.Course(values.Programs()).advance(documents)
    entry = allocator.decide(seen.controller, lb_class="").memory.entries[f"default/{name}"]
    if isinstance(entry.outcome, controller_values.Kept):
        assert hop(found, "address").status == "ok"
    if isinstance(entry.outcome, controller_values.Refused):
        assert cause(found).name in ("pools", "address")
    for each in [node] if node else sorted(known):
        (verdict,) = (one.verdict for one in nodes.Nodes(seen).decisions(each) if one.service == f"default/{name}")
        if isinstance(verdict, speaker_values.Announce) and found.works:
            assert each in hop(found, "nodes").text


@FEW
@given(a.clusters(), st.sampled_from(a.SERVICES))
def test_the_first_failure_is_the_cause_and_nothing_follows_from_nothing(documents, name):
    found = explained(documents, f"default/{name}")
    failed = [each for each in found.hops if each.status == "failed"]
    assert [each for each in found.hops if each.is_cause] == failed[:1]
    assert found.works == (not failed)
    before = [each.status for each in found.hops]
    if "follows" in before:
        assert "failed" in before[: before.index("follows")]
    for each in failed:
        assert each.do
        assert each.edit is not None
    assert all("\n" not in each.text for each in found.hops)
    assert msgspec.json.decode(msgspec.json.encode(found), type=ExplainDocument) == found


@FEW
@given(a.clusters(), st.sampled_from(a.SERVICES))
def test_where_nobody_was_heard_nothing_that_they_know_is_called_ok(documents, name):
    silent = [each for each in documents if not each.ref.kind.endswith("Status")]
    found = explained(silent, f"default/{name}")
    for known_by_speakers in ("owner", "applied", "sessions", "advertised", "wire"):
        assert hop(found, known_by_speakers).status in ("unknown", "follows", "notApplicable")


WELL = [
    a.pool(),
    a.peer(),
    a.bgp(),
    a.node("n1"),
    a.node("n2"),
    a.endpoints("web", "n1"),
    a.service("web", "192.0.2.7"),
]


def spoken(node, **more):
    return node_report.NodeReport(node_report.Speaker(node, "", "", node_report.Flags(), **more))


def running(node, text="router bgp 64600\n network 192.0.2.7/32 route-map class-1\n", **more):
    found = spoken(node, wanted=text, applied=text)
    session = node_report.Session("default", "10.0.0.1", "Established")
    sent = node_report.Advertised("default", "10.0.0.1", ("192.0.2.7/32",))
    return msgspec.structs.replace(found, **{"sessions": (session,), "advertised": (sent,), **more})


def test_every_hop_is_known_when_every_speaker_was_asked():
    found = explained(WELL, reports={name: running(name) for name in ("n1", "n2")})
    assert {each.status for each in found.hops} == {"ok", "notApplicable"}
    assert found.summary == "default/web 192.0.2.7: announced by n1 and n2 over BGP to up"


def test_one_speaker_that_was_not_asked_leaves_a_doubt():
    found = explained(WELL, reports={"n1": running("n1")})
    assert hop(found, "applied").status == "unknown"
    assert hop(found, "applied").text == "n2: its speaker was not heard"
    assert found.works


def test_what_frr_runs_counts_and_not_what_it_should():
    found = explained(WELL, reports={"n1": running("n1"), "n2": running("n2", "router bgp 64600\n")})
    assert cause(found).name == "applied"
    assert cause(found).text == "n2: what FRR runs does not originate 192.0.2.7/32"


def test_a_prefix_is_not_found_in_a_longer_one():
    text = "router bgp 64600\n network 192.0.2.7/320 route-map x\n"
    found = explained(WELL, reports={name: running(name, text) for name in ("n1", "n2")})
    assert cause(found).name == "applied"


def test_a_speaker_that_decided_otherwise_is_a_doubt():
    said = node_report.Decision("default/web", "bgp", (), "noEndpoints")
    other = running("n2")
    other = msgspec.structs.replace(other, speaker=msgspec.structs.replace(other.speaker, decisions=(said,)))
    found = explained(WELL, reports={"n1": running("n1"), "n2": other})
    assert hop(found, "nodes").status == "unknown"
    assert "but the speaker of n2 decided otherwise (noEndpoints)" in hop(found, "nodes").text


def test_frr_that_did_not_say_what_it_sent_is_a_doubt():
    quiet = running("n2", frr_error="bgpd: no answer", advertised=())
    found = explained(WELL, reports={"n1": running("n1"), "n2": quiet})
    assert hop(found, "advertised").status == "unknown"
    lacking = running("n2", advertised=())
    assert cause(explained(WELL, reports={"n1": running("n1"), "n2": lacking})).name == "advertised"


def test_who_speaks_without_bgp_is_told_so():
    programs = values.Programs(has_bgp=False)
    found = explained(WELL, programs=programs)
    assert cause(found).text == "none speaks for it: BGPAdvertisement bgp: the speakers run without BGP"


def test_layer_2_is_left_out_when_a_peer_is_asked_about():
    found = explained([*WELL, a.l2()], peer="up")
    assert hop(found, "owner").status == "notApplicable"
    assert "L2Advertisement l2: has no BGP peers" in hop(found, "advertisements").details


def layer2(**more):
    held = node_report.Layer2Address("192.0.2.7", is_held=True, wish="take", **more.pop("address", {}))
    said = node_report.Layer2(("eth0",), (held,), live=("n1", "n2"), **more)
    announced = node_report.Decision("default/web", "layer2", ("192.0.2.7",))
    return {"n1": spoken("n1", layer2=said, decisions=(announced,)), "n2": spoken("n2", layer2=layer2_empty())}


def layer2_empty():
    return node_report.Layer2(("eth0",), live=("n1", "n2"))


ON_LAYER2 = [each for each in WELL if each.ref.kind not in ("BGPPeer", "BGPAdvertisement")]


def test_a_node_that_is_fenced_answers_nobody():
    found = explained([*ON_LAYER2, a.l2()], reports=layer2(is_fenced=True))
    assert cause(found).name == "wire"
    assert "n1 hears no majority of the speakers" in cause(found).text


def test_an_interface_that_is_not_there_is_found_where_nobody_watches():
    reports = layer2(address={"interfaces": ("eth7",)})
    found = explained([*ON_LAYER2, a.l2()], reports=reports)
    assert cause(found).text == "n1 has none of the interfaces eth7: nobody hears it"
    assert cause(found).edit.field == "spec.interfaces"


def test_two_holders_are_a_doubt():
    found = explained([*ON_LAYER2, a.l2(), a.holding("web", "n1"), a.holding("web", "n2")])
    assert hop(found, "owner").status == "unknown"
    assert hop(found, "owner").text.startswith("n1 and n2 say that they answer")


def test_a_service_that_is_not_there_and_a_peer_that_is_not_there():
    with pytest.raises(errors.NoAnswerError, match=r"Service default/wob is not there$"):
        explained(WELL, "default/wob")
    with pytest.raises(errors.NoAnswerError, match=r"BGPPeer down is not there; there are up"):
        explained(WELL, peer="down")


def test_the_same_cluster_gives_the_same_answer():
    gathered = values.Gathered(tuple(WELL), gaps=("Secrets: forbidden",))
    first, second = (chain.explain(gathered, case.Question("default/web")) for _ in range(2))
    assert first == second
    assert first.gaps == ("Secrets: forbidden",)


@pytest.mark.parametrize(
    ("state", "bfd", "reset", "field"),
    [
        ("Active", "", "Peer closed the session", "spec.peerAddress"),
        ("Active", "", "", "spec.peerAddress"),
        ("Idle", "", "OPEN Message Error/Bad Peer AS", "spec.peerASN"),
        ("Active", "", "Hold Timer Expired", "spec.holdTime"),
        ("Idle", "", "No AFI/SAFI activated for peer", "spec.dualStackAddressFamily"),
        ("Idle", "Down", "BFD down received", "spec.bfdProfile"),
        ("Active", "Down", "Peer closed the session", "spec.peerAddress"),
        ("Established", "Down", "", "spec.bfdProfile"),
        ("Established", "", "", "spec.bfdProfile"),
    ],
)
def test_what_to_look_at_when_a_session_is_not_well(state, bfd, reset, field):
    session = node_report.Session("default", "10.0.0.1", state, bfd=bfd, last_reset=reset)
    others = [each for each in WELL if each.ref.kind != "BGPPeer"]
    documents = [*others, a.peer(bfdProfile="fast"), a.document("BFDProfile", "fast", {"receiveInterval": 300})]
    found = explained(documents, reports={name: running(name, sessions=(session,)) for name in ("n1", "n2")})
    assert (cause(found).name, cause(found).edit.field) == ("sessions", field)
    assert found.summary.endswith(cause(found).text)
