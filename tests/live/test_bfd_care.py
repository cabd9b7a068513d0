"""Hazards of BFD, each shown without the care that is taken, then gone with it. BIRD and FRR are the routers.

The node runs everything that the speaker runs around FRR: the applier, the care, the observer.
"""

import contextlib
import shutil
import subprocess

import pytest

from frr_adapter.frr import bfd_care as rules
from frr_adapter.frr import reloading
from tests.live import applied_node, frr_pair
from tests.live import segment_bgp as s
from tests.live.cared_node import Node, lasts, until

pytestmark = s.MARKS

PEER = "10.99.0.1"
KEY = ("default", PEER)
IS_FRR_10 = not frr_pair.missing() and s.frr_install.find().mgmtd
BIRD = """
log "{directory}/bird.log" all;
debug protocols {{ states, events }};
router id 10.99.0.1;
protocol device {{ }}
protocol bfd {{ interface "eth0" {{ min rx interval 100 ms; min tx interval 100 ms; multiplier 5; }}; }}
protocol bgp node {{
  local 10.99.0.1 as 64512;
  neighbor 10.99.0.11 as 64600;
  bfd on;
  connect retry time 1;
  ipv4 {{ import all; export none; }};
}}
"""


def router(*settings):
    return s.router(64512, PEER, s.Toward("10.99.0.11", settings))


def wanted(*, bfd=True):
    peer = {"address": PEER, "bfd_profile": "usual" if bfd else ""}
    return applied_node.wanted({"up": peer}, {"web": ["192.0.2.1"]}, bfd={"usual": {}})


@pytest.fixture
def net():
    with s.Segment("n1", "up") as made:
        made.start("n1", s.BGP_AND_BFD)
        yield made


@pytest.fixture
def frr_net(net):
    net.start("up", s.BGP_AND_BFD)
    return net


@contextlib.contextmanager
def bird(machine):
    configuration = machine.directory / "bird.conf"
    configuration.write_text(BIRD.format(directory=machine.directory))
    command = ["ip", "netns", "exec", machine.namespace, "bird", "-f", "-c", configuration]
    process = subprocess.Popen([*command, "-s", machine.directory / "bird.ctl"])
    try:
        yield machine.directory / "bird.log"
    finally:
        process.kill()
        process.wait()


def is_up_with_bfd(node):
    return node.session().is_established and node.bfd() == ["up"]


# ---- A neighbor that takes the first BFD session for a failure ----

needs_bird = pytest.mark.skipif(shutil.which("bird") is None, reason="needs BIRD")


async def meet(net, *, care, late):
    """The node and BIRD meet for the first time; BIRD comes `late` seconds after the node, or before it. Whether they get along."""
    async with Node(net["n1"], care=care).running() as node, contextlib.AsyncExitStack() as stack:
        node.restart("bgpd", "bfdd")
        if late is None:
            log = stack.enter_context(bird(net["up"]))
            await until(log.exists)
        await node.apply(wanted())
        if late is not None:
            if care:
                assert "BFD with profile usual follows" in net["n1"].frr_conf.read_text()
                assert node.metric("frr_adapter_bfd_held") == [1]
            assert await lasts(lambda: True, late)
            log = stack.enter_context(bird(net["up"]))
            await until(log.exists)
        if care:
            await until(lambda: is_up_with_bfd(node), 10)
        assert await until(lambda: "Startup delayed" in log.read_text() or is_up_with_bfd(node))
        is_up = await lasts(lambda: is_up_with_bfd(node), 2)
        if care:
            assert (node.session().connections_established, node.session().connections_dropped) == (1, 0)
            assert (node.outcomes[-1].way, node.outcomes[-1].resets) == (reloading.Way.HOT, ())
            assert node.metric("frr_adapter_bfd_held") == []
            assert " neighbor 10.99.0.1 bfd profile usual\n" in net["n1"].frr_conf.read_text()
        assert is_up != ("Startup delayed by 60 seconds due to errors" in log.read_text())
        return is_up


@needs_bird
async def test_without_care_bird_refuses_us_for_a_minute(net):
    for late in (None, 2, 4, None, 6, None, 3, 5):  # it is a race
        if not await meet(net, care=False, late=late):
            return
    pytest.fail("the hazard did not show")


@needs_bird
async def test_with_care_bird_has_the_session_at_once_and_then_bfd(net):
    for late in (None, 2, None):
        assert await meet(net, care=True, late=late)


# ---- A router that demands BFD ----


@pytest.mark.skipif(not IS_FRR_10, reason="FRR before 10 lets a session come up whatever BFD says")
async def test_a_router_that_demands_bfd_does_not_lock_a_rebooted_node_out(frr_net):
    frr_net["up"].load(router("bfd"))
    async with Node(frr_net["n1"]).running() as node:
        await node.apply(wanted())
        await until(lambda: is_up_with_bfd(node))
        node.restart("bgpd", "bfdd")
    async with Node(frr_net["n1"], care=False).running() as node:
        await node.apply(rules.held(wanted(), rules.NOTHING_SEEN))
        assert await lasts(lambda: not node.session().is_established, 8), "the hazard: it never comes up without BFD"
        node.restart("bgpd", "bfdd")
    async with Node(frr_net["n1"]).running() as node:
        await node.apply(wanted())
        await until(lambda: is_up_with_bfd(node), 15)


# ---- A speaker that starts anew ----


async def test_a_new_speaker_leaves_bfd_where_it_is(frr_net):
    frr_net["up"].load(router("bfd"))
    async with Node(frr_net["n1"]).running() as node:
        await node.apply(wanted())
        await until(lambda: is_up_with_bfd(node))
    before = frr_net["n1"].vtysh("show running-config")
    async with Node(frr_net["n1"]).running() as node:
        await node.apply(wanted())
        (outcome,) = node.outcomes
        assert outcome.changed == reloading.Difference()
        assert node.session().connections_dropped == 0
    assert frr_net["n1"].vtysh("show running-config") == before


async def test_a_session_that_goes_down_keeps_bfd(frr_net):
    frr_net["up"].load(router("bfd"))
    async with Node(frr_net["n1"]).running() as node:
        await node.apply(wanted())
        await until(lambda: is_up_with_bfd(node))
        applied = len(node.outcomes)
        frr_net["up"].vtysh("clear bgp *")
        await until(lambda: node.session().connections_dropped == 1 and is_up_with_bfd(node))
        assert len(node.outcomes) == applied


# ---- bfdd forgets ----


def has_lost_it(node):
    """Whether bgpd counts on a BFD session that bfdd does not have."""
    return node.session().bfd == "Up" and node.bfd() == []


async def lose(node):
    """How often it takes depends on who is asked first after zebra is back."""
    for _ in range(5):
        await until(lambda: is_up_with_bfd(node))
        node.machine.kill("zebra")
        assert await lasts(lambda: True, 0.5)
        node.machine.start("zebra")
        if not await lasts(lambda: not has_lost_it(node), 13):
            return
    pytest.fail("the hazard did not show")


async def test_without_care_bfd_is_lost_when_zebra_restarts(frr_net):
    frr_net["up"].load(router("bfd"))
    async with Node(frr_net["n1"], care=False).running() as node:
        await node.apply(wanted())
        await until(lambda: is_up_with_bfd(node))
        await lose(node)
        await node.apply(wanted())
        assert await lasts(lambda: node.bfd() != ["up"], rules.ABSENT_SECONDS + 5)
        assert node.session().is_established != IS_FRR_10, "FRR 10 as the router does not even let BGP come up again"


async def test_with_care_bfd_comes_back(frr_net):
    frr_net["up"].load(router("bfd"))
    async with Node(frr_net["n1"]).running() as node:
        await node.apply(wanted())
        await until(lambda: is_up_with_bfd(node))
        await lose(node)
        await node.apply(wanted())
        await until(lambda: is_up_with_bfd(node), rules.ABSENT_SECONDS + 10)
        assert node.metric("frr_adapter_bfd_repairs_total") == [1]
        drops = node.session().connections_dropped
        assert await lasts(lambda: is_up_with_bfd(node), rules.ABSENT_SECONDS + 2)
        assert node.metric("frr_adapter_bfd_repairs_total") == [1]
        assert node.session().connections_dropped == drops


# ---- BFD on one side ----


async def test_bfd_on_one_side_only_is_told_once(frr_net, caplog):
    frr_net["up"].load(router())
    async with Node(frr_net["n1"]).running() as node:
        await node.apply(wanted())
        await until(lambda: node.session().is_established and node.session().bfd)
        assert node.metric("frr_adapter_bfd_one_sided") == []
        await until(lambda: node.metric("frr_adapter_bfd_one_sided") == [1], rules.ONE_SIDED_SECONDS + 5)
        assert node.metric("metallb_bfd_session_up") == [0]
        frr_net["up"].load(router("bfd"))
        await until(lambda: node.metric("frr_adapter_bfd_one_sided") == [])
        assert node.metric("metallb_bfd_session_up") == [1]
