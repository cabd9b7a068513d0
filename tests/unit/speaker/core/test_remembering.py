"""What the speaker remembers from cycle to cycle must never show: after any history it wants what it would want from scratch."""

import random

import pytest

from frr_adapter import refs
from frr_adapter.boundary import store, watch
from frr_adapter.decode import decoded
from frr_adapter.model import cluster, snapshot
from frr_adapter.resolve import candidates, view
from speaker import values
from speaker.core import bgp_plan, compose, composer, l2_plan, ordered, report
from tests import bgp_histories
from tests import bgp_world as w

ENDPOINTS = [(), (w.HERE,), (w.ELSEWHERE,), (w.UNUSABLE, w.ELSEWHERE)]


class World:
    """A history whose unchanged objects stay the same objects, as from the watches; services also change their endpoints."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.services = {}
        self.endpoints = {}
        self.peers = {"tor-4": w.make_peer("tor-4"), "tor-6": w.make_peer("tor-6", address="fd00:99::1")}
        self.ads = {"all": w.make_ad("all"), "red": w.make_ad("red", selectors=[{"color": "red"}])}
        self.configuration = self._configured()
        self.node = w.make_node()

    def _configured(self):
        world = w.make_world(
            [self.peers[name] for name in sorted(self.peers)], [self.ads[name] for name in sorted(self.ads)]
        )
        return world.configuration

    def snapshot(self):
        services = tuple(self.services[key] for key in sorted(self.services))
        return snapshot.Snapshot(self.configuration, services, dict(self.endpoints), (self.node,))

    def change(self, rare: float = 0.1):
        if self.chance.random() < rare:
            self.chance.choice([self.change_peer, self.change_ad, self.change_node])()
            self.configuration = self._configured()
        else:
            self.change_service()

    def change_service(self):
        number = self.chance.randrange(200)
        key = f"default/s{number:03}"
        if key in self.services and self.chance.random() < 0.4:
            del self.services[key]
            self.endpoints.pop(key, None)
            return
        if key not in self.services or self.chance.random() < 0.5:
            ips = [f"192.0.2.{self.chance.randrange(60)}", f"2001:db8::{number:x}"][: self.chance.choice([1, 2])]
            color = self.chance.choice(["red", "blue"])
            self.services[key] = w.make_service(key, *ips, labels={"color": color})
        self.endpoints[key] = self.chance.choice(ENDPOINTS)

    def change_peer(self):
        name = self.chance.choice(["tor-4", "tor-6", "tor-9"])
        if name in self.peers and self.chance.random() < 0.3:
            del self.peers[name]
            return
        choices = [{}, {"my_asn": 64601}, {"vrf": "red"}, {"dual_stack_address_family": True}, {"hold_time": 30}]
        address = {"tor-4": "10.99.0.1", "tor-6": "fd00:99::1", "tor-9": "10.99.0.9"}[name]
        self.peers[name] = w.make_peer(name, address=address, **self.chance.choice(choices))

    def change_ad(self):
        name = self.chance.choice(["all", "red", "wide", "few"])
        if name in self.ads and self.chance.random() < 0.4:
            del self.ads[name]
            return
        fields = self.chance.choice(
            [
                {},
                {"local_pref": 200},
                {"communities": ["64600:1"]},
                {"peers": ["tor-4"]},
                {"selectors": [{"color": "red"}]},
            ]
        )
        wide = {"aggregation_v4": 28, "aggregation_v6": 124} if name == "wide" else {}
        self.ads[name] = w.make_ad(name, **fields, **wide)

    def change_node(self):
        self.node = self.chance.choice(
            [w.make_node(), w.make_node(labels={"rack": "1"}), w.make_node(network_unavailable=True)]
        )


@pytest.mark.parametrize("seed", range(4))
def test_plan_and_configuration_are_those_from_scratch(seed):
    world = World(seed)
    planner = bgp_plan.Planner(w.NODE, ignore_exclude=False)
    layer2 = l2_plan.Planner(w.NODE, ignore_exclude=False)
    writer = composer.Composer()
    for step in range(30):
        for _ in range(world.chance.choice([1, 1, 1, 2, 150]) if step else 100):
            world.change()
        found = world.snapshot()
        plan, decisions = planner.plan(found)
        assert (plan, decisions) == bgp_plan.plan(found, w.NODE, ignore_exclude=False)
        assert layer2.plan(found, live=None) == l2_plan.plan(found, w.NODE, ignore_exclude=False, live=None)
        assert writer.compose(plan) == compose.compose(plan)
        assert planner.plan(found)[0] is plan
        assert writer.compose(plan) is writer.compose(plan)


def test_configurations_of_histories_are_those_from_scratch():
    for seed in range(2):
        world = bgp_histories.World(seed)
        planner, writer = bgp_plan.Planner(w.NODE, ignore_exclude=False), composer.Composer(log_level="debug")
        for _ in range(30):
            world.change()
            plan, _ = planner.plan(world.snapshot())
            assert writer.compose(plan) == compose.compose(plan, log_level="debug")


def test_one_service_leaves_the_rest_the_same_objects():
    world = World(3)
    for number in range(40):
        key = f"default/s{number:03}"
        world.services[key] = w.make_service(key, f"192.0.2.{number}")
        world.endpoints[key] = (w.HERE,)
    planner, writer = bgp_plan.Planner(w.NODE, ignore_exclude=False), composer.Composer()
    before = writer.compose(planner.plan(world.snapshot())[0])
    world.services["default/s100"] = w.make_service("default/s100", "192.0.2.100")
    world.endpoints["default/s100"] = (w.HERE,)
    after = writer.compose(planner.plan(world.snapshot())[0])
    old, new = ([each for family in it.routers[0].families for each in family.originations] for it in (before, after))
    assert len(new) == len(old) + 1
    assert {id(each) for each in old} < {id(each) for each in new}


def test_equal_routes_that_are_other_objects_may_come_in_between():
    """As after a change of configuration that means nothing for the routes."""
    world = World(5)
    for _ in range(80):
        world.change(rare=0)
    writer = composer.Composer()
    for _ in range(8):
        plan, _ = bgp_plan.plan(world.snapshot(), w.NODE, ignore_exclude=False)
        assert writer.compose(plan) == compose.compose(plan)
        world.change(rare=0)


def test_what_breaks_off_is_planned_from_scratch_the_next_time(monkeypatch):
    world = World(7)
    for _ in range(50):
        world.change(rare=0)
    planner = bgp_plan.Planner(w.NODE, ignore_exclude=False)
    planner.plan(world.snapshot())
    for _ in range(50):
        world.change(rare=0)
    with monkeypatch.context() as patched:
        patched.setattr(bgp_plan, "offers_of", lambda *_: 1 // 0)
        patched.setattr(bgp_plan, "share_of", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            planner.plan(world.snapshot())
    found = world.snapshot()
    assert planner.plan(found) == bgp_plan.plan(found, w.NODE, ignore_exclude=False)


@pytest.mark.parametrize("seed", range(3))
def test_candidates_are_those_from_scratch(seed):
    chance = random.Random(seed)
    known, look = store.Store(["Service", "EndpointSlice"]), view.View(lb_class="", node=w.NODE)
    for _ in range(30):
        for _ in range(chance.choice([1, 1, 40])):
            name = f"s{chance.randrange(30)}"
            for kind, made in (("Service", _service(chance, name)), ("EndpointSlice", _slice(chance, name))):
                if chance.random() < 0.5:
                    known.apply(_event(chance, kind, made))
        listed = {kind: known.objects(kind) for kind in ("Service", "EndpointSlice")}
        world, _ = look.look(listed)
        assert world.services == tuple(each for each in listed["Service"] if not each.load_balancer_class)
        assert world.endpoints == candidates.joined(listed["EndpointSlice"])
        assert world.joined is not None
        assert world.candidates == tuple(
            snapshot.Candidate(each, world.endpoints.get(each.key, ())) for each in world.services
        )
        again, _ = look.look(listed)
        assert again.candidates is world.candidates


def _service(chance, name):
    namespace = chance.choice(["a", "a-b", "b"])
    lb_class = chance.choice(["", "", "other"])
    return w.make_service(f"{namespace}/{name}", f"192.0.2.{chance.randrange(9)}", load_balancer_class=lb_class)


def _slice(chance, name):
    namespace = chance.choice(["a", "a-b", "b"])
    ref = refs.ObjectRef("EndpointSlice", namespace, f"{name}-{chance.randrange(2)}")
    return cluster.EndpointSlice(ref, chance.choice(["", f"{namespace}/{name}"]), chance.choice(ENDPOINTS))


def _event(chance, kind, made):
    if chance.random() < 0.3:
        return watch.Deleted(kind, made.ref)
    return watch.Upserted(kind, decoded.Decoded(made.ref, "1", made))


@pytest.mark.parametrize("seed", range(3))
def test_ordered_items_are_those_from_scratch(seed):
    chance = random.Random(seed)
    found, wanted = ordered.Ordered(), {}
    for _ in range(30):
        news = {
            (chance.randrange(300),): chance.choice([None, "a", "b"]) for _ in range(chance.choice([0, 1, 5, 100, 250]))
        }
        found.change(news)
        wanted = {place: item for place, item in (wanted | news).items() if item is not None}
        assert found.items == tuple(wanted[place] for place in sorted(wanted))
        before = found.items
        found.change({})
        assert found.items is before


@pytest.mark.parametrize("seed", range(3))
def test_changes_are_those_from_scratch(seed):
    chance = random.Random(seed)
    diary, before = report.Diary(), report.NOTHING_ANNOUNCED
    services = [f"default/s{number}" for number in range(40)]
    for _ in range(30):
        parts = tuple(
            tuple(_decision(chance, service, protocol) for service in services if chance.random() < 0.9)
            for protocol in values.Protocol
        )
        expected = report.changes([*parts[0], *parts[1]], before)
        before = report.announced([*parts[0], *parts[1]])
        assert diary.follow(parts) == expected
        assert diary.announced == before
        assert diary.follow(parts) == ()


def _decision(chance, service, protocol):
    verdict = chance.choice([values.Announce(), values.Announce(), values.Abstain(values.Reason.NO_ENDPOINTS)])
    return values.Decision(service, protocol, (chance.randrange(3),), verdict)
