"""What we render meets the real FRR: it reads every golden, runs what it read, and a router beyond a wire sees the result."""

import asyncio
import subprocess

import pytest

from frr_adapter import errors
from frr_adapter.boundary import completing, files, reload, vty
from frr_adapter.frr import reloading, render, show
from speaker.boundary import sidecar
from speaker.core import compose
from tests import bgp_world as w
from tests import cases
from tests.live import frr_pair

pytestmark = [
    pytest.mark.live,
    pytest.mark.frr,
    pytest.mark.skipif(bool(frr_pair.missing()), reason=frr_pair.missing() or "-"),
]

CASES = cases.read("render")
UP = """
router bgp 64512
 bgp router-id 10.99.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 neighbor 10.99.0.11 remote-as 64600
 neighbor 10.99.0.11 timers connect 1
 neighbor 10.99.0.11 bfd
 neighbor fd00:99::11 remote-as 64600
 neighbor fd00:99::11 timers connect 1
 neighbor fd00:99::11 password s3cret
 neighbor eth1 interface remote-as external
 neighbor eth1 timers connect 1
 address-family ipv4 unicast
  neighbor 10.99.0.11 activate
  neighbor eth1 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00:99::11 activate
  neighbor eth1 activate
 exit-address-family
exit
"""
PEERS = [
    w.make_peer("tor-4", address="10.99.0.1", bfd_profile="plain", connect_time=1, graceful_restart=True),
    w.make_peer("tor-6", address="fd00:99::1", connect_time=1, password="s3cret"),
    w.make_peer("spine", interface="eth1", dynamic_asn="external", connect_time=1),
]
WEB = w.make_service("default/web", "192.0.2.1", "2001:db8::1")
SHOP = w.make_service("default/shop", "192.0.2.2")


@pytest.fixture(scope="module")
def pair():
    with frr_pair.Pair() as made:
        yield made


@pytest.fixture
def applier(pair):
    return reload.ReloadApplier(pair.n1.frr_conf, pair.n1.frr_reload, files.read_templates())


def _composed(name):
    world, settings = w.from_yaml(CASES[name][0])
    return compose.compose(w.plan(world), **settings)


def _config(*services, ad=None, extras=""):
    ads = [ad or w.make_ad(communities=["64600:1"])]
    return compose.compose(
        w.plan(w.make_world(PEERS, ads, services, bfd_profiles=[w.make_bfd("plain")], extras=extras))
    )


def _reads(pair, text):
    path = pair.n1.directory / "case.conf"
    path.write_text(text)
    # vtysh -C parses every line against the commands of all daemons and touches none of them
    return subprocess.run([pair.n1.directory / "vtysh", "-C", "-f", path], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", CASES)
def test_frr_reads_every_golden(pair, name):
    read = _reads(pair, CASES[name][1])
    assert (read.returncode, read.stdout, read.stderr) == (0, "", "")


def test_frr_objects_to_a_bad_file(pair):
    read = _reads(pair, CASES["everything"][1].replace("set tag", "set tagg", 1))
    assert read.returncode != 0
    assert "Unknown command" in read.stdout + read.stderr


async def test_the_rendered_file_is_a_fixed_point_from_any_other(pair, applier):
    """After one reload the same file changes nothing, whatever ran before: all features on, then taken away again."""
    for name in ("everything", "session_settings", "debugging"):
        config = _composed(name)
        report = await applier.apply(config)
        assert report.changed
        assert report.remaining == reloading.Difference(), name
        assert await applier.apply(config) == reloading.ApplyReport(), name
        raw = frr_pair.run(pair.n1.frr_reload, "--test", pair.n1.frr_conf)
        assert not any(word in raw for word in ("neighbor", "network", "route-map", "profile", "router", "log")), name
    running = pair.n1.vtysh("show running-config")
    assert "route-map" not in running.replace("bgp route-map delay-timer 1", "")
    assert "remote-as" not in running


def _sessions(machine):
    found = show.sessions(machine.vtysh(show.BGP_NEIGHBORS))
    return {item.neighbor: item for item in found}


def _communities(pair, prefix="192.0.2.1/32"):
    paths = pair.up.show(f"show bgp ipv4 unicast {prefix} json").get("paths", [])
    return {path.get("community", {}).get("string") for path in paths}


async def test_life_of_services_over_real_sessions(pair, applier):
    pair.up.load(UP)
    await applier.apply(_config(WEB))
    routes = frr_pair.poll(pair.up.routes, lambda found: {"192.0.2.1", "2001:db8::1"} <= set(found))
    assert set(routes) == {"192.0.2.1", "2001:db8::1"}
    frr_pair.poll(
        lambda: {name: item.sent_prefixes for name, item in _sessions(pair.n1).items() if item.is_established},
        {"10.99.0.1": 1, "fd00:99::1": 1, "eth1": 2}.__eq__,
    )
    frr_pair.poll(
        lambda: show.bfd_sessions(pair.n1.vtysh(show.bfd_peers_command())),
        lambda found: [(item.peer, item.is_up) for item in found] == [("10.99.0.1", True)],
    )
    # The upstream may still reset a session while BFD settles; from here on nothing may.
    before = {name: item.connections_dropped for name, item in _sessions(pair.n1).items()}

    report = await applier.apply(_config(WEB, SHOP))
    assert report.changed.removed == ()
    (tag,) = {item.tag for item in _config(WEB).classes}
    added = f"router bgp 64600 / address-family ipv4 unicast / network 192.0.2.2/32  route-map class-{tag}"
    assert report.changed.added == (added,)
    frr_pair.poll(pair.up.routes, lambda found: "192.0.2.2" in found)

    assert _communities(pair) == {"64600:1"}
    report = await applier.apply(_config(WEB, SHOP, ad=w.make_ad(communities=["64600:2", "65535:65281"])))
    assert not any("network" in line for line in (*report.changed.removed, *report.changed.added))
    frr_pair.poll(lambda: _communities(pair), {"64600:2 no-export"}.__eq__)

    await applier.apply(_config(SHOP))
    frr_pair.poll(pair.up.routes, lambda found: set(found) == {"192.0.2.2"})
    after = _sessions(pair.n1)
    assert {name: item.connections_dropped for name, item in after.items()} == before
    assert all(item.is_established for item in after.values())
    assert {sample.value for sample in show.bgp_samples(after.values()) if sample.name == "metallb_bgp_session_up"} == {
        1
    }


REFUSED = [
    ("no such statement", "unknown command: no such statement"),
    (
        "router bgp 65001\n neighbor 10.99.0.77 remote-as 1\nexit",
        "already running; AS is 64600: router bgp 65001",
    ),
]


@pytest.mark.parametrize(("extras", "expected"), REFUSED)
async def test_a_refused_configuration_leaves_what_ran_before(pair, applier, extras, expected):
    await applier.apply(_config(WEB))
    file, running = pair.n1.frr_conf.read_text(), pair.n1.vtysh("show running-config")
    with pytest.raises(errors.ApplyError) as caught:
        await applier.apply(_config(WEB, SHOP, extras=f"{extras}\n"))
    assert expected in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert pair.n1.frr_conf.read_text() == file
    assert pair.n1.vtysh("show running-config") == running
    assert await applier.apply(_config(WEB)) == reloading.ApplyReport()


async def test_passwords_stay_out_of_reports_and_logs(pair, applier):
    await applier.apply(_composed("empty"))
    report = await applier.apply(_config(WEB))
    assert any("password ***" in line for line in report.changed.added)
    assert "s3cret" not in str(report)
    assert pair.n1.frr_conf.stat().st_mode & 0o777 == 0o600
    assert "s3cret" in render.render(_config(WEB), files.read_templates())


async def test_a_killed_daemon_is_noticed_and_everything_is_applied_anew(pair, applier):
    """EOF on the idle connection says "down"; once all answer again, applying the same anew restores everything.

    The policies too, which a comparison of the whole FRR does not miss: zebra still shows them.
    """
    pair.up.load(UP)
    applier = completing.CompletingApplier(applier, pair.n1.directory, files.read_templates())
    await applier.apply(_config(WEB))
    happened = asyncio.Queue()
    watcher = sidecar.Sidecar(pair.n1.directory)
    task = asyncio.create_task(watcher.watch(lambda _: happened.put_nowait("down"), lambda: happened.put_nowait("up")))
    try:
        assert await asyncio.wait_for(happened.get(), 5) == "up"
        pair.n1.kill("bgpd")
        assert await asyncio.wait_for(happened.get(), 5) == "down"
        with pytest.raises(errors.ApplyError, match=r"bgpd\.vty: no connection: "):
            await applier.apply(_config(WEB))
        pair.n1.start("bgpd")
        # Each reason is told: it went away, nobody listens.
        while await asyncio.wait_for(happened.get(), 5) != "up":
            pass
        await applier.apply(_config(WEB))
        frr_pair.poll(pair.up.routes, lambda found: "192.0.2.1" in found)
        assert await applier.apply(_config(WEB)) == reloading.ApplyReport()
    finally:
        task.cancel()


async def test_the_vty_client_speaks_to_a_real_daemon(pair):
    connection = await vty.Vty.connect(pair.n1.directory / "bgpd.vty")
    try:
        assert show.sessions(await connection.show(show.BGP_NEIGHBORS))
        assert (await connection.execute("no such command")).status == 2
        with pytest.raises(errors.ApplyError, match="Unknown command: show nothing"):
            await connection.show("show nothing")
    finally:
        connection.close()
