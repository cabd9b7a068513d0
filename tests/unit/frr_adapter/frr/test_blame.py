"""Whose statement it is that FRR refused, and the configuration without it or with an earlier version of it."""

import dataclasses

import pytest

from frr_adapter import refs
from frr_adapter.frr import blame, config, parts
from frr_adapter.frr.blame import Kind, Suspect
from frr_adapter.resolve import view
from speaker.core import compose
from tests import bgp_world as w

TOR = {"address": "10.99.0.1", "bfd_profile": "fast", "local_asn": 64700}
RED = {"address": "10.99.0.1", "vrf": "red", "my_asn": 64601, "router_id": "10.0.0.9"}
SPINE = {"interface": "eth1", "dynamic_asn": "external"}
PEERS = {"tor": TOR, "red": RED, "spine": SPINE, "six": {"address": "fd00:99::1"}}
ADS = {"all": {"communities": ["64600:1"]}, "some": {"selectors": [{"a": "b"}], "communities": ["64600:2"]}}


def configuration(peers=None, ads=None, profiles=None, extras=""):
    profiles = {"fast": {"receive_interval": 100}, "slow": {}} if profiles is None else profiles
    return compose.compose(
        w.plan(
            w.make_world(
                [w.make_peer(name, **fields) for name, fields in (PEERS if peers is None else peers).items()],
                [w.make_ad(name, **fields) for name, fields in (ADS if ads is None else ads).items()],
                [
                    w.make_service("default/web", "192.0.2.1", "2001:db8::1"),
                    w.make_service("default/shop", "192.0.2.2", labels={"a": "b"}),
                ],
                bfd_profiles=[w.make_bfd(name, **fields) for name, fields in profiles.items()],
                extras=extras,
            )
        )
    )


WORLD = configuration()
CLASSES = {item.advertisements: item for item in WORLD.classes}
ALL, BOTH = CLASSES["all",], CLASSES["all", "some"]
TOR_4, RED_4, ETH1 = (Suspect(Kind.NEIGHBOR, key) for key in (("", "10.99.0.1"), ("red", "10.99.0.1"), ("", "eth1")))
EXTRAS = Suspect(Kind.EXTRAS)
ROUTER_ID = Suspect(Kind.ROUTER_ID, ("red",))
FAST = Suspect(Kind.PROFILE, ("fast",))

SUSPECTS = [
    ("router bgp 64600 / neighbor 10.99.0.1 local-as 64700 no-prepend replace-as", [TOR_4]),
    ("router bgp 64600 / no neighbor 10.99.0.1 local-as", [TOR_4]),
    ("router bgp 64601 vrf red / neighbor 10.99.0.1 remote-as 64512", [RED_4]),
    ("neighbor 10.99.0.1 bfd", [TOR_4, RED_4]),
    ("router bgp 64600 / neighbor eth1 interface remote-as external", [ETH1]),
    ("interface eth1 / ipv6 nd ra-interval 10", [ETH1]),
    ("router bgp 64600 / address-family ipv4 unicast / network 192.0.2.1/32  route-map x", ["192.0.2.1/32"]),
    ("bfd / profile fast / receive-interval 100", [FAST]),
    ("receive-interval 100", [FAST]),
    ("route-map 10.99.0.1-in deny 20", [TOR_4]),
    ("route-map 10.99.0.1-red-out deny 65535", [RED_4]),
    (f"route-map {ALL.name} permit 10 / set tag {ALL.tag}", [Suspect(Kind.CLASS, (ALL.name,))]),
    (f"route-map 10.99.0.1-out permit {ALL.tag} / set community 64600:1", [Suspect(Kind.CLASS, (ALL.name,)), TOR_4]),
    ("set community 64600:1 64600:2", [Suspect(Kind.CLASS, (BOTH.name,))]),
    (f"match tag {BOTH.tag}", [Suspect(Kind.CLASS, (BOTH.name,))]),
    ("router bgp 64601 vrf red", [Suspect(Kind.INSTANCE, ("red",))]),
    ("router bgp 64601 vrf red / bgp router-id 10.0.0.9", [ROUTER_ID]),
    ("ip nht resolve-via-default", []),
    ("router bgp 64600 / neighbor 10.99.0.88 remote-as 1", []),
]


@pytest.mark.parametrize(("statement", "expected"), SUSPECTS, ids=[row[0] for row in SUSPECTS])
def test_a_statement_leads_to_those_who_may_have_said_it(statement, expected):
    found = [each.key[0] if each.kind is Kind.PREFIX else each for each in blame.suspects(WORLD, statement)]
    assert found[: len(expected)] == expected
    assert bool(found) == bool(expected)


def test_extra_lines_come_first_when_they_say_it_or_speak_of_it():
    extras = "ip foo\nrouter bgp 64600\n neighbor 10.99.0.1 peer-group x\nexit\n"
    world = configuration(extras=extras)
    assert blame.suspects(world, "ip foo") == (EXTRAS,)
    assert blame.suspects(world, "router bgp 64600 / neighbor 10.99.0.1 peer-group x")[0] == EXTRAS
    assert blame.suspects(world, "router bgp 64600 / neighbor 10.99.0.1 bfd")[:2] == (EXTRAS, TOR_4)
    assert EXTRAS not in blame.suspects(world, "router bgp 64600 / neighbor eth1 timers connect 1")


OBJECTS = [
    (EXTRAS, "ConfigMap metallb-system/bgpextras"),
    (FAST, "BFDProfile metallb-system/fast"),
    (TOR_4, "BGPPeer metallb-system/tor"),
    (RED_4, "BGPPeer metallb-system/red"),
    (Suspect(Kind.INSTANCE, ("red",)), "BGPPeer metallb-system/red"),
    (ROUTER_ID, "BGPPeer metallb-system/red"),
    (Suspect(Kind.PREFIX, ("192.0.2.2/32",)), "Service default/shop"),
    (Suspect(Kind.CLASS, (BOTH.name,)), "BGPAdvertisement metallb-system/all, BGPAdvertisement metallb-system/some"),
]


@pytest.mark.parametrize(("suspect", "expected"), OBJECTS, ids=[str(row[1]) for row in OBJECTS])
def test_suspects_have_objects(suspect, expected):
    assert ", ".join(map(str, blame.objects(WORLD, suspect, w.NAMESPACE))) == expected


def test_a_shortened_list_names_those_it_names():
    services = tuple(f"default/s{number}" for number in range(4))
    origination = config.Origination(
        w.addresses.parse_block("192.0.2.1/32").networks[0], "x", (*services, "and 9 more")
    )
    router = config.Router(1, families=(config.AddressFamily("ipv4", (origination,)),))
    found = blame.objects(
        config.FrrConfig("n1", routers=(router,)), Suspect(Kind.PREFIX, (str(origination.prefix),)), "x"
    )
    assert found == tuple(refs.ObjectRef("Service", "default", f"s{number}") for number in range(4))


def test_the_config_map_is_the_one_that_is_watched():
    assert blame.EXTRAS_CONFIG_MAP == view.EXTRAS_CONFIG_MAP


# ---- Parts ----

WITHOUT = [
    (EXTRAS, configuration()),
    (FAST, configuration(profiles={"slow": {}})),
    (TOR_4, configuration({name: each for name, each in PEERS.items() if name != "tor"})),
    (ETH1, configuration({name: each for name, each in PEERS.items() if name != "spine"})),
    (RED_4, configuration({name: each for name, each in PEERS.items() if name != "red"})),
    (ROUTER_ID, configuration(PEERS | {"red": {**RED, "router_id": ""}})),
    (Suspect(Kind.INSTANCE, ("red",)), configuration({name: each for name, each in PEERS.items() if name != "red"})),
]


@pytest.mark.parametrize(("suspect", "expected"), WITHOUT, ids=lambda each: str(each)[:40])
def test_without_a_part_the_rest_is_as_if_it_had_never_been(suspect, expected):
    extras = "ip foo" if suspect == EXTRAS else ""
    settings = configuration(extras=extras)
    assert parts.part(settings, suspect) is not None
    found = parts.with_part(settings, suspect, None)
    if suspect == FAST:  # its neighbor goes on with FRR's default timers
        found = dataclasses.replace(found, routers=(), policies=(), interfaces=())
        expected = dataclasses.replace(expected, routers=(), policies=(), interfaces=())
    assert found == expected
    assert parts.part(found, suspect) is None


def test_without_a_class_its_prefixes_stay_at_home():
    found = parts.with_part(WORLD, Suspect(Kind.CLASS, (BOTH.name,)), None)
    assert found.classes == tuple(item for item in WORLD.classes if item.name != BOTH.name)
    assert not [entry for policy in found.policies for entry in policy.entries if entry.tag == BOTH.tag]
    shown = [str(o.prefix) for r in found.routers for f in r.families for o in f.originations if not r.vrf]
    assert shown == ["192.0.2.1/32", "2001:db8::1/128"]


def test_without_a_prefix_only_it_is_missing():
    found = parts.with_part(WORLD, Suspect(Kind.PREFIX, ("192.0.2.1/32",)), None)
    shown = {str(o.prefix) for r in found.routers for f in r.families for o in f.originations}
    assert shown == {"192.0.2.2/32", "2001:db8::1/128"}
    assert found.policies == WORLD.policies


EARLIER = [
    (EXTRAS, {"extras": "ip foo"}),
    (FAST, {"profiles": {"fast": {"receive_interval": 200}, "slow": {}}}),
    (TOR_4, {"peers": PEERS | {"tor": {**TOR, "local_asn": 64701, "dual_stack_address_family": True}}}),
    (ETH1, {"peers": PEERS | {"spine": {**SPINE, "dynamic_asn": "internal"}}}),
    (Suspect(Kind.CLASS, (BOTH.name,)), {"ads": ADS | {"some": {**ADS["some"], "communities": ["64600:7"]}}}),
    (ROUTER_ID, {"peers": PEERS | {"red": {**RED, "router_id": "10.0.0.8"}}}),
    (Suspect(Kind.INSTANCE, ("red",)), {"peers": PEERS | {"red": {**RED, "my_asn": 64602}}}),
]


@pytest.mark.parametrize(("suspect", "change"), EARLIER, ids=lambda each: str(each)[:40])
def test_an_earlier_version_fits_in_both_ways(suspect, change):
    other = configuration(**change)
    assert other != WORLD
    assert parts.with_part(other, suspect, parts.part(WORLD, suspect)) == WORLD
    assert parts.with_part(WORLD, suspect, parts.part(other, suspect)) == other


def test_a_part_stays_the_same_while_services_come_and_go():
    other = dataclasses.replace(
        WORLD,
        routers=tuple(
            dataclasses.replace(r, families=tuple(dataclasses.replace(f, originations=()) for f in r.families))
            for r in WORLD.routers
        ),
    )
    for suspect in (TOR_4, RED_4, ETH1, FAST, Suspect(Kind.CLASS, (BOTH.name,)), Suspect(Kind.INSTANCE, ("red",))):
        assert parts.part(other, suspect) == parts.part(WORLD, suspect)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.EXTRAS])
def test_what_is_not_there_has_no_part(kind):
    assert parts.part(WORLD, Suspect(kind, ("no", "such"))) is None
