"""Who is blamed for what FRR refused, and that it is told on the object."""

from frr_adapter import effects, errors, refs
from frr_adapter.frr import refusal, reloading
from speaker.core import refusal_events

EXTRAS = refs.ObjectRef("ConfigMap", "metallb-system", "bgpextras")
PEER = refs.ObjectRef("BGPPeer", "metallb-system", "tor")
OTHER = refs.ObjectRef("BGPPeer", "metallb-system", "tor2")
LEFT_OUT = refusal.LeftOut((PEER, OTHER), refusal.Refusal("router bgp 1 / neighbor x", "% Invalid"))


def test_what_is_left_out_blames_all_objects_that_it_may_come_from():
    found = refusal_events.blamed(reloading.ApplyReport(left_out=(LEFT_OUT,)), refusal_events.NOBODY)
    assert found == {(PEER, LEFT_OUT.message), (OTHER, LEFT_OUT.message)}
    assert refusal_events.blamed(reloading.ApplyReport(), found) == refusal_events.NOBODY


def test_a_refusal_blames_the_objects_it_names_and_no_answer_changes_nothing():
    refused = refusal.RefusedError("FRR refused: router bgp", [refusal.Refusal("router bgp", "no")], [EXTRAS])
    found = refusal_events.blamed(refused, refusal_events.NOBODY)
    assert found == {(EXTRAS, "FRR refused: router bgp")}
    assert refusal_events.blamed(errors.ApplyError("bgpd.vty: no connection"), found) == found


def test_the_events():
    assert refusal_events.events({(PEER, "b"), (EXTRAS, "a")}, {PEER: "uid-1"}, "n1") == (
        effects.EmitEvent(PEER, "uid-1", effects.EventType.WARNING, "ConfigurationRefused", 'node "n1": b'),
        effects.EmitEvent(EXTRAS, "", effects.EventType.WARNING, "ConfigurationRefused", 'node "n1": a'),
    )
