"""Hazards of FRR around sessions and restarts: each is shown on this FRR, and then that our way is free of it."""

import re

from frr_adapter.boundary import reload
from frr_adapter.frr import reloading
from tests.live import applied_node, frr_pair, hazard_segment, raw_frr
from tests.live import segment_bgp as s

pytestmark = s.MARKS
net, stage = hazard_segment.net, hazard_segment.stage

UP = {"up": {"address": "10.99.0.1"}}
DUAL = {"up": {"address": "10.99.0.1", "dual_stack_address_family": True}}
WEB = {"web": ["192.0.2.1", "2001:db8::1"]}
MANY = {f"s{n}": [f"192.0.2.{n}", f"2001:db8::{n:x}"] for n in range(1, 101)}


def prefixes(services, *, both=True):
    texts = [ip for ips in services.values() for ip in ips]
    return {f"{ip}/{128 if ':' in ip else 32}" for ip in texts if both or ":" not in ip}


async def test_a_neighbor_is_met_before_it_is_complete(stage):
    """A router that connects eagerly meets the state between two lines, and the session is reset by the next one."""
    with raw_frr.recorder(stage.up, eager=True) as router:
        stage.raw(*hazard_segment.ACTIVE)
        frr_pair.poll(lambda: router.lines("open"), bool)
        stage.raw("router bgp 64600", "address-family ipv6 unicast", "neighbor 10.99.0.1 activate")
        frr_pair.poll(lambda: [line["families"] for line in router.lines("open")][-1], ["ipv4", "ipv6"].__eq__)
        # FRR 10 even opens with no family at all, FRR 8 with the first one; BIRD answers such a one with a pause of a minute.
        assert router.lines("open")[0]["families"] in ([], ["ipv4"])
        assert router.lines("closed")

    stage.anew()
    await stage.node.apply(applied_node.wanted({"other": {"address": "10.99.0.2"}}, WEB))
    with raw_frr.recorder(stage.up, eager=True) as router:
        both = {**DUAL, "other": {"address": "10.99.0.2"}}
        assert (await stage.node.apply(applied_node.wanted(both, WEB))).way is reloading.Way.HOT
        router.until(prefixes(WEB))
        # More than one where both sides called at the same time.
        assert all(line["families"] == ["ipv4", "ipv6"] for line in router.lines("open"))


def before_end_of_rib(router):
    """Which IPv4 prefixes the last session told before it said that this was all (RFC 4724)."""
    told, family = set(), {"ipv4"}
    for line in router.lines("open", "update", "end-of-rib"):
        if line["event"] == "open":
            told = set()
        elif line["event"] == "update":
            told |= {each for each in line["announced"] if ":" not in each}
        elif line["family"] in family:
            return told
    return None


async def test_a_session_that_opens_before_its_prefixes_says_too_early_that_this_was_all(stage):
    """A router that kept routes over a restart throws away what it has not been told again by then."""
    with raw_frr.recorder(stage.up, eager=True) as router:
        stage.raw(*hazard_segment.ACTIVE)
        frr_pair.poll(lambda: before_end_of_rib(router), lambda found: found == set())
        stage.raw("router bgp 64600", "address-family ipv4 unicast", "network 192.0.2.1/32")
        frr_pair.poll(router.prefixes, {"192.0.2.1/32"}.__eq__)

    stage.anew()
    await stage.node.apply(applied_node.wanted(DUAL, MANY))
    with raw_frr.recorder(stage.up, eager=True) as router:
        router.until(prefixes(MANY))
        assert before_end_of_rib(router) == prefixes(MANY, both=False)
        assert stage.commands().index("no neighbor 10.99.0.1 shutdown") > max(
            at for at, text in enumerate(stage.commands()) if text.startswith("network ")
        )


async def test_a_bgpd_that_restarted_alone_seems_to_have_its_policies(stage):
    """zebra (mgmtd) shows route-maps too, and frr-reload.py looks at all daemons as one."""
    settings = applied_node.wanted(UP, WEB)
    await stage.node.apply(settings)
    stage.anew()
    bare = reload.ReloadApplier(stage.n1.frr_conf, stage.n1.frr_reload, applied_node.TEMPLATES)
    with raw_frr.recorder(stage.up) as router:
        report = await bare.apply(settings)
        assert any("network 192.0.2.1/32" in line for line in report.changed.added)
        assert not any("route-map 10.99.0.1-out permit" in line for line in report.changed.added)
        frr_pair.poll(lambda: router.lines("end-of-rib"), bool)
        assert not any(line.startswith("route-map ") for line in raw_frr.running(stage.n1))
        assert router.ever() == set()

    stage.anew()
    with raw_frr.recorder(stage.up) as router:
        await stage.node.apply(settings)
        router.until({"192.0.2.1/32"})
        assert any(line.startswith("route-map 10.99.0.1-out permit") for line in raw_frr.running(stage.n1))


ADDED = (
    "update-source 10.99.0.11",
    "port 179",
    "disable-connected-check",
    "ebgp-multihop 255",
    "capability extended-nexthop",
)
"""What this session does anyway, or does not need; some are defaults spelled out."""


async def test_lines_that_reset_a_session_although_nothing_changes(stage):
    resets = {}
    with raw_frr.recorder(stage.up) as router:
        stage.raw(*hazard_segment.ACTIVE, "network 192.0.2.1/32")
        for words in ("timers 10 30", *ADDED):
            router.until({"192.0.2.1/32"})
            before, at = len(router.lines("closed")), f"192.0.2.{100 + len(resets)}/32"
            stage.raw("router bgp 64600", f"neighbor 10.99.0.1 {words}", "address-family ipv4 unicast", f"network {at}")
            router.until({"192.0.2.1/32", at})
            resets[words] = len(router.lines("closed")) - before
            stage.raw("router bgp 64600", "address-family ipv4 unicast", f"no network {at}")
    assert resets == {"timers 10 30": 0, **dict.fromkeys(ADDED, 1)}

    stage.anew()
    peer = {"address": "10.99.0.1", "port": 179, "source_address": "10.99.0.11", "ebgp_multihop": True, "hold_time": 30}
    peer["keepalive_time"] = 10
    marks = r"neighbor \S+ (update-source|ebgp-multihop|port|disable-connected-check|capability|password|local-as)"

    def sent():
        return [text for text in stage.commands() if re.match(marks, text)]

    with raw_frr.recorder(stage.up) as router:
        await stage.node.apply(applied_node.wanted({"up": peer}, {"web": ["192.0.2.1"]}))
        router.until({"192.0.2.1/32"})
        first = sent()
        assert "neighbor 10.99.0.1 update-source 10.99.0.11" in first
        assert len(first) == 2, "no default is spelled out"
        timed = {**peer, "keepalive_time": 5}
        # Over the sockets; after a restart of the speaker; the same with another difference.
        for n, (each, forget) in enumerate([(timed, False), (timed, True), (peer, True)], 2):
            if forget:
                stage.node.forget()
            await stage.node.apply(applied_node.wanted({"up": each}, {"web": ["192.0.2.1"], "more": [f"192.0.2.{n}"]}))
            router.until({"192.0.2.1/32", f"192.0.2.{n}/32"})
        assert sent() == first
        assert not router.lines("closed")


async def test_graceful_restart_lines_are_words_to_one_version_and_a_reset_to_the_other(stage):
    newer = stage.n1.frr.mgmtd
    with raw_frr.recorder(stage.up) as router:
        stage.raw(*hazard_segment.ACTIVE, "network 192.0.2.1/32")
        router.until({"192.0.2.1/32"})
        before = len(router.lines("closed"))
        told = stage.raw("router bgp 64600", "neighbor 10.99.0.1 graceful-restart")
        assert "reset this peer to take effect" in told[-1].text, "words, although nothing is wrong"
        stage.raw("router bgp 64600", "address-family ipv4 unicast", "network 192.0.2.2/32")
        router.until({"192.0.2.1/32", "192.0.2.2/32"})
        assert len(router.lines("closed")) == before + newer

    stage.anew()
    plain, restarting = UP, {"up": {"address": "10.99.0.1", "graceful_restart": True}}
    with raw_frr.recorder(stage.up) as router:
        await stage.node.apply(applied_node.wanted(plain, WEB))
        router.until({"192.0.2.1/32"})
        report = await stage.node.apply(applied_node.wanted(restarting, {"more": ["192.0.2.2"], **WEB}))
        assert (report.way, len(report.resets)) == (reloading.Way.HOT, newer)
        router.until({"192.0.2.1/32", "192.0.2.2/32"})
        assert len(router.lines("closed")) == newer
        # The same again: nothing is said, and nothing happens.
        stage.node.forget()
        await stage.node.apply(applied_node.wanted(restarting, WEB))
        router.until({"192.0.2.1/32"})
        assert len(router.lines("closed")) == newer
