"""What is asked of FRR all the time, between daemons that are ours: looks, metrics, care of BFD, and how long changes take.

tests/live asks the real FRR.
"""

import asyncio
import contextlib
import json

import pytest

from frr_adapter import errors
from frr_adapter.boundary import bgp_metrics, metrics
from frr_adapter.frr import advertised, bfd_care, config, reloading, show
from speaker import values
from speaker.boundary import applying, measuring, observing
from speaker.boundary import bfd_care as caring


class Daemon:
    """Answers from a table; keeps what it heard."""

    def __init__(self, path):
        self.path = path
        self.answers = {}
        self.heard = []
        self.writers = []

    async def start(self):
        self.server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self):
        self.server.close()
        for writer in self.writers:
            writer.close()
        self.writers.clear()
        self.path.unlink(missing_ok=True)
        await self.server.wait_closed()

    async def _serve(self, reader, writer):
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                command = (await reader.readuntil(b"\0"))[:-1].decode()
                self.heard.append(command)
                answer = self.answers.get(command, "")
                status = 13 if answer == "no" else 0
                writer.write((answer if isinstance(answer, str) else json.dumps(answer)).encode())
                writer.write(b"\0\0\0" + bytes([status]))
        writer.close()


def neighbor(state="Established", *, bfd="", port=179, **fields):
    found = {"bgpState": state, "portForeign": port, **fields}
    return {**found, "peerBfdInfo": {"status": bfd}} if bfd else found


def neighbors(**found):
    return {"default": {"vrfId": 0, "vrfName": "default", **{k.replace("_", "."): v for k, v in found.items()}}}


UP = [{"peer": "10.99.0.1", "vrf": "default", "status": "up"}]
COUNTERS = [{"peer": "10.99.0.1", "vrf": "default", "control-packet-input": 7}]


class World:
    def __init__(self, directory):
        self.bgpd, self.bfdd = Daemon(directory / "bgpd.vty"), Daemon(directory / "bfdd.vty")
        self.bfdd.answers = {show.bfd_peers_command(): UP, show.bfd_counters_command(): COUNTERS}
        self.registry = metrics.Metrics()
        self.looks = []
        shown = bgp_metrics.SessionMetrics(self.registry)
        self.observing = observing.Observing(directory, self.looks.append, shown)
        self.directory = directory

    def says(self, **found):
        self.bgpd.answers[show.BGP_NEIGHBORS] = neighbors(**found)

    def metric(self, name):
        lines = self.registry.render().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{")}

    async def until(self, holds):
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.005)


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    await made.bgpd.start()
    await made.bfdd.start()
    yield made
    await made.bgpd.stop()
    await made.bfdd.stop()


@contextlib.asynccontextmanager
async def running(*coroutines):
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        yield
        assert not [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_look_becomes_an_observation_and_metrics(world):
    world.says(
        **{
            "10_99_0_1": neighbor(bfd="Up", addressFamilyInfo={"ipv4Unicast": {"sentPrefixCounter": 3}}),
            "eth1": neighbor("Active", port=-1, messageStats={"opensSent": 2}),
        }
    )
    async with running(world.observing.run()):
        await world.until(lambda: world.looks)
        observation = world.looks[0].observation
        assert [item.neighbor for item in observation.bgp] == ["10.99.0.1", "eth1"]
        assert [item.is_up for item in observation.bfd] == [True]
        assert world.observing.has_session()
        tor, eth = 'peer="10.99.0.1:179",vrf="default"', 'peer="eth1",vrf="default"'
        assert world.metric("metallb_bgp_session_up") == {
            f"metallb_bgp_session_up{{{tor}}}": 1,
            f"metallb_bgp_session_up{{{eth}}}": 0,
        }
        assert (
            world.metric("metallb_bgp_announced_prefixes_total")[f"metallb_bgp_announced_prefixes_total{{{tor}}}"] == 3
        )
        assert world.metric("metallb_bgp_opens_sent")[f"metallb_bgp_opens_sent{{{eth}}}"] == 2
        of_bfd = '{peer="10.99.0.1",vrf="default"}'
        assert world.metric("metallb_bfd_session_up") == {f"metallb_bfd_session_up{of_bfd}": 1}
        assert world.metric("metallb_bfd_control_packet_input") == {f"metallb_bfd_control_packet_input{of_bfd}": 7}
        rendered = world.registry.render().decode()
        assert "# TYPE metallb_bgp_opens_sent counter\n" in rendered
        assert "# TYPE metallb_bgp_updates_total counter\n" in rendered
        assert "# TYPE metallb_bgp_updates_total_received counter\n" in rendered
        assert "# TYPE metallb_bgp_announced_prefixes_total gauge\n" in rendered


async def test_every_vrf_is_asked_about_bfd(world):
    world.bgpd.answers[show.BGP_NEIGHBORS] = {"red": {"10.99.0.1": neighbor(bfd="Up")}}
    world.bfdd.answers[show.bfd_peers_command("red")] = [{"peer": "10.99.0.1", "vrf": "red", "status": "up"}]
    async with running(world.observing.run()):
        await world.until(lambda: world.looks)
        assert [item.vrf for item in world.looks[0].bfd] == ["default", "red"]
        assert world.looks[0].is_settled


async def test_series_of_a_neighbor_that_is_gone_disappear(world):
    world.says(**{"10_99_0_1": neighbor("Active"), "10_99_0_2": neighbor()})
    async with running(world.observing.run()):
        await world.until(lambda: world.looks)
        assert len(world.metric("metallb_bgp_session_up")) == 2
        world.says(**{"10_99_0_2": neighbor()})
        world.observing.soon()
        await world.until(lambda: len(world.metric("metallb_bgp_session_up")) == 1)


async def test_without_daemons_there_is_nothing_and_with_them_there_is_again(world):
    world.says(**{"10_99_0_1": neighbor()})
    async with running(world.observing.run()):
        await world.until(lambda: world.looks)
        await world.bgpd.stop()
        world.observing.soon()
        await world.until(lambda: world.looks[-1].sessions is None)
        assert world.looks[-1].observation == values.NOTHING_OBSERVED
        assert world.metric("metallb_bgp_session_up") == {}
        await world.bgpd.start()
        await world.until(lambda: world.looks[-1].sessions)
        assert len(world.metric("metallb_bgp_session_up")) == 1


async def test_without_bfdd_there_are_still_bgp_sessions(world):
    world.says(**{"10_99_0_1": neighbor()})
    await world.bfdd.stop()
    async with running(world.observing.run()):
        await world.until(lambda: world.looks)
        assert (len(world.looks[0].sessions), world.looks[0].bfd) == (1, None)
    await world.bfdd.start()


@pytest.mark.parametrize(("answer", "sessions"), [("{\n}\n", ()), ("% what", None), ("", ())])
async def test_no_bgp_instance_means_no_sessions_and_other_words_mean_nothing(world, answer, sessions):
    world.bgpd.answers[show.BGP_NEIGHBORS] = answer
    async with running(world.observing.run()):
        await world.until(lambda: world.looks)
        assert world.looks[0].sessions == sessions


async def test_settled_sessions_are_asked_about_seldom_but_often_while_somebody_reads_the_metrics(world):
    world.says(**{"10_99_0_1": neighbor(bfd="Up")})
    clock = asyncio.get_running_loop().time
    async with running(world.observing.run()):
        await world.until(lambda: world.looks)
        started = clock()
        world.observing.scraped()
        await world.until(lambda: len(world.looks) == 3)
        assert clock() - started < observing.UNSETTLED_SECONDS + observing.QUICK_SECONDS + 0.5


async def test_a_session_that_comes_and_goes_is_logged_once(world, capsys):
    async def see(found):
        world.says(**{"10_99_0_1": found})
        for _ in range(2):  # the first of them may have begun before
            before = len(world.looks)
            world.observing.soon()
            await world.until(lambda before=before: len(world.looks) > before)

    async with running(world.observing.run()):
        await see(neighbor("Active"))
        await see(neighbor(remoteAs=64512))
        await see(neighbor("Idle", lastResetDueTo="Hold Timer Expired"))
        await see(neighbor(connectionsDropped=1))
        await see(neighbor(connectionsDropped=2, lastResetDueTo="Admin. reset"))
    said = [line for line in capsys.readouterr().out.splitlines() if "BGP session" in line]
    words = ["BGP session up", "BGP session down", "BGP session up", "BGP session was reset"]
    assert [next(word for word in words if word in line) for line in said] == words
    assert "Hold Timer Expired" in said[1]
    assert "Admin. reset" in said[3]


# ---- Care of BFD ----

KEY = ("default", "10.99.0.1")


def settings(*, bfd=True):
    one = config.Neighbor(("tor",), "10.99.0.1", "64512", bfd_profile="fast" if bfd else None)
    return config.FrrConfig("n1", routers=(config.Router(64600, neighbors=(one,)),))


class Inner:
    """The applier inside."""

    def __init__(self):
        self.applied = []
        self.forgot = 0

    def forget(self):
        self.forgot += 1

    async def apply(self, wanted):
        self.applied.append(wanted)
        return reloading.ApplyReport()


@pytest.fixture
def care(world):
    inner = Inner()
    made = caring.BfdCare(inner, world.directory, bgp_metrics.BfdCareMetrics(world.registry))
    made.inner = inner
    return made


def session(state="Established", bfd=""):
    return show.Session("default", "10.99.0.1", state, bfd=bfd)


async def test_the_same_configuration_is_given_again_once_a_session_was_up(world, care):
    again = []
    care.connect(lambda: again.append(1))
    world.says(**{"10_99_0_1": neighbor("Active")})
    await care.apply(settings())
    assert care.inner.applied[-1] == bfd_care.held(settings(), bfd_care.NOTHING_SEEN)
    care.observed((session("Active"),), ())
    care.observed(None, None)
    assert not again
    care.observed((session(),), ())
    care.observed((session(),), ())
    assert again == [1]
    await care.apply(settings())
    assert care.inner.applied[-1] == settings()


async def test_what_runs_is_asked_before_anything_is_held_back(world, care):
    world.says(**{"10_99_0_1": neighbor("Active", bfd="Down")})
    await care.apply(settings())
    assert care.inner.applied == [settings()]
    care.forget()
    assert care.inner.forgot == 1
    world.bgpd.answers[show.BGP_NEIGHBORS] = "{}"
    await care.apply(settings())
    assert care.inner.applied[-1] != settings()


async def test_a_late_look_at_an_earlier_life_of_frr_releases_nothing(world, care):
    world.says(**{"10_99_0_1": neighbor(bfd="Up")})
    await care.apply(settings())
    assert care.inner.applied == [settings()]
    care.forget()
    care.observed((session(bfd="Up"),), None)
    world.says(**{"10_99_0_1": neighbor("Active")})
    await care.apply(settings())
    assert care.inner.applied[-1] != settings()
    care.observed((session(),), None)
    await care.apply(settings())
    assert care.inner.applied[-1] == settings()


async def test_nothing_is_applied_when_frr_goes_away_while_it_is_asked(world, care):
    world.says(**{"10_99_0_1": neighbor(bfd="Up")})
    task = asyncio.create_task(care.apply(settings()))
    await asyncio.sleep(0)
    care.forget()
    with pytest.raises(errors.ApplyError, match="went away"):
        await task
    assert care.inner.applied == []


async def test_bgpd_is_not_asked_where_nobody_wants_bfd_or_everybody_has_it(world, care):
    await care.apply(settings(bfd=False))
    assert world.bgpd.heard == []
    world.says(**{"10_99_0_1": neighbor()})
    await care.apply(settings())
    heard = len(world.bgpd.heard)
    await care.apply(settings())
    assert len(world.bgpd.heard) == heard


async def test_nothing_is_applied_while_bgpd_does_not_say_what_it_has(world, care):
    world.bgpd.answers[show.BGP_NEIGHBORS] = "% what"
    with pytest.raises(errors.ApplyError, match=r"bgpd.vty: show bgp vrf all neighbors json"):
        await care.apply(settings())
    await world.bgpd.stop()
    with pytest.raises(errors.ApplyError):
        await care.apply(settings())
    assert care.inner.applied == []
    await world.bgpd.start()


async def test_what_bfdd_lost_is_told_anew(world, care, monkeypatch):
    monkeypatch.setattr(bfd_care, "ABSENT_SECONDS", 0.0)
    world.says(**{"10_99_0_1": neighbor(bfd="Up")})
    await care.apply(settings())
    world.bgpd.heard.clear()
    lines = ["no neighbor 10.99.0.1 bfd", "neighbor 10.99.0.1 bfd", "neighbor 10.99.0.1 bfd profile fast"]
    inside = ["end", "configure terminal", "router bgp 64600"]
    name = 'frr_adapter_bfd_repairs_total{peer="10.99.0.1",vrf="default"}'
    async with running(care.run()):
        care.observed((session(bfd="Up"),), ())
        await world.until(lambda: world.metric("frr_adapter_bfd_repairs_total") == {name: 1})
        assert world.bgpd.heard == ["enable", *(word for line in lines for word in (*inside, line)), "end"]


async def test_a_refused_line_is_no_repair(world, care, monkeypatch, capsys):
    monkeypatch.setattr(bfd_care, "ABSENT_SECONDS", 0.0)
    world.says(**{"10_99_0_1": neighbor(bfd="Up")})
    world.bgpd.answers["neighbor 10.99.0.1 bfd"] = "no"
    await care.apply(settings())
    said = ""
    async with running(care.run()), asyncio.timeout(10):
        care.observed((session(bfd="Up"),), ())
        while "bgpd refused" not in said:
            said += capsys.readouterr().out
            await asyncio.sleep(0.005)
    assert "neighbor 10.99.0.1 bfd: no" in said
    assert world.metric("frr_adapter_bfd_repairs_total") == {}


async def test_one_side_only_is_logged_once(world, care, monkeypatch, capsys):
    monkeypatch.setattr(bfd_care, "ONE_SIDED_SECONDS", 0.0)
    world.says(**{"10_99_0_1": neighbor(bfd="Down")})
    await care.apply(settings())
    bfd = (show.BfdSession("10.99.0.1", status="down"),)
    for _ in range(3):
        care.observed((session(bfd="Down"),), bfd)
    assert capsys.readouterr().out.count("BGP is up without BFD") == 1
    assert list(world.metric("frr_adapter_bfd_one_sided").values()) == [1]
    care.observed(None, None)
    assert world.metric("frr_adapter_bfd_one_sided") == {}
    care.observed((session(bfd="Up"),), (show.BfdSession("10.99.0.1", status="up"),))
    assert world.metric("frr_adapter_bfd_one_sided") == {}


async def test_applying_gives_the_same_again_when_asked(world, care):
    outcomes = []
    made = applying.Applying(care, outcomes.append)
    care.connect(made.again)
    world.says(**{"10_99_0_1": neighbor("Active")})
    async with running(made.run()):
        made.up()
        made.want(settings())
        await world.until(lambda: len(outcomes) == 1)
        care.observed((session(),), ())
        await world.until(lambda: len(outcomes) == 2)
        assert care.inner.applied[-1] == settings()
        assert made.is_applied


# ---- How long it takes ----

BEFORE = config.FrrConfig("n1")
NETWORK = "router bgp 64600 / address-family ipv4 unicast / network 192.0.2.1/32 route-map class-1"
REPORT = reloading.ApplyReport(reloading.Difference(added=(NETWORK,)))


def seconds(world, name):
    return sum(world.metric(f"frr_adapter_bgp_event_{name}_seconds_bucket").values()) > 0


async def test_a_prefix_is_followed_until_a_neighbor_was_told(world):
    made = measuring.Measuring(world.directory, lambda: True, bgp_metrics.EventMetrics(world.registry))
    question = "show bgp ipv4 unicast 192.0.2.1/32 json"
    world.bgpd.answers[question] = {"prefix": "192.0.2.1/32"}
    async with running(made.run()):
        made.landed(REPORT, BEFORE, asyncio.get_running_loop().time())
        assert seconds(world, "applied")
        await world.until(lambda: world.bgpd.heard.count(question) > 3)
        assert not seconds(world, "advertised")
        world.bgpd.answers[question] = {"advertisedTo": {"10.99.0.1": {}}}
        await world.until(lambda: seconds(world, "advertised"))
        asked = world.bgpd.heard.count(question)
        made.landed(reloading.ApplyReport(), BEFORE, asyncio.get_running_loop().time())
        made.landed(REPORT, BEFORE, asyncio.get_running_loop().time())
        await world.until(lambda: world.bgpd.heard.count(question) > asked)


async def test_nobody_is_asked_while_no_session_is_up(world):
    made = measuring.Measuring(world.directory, lambda: False, bgp_metrics.EventMetrics(world.registry))
    async with running(made.run()):
        made.landed(REPORT, BEFORE, 0.0)
        await asyncio.sleep(0)
        assert seconds(world, "applied")
    assert world.bgpd.heard == []


async def test_asking_has_an_end_and_survives_a_daemon_that_goes(world, monkeypatch):
    monkeypatch.setattr(measuring, "LIMIT_SECONDS", 0.05)
    made = measuring.Measuring(world.directory, lambda: True, bgp_metrics.EventMetrics(world.registry))
    question = advertised.new_prefix(BEFORE, (NETWORK,)).question
    async with running(made.run()):
        for answer in ({}, "% what", "no", {}):
            world.bgpd.answers[question] = answer
            asked = world.bgpd.heard.count(question)
            await world.until(lambda: made.is_idle)
            made.landed(REPORT, BEFORE, 0.0)
            await world.until(lambda asked=asked: world.bgpd.heard.count(question) > asked)
        await world.until(lambda: made.is_idle)
    assert not seconds(world, "advertised")
