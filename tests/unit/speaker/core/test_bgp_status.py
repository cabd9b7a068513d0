"""Which peers a service is credited with, and what is written about it. Numbers are those of the compatibility tables."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frr_adapter import effects, refs
from frr_adapter.model import status
from speaker.core import bgp_status
from tests import bgp_world as w

SVC1, SVC2 = "default/svc1", "default/svc2"
POOLS = (w.make_pool("pool1", ["10.20.30.0/24"]), w.make_pool("pool2", ["10.20.40.0/24"]))
PEER1, PEER2 = w.make_peer("peer1", address="10.99.0.1"), w.make_peer("peer2", address="10.99.0.2")
OWNER = "u1"


def credit(services, ads=None, peers=(PEER2, PEER1)):
    ads = ads or [w.make_ad("ad1", pools=["pool1"]), w.make_ad("ad2", pools=["pool2"])]
    plan = w.plan(w.make_world(peers, ads, [w.make_service(key, *ips) for key, *ips in services], pools=POOLS))
    return dict(bgp_status.credit(plan.routes))


class Scene:
    """A ledger, and a cluster that does what it asks for."""

    def __init__(self, owner=OWNER):
        self.ledger = bgp_status.Ledger("n1", "metallb-system", owner)
        self.objects = {}
        self.now = 100.0
        self.made = 0
        self.owner = owner

    def listed(self):
        self.ledger.listed()
        return self

    def put(self, name, service, peers=(), *, about=None, owners=None, node="n1"):
        namespace, _, short = service.partition("/")
        item = status.ServiceBgpStatus(
            refs.ObjectRef("ServiceBGPStatus", "metallb-system", name),
            service,
            node,
            about if about is not None else (node, namespace, short),
            tuple(peers),
            owners if owners is not None else (self.owner,),
        )
        self.objects[name] = item
        self.ledger.seen(item, self.now)

    def remove(self, name):
        self.ledger.gone(self.objects.pop(name).ref, self.now)

    def ask(self, wanted):
        return self.ledger.unsaid(wanted, self.now)

    def do(self, effect):
        for name in effect.surplus:
            self.remove(name)
        if effect.peers:
            self.made += not effect.name
            self.put(effect.name or f"bgp-{self.made}", f"{effect.ref.namespace}/{effect.ref.name}", effect.peers)
        self.ledger.performed(effect, self.now)

    def settle(self, wanted):
        """Everything asked for and done; returns the services that were written."""
        asked = self.ask(wanted)
        for effect in asked:
            self.do(effect)
        assert self.ask(wanted) == ()
        return [f"{each.ref.namespace}/{each.ref.name}" for each in asked]

    def said(self):
        return {each.service: each.peers for each in self.objects.values()}


def test_b70_b75_every_change_of_the_peers_of_a_service_is_one_write_about_it_alone():
    scene = Scene().listed()
    both = ("peer1", "peer2")
    assert scene.settle(credit([])) == []  # B70
    assert scene.settle(credit([(SVC1, "10.20.30.1")])) == [SVC1]  # B71
    assert scene.said() == {SVC1: both}
    two = [(SVC1, "10.20.30.1"), (SVC2, "10.20.40.1")]
    assert scene.settle(credit(two)) == [SVC2]  # B72
    assert scene.said() == {SVC1: both, SVC2: both}
    ads = [w.make_ad("ad1", pools=["pool1"], peers=["peer1"]), w.make_ad("ad2", pools=["pool2"])]
    assert scene.settle(credit(two, ads)) == [SVC1]  # B73
    assert scene.said() == {SVC1: ("peer1",), SVC2: both}
    assert scene.settle(credit(two[1:], ads)) == [SVC1]  # B74
    assert scene.said() == {SVC2: both}
    assert scene.settle(credit(two[1:], ads, peers=[PEER2])) == [SVC2]  # B75
    assert scene.said() == {SVC2: ("peer2",)}


def test_services_under_one_aggregate_are_credited_with_the_peers_of_both():
    ads = [
        w.make_ad("a", pools=["pool1"], aggregation_v4=24, peers=["peer1"], selectors=[{"app": "a"}]),
        w.make_ad("b", pools=["pool1"], aggregation_v4=24, peers=["peer2"], selectors=[{"app": "b"}]),
    ]
    services = [
        w.make_service(SVC1, "10.20.30.1", labels={"app": "a"}),
        w.make_service(SVC2, "10.20.30.2", labels={"app": "b"}),
    ]
    plan = w.plan(w.make_world([PEER1, PEER2], ads, services, pools=POOLS))
    assert bgp_status.credit(plan.routes) == {SVC1: ("peer1", "peer2"), SVC2: ("peer1", "peer2")}


def test_peers_of_all_prefixes_of_a_service_count():
    peers = [PEER1, w.make_peer("six", address="fd00::1")]
    services = [("default/both", "10.20.30.1", "2001:db8::1")]
    ads = [w.make_ad("all", pools=["pool1", "pool6"])]
    pools = (w.make_pool("pool1", ["10.20.30.0/24", "2001:db8::/64"]),)
    made = [w.make_service(key, *ips) for key, *ips in services]
    plan = w.plan(w.make_world(peers, ads, made, pools=pools))
    assert bgp_status.credit(plan.routes) == {"default/both": ("peer1", "six")}


def test_a_service_that_nobody_is_told_of_has_no_entry():
    assert credit([(SVC1, "10.20.30.1")], peers=[]) == {}
    assert credit([(SVC1, "10.20.30.1")], [w.make_ad("ad1", pools=["pool1"], peers=["elsewhere"])]) == {}


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
    assert effect == effects.WriteServiceBgpStatus(
        refs.ObjectRef("Service", "default", "svc1"), "metallb-system", "n1", ("peer1",)
    )
    assert scene.ask({SVC1: ("peer1", "peer2")}) == ()  # one write at a time
    scene.ledger.performed(effect, scene.now)
    assert scene.ask({SVC1: ("peer1",)}) == ()
    scene.put("bgp-x", SVC1, ["peer1"])
    assert scene.ask({SVC1: ("peer1",)}) == ()
    assert scene.ledger.next_at is None
    (effect,) = scene.ask({SVC1: ("peer1", "peer2")})
    assert (effect.name, effect.peers, effect.surplus) == ("bgp-x", ("peer1", "peer2"), ())


def test_thousands_are_asked_for_in_portions():
    scene = Scene().listed()
    wanted = {f"default/s{number:04}": ("peer1",) for number in range(bgp_status.AT_ONCE + 10)}
    first = scene.ask(wanted)
    assert len(first) == bgp_status.AT_ONCE
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
    assert scene.ledger.next_at == scene.now + bgp_status.PATIENCE_SECONDS
    scene.now += bgp_status.PATIENCE_SECONDS
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
    scene.remove("bgp-1")
    (effect,) = scene.ask(wanted)
    scene.ledger.failed(effect, scene.now)
    assert scene.ledger.next_at == scene.now + 1


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda item: dataclasses.replace(item, peers=("evil",)), {"name": "bgp-a"}),
        (lambda item: dataclasses.replace(item, about=("", "", ""), peers=()), {"name": "bgp-a"}),
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
    scene.ledger.seen(spoil(scene.objects["bgp-a"]), scene.now)
    (effect,) = scene.ask(wanted)
    plain = effects.WriteServiceBgpStatus(
        refs.ObjectRef("Service", "default", "svc1"), "metallb-system", "n1", ("peer1",)
    )
    assert effect == dataclasses.replace(plain, **expected)


def test_an_edit_that_is_seen_together_with_our_own_write_is_put_right():
    scene = Scene().listed()
    (effect,) = scene.ask({SVC1: ("peer1",)})
    scene.ledger.performed(effect, scene.now)
    scene.put("bgp-1", SVC1, ["evil"])
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
    scene.remove("bgp-1")
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
    assert list(scene.objects) == ["bgp-1"]


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
