"""The golden scenarios of the compatibility tables: which case file shows each, and the lines that matter in it.

What has a past (an advertisement changes, a session closes) follows below. tests/live lets FRR itself read every case file.
"""

import pytest

from frr_adapter.boundary import files
from frr_adapter.frr import delta, render
from speaker.core import compose
from tests import bgp_world as w
from tests import cases

TEMPLATES = files.read_templates()
CASES = cases.read("render")
ROUTER, RED = "router bgp 64600", "router bgp 64600 vrf red"
PREFERENCE, COMMUNITY, LARGE = "set local-preference", "set community", "set large-community"
OUT = "route-map {}-out permit {}".format

SCENARIOS = [
    ("no session, BFD defaults", "bfd_profiles", {("bfd", "profile defaults")}, {("bfd", "profile defaults", "*")}),
    (
        "no session, BFD corner values",
        "bfd_profiles",
        {
            ("bfd", "profile corners", text)
            for text in ("receive-interval 10", "transmit-interval 60000", "detect-multiplier 255", "minimum-ttl 1")
        },
        {(ROUTER,)},
    ),
    (
        "BFD with session",
        "bfd_session",
        {(ROUTER, "neighbor 10.99.0.1 bfd profile fast"), ("bfd", "profile fast", "receive-interval 50")},
        set(),
    ),
    ("BFD on every kind of session", "bfd_every_session", {(ROUTER, "neighbor eth1 bfd profile plain")}, set()),
    ("iBGP", "sessions_ipv4", {(ROUTER, "neighbor 10.99.0.1 remote-as 64600")}, set()),
    (
        "eBGP, one hop",
        "sessions_ipv4",
        {(ROUTER, "neighbor 10.99.0.3 remote-as 64512")},
        {(ROUTER, "neighbor 10.99.0.3 ebgp-multihop 255"), (ROUTER, "neighbor 10.99.0.3 disable-connected-check")},
    ),
    ("eBGP, several hops", "sessions_ipv4", {(ROUTER, "neighbor 203.0.113.9 ebgp-multihop 255")}, set()),
    (
        "eBGP, several hops in a VRF",
        "sessions_vrf",
        {(RED, "neighbor 203.0.113.9 ebgp-multihop 255"), (RED, "bgp router-id 10.99.0.11")},
        {(ROUTER,)},
    ),
    ("iBGP in a VRF", "sessions_vrf", {(RED, "neighbor 10.99.0.1 remote-as 64600")}, set()),
    (
        "iBGP over IPv6",
        "sessions_ipv6",
        {(ROUTER, "neighbor fd00:99::1 remote-as 64600")},
        {(ROUTER, "neighbor fd00:99::1 disable-connected-check")},
    ),
    (
        "eBGP over IPv6, one hop",
        "sessions_ipv6",
        {(ROUTER, "neighbor fd00:99::2 disable-connected-check")},
        {(ROUTER, "neighbor 2001:db8:1::9 disable-connected-check")},
    ),
    ("internal AS", "sessions_ipv4", {(ROUTER, "neighbor 10.99.0.2 remote-as internal")}, set()),
    ("external AS", "sessions_ipv4", {(ROUTER, "neighbor 10.99.0.4 remote-as external")}, set()),
    (
        "graceful restart",
        "session_settings",
        {(ROUTER, "neighbor 10.99.0.1 graceful-restart"), (ROUTER, "bgp graceful-restart preserve-fw-state")},
        {(ROUTER, "neighbor 10.99.0.2 graceful-restart")},
    ),
    (
        "local AS",
        "session_settings",
        {(ROUTER, "neighbor 10.99.0.1 local-as 64700 no-prepend replace-as")},
        set(),
    ),
    ("no timers", "sessions_ipv4", set(), {(ROUTER, "neighbor 10.99.0.1 timers", "*")}),
    ("zero timers", "session_settings", {(ROUTER, "neighbor 10.99.0.2 timers 0 0")}, set()),
    (
        "unnumbered",
        "unnumbered",
        {(ROUTER, "neighbor eth1 interface remote-as external"), ("interface eth1", "ipv6 nd ra-interval 10")},
        set(),
    ),
    (
        "both families over an IPv4 and an IPv6 session",
        "dual_stack",
        {
            (ROUTER, f"address-family {family} unicast", f"neighbor {name} activate")
            for family in ("ipv4", "ipv6")
            for name in ("10.99.0.1", "fd00:99::1")
        },
        {(ROUTER, "neighbor fd00:99::1 disable-connected-check")},
    ),
    (
        "the user's own text",
        "extras",
        {("route-map 10.99.0.1-in permit 10", "match ip address prefix-list learned")},
        set(),
    ),
    (
        "one advertisement with attributes",
        "attributes",
        {
            (OUT("10.99.0.1", 50853), f"{PREFERENCE} 300"),
            (OUT("10.99.0.1", 50853), f"{COMMUNITY} 0:2345 64600:100 no-export"),
        },
        {(ROUTER, "bgp router-id", "*")},
    ),
    ("large communities", "attributes", {(OUT("10.99.0.1", 50853), f"{LARGE} 5:0:1 64600:1:2")}, set()),
    (
        "one advertisement in a VRF",
        "vrfs",
        {(RED, "address-family ipv4 unicast", "network 192.0.2.1/32 route-map class-4301")},
        set(),
    ),
    (
        "many advertisements with one community",
        "many_services_one_community",
        {
            (OUT("10.99.0.1", 4301), f"{COMMUNITY} 64600:1"),
            *(
                (ROUTER, "address-family ipv4 unicast", f"network 192.0.2.{n}/32 route-map class-4301")
                for n in (1, 2, 3)
            ),
        },
        set(),
    ),
    (
        "more than 63 communities",
        "many_communities",
        {(OUT("10.99.0.1", 4301), f"{COMMUNITY} {' '.join(f'64600:{n}' for n in range(100, 170))}")},
        set(),
    ),
    (
        "two advertisements, one of them twice, in a VRF",
        "two_advertisements_vrf",
        {(RED, "address-family ipv4 unicast", f"network 192.0.2.{n}/32 route-map class-4301") for n in (1, 2)},
        {(ROUTER,)},
    ),
    (
        "one session twice",
        "same_session_twice",
        {(ROUTER, "neighbor 10.99.0.1 remote-as 64512")},
        set(),
    ),
    (
        "two neighbors of one router",
        "aggregate_and_host",
        {(ROUTER, f"neighbor 10.99.0.{n} remote-as 64512") for n in (1, 2)},
        set(),
    ),
    (
        "one address with another router ID, AS and VRF",
        "vrfs",
        {
            (ROUTER, "neighbor 10.99.0.1 remote-as 64512"),
            (RED, "neighbor 10.99.0.1 remote-as 64512"),
            ("router bgp 64601 vrf blue", "neighbor 10.99.0.1 remote-as 64512"),
            ("router bgp 64601 vrf blue", "bgp router-id 10.99.0.12"),
        },
        {(ROUTER, "bgp router-id", "*"), (RED, "bgp router-id", "*")},
    ),
    (
        "two advertisements for two sessions",
        "two_advertisements_two_sessions",
        {
            (OUT("10.99.0.1", 31708), f"{PREFERENCE} 100"),
            (OUT("10.99.0.1", 31708), f"{COMMUNITY} 64600:1"),
            (OUT("10.99.0.2", 31708), f"{PREFERENCE} 200"),
            (OUT("10.99.0.2", 31708), f"{COMMUNITY} 64600:2"),
        },
        {(OUT("10.99.0.1", 31708), f"{LARGE} 64600:1:2")},
    ),
    ("logging level", "everything", {("log stdout warnings",)}, {("debug bgp", "*")}),
    ("logging level debugging", "debugging", {("log stdout",), ("debug bgp neighbor-events",)}, set()),
    ("logging level of the environment", "frr_log_level", {("log stdout warnings",)}, {("debug bgp", "*")}),
    ("logging level none", "silent", set(), {("log stdout", "*")}),
]


def statements(text):
    """Every line of a file as the blocks around it and itself."""
    found, path = set(), []
    for line in text.splitlines():
        words = line.strip()
        if not words or words.startswith(("!", "exit")):
            continue
        path = [*path[: len(line) - len(line.lstrip())], words]
        found.add(tuple(path))
    return found


def matching(found, wanted):
    """`*` as the last word stands for whatever begins like that, or lies within."""
    if wanted[-1] != "*":
        return {wanted} & found
    *block, start, _ = wanted
    return {
        each
        for each in found
        if (list(each[: len(block)]) == block and len(each) == len(block) + 1 and each[-1].startswith(f"{start} "))
        or each[: len(wanted) - 1] == wanted[:-1] != each
    }


@pytest.mark.parametrize(("name", "there", "absent"), [row[1:] for row in SCENARIOS], ids=[row[0] for row in SCENARIOS])
def test_scenario(name, there, absent):
    found = statements(CASES[name][1])
    assert there <= found
    assert not [each for wanted in absent for each in matching(found, wanted)]


def test_absence_is_looked_for_by_the_start_of_a_line_and_by_its_block():
    found = statements(CASES["sessions_vrf"][1])
    assert matching(found, (RED, "bgp router-id", "*")) == {(RED, "bgp router-id 10.99.0.11")}
    assert matching(found, ("bfd", "profile fast", "*")) == {("bfd", "profile fast", "detect-multiplier 5")}
    assert matching(found, (RED, "bgp router", "*")) == set()


# ---- With a past ----

TOR, OTHER = w.make_peer("tor"), w.make_peer("other", address="10.99.0.2")
WEB, SHOP = w.make_service("default/web", "192.0.2.1"), w.make_service("default/shop", "192.0.2.2")
AD = w.make_ad()


def text(peers=(), ads=(), services=(), **more):
    return render.render(compose.compose(w.plan(w.make_world(peers, ads, services, **more))), TEMPLATES)


def lines(rendered):
    return [each for each in rendered.splitlines() if each.strip() and not each.strip().startswith("!")]


def test_an_advertisement_that_changes_leaves_nothing_of_the_old_one():
    before = w.make_ad(local_pref=100, communities=["64600:1", "large:64600:1:2"])
    assert COMMUNITY in text([TOR], [before], [WEB])
    after = w.make_ad(communities=["64600:7"])
    found = lines(text([TOR], [after], [WEB]))
    assert " set community 64600:7" in found
    assert not [each for each in found if PREFERENCE in each or LARGE in each or "64600:1" in each.split()]


def test_an_advertisement_that_stops_leaves_the_session_as_it_was_before():
    assert text([TOR], [AD], [WEB, SHOP]) != text([TOR], [AD], [])
    assert text([TOR], [], [WEB, SHOP]) == text([TOR], [], []) == text([TOR], [AD], [])


def test_a_session_that_closes_takes_along_what_was_its_own_and_nothing_else():
    both, one = (statements(text(peers, [AD], [WEB])) for peers in ([TOR, OTHER], [TOR]))
    assert one < both
    assert both - one == {each for each in both if any("10.99.0.2" in words for words in each)}


def test_the_last_session_leaves_the_head_of_the_file():
    found = text([], [AD], [WEB])
    assert found == CASES["empty"][1]
    assert "ip nht resolve-via-default" in lines(found)
    assert not [each for each in lines(found) if each.startswith("router ")]


def test_of_two_bfd_profiles_one_goes_and_then_the_other():
    fast, slow = w.make_bfd("fast", receive_interval=50), w.make_bfd("slow", receive_interval=900)
    both, one = text(bfd_profiles=[fast, slow]), text(bfd_profiles=[slow])
    assert ("bfd", "profile fast", "receive-interval 50") in statements(both)
    assert ("bfd", "profile fast") not in statements(one)
    assert ("bfd", "profile slow", "receive-interval 900") in statements(one)
    # The last one goes as well, and no empty block stays behind.
    assert text() == CASES["empty"][1]


def test_the_same_session_twice_is_the_session_once():
    twin = w.make_peer("twin")
    one, two = (lines(text(peers, [AD], [WEB])) for peers in ([TOR], [TOR, twin]))
    assert one == two


def test_one_of_two_peers_with_one_session_closes_and_the_session_stays():
    twin = w.make_peer("twin")
    before, after = (compose.compose(w.plan(w.make_world(peers, [AD], [WEB]))) for peers in ([TOR, twin], [TOR]))
    assert delta.delta(before, after) == delta.Delta()


@pytest.mark.parametrize("ip", ["192.0.2.1/32", "192.0.2", "", "fe80::1%eth0", "0x0a000001", "one"])
def test_what_is_no_address_never_becomes_a_line(ip):
    good = text([TOR], [AD], [WEB])
    assert lines(text([TOR], [AD], [WEB, w.make_service("default/bad", ip)])) == lines(good)
    assert lines(text([TOR], [AD], [WEB, w.make_service("default/bad", "192.0.2.9", ip)])) == lines(good)
