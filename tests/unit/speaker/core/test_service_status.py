"""What the ledger asks for so that the objects of services say what this node wants to be said, whatever others do."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frr_adapter import effects, refs
from speaker.core import service_status
from tests.status_world import KIND, NAMESPACE, Api, Scene

SVC1, SVC2 = "default/svc1", "default/svc2"


def test_nothing_is_asked_for_before_the_objects_are_listed():
    scene = Scene()
    scene.put("bgp-a", "default/old", ["peer1"])
    assert scene.ask({SVC1: ("peer1",)}) == ()
    scene.listed()
    assert scene.settle({SVC1: ("peer1",)}) == ["default/old", SVC1]
    assert scene.said() == {SVC1: ("peer1",)}


def test_a_new_object_is_asked_for_once_however_late_it_shows():
    scene = Scene().listed()
    (effect,) = scene.ask({SVC1: ("peer1",)})
    assert effect == effects.WriteAnnouncementStatus(
        refs.ObjectRef(KIND, "default", "svc1"), NAMESPACE, "n1", ("peer1",)
    )
    assert scene.ask({SVC1: ("peer1", "peer2")}) == ()  # one write at a time
    scene.ledger.performed(effect, scene.now)
    assert scene.ask({SVC1: ("peer1",)}) == ()
    scene.put("bgp-x", SVC1, ["peer1"])
    assert scene.ask({SVC1: ("peer1",)}) == ()
    assert scene.ledger.next_at is None
    (effect,) = scene.ask({SVC1: ("peer1", "peer2")})
    assert (effect.name, effect.said, effect.surplus) == ("bgp-x", ("peer1", "peer2"), ())


def test_thousands_are_asked_for_in_portions():
    scene = Scene().listed()
    wanted = {f"default/s{number:04}": ("peer1",) for number in range(service_status.AT_ONCE + 10)}
    first = scene.ask(wanted)
    assert len(first) == service_status.AT_ONCE
    assert scene.ask(wanted) == ()
    for effect in first[:3]:
        scene.do(effect)
    assert [each.ref.name for each in scene.ask(wanted)] == ["s0500", "s0501", "s0502"]
    for effect in first[3:]:
        scene.do(effect)
    assert len(scene.settle(wanted)) == 7


def test_an_object_that_never_shows_is_asked_for_again_after_a_while():
    scene = Scene().listed()
    (effect,) = scene.ask({SVC1: ("peer1",)})
    scene.ledger.performed(effect, scene.now)
    assert scene.ledger.next_at == scene.now + service_status.PATIENCE_SECONDS
    scene.now += service_status.PATIENCE_SECONDS
    assert scene.settle({SVC1: ("peer1",)}) == [SVC1]


def test_failures_are_repeated_with_growing_pauses():
    scene = Scene().listed()
    wanted = {SVC1: ("peer1",)}
    pauses = []
    for _ in range(9):
        (effect,) = scene.ask(wanted)
        scene.ledger.failed(effect, scene.now)
        assert scene.ask(wanted) == ()
        pauses.append(scene.ledger.next_at - scene.now)
        scene.now = scene.ledger.next_at
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert scene.settle(wanted) == [SVC1]
    scene.remove("made-1")
    (effect,) = scene.ask(wanted)
    scene.ledger.failed(effect, scene.now)
    assert scene.ledger.next_at == scene.now + 1


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda item: dataclasses.replace(item, said=("evil",)), {"name": "bgp-a"}),
        (lambda item: dataclasses.replace(item, about=("", "", ""), said=()), {"name": "bgp-a"}),
        (lambda item: dataclasses.replace(item, owners=()), {"name": "bgp-a", "is_stray": True}),
        (lambda item: dataclasses.replace(item, owners=("gone",)), {"name": "bgp-a", "is_stray": True}),
        # What it says about its service cannot be changed any more: another object has to say it.
        (lambda item: dataclasses.replace(item, about=("n2", "default", "svc1")), {"surplus": ("bgp-a",)}),
    ],
    ids=["peers", "empty", "no owner", "another owner", "another node"],
)
def test_an_edited_object_is_put_right(spoil, expected):
    scene = Scene().listed()
    scene.put("bgp-a", SVC1, ["peer1"])
    wanted = {SVC1: ("peer1",)}
    assert scene.ask(wanted) == ()
    scene.api.put(spoil(scene.objects["bgp-a"]))
    (effect,) = scene.ask(wanted)
    plain = effects.WriteAnnouncementStatus(refs.ObjectRef(KIND, "default", "svc1"), NAMESPACE, "n1", ("peer1",))
    assert effect == dataclasses.replace(plain, **expected)


def test_an_edit_that_is_seen_together_with_our_own_write_is_put_right():
    scene = Scene().listed()
    (effect,) = scene.ask({SVC1: ("peer1",)})
    scene.ledger.performed(effect, scene.now)
    scene.put("made-1", SVC1, ["evil"])
    assert scene.ask({SVC1: ("peer1",)}) == ()  # what is seen may be older than our write
    scene.now = scene.ledger.next_at
    assert scene.settle({SVC1: ("peer1",)}) == [SVC1]
    assert scene.said() == {SVC1: ("peer1",)}


def test_an_object_that_shows_before_the_answer_comes_is_waited_for_no_longer():
    scene = Scene().listed()
    (effect,) = scene.ask({SVC1: ("peer1",)})
    scene.do(effect)
    assert scene.ledger.next_at is None
    (effect,) = scene.ask({SVC1: ("peer2",)})
    scene.do(effect)
    (effect,) = scene.ask({})
    scene.do(effect)
    assert scene.settle({SVC1: ("peer1",)}) == [SVC1]


def test_duplicates_go_and_the_right_one_stays():
    scene = Scene().listed()
    scene.put("bgp-a", SVC1, ["peer2"])
    scene.put("bgp-b", SVC1, ["peer1"])
    scene.put("bgp-c", SVC1, ["peer1"], about=("n2", "default", "svc1"))
    (effect,) = scene.ask({SVC1: ("peer1",)})
    assert (effect.name, effect.surplus) == ("bgp-b", ("bgp-a", "bgp-c"))
    scene.do(effect)
    assert scene.ask({SVC1: ("peer1",)}) == ()


def test_a_deleted_object_is_written_again_and_one_that_is_not_wanted_stays_away():
    scene = Scene().listed()
    wanted = {SVC1: ("peer1",)}
    scene.settle(wanted)
    scene.remove("made-1")
    assert scene.settle(wanted) == [SVC1]
    assert scene.settle({}) == [SVC1]
    assert scene.settle({}) == []
    assert scene.said() == {}


def test_an_object_that_moved_to_another_service_is_judged_there():
    scene = Scene().listed()
    scene.put("bgp-a", SVC1, ["peer1"])
    scene.put("bgp-a", SVC2, ["peer1"], about=("n1", "default", "svc1"))
    assert scene.settle({SVC1: ("peer1",)}) == [SVC1, SVC2]
    assert scene.said() == {SVC1: ("peer1",)}
    assert list(scene.objects) == ["made-1"]


def test_an_object_without_a_service_goes():
    scene = Scene().listed()
    scene.put("bgp-a", "/")
    assert scene.settle({}) == ["/"]
    assert scene.objects == {}


def test_without_a_known_pod_owners_are_left_alone():
    scene = Scene(owner="").listed()
    scene.put("bgp-a", SVC1, ["peer1"], owners=("anybody",))
    assert scene.ask({SVC1: ("peer1",)}) == ()


SERVICES = st.sampled_from([SVC1, SVC2, "other/x"])
PEERS = st.sampled_from([(), ("peer1",), ("peer1", "peer2")])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), SERVICES, PEERS),
        st.tuples(st.just("put"), SERVICES, PEERS),
        st.tuples(st.just("lose"), st.integers(0, 9), st.none()),
        st.tuples(st.just("ask"), st.booleans(), st.none()),
        st.tuples(st.just("wait"), st.integers(0, 70), st.none()),
    ),
    max_size=30,
)


@given(STEPS)
def test_whatever_happens_the_objects_end_as_wanted(steps):
    scene = Scene().listed()
    wanted, names = {}, iter(range(1000))
    for what, first, second in steps:
        if what == "want":
            wanted = {key: peers for key, peers in {**wanted, first: second}.items() if peers}
        elif what == "put":
            scene.put(f"x-{next(names)}", first, second)
        elif what == "lose" and scene.objects:
            scene.remove(sorted(scene.objects)[first % len(scene.objects)])
        elif what == "wait":
            scene.now += first
        elif what == "ask":
            for effect in scene.ask(wanted):
                if first:
                    scene.do(effect)
                else:
                    scene.ledger.failed(effect, scene.now)
    for _ in range(3):
        scene.now += 100
        for effect in scene.ask(wanted):
            scene.do(effect)
    assert scene.said() == wanted
    assert len(scene.objects) == len(wanted)
    assert scene.ask(wanted) == ()


# Layer 2: one announcer in the cluster


def nodes(*names, api=None):
    api = Api() if api is None else api
    return [Scene(kind="ServiceL2Status", node=name, api=api).listed() for name in names]


def test_all_interfaces_is_something_to_say():
    (scene,) = nodes("n1")
    assert scene.settle({SVC1: ()}) == [SVC1]
    assert scene.said() == {SVC1: ()}
    assert scene.settle({SVC1: ("eth0",)}) == [SVC1]
    assert scene.settle({SVC1: ()}) == [SVC1]
    assert list(scene.objects) == ["made-1"]
    assert scene.settle({}) == [SVC1]
    assert scene.objects == {}


def test_an_object_that_says_nothing_yet_does_not_say_all_interfaces():
    (scene,) = nodes("n1")
    scene.put("l2-a", SVC1, about=("", "", ""))
    (effect,) = scene.ask({SVC1: ()})
    assert (effect.name, effect.said, effect.surplus) == ("l2-a", (), ())


def test_who_announces_removes_what_others_left():
    (scene,) = nodes("n1")
    scene.put("l2-a", SVC1, ["eth0"])
    scene.put("l2-b", SVC1, ["eth0"], node="n2")
    scene.put("l2-c", SVC1, ["eth0"], node="n3")
    scene.put("l2-d", SVC1, ["eth1"])
    scene.put("l2-e", SVC2, node="n2")
    (effect,) = scene.ask({SVC1: ("eth0",)})
    assert effect == effects.WriteAnnouncementStatus(
        refs.ObjectRef("ServiceL2Status", "default", "svc1"),
        NAMESPACE,
        "n1",
        ("eth0",),
        name="l2-a",
        surplus=("l2-b", "l2-c", "l2-d"),
    )
    scene.do(effect)
    assert scene.ask({SVC1: ("eth0",)}) == ()
    assert list(scene.objects) == ["l2-a", "l2-e"]


def test_who_does_not_announce_removes_only_its_own():
    (scene,) = nodes("n1")
    scene.put("l2-a", SVC1)
    scene.put("l2-b", SVC1, node="n2")
    assert scene.settle({}) == [SVC1]
    assert list(scene.objects) == ["l2-b"]
    assert scene.settle({}) == []


def test_an_object_that_changed_its_node_is_judged_anew():
    (scene,) = nodes("n1")
    scene.put("l2-a", SVC1)
    assert scene.ask({SVC1: ()}) == ()
    scene.put("l2-a", SVC1, node="n2")
    (effect,) = scene.ask({SVC1: ()})
    assert (effect.name, effect.surplus) == ("", ("l2-a",))
    scene.do(effect)
    assert list(scene.objects) == ["made-1"]
    scene.put("made-1", SVC1, node="")
    scene.now += 1
    assert scene.settle({SVC1: ()}) == [SVC1]
    assert [each.node for each in scene.objects.values()] == ["n1"]


@pytest.mark.parametrize("first", ["gainer", "loser"])
def test_a_move_ends_with_one_object_whoever_acts_first(first):
    gainer, loser = nodes("n1", "n2")
    loser.settle({SVC1: ()})
    if first == "gainer":
        assert gainer.settle({SVC1: ()}) == [SVC1]
        assert loser.settle({}) == []
    else:
        assert loser.settle({}) == [SVC1]
        assert gainer.settle({SVC1: ()}) == [SVC1]
    assert [each.node for each in gainer.objects.values()] == ["n1"]


def test_a_move_in_which_both_act_on_what_they_saw_before_ends_the_same():
    gainer, loser = nodes("n1", "n2")
    loser.settle({SVC1: ()})
    (gained,), (lost,) = gainer.ask({SVC1: ()}), loser.ask({})
    assert gained.surplus == lost.surplus == ("made-1",)
    gainer.do(gained)
    loser.do(lost)
    assert gainer.ask({SVC1: ()}) == loser.ask({}) == ()
    assert [each.node for each in gainer.objects.values()] == ["n1"]


def test_the_late_object_of_a_node_that_lost_meanwhile_goes():
    gainer, loser = nodes("n1", "n2")
    (late,) = loser.ask({SVC1: ()})
    gainer.settle({SVC1: ()})
    loser.do(late)
    gainer.now += 1
    (effect,) = gainer.ask({SVC1: ()})
    assert effect.surplus == ("made-2",)
    gainer.do(effect)
    loser.now += 10
    loser.settle({})
    assert [each.node for each in gainer.objects.values()] == ["n1"]


def test_a_move_back_and_forth_is_followed():
    one, two = nodes("n1", "n2")
    for turn in range(6):
        gainer, loser = (one, two) if turn % 2 else (two, one)
        one.now = two.now = 100.0 + 200 * turn
        loser.settle({})
        assert gainer.settle({SVC1: ("eth0",)}) == [SVC1]
        assert [each.node for each in gainer.objects.values()] == [gainer.node]


def test_two_nodes_that_both_announce_quarrel_less_and_less():
    quarrel = nodes("n1", "n2")
    writes = []
    for second in range(600):
        for scene in quarrel:
            scene.now = 100.0 + second
            for effect in scene.ask({SVC1: ()}):
                writes.append(second)
                scene.do(effect)
        assert len(quarrel[0].objects) == 1
    assert len([at for at in writes if at < 60]) < 20
    assert len([at for at in writes if at >= 300]) < 12
    assert writes[-1] >= 500  # but it never gives up
    one, two = quarrel
    two.settle({})
    assert one.ledger.next_at is None or one.ledger.next_at > one.now
    one.now += 2 * service_status.CALM_SECONDS
    one.settle({SVC1: ()})
    assert [each.node for each in one.objects.values()] == ["n1"]
    assert one.ledger.next_at is None


def test_while_a_quarrel_pauses_the_ledger_says_when_it_goes_on():
    (scene,) = nodes("n1")
    for name in ("l2-b", "l2-c", "l2-d"):
        scene.put(name, SVC1, node="n2")
        (effect,) = scene.ask({SVC1: ()})
        scene.do(effect)
        scene.put("l2-x", SVC1, node="n2")
        assert scene.ask({SVC1: ()}) == ()
        due = scene.ledger.next_at
        scene.remove("l2-x")
        scene.now = due
    assert due == 100.0 + 1 + 2 + 4
    # What is not announced any more is removed at once, quarrel or not.
    scene.put("l2-y", SVC1, node="n2")
    scene.do(*scene.ask({SVC1: ()}))
    assert scene.settle({}) == [SVC1]
    assert scene.objects == {}


def test_a_dead_nodes_thousands_are_taken_over_in_portions():
    (scene,) = nodes("n1")
    services = [f"default/s{number:04}" for number in range(service_status.AT_ONCE + 10)]
    for number, service in enumerate(services):
        scene.put(f"l2-{number}", service, node="n2")
    wanted = dict.fromkeys(services, ())
    first = scene.ask(wanted)
    assert len(first) == service_status.AT_ONCE
    for effect in first:
        scene.do(effect)
    assert len(scene.settle(wanted)) == 10
    assert {each.node for each in scene.objects.values()} == {"n1"}
    assert len(scene.objects) == len(services)


def test_of_bgp_every_node_has_its_own():
    api = Api()
    one, two = (Scene(node=name, api=api).listed() for name in ("n1", "n2"))
    api.scenes.remove(two)  # it follows its own objects only
    one.settle({SVC1: ("peer1",)})
    api.scenes[:] = [two]
    two.settle({SVC1: ("peer1",)})
    assert sorted(each.node for each in api.objects.values()) == ["n1", "n2"]


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(0, 2), SERVICES),
        st.tuples(st.just("both"), st.integers(0, 2), SERVICES),
        st.tuples(st.just("look"), st.integers(0, 2), st.none()),
        st.tuples(st.just("blind"), st.integers(0, 2), st.none()),
        st.tuples(st.just("ask"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("do"), st.integers(0, 2), st.none()),
        st.tuples(st.just("wait"), st.integers(0, 70), st.none()),
        st.tuples(st.just("restart"), st.integers(0, 2), st.none()),
        st.tuples(st.just("lose"), st.integers(0, 9), st.none()),
    ),
    max_size=40,
)


@given(MOVES)
def test_however_announcers_change_the_end_is_one_object_of_the_one_who_announces(moves):
    scenes = nodes("n0", "n1", "n2")
    api = scenes[0].api
    announced = [{}, {}, {}]
    queues = [[], [], []]
    for what, which, more in moves:
        if what in {"move", "both"}:
            for each in announced:
                if what == "move":
                    each.pop(more, None)
            announced[which][more] = ()
        elif what == "lose" and api.objects:
            api.remove(sorted(api.objects)[which % len(api.objects)])
        elif what == "wait":
            for scene in scenes:
                scene.now += which
        elif what == "look":
            scenes[which].look()
        elif what == "blind":
            scenes[which].unseen = scenes[which].unseen or []
        elif what == "ask":
            asked = scenes[which].ask(announced[which])
            for effect in asked if more else ():
                scenes[which].ledger.failed(effect, scenes[which].now)
            queues[which] += () if more else asked
        elif what == "do" and queues[which]:
            scenes[which].do(queues[which].pop(0))
        elif what == "restart":
            queues[which] = []
            api.scenes.remove(scenes[which])
            now = scenes[which].now
            (scenes[which],) = nodes(f"n{which}", api=api)
            scenes[which].now = now
    final = {}
    for node, each in enumerate(announced):
        final.update(dict.fromkeys(each, node))
    for scene, queue in zip(scenes, queues, strict=True):
        scene.look()
        for effect in queue:
            scene.do(effect)
    wanted = [{service: () for service, by in final.items() if by == node} for node in range(3)]
    for _ in range(4):
        for scene, say in zip(scenes, wanted, strict=True):
            scene.now += 100
            for effect in scene.ask(say):
                scene.do(effect)
    assert {each.service: each.node for each in api.objects.values()} == {
        service: f"n{node}" for service, node in final.items()
    }
    assert len(api.objects) == len(final)
    assert [scene.ask(say) for scene, say in zip(scenes, wanted, strict=True)] == [(), (), ()]
