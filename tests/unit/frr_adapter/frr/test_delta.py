"""The difference of two configurations: complete, minimal, in a safe order, and honest about the sessions it resets."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frr_adapter import errors
from frr_adapter.boundary import files
from frr_adapter.frr import config, delta, grammar, machine, render, statements
from frr_adapter.frr import resets as resets_
from frr_adapter.frr.grammar import Daemon
from speaker.core import compose
from tests import bgp_histories, frr_interpreter
from tests import bgp_world as w

TEMPLATES = files.read_templates()
TOR = {"address": "10.99.0.1"}
TOR_6 = {"address": "fd00:99::1"}
SPINE = {"interface": "eth1", "dynamic_asn": "external"}


def configuration(services=("192.0.2.1",), ads=None, peers=None, profiles=None, extras=""):
    peers = {"tor": TOR} if peers is None else peers
    ads = {"all": {}} if ads is None else ads
    return compose.compose(
        w.plan(
            w.make_world(
                [w.make_peer(name, **fields) for name, fields in peers.items()],
                [w.make_ad(name, **fields) for name, fields in ads.items()],
                [w.make_service(f"default/s{number}", ip) for number, ip in enumerate(services)],
                bfd_profiles=[w.make_bfd(name, **fields) for name, fields in (profiles or {}).items()],
                extras=extras,
            )
        )
    )


def lines(before, after, daemon=Daemon.BGPD):
    found = delta.delta(before, after)
    assert isinstance(found, delta.Delta), found
    return [line.text for batch in found.batches if batch.daemon is daemon for line in batch.lines]


def resets(before, after, major=8):
    found = delta.delta(before, after)
    assert isinstance(found, delta.Delta), found
    return [str(each) for each in resets_.on_version(found.resets, major)]


def prefixes(state):
    return {each[-1].split()[1] for each in state if each[-1].startswith("network ")}


def _is_open_last(lines):
    """Once a session was opened, nothing but other sessions and evaluations follows."""
    texts = [line.text for line in lines]
    first = next(n for n, text in enumerate(texts) if text.endswith(" shutdown") and text.startswith("no "))
    return all(text.endswith(" shutdown") or text.startswith("clear ") for text in texts[first:])


def check(before, after):
    """The lines turn the one into the other, and on the way nothing is missing that is in both."""
    found = delta.delta(before, after)
    assert isinstance(found, delta.Delta), found
    daemons = {name: frr_interpreter.Daemon(statements.wanted(before, name)) for name in (Daemon.BGPD, Daemon.BFDD)}
    bgpd = daemons[Daemon.BGPD]
    stay = {(r.vrf, r.asn) for r in before.routers} == {(r.vrf, r.asn) for r in after.routers}
    lasting = prefixes(bgpd.state) & prefixes(statements.wanted(after, Daemon.BGPD)) if stay else set()
    there = {(r.vrf, r.asn, n.name) for r in before.routers for n in r.neighbors}
    fresh = sorted(n.name for r in after.routers for n in r.neighbors if (r.vrf, r.asn, n.name) not in there)
    for batch in found.batches:
        if batch.daemon not in daemons:
            assert all(
                line.text.startswith("no route-map ") or "nd " in line.text or "interface" in line.text
                for line in batch.lines
            )
            continue
        for line in batch.lines:
            daemons[batch.daemon].take(line)
            state = daemons[batch.daemon].state
            assert batch.daemon is not Daemon.BGPD or lasting <= prefixes(state), line
        if batch.daemon is Daemon.BGPD:
            opened = [line.subject for line in batch.lines if line.text.endswith(" shutdown") and line.text[:2] == "no"]
            assert sorted(opened) == fresh
            assert not opened or _is_open_last(batch.lines)
    for name, daemon in daemons.items():
        assert daemon.state == statements.wanted(after, name)
    return found


# ---- Properties ----

changes = st.integers(0, 12)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), changes, changes)
def test_lines_turn_any_configuration_into_any_later_one(seed, before, after):
    world = bgp_histories.World(seed)
    for _ in range(before):
        world.change()
    applied = world.config()
    for _ in range(after):
        world.change()
    check(applied, world.config())
    check(world.config(), applied)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), changes)
def test_equal_configurations_differ_by_nothing(seed, steps):
    world = bgp_histories.World(seed)
    for _ in range(steps):
        world.change()
    assert delta.delta(world.config(), world.config()) == delta.Delta()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), changes, changes)
def test_services_never_touch_a_session_or_another_prefix(seed, steps, services):
    world = bgp_histories.World(seed)
    for _ in range(steps):
        world.change()
    applied = world.config()
    for _ in range(services):
        world.change_service()
    wanted = world.config()
    found = check(applied, wanted)
    assert found.resets == ()
    was, shall = (
        {(f.name, o.prefix): o.policy for r in each.routers for f in r.families for o in f.originations}
        for each in (applied, wanted)
    )
    changed = {str(prefix) for key in was.keys() | shall.keys() for prefix in key[1:] if was.get(key) != shall.get(key)}
    neighbors = {n.name for r in wanted.routers for n in r.neighbors}
    for batch in found.batches:
        assert batch.daemon is not Daemon.BFDD
        for line in batch.lines:
            assert line.text.split()[0] not in ("neighbor", "bgp")
            assert line.subject not in neighbors
            if "network" in line.text:
                assert line.subject in changed


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), changes)
def test_statements_are_what_the_templates_print(seed, steps):
    """One language twice, in templates for the file and in the grammar for sockets; here they meet."""
    world = bgp_histories.World(seed, {"tor": {**TOR}, "spine": {**SPINE}, "six": {**TOR_6, "router_id": "10.0.0.9"}})
    for _ in range(steps):
        world.change()
    wanted = world.config()
    printed = statements.running(render.render(wanted, TEMPLATES))
    ours = {each for each in printed if each[0].split()[0] in ("route-map", "router", "bfd")}
    assert ours == statements.wanted(wanted, Daemon.BGPD) | statements.wanted(wanted, Daemon.BFDD)


# ---- Order and wording ----


def test_a_service_is_one_line():
    before, after = configuration(), configuration(["192.0.2.1", "192.0.2.9"])
    tag = before.classes[0].tag
    assert lines(before, after) == [f"network 192.0.2.9/32 route-map class-{tag}"]
    assert lines(after, before) == ["no network 192.0.2.9/32"]
    assert not delta.delta(before, after).is_guarded


def test_the_first_service_brings_its_class_and_the_last_takes_it_along():
    none, one = configuration([]), configuration()
    tag = one.classes[0].tag
    assert lines(none, one) == [
        f"route-map class-{tag} permit 10",
        f"set tag {tag}",
        f"route-map 10.99.0.1-out deny {tag}",
        f"match tag {tag}",
        f"route-map 10.99.0.1-out permit {tag}",
        f"network 192.0.2.1/32 route-map class-{tag}",
    ]
    assert lines(one, none) == [
        "no network 192.0.2.1/32",
        f"no route-map 10.99.0.1-out permit {tag}",
        f"no route-map class-{tag}",
    ]
    assert lines(one, none, Daemon.POLICY) == lines(one, none)[1:]


def test_edited_policies_are_evaluated_at_once_where_prefixes_stay():
    """By itself FRR looks again only after `bgp route-map delay-timer`."""
    before = configuration(ads={"all": {"communities": ["64600:1"], "local_pref": 100}})
    after = configuration(ads={"all": {"communities": ["64600:2", "large:64600:1:1"]}})
    assert lines(before, after) == [
        "set community 64600:2",
        "set large-community 64600:1:1",
        "no set local-preference",
        "clear bgp ipv4 unicast * soft out",
    ]
    assert delta.delta(before, after).is_guarded
    assert resets(before, after) == []


def test_a_new_neighbor_stays_shut_until_it_has_everything():
    before = configuration()
    after = configuration(peers={"tor": TOR, "new": {"address": "10.99.0.2", "password": "x", "bfd_profile": "fast"}})
    tag = after.classes[0].tag
    assert lines(before, after) == [
        "route-map 10.99.0.2-in deny 20",
        "route-map 10.99.0.2-out deny 65535",
        f"route-map 10.99.0.2-out deny {tag}",
        f"match tag {tag}",
        f"route-map 10.99.0.2-out permit {tag}",
        "neighbor 10.99.0.2 remote-as 64512",
        "neighbor 10.99.0.2 shutdown",
        "neighbor 10.99.0.2 bfd",
        "neighbor 10.99.0.2 bfd profile fast",
        "neighbor 10.99.0.2 password x",
        "neighbor 10.99.0.2 route-map 10.99.0.2-in in",
        "neighbor 10.99.0.2 route-map 10.99.0.2-out out",
        "neighbor 10.99.0.2 activate",
        "no neighbor 10.99.0.2 shutdown",
    ]
    assert lines(after, before) == [
        "no neighbor 10.99.0.2",
        "no route-map 10.99.0.2-in",
        "no route-map 10.99.0.2-out",
    ]
    assert resets(before, after) == resets(after, before) == []


def test_an_address_family_ends_before_its_policies_do():
    both, one = (
        configuration(peers={"tor": {**TOR_6, "dual_stack_address_family": True}}),
        configuration(peers={"tor": TOR_6}),
    )
    assert [line for line in lines(both, one) if " activate" in line or line.endswith((" in", " out"))] == [
        "no neighbor fd00:99::1 activate",
        "no neighbor fd00:99::1 route-map fd00:99::1-in in",
        "no neighbor fd00:99::1 route-map fd00:99::1-out out",
    ]
    assert "fd00:99::1: address family ipv4 removed" in resets(both, one)
    assert "fd00:99::1: address family ipv4 added" in resets(one, both)


def test_bfd_profiles_come_first_and_go_last():
    before = configuration(peers={"tor": {**TOR, "bfd_profile": "old"}}, profiles={"old": {"echo_interval": 90}})
    after = configuration(
        peers={"tor": {**TOR, "bfd_profile": "new"}}, profiles={"new": {"receive_interval": 100, "echo_mode": True}}
    )
    found = check(before, after)
    assert [(batch.daemon, [line.text for line in batch.lines]) for batch in found.batches] == [
        (Daemon.BFDD, ["profile new", "receive-interval 100", "echo-mode"]),
        (Daemon.BGPD, ["neighbor 10.99.0.1 bfd profile new"]),
        (Daemon.BFDD, ["no profile old"]),
    ]
    plain = configuration(peers={"tor": {**TOR, "bfd_profile": "old"}}, profiles={"old": {"minimum_ttl": 250}})
    assert lines(before, plain, Daemon.BFDD) == [
        "echo transmit-interval 50",
        "echo receive-interval 50",
        "minimum-ttl 250",
    ]
    assert lines(plain, before, Daemon.BFDD)[-1] == "no minimum-ttl"


RESETS = [
    ({"password": "x"}, ["password changed"], ["password changed"]),
    ({"ebgp_multihop": True}, ["multihop changed"], ["multihop changed"]),
    ({"source_address": "10.99.0.11"}, ["source address changed"], ["source address changed"]),
    ({"local_asn": 64700}, ["local AS changed"], ["local AS changed"]),
    ({"bfd_profile": "fast"}, [], ["BFD removed"]),
    ({"hold_time": 30}, [], []),
    ({"connect_time": 5}, [], []),
    ({"port": 1790}, ["port changed"], ["port changed"]),
    ({"asn": 64513}, ["AS changed"], ["AS changed"]),
    ({"router_id": "10.0.0.9"}, ["router ID changed"], ["router ID changed"]),
]


@pytest.mark.parametrize(("setting", "there", "back"), RESETS, ids=str)
def test_resets_are_declared(setting, there, back):
    before, after = configuration(), configuration(peers={"tor": {**TOR, **setting}})
    assert resets(before, after) == [f"10.99.0.1: {reason}" for reason in there]
    assert resets(after, before) == [f"10.99.0.1: {reason}" for reason in back]
    check(before, after)
    check(after, before)


def test_graceful_restart_resets_from_frr_10_on():
    before, after = configuration(), configuration(peers={"tor": {**TOR, "graceful_restart": True}})
    assert resets(before, after, major=8) == []
    assert resets(before, after, major=10) == ["10.99.0.1: graceful restart changed"]


# ---- Instances, interfaces, logging ----


def test_the_first_peer_brings_an_instance_that_opens_last():
    none, one = configuration(peers={}), configuration()
    (tag,) = [item.tag for item in one.classes]
    found = lines(none, one)
    assert found[found.index("router bgp 64600") - 1 :] == [
        f"route-map 10.99.0.1-out permit {tag}",
        "router bgp 64600",
        *grammar.ROUTER_STATEMENTS,
        "neighbor 10.99.0.1 remote-as 64512",
        "neighbor 10.99.0.1 shutdown",
        "neighbor 10.99.0.1 route-map 10.99.0.1-in in",
        "neighbor 10.99.0.1 route-map 10.99.0.1-out out",
        "neighbor 10.99.0.1 activate",
        f"network 192.0.2.1/32 route-map class-{tag}",
        "no neighbor 10.99.0.1 shutdown",
    ]
    assert lines(one, none) == [
        "no router bgp 64600",
        "no route-map 10.99.0.1-in",
        "no route-map 10.99.0.1-out",
        f"no route-map class-{tag}",
    ]
    assert resets(none, one) == resets(one, none) == []


INSTANCES = [
    {},
    {"tor": TOR},
    {"tor": {**TOR, "my_asn": 64601, "router_id": "10.0.0.9"}},
    {"tor": TOR, "red": {**TOR, "vrf": "red"}},
    {"red": {**TOR, "vrf": "red", "my_asn": 64601}},
    {"tor": TOR, "spine": SPINE},
    {"spine": {"interface": "eth1", "asn": 64513}},
    {"spine": {**SPINE, "vrf": "red"}},
]


@pytest.mark.parametrize("before", INSTANCES, ids=str)
@pytest.mark.parametrize("after", INSTANCES, ids=str)
def test_instances_and_unnumbered_sessions_come_and_go(before, after):
    services = ["192.0.2.1", "2001:db8::1"]
    check(configuration(services, peers=before), configuration(services, peers=after))


def test_another_as_of_the_node_ends_every_session_of_its_instance_and_no_other():
    peers = {"tor": TOR, "six": TOR_6, "red": {**TOR, "vrf": "red"}}
    before = configuration(peers=peers)
    after = configuration(peers={**peers, **{name: {**peers[name], "my_asn": 64601} for name in ("tor", "six")}})
    assert resets(before, after) == ["10.99.0.1: AS of the node changed", "fd00:99::1: AS of the node changed"]
    assert [line for line in lines(before, after) if "router bgp" in line] == [
        "no router bgp 64600",
        "router bgp 64601",
    ]


def test_an_unnumbered_session_has_its_interface_before_and_after_it():
    before, after = configuration(), configuration(peers={"tor": TOR, "spine": {**SPINE, "vrf": "red"}})
    there = [batch.daemon for batch in delta.delta(before, after).batches]
    assert there == [Daemon.POLICY, Daemon.BGPD]
    assert lines(before, after, Daemon.POLICY) == ["ipv6 nd ra-interval 10", "no ipv6 nd suppress-ra"]
    paths = {line.path for line in delta.delta(before, after).batches[0].lines}
    assert paths == {("interface eth1 vrf red",)}
    assert lines(after, before, Daemon.POLICY)[-2:] == ["no ipv6 nd ra-interval 10", "ipv6 nd suppress-ra"]
    changed = configuration(peers={"tor": TOR, "spine": {**SPINE, "vrf": "red", "dynamic_asn": "internal"}})
    assert lines(after, changed) == ["neighbor eth1 interface remote-as internal"]
    assert resets(after, changed) == ["eth1 in VRF red: AS changed"]


def test_every_daemon_hears_of_host_name_and_logging():
    before = configuration()
    quiet, loud = (
        dataclasses.replace(before, log=None),
        dataclasses.replace(before, hostname="n2", log="log stdout", debug=True),
    )
    assert lines(before, quiet, Daemon.ALL) == ["no log stdout"]
    assert lines(before, loud, Daemon.ALL) == ["hostname n2", "log stdout"]
    for daemon in (Daemon.ZEBRA, Daemon.BGPD, Daemon.BFDD):
        assert lines(before, loud, daemon) == list(machine.DEBUGGING[daemon])
        assert lines(loud, before, daemon) == [f"no {text}" for text in machine.DEBUGGING[daemon]]
    printed = render.render(loud, TEMPLATES).splitlines()
    assert [text for text in printed if text.startswith("debug ")] == [
        text for daemon in (Daemon.ZEBRA, Daemon.BGPD, Daemon.BFDD) for text in machine.DEBUGGING[daemon]
    ]


def test_interfaces_are_what_the_template_prints():
    wanted = configuration(peers={"spine": SPINE, "red": {**SPINE, "interface": "eth2", "vrf": "red"}})
    printed = statements.running(render.render(wanted, TEMPLATES))
    assert {each for each in printed if each[0].startswith("interface ") and len(each) > 1} == machine.interfaces(
        wanted
    )


# ---- What is left to a reload ----

BEYOND = [
    ({"extras": "! hello"}, "the user's own extra lines changed"),
]


@pytest.mark.parametrize(("change", "reason"), BEYOND, ids=str)
def test_what_needs_a_reload_says_why(change, reason):
    assert delta.delta(configuration(), configuration(**change)) == delta.NeedsReload(reason)


def test_a_class_number_that_means_something_else_needs_a_reload():
    before = configuration()
    other = dataclasses.replace(before.classes[0], advertisements=("other",))
    after = dataclasses.replace(before, classes=(other,))
    assert delta.delta(before, after) == delta.NeedsReload("a class got the number of another one")


def test_what_the_user_says_too_is_left_to_a_reload():
    extras = "route-map 10.99.0.2-in permit 10\n"
    before, more = configuration(extras=extras), configuration(["192.0.2.1", "192.0.2.9"], extras=extras)
    assert len(lines(before, more)) == 1
    after = configuration(peers={"tor": TOR, "new": {"address": "10.99.0.2"}}, extras=extras)
    assert delta.delta(before, after) == delta.NeedsReload('the user\'s own extra lines speak of "10.99.0.2-in" too')


@pytest.mark.parametrize("word", ["a b", "a\nb", "a\0b", "", "ä"])
def test_a_word_is_one_word(word):
    profile = config.BfdProfile(source="x", name=word)
    with pytest.raises(errors.ApplyError, match="single words"):
        delta.delta(configuration(), dataclasses.replace(configuration(), bfd_profiles=(profile,)))


def test_vrfs_have_their_own_instance_and_evaluation():
    peers = {"tor": TOR, "red": {**TOR, "vrf": "red"}}
    before = configuration(peers=peers, ads={"all": {"communities": ["1:1"]}})
    after = configuration(["192.0.2.1", "192.0.2.2"], peers=peers, ads={"all": {"communities": ["1:2"]}})
    found = check(before, after)
    paths = [line.path for batch in found.batches for line in batch.lines if line.text.startswith("network")]
    assert paths == [
        ("router bgp 64600", "address-family ipv4 unicast"),
        ("router bgp 64600 vrf red", "address-family ipv4 unicast"),
    ]
    assert lines(before, after)[-2:] == [
        "clear bgp ipv4 unicast * soft out",
        "clear bgp vrf red ipv4 unicast * soft out",
    ]


def test_every_neighbor_setting_is_in_the_table():
    """A new field of `Neighbor` that no line carries would be applied by reloads only, and silently missed here."""
    base = config.Neighbor((), "10.99.0.1", "1")
    values = {"bfd_profile": "x", "local_as": 1, "timers": config.Timers(1, 3), "password": w.secret.Secret("x")}
    for field in dataclasses.fields(config.Neighbor):
        if field.name in ("peers", "name", "remote_as", "is_interface", "summary", "bfd_held"):
            continue
        value = values.get(field.name, True if field.default is False else 1)
        changed = dataclasses.replace(base, **{field.name: value})
        assert any(item.write(changed) != item.write(base) for item in grammar.SETTINGS), field.name
