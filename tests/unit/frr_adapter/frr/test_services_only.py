"""Services and endpoints come, go and change in any world: what is sent names no neighbor and no prefix that is not concerned.

Between any two lines the neighbors hear of everybody else exactly what they heard before.
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frr_adapter.frr import delta, statements
from frr_adapter.frr.grammar import Daemon
from speaker.core import compose
from tests import bgp_histories, frr_interpreter, frr_meaning
from tests import bgp_world as w

PEERS = {
    "four": {"address": "10.99.0.1", "bfd_profile": "plain", "password": "x"},
    "six": {"address": "fd00:99::1", "graceful_restart": True},
    "dual": {"address": "fd00:99::2", "dual_stack_address_family": True},
    "inside": {"address": "10.99.0.3", "asn": 64600, "hold_time": 30},
    "spine": {"interface": "eth1", "dynamic_asn": "external"},
    "red": {"address": "10.99.0.1", "vrf": "red"},
}
ADS = {
    "all": {},
    "red": {"selectors": [{"color": "red"}], "communities": ["64600:2", "large:64600:1:2"]},
    "blue": {"selectors": [{"color": "blue"}], "peers": ["four", "dual"], "communities": ["64600:3"]},
    "wide": {"selectors": [{"color": "red"}, {"color": "blue"}], "aggregation_v4": 28, "aggregation_v6": 124},
    "clash": {"selectors": [{"color": "clash"}], "local_pref": 100},
}
CLASS = re.compile(r"(?:no )?route-map (class-\d+)(?: permit 10)?")
ENTRY = re.compile(r"(?:no )?route-map (\S+-out) (?:deny|permit) (\d+)")
BODY = re.compile(r"(?:match|set) (tag|community|large-community|local-preference) .+")

peers = st.sets(st.sampled_from(sorted(PEERS)), min_size=1).map(lambda names: {name: PEERS[name] for name in names})
ads = st.sets(st.sampled_from(sorted(ADS))).map(lambda names: {name: ADS[name] for name in names})
services = st.dictionaries(
    st.integers(1, 40),
    st.tuples(
        st.sampled_from(["4", "6", "46", "", "shared"]),
        st.sampled_from(["red", "blue", "none", "clash"]),
        st.booleans(),
        st.lists(st.sampled_from([w.HERE, w.ELSEWHERE, w.UNUSABLE]), max_size=2).map(tuple),
    ),
    max_size=8,
)


def world(peers, ads, services):
    made = []
    for number, (kind, color, local, _) in services.items():
        known = {"4": f"192.0.2.{number}", "6": f"2001:db8::{number:x}"}
        ips = ("192.0.2.99",) if kind == "shared" else tuple(known[each] for each in kind)
        made.append(w.make_service(f"default/s{number}", *ips, labels={"color": color}, is_local=local))
    chosen = {
        name: {**fields, "peers": [each for each in fields.get("peers", ()) if each in peers]}
        for name, fields in ads.items()
    }
    return compose.compose(
        w.plan(
            w.make_world(
                [w.make_peer(name, **dict(fields)) for name, fields in sorted(peers.items())],
                [w.make_ad(name, **dict(fields)) for name, fields in sorted(chosen.items())],
                made,
                endpoints={f"default/s{number}": each[3] for number, each in services.items()},
                bfd_profiles=[w.make_bfd("plain")],
            )
        )
    )


def originations(config):
    """(VRF, prefix) -> its class."""
    return {
        (router.vrf, str(each.prefix)): each.policy
        for router in config.routers
        for family in router.families
        for each in family.originations
    }


def route_maps(config):
    """The classes, and for each neighbor the entries that tell it about one."""
    found = {(each.name,) for each in config.classes}
    return found | {(policy.outbound, str(entry.tag)) for policy in config.policies for entry in policy.entries}


def check(before, after):
    found = delta.delta(before, after)
    assert isinstance(found, delta.Delta), found
    assert found.resets == ()
    was, shall = originations(before), originations(after)
    concerned = {key for key in was.keys() | shall.keys() if was.get(key) != shall.get(key)}
    blocks = route_maps(before) ^ route_maps(after)
    daemon = frr_interpreter.Daemon(statements.wanted(before, Daemon.BGPD))
    first, last = (frr_meaning.told(statements.wanted(config, Daemon.BGPD)) for config in (before, after))
    assert first.keys() == last.keys()
    for batch in found.batches:
        assert batch.daemon in (Daemon.BGPD, Daemon.POLICY)
        for line in batch.lines:
            assert line.path is not None, f"{line.text} is no configuration"
            verb, *rest = line.text.removeprefix("no ").split()
            if verb == "network":
                router = line.path[0].removeprefix("router bgp 64600").removeprefix(" vrf ")
                assert (router, rest[0]) in concerned
                assert line.path[1] == f"address-family {'ipv6' if ':' in rest[0] else 'ipv4'} unicast"
                assert rest[1:] in ([], ["route-map", shall.get((router, rest[0]))])
            else:
                # What opens a block is that block; everything else stands in one.
                block = line.text if verb == "route-map" else line.path[0]
                assert verb == "route-map" or BODY.fullmatch(line.text), line
                match = CLASS.fullmatch(block) or ENTRY.fullmatch(block)
                assert match, line
                assert match.groups() in blocks, line
            if batch.daemon is Daemon.POLICY:
                assert line.text.startswith("no route-map ")
                continue
            daemon.take(line)
            if not frr_meaning.is_being_made(daemon.state):
                same(frr_meaning.told(daemon.state), first, last, concerned)
    assert daemon.state == statements.wanted(after, Daemon.BGPD)
    assert daemon.cleared == []


def same(now, first, last, concerned):
    """What is not concerned is told as ever; what is concerned, only to those who are meant."""
    assert now.keys() == first.keys()
    for key, heard in now.items():
        vrf = key[0].removeprefix("router bgp 64600").removeprefix(" vrf ")
        aside = [{p: v for p, v in each[key].items() if (vrf, p) not in concerned} for each in (now, first, last)]
        assert aside[0] == aside[1] == aside[2]
        assert heard.keys() <= first[key].keys() | last[key].keys()
        assert first[key].keys() & last[key].keys() <= heard.keys()


@settings(max_examples=100, deadline=None)
@given(peers, ads, services, services)
def test_any_services_become_any_others(peers, ads, before, after):
    check(world(peers, ads, before), world(peers, ads, after))


@settings(max_examples=80, deadline=None)
@given(peers, ads, services, st.data())
def test_one_service_comes_and_goes(peers, ads, before, data):
    after = {**before, 50: data.draw(services.filter(bool)).popitem()[1]}
    check(world(peers, ads, before), world(peers, ads, after))
    check(world(peers, ads, after), world(peers, ads, before))


def test_the_check_sees_a_disturbed_neighbor_and_an_unrelated_prefix():
    """The proof that the properties above can fail."""
    here = (w.HERE,)
    some = {1: ("4", "none", False, here), 2: ("4", "none", False, here)}
    before = world({"four": PEERS["four"]}, {"all": {}}, some)
    for other in (
        world({"four": {**PEERS["four"], "password": "y"}}, {"all": {}}, some),
        world({"four": PEERS["four"]}, {"all": {"communities": ["64600:1"]}}, some),
        world({"four": PEERS["four"], "six": PEERS["six"]}, {"all": {}}, some),
    ):
        with pytest.raises(AssertionError):
            check(before, other)
    told = frr_meaning.told(statements.wanted(before, Daemon.BGPD))
    key = ("router bgp 64600", "10.99.0.1")
    assert told == {key: {"192.0.2.1/32": frozenset(), "192.0.2.2/32": frozenset()}}
    with pytest.raises(AssertionError):
        same({key: {"192.0.2.1/32": frozenset()}}, told, told, set())


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(1, 4))
def test_whatever_changes_what_lasts_is_told_throughout_and_nobody_hears_what_is_not_for_him(seed, before, steps):
    """Also for peers, advertisements and attributes: what is told before and after is told in between, and nothing else is."""
    history = bgp_histories.World(seed)
    for _ in range(before):
        history.change()
    applied = history.config()
    for _ in range(steps):
        history.change()
    wanted = history.config()
    found = delta.delta(applied, wanted)
    assert isinstance(found, delta.Delta), found
    first, last = (frr_meaning.told(statements.wanted(each, Daemon.BGPD)) for each in (applied, wanted))
    daemon = frr_interpreter.Daemon(statements.wanted(applied, Daemon.BGPD))
    reset = {each.neighbor for each in found.resets}
    was, shall = originations(applied), originations(wanted)
    # A prefix that moves to a class which is just taken from a neighbor may be told to it for the moment between two lines.
    moved = {key[1] for key in was.keys() & shall.keys() if was[key] != shall[key]}
    for batch in found.batches:
        if batch.daemon is not Daemon.BGPD:
            continue
        for line in batch.lines:
            daemon.take(line)
            is_whole = not frr_meaning.is_being_made(daemon.state)
            for key, heard in frr_meaning.told(daemon.state).items():
                then, later = first.get(key, {}), last.get(key, {})
                assert heard.keys() - moved <= then.keys() | later.keys(), line
                if is_whole and key in first and key[1] not in reset:
                    assert then.keys() & later.keys() <= heard.keys(), line
