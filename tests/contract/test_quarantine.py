"""One refused object at a time: who is set aside, what runs instead, when it is tried again, and when the error goes up.

The FRR here refuses what it is told to refuse; tests/live asks the real one.
"""

import asyncio

import pytest

from frr_adapter import errors, refs
from frr_adapter.boundary import files, metrics, quarantine
from frr_adapter.frr import refusal, reloading, render
from speaker.core import compose
from tests import bgp_world as w
from tests.fakes import frr_applier

TEMPLATES = files.read_templates()
PEERS = {"tor": {"address": "10.99.0.1"}, "spare": {"address": "10.99.0.2"}}


class Picky(frr_applier.FakeApplier):
    """`pairs`: a text in the file -> the statement that is refused for it; all of them at once, as FRR does."""

    def __init__(self):
        super().__init__(TEMPLATES)
        self.pairs = {}
        self.attempts = 0
        self.forgot = 0
        self.meanwhile = lambda: None

    def forget(self):
        self.forgot += 1

    async def apply(self, config):
        self.attempts += 1
        self.meanwhile()
        text = render.render(config, TEMPLATES)
        found = [refusal.Refusal(statement, "no") for part, statement in self.pairs.items() if part in text]
        if found:
            raise refusal.RefusedError(f"FRR refused the configuration: {found[0]}", found)
        return await super().apply(config)


class World:
    def __init__(self):
        self.frr = Picky()
        self.registry = metrics.Metrics()
        self.applier = quarantine.QuarantineApplier(self.frr, w.NAMESPACE, metrics.ApplyMetrics(self.registry))

    async def apply(self, *ips, **change):
        """Objects that do not run as they are written, `*` behind those whose earlier version runs."""
        report = await self.applier.apply(config(*ips, **change))
        return [f"{each.refs[0].name}{'*' if each.is_kept else ''}" for each in report.left_out]


@pytest.fixture
def world():
    return World()


def config(*ips, peers=None, ads=None, profiles=None, extras=""):
    return compose.compose(
        w.plan(
            w.make_world(
                [w.make_peer(name, **fields) for name, fields in (peers or PEERS).items()],
                [w.make_ad(name, **fields) for name, fields in (ads or {"all": {}}).items()],
                [w.make_service(f"default/s{number}", ip) for number, ip in enumerate(ips)],
                bfd_profiles=[w.make_bfd(name, **fields) for name, fields in (profiles or {}).items()],
                extras=extras,
            )
        )
    )


REMOTE = {"neighbor 10.99.0.2 remote-as": "router bgp 64600 / neighbor 10.99.0.2 remote-as 64512"}


async def test_without_refusals_it_only_passes_on(world):
    report = await world.applier.apply(config("192.0.2.1"))
    assert report == await frr_applier.FakeApplier(TEMPLATES).apply(config("192.0.2.1"))
    world.applier.forget()
    assert (world.frr.attempts, world.frr.forgot) == (1, 1)


async def test_a_refused_peer_is_left_out_until_it_changes(world):
    world.frr.pairs = REMOTE
    assert await world.apply("192.0.2.1") == ["spare"]
    assert world.frr.attempts == 2
    assert "10.99.0.2" not in world.frr.running
    assert "10.99.0.1" in world.frr.running
    world.applier.forget()  # also when FRR starts anew
    assert await world.apply("192.0.2.1", "192.0.2.2") == ["spare"]
    assert world.frr.attempts == 3
    assert (
        'frr_adapter_frr_left_out{kind="BGPPeer",name="metallb-system/spare"} 1.0' in world.registry.render().decode()
    )
    assert await world.apply("192.0.2.1", peers=PEERS | {"spare": {"address": "10.99.0.3"}}) == []
    assert "frr_adapter_frr_left_out{" not in world.registry.render().decode()


async def test_an_edit_of_it_that_is_refused_again_costs_one_attempt(world):
    world.frr.pairs = REMOTE
    await world.apply()
    assert await world.apply(peers=PEERS | {"spare": {"address": "10.99.0.2", "hold_time": 30}}) == ["spare"]
    assert world.frr.attempts == 4


async def test_a_peer_that_worked_goes_on_as_it_was(world):
    await world.apply()
    world.frr.pairs = {"10.99.0.2 local-as 1": "router bgp 64600 / neighbor 10.99.0.2 local-as 1 no-prepend replace-as"}
    edited = PEERS | {"spare": {"address": "10.99.0.2", "local_asn": 1}}
    for _ in range(2):
        assert await world.apply("192.0.2.1", peers=edited) == ["spare*"]
        assert "neighbor 10.99.0.2 remote-as" in world.frr.running
        assert "local-as" not in world.frr.running
    assert await world.apply("192.0.2.1", peers={"tor": PEERS["tor"]}) == []
    assert "10.99.0.2" not in world.frr.running


async def test_when_the_earlier_version_is_refused_too_it_is_left_out(world):
    await world.apply()
    world.frr.pairs = REMOTE
    edited = PEERS | {"spare": {"address": "10.99.0.2", "hold_time": 30}}
    assert await world.apply(peers=edited) == ["spare"]
    assert world.frr.attempts == 4


async def test_several_objects_are_found_at_once(world):
    profiles = {"slow": {"receive_interval": 900}, "fine": {}}
    world.frr.pairs = {
        **REMOTE,
        "receive-interval 900": "bfd / profile slow / receive-interval 900",
        "set community 64600:1": "route-map 10.99.0.1-out permit 1 / set community 64600:1",
        "nonsense": "nonsense",
    }
    ads = {"all": {"communities": ["64600:1"]}}
    found = await world.apply("192.0.2.1", profiles=profiles, ads=ads, extras="nonsense")
    assert sorted(found) == ["all", "bgpextras", "slow", "spare"]
    assert world.frr.attempts == 2
    assert "profile fine" in world.frr.running
    assert "10.99.0.1 activate" in world.frr.running


async def test_an_advertisement_that_worked_goes_on_as_it_was(world):
    await world.apply("192.0.2.1", ads={"all": {"communities": ["64600:1"]}})
    world.frr.pairs = {"64600:2": "set community 64600:2"}
    assert await world.apply("192.0.2.1", "192.0.2.2", ads={"all": {"communities": ["64600:2"]}}) == ["all*"]
    assert "set community 64600:1" in world.frr.running
    assert "192.0.2.2/32" in world.frr.running


async def test_a_suspect_who_was_not_it_is_set_free(world):
    """The extra lines speak of the peer, so they are suspected first; but the peer is refused without them, too."""
    world.frr.pairs = REMOTE
    extras = "router bgp 64600\n neighbor 10.99.0.2 description mine\nexit\n"
    assert await world.apply("192.0.2.1", extras=extras) == ["spare"]
    assert world.frr.attempts == 3
    assert "description mine" in world.frr.running


async def test_extra_lines_that_speak_against_ours_never_reach_frr(world):
    report = await world.applier.apply(config("192.0.2.1", extras="no router bgp 64600"))
    assert [str(ref) for each in report.left_out for ref in each.refs] == ["ConfigMap metallb-system/bgpextras"]
    assert report.left_out[0].message == (
        'FRR refused "no router bgp 64600": it would remove the BGP instance of the BGPPeers; it is left out until it changes'
    )
    assert world.frr.attempts == 1


async def test_extra_lines_that_worked_go_on(world):
    await world.apply(extras="ip forwarding")
    assert await world.apply(extras="no router bgp") == ["bgpextras*"]
    assert "ip forwarding" in world.frr.running
    assert await world.apply(extras="") == []
    assert "ip forwarding" not in world.frr.running


async def test_other_extra_lines_give_everybody_a_new_chance(world):
    world.frr.pairs = REMOTE
    await world.apply()
    world.frr.pairs = {}
    assert await world.apply() == ["spare"]
    assert await world.apply(extras="ip forwarding") == []


async def test_without_a_suspect_the_error_goes_up(world):
    world.frr.pairs = {"hostname": "ip nht resolve-via-default"}
    with pytest.raises(refusal.RefusedError, match=r"^FRR refused the configuration: no: ip nht"):
        await world.apply()
    assert world.frr.attempts == 1


async def test_errors_of_another_kind_go_up(world):
    world.frr.refuses = "hostname"
    with pytest.raises(errors.ApplyError, match="refused: hostname"):
        await world.apply()
    assert world.frr.attempts == 1


async def test_when_nothing_helps_the_error_names_the_object(world):
    world.frr.pairs = {"hostname": "router bgp 64600 / neighbor 10.99.0.2 remote-as 64512"}
    with pytest.raises(refusal.RefusedError, match=r"^BGPPeer metallb-system/spare: FRR refused") as caught:
        await world.apply()
    assert world.frr.attempts == 2
    world.frr.pairs = {}
    assert await world.apply() == [], "nobody is set aside for what did not help"
    assert caught.value.refs == (refs.ObjectRef("BGPPeer", w.NAMESPACE, "spare"),)


async def test_it_gives_up_after_a_few_rounds(world):
    many = {f"p{n}": {"address": f"10.99.0.{n}"} for n in range(1, 20)}

    class Slow(Picky):
        """Tells of one refused neighbor at a time."""

        async def apply(self, config):
            self.attempts += 1
            first = config.routers[0].neighbors[0].name
            found = (refusal.Refusal(f"router bgp 64600 / neighbor {first} remote-as 64512", "no"),)
            raise refusal.RefusedError(f"FRR refused the configuration: {found[0]}", found)

    slow = Slow()
    applier = quarantine.QuarantineApplier(slow, w.NAMESPACE, metrics.ApplyMetrics(metrics.Metrics()))
    with pytest.raises(refusal.RefusedError, match=r"^BGPPeer metallb-system/p8: FRR refused") as caught:
        await applier.apply(config(peers=many))
    assert slow.attempts == 8
    assert caught.value.refs == (refs.ObjectRef("BGPPeer", w.NAMESPACE, "p8"),)


async def test_nobody_is_blamed_while_a_daemon_goes_away(world):
    world.frr.pairs = REMOTE
    world.frr.meanwhile = world.applier.forget
    with pytest.raises(refusal.RefusedError):
        await world.apply()
    world.frr.pairs, world.frr.meanwhile = {}, lambda: None
    assert await world.apply() == []


async def test_an_apply_is_finished_though_the_caller_goes_away(world):
    world.frr.pairs = REMOTE
    task = asyncio.create_task(world.apply("192.0.2.1"))
    await asyncio.sleep(0)
    task.cancel()
    assert await world.apply("192.0.2.1") == ["spare"]
    assert world.frr.attempts == 3


async def test_messages_name_all_objects_and_no_password(world):
    peers = {"one": {"address": "10.99.0.2", "password": "hunter2"}, "two": {"address": "10.99.0.2"}}
    world.frr.pairs = {"password hunter2": "router bgp 64600 / neighbor 10.99.0.2 password ***"}
    report = await world.applier.apply(config(peers=peers))
    (told,) = report.left_out
    assert told.message == (
        'FRR refused "router bgp 64600 / neighbor 10.99.0.2 password ***" (or of BGPPeer metallb-system/two): no; '
        "it is left out until it changes"
    )
    extras = "router bgp 64600\n neighbor 10.99.0.2 password other\nexit\n"
    report = await world.applier.apply(config(peers={"one": {"address": "10.99.0.2", "password": "x"}}, extras=extras))
    assert report.left_out[0].refusal.statement == "router bgp 64600 / neighbor 10.99.0.2 password ***"


def test_reports_without_anybody_aside_are_as_before():
    assert reloading.ApplyReport().left_out == ()
