"""The hot applier between daemons that are ours: what it sends, what it does when they refuse, differ, go away or come back.

tests/live asks the real FRR.
"""

import asyncio
import contextlib
import dataclasses
import re

import pytest

from frr_adapter import errors
from frr_adapter.boundary import files, hot, metrics
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import reloading, statements
from frr_adapter.frr.grammar import Daemon, Line
from speaker import values
from speaker.core import compose
from tests import bgp_world as w
from tests import frr_interpreter
from tests.fakes import frr_applier

TEMPLATES = files.read_templates()
HOT, RELOAD = reloading.Way.HOT, reloading.Way.RELOAD


class Vty:
    """One daemon: the interpreter behind a socket. `refuses` and `says` are about lines that hold a text."""

    def __init__(self, path, daemon):
        self.path = path
        self.daemon = daemon
        self.core = frr_interpreter.Daemon(frozenset())
        self.heard = []
        self.reads = []
        self.refuses = self.says = self.dies_at = "\0"
        self.server = None
        self.writers = []

    async def start(self):
        self.server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self):
        self.server.close()
        for writer in self.writers:
            writer.close()
        self.writers.clear()
        await self.server.wait_closed()

    async def _serve(self, reader, writer):
        self.writers.append(writer)
        path = []
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                command = (await reader.readuntil(b"\0"))[:-1].decode()
                # What is there already arrived together with it: bgpd does nothing else before it has taken that, too.
                self.reads.append((command, bytes(reader._buffer)))
                if self.dies_at in command:
                    break
                text, status, path = self._answer(command, path)
                writer.write(text.encode() + b"\0\0\0" + bytes([status]))
        writer.close()

    def _answer(self, command, path):
        self.heard.append(command)
        if command == "show running-config":
            return self.printed(), 0, path
        if command == "show version":
            return "FRRouting 8.4.4 (n1)\n", 0, path
        if self.refuses in command:
            return "% no hunter2 here\n", 13, path
        if command in ("end", "configure terminal", "enable"):
            return "", 0, []
        if re.match(r"(no )?(hostname|log|debug|ipv6 nd|interface) ", command):
            return "", 0, [*path, command]
        if command.startswith(("address-family ", "bfd", "profile ")):
            if command.startswith("profile "):
                self.core.state.add(("bfd", command))
            return "", 0, [*path, command]
        if command.startswith(("route-map ", "router bgp ")) and not path:
            self.core.take(Line((), command, ""))
            return "", 0, [command]
        try:
            self.core.take(Line(None if command.startswith("clear") else tuple(path), command, ""))
        except frr_interpreter.RefusedError as problem:
            return f"% {problem}", 13, path
        return ("% mind this\n" if self.says in command else ""), 0, path

    def printed(self):
        """Sorted statements print like FRR's own when each stands below the blocks that it is in."""
        lines, before = [], ()
        for each in sorted(self.core.state):
            for depth, text in enumerate(each):
                if each[: depth + 1] != before[: depth + 1]:
                    lines.append(" " * depth + text)
            before = each
        return "\n".join(lines)


class Whole(frr_applier.FakeApplier):
    """frr-reload.py: makes the daemons run what is wanted, whatever they ran."""

    def __init__(self, daemons):
        super().__init__(TEMPLATES)
        self.daemons = daemons
        self.forgot = 0
        self.meanwhile = lambda: None

    def forget(self):
        self.forgot += 1

    async def apply(self, config):
        report = await super().apply(config)
        self.meanwhile()
        for each in self.daemons:
            if each.daemon in (Daemon.BGPD, Daemon.BFDD):
                each.core.state = set(statements.wanted(config, each.daemon))
        return report


class World:
    def __init__(self, directory):
        self.conf = directory / "frr.conf"
        names = (("bgpd", Daemon.BGPD), ("bfdd", Daemon.BFDD), ("zebra", Daemon.POLICY))
        self.bgpd, self.bfdd, self.zebra = (Vty(directory / f"{name}.vty", daemon) for name, daemon in names)
        self.daemons = (self.bgpd, self.bfdd, self.zebra)
        self.whole = Whole(self.daemons)
        self.registry = metrics.Metrics()
        self.applier = hot.HotApplier(self.whole, directory, TEMPLATES, self.conf, metrics.ApplyMetrics(self.registry))

    def count(self, way, outcome):
        wanted = f'frr_adapter_frr_applies_total{{outcome="{outcome}",path="{way}"}} '
        lines = self.registry.render().decode().splitlines()
        return next((float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted)), 0)


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    for each in made.daemons:
        await each.start()
    yield made
    made.applier.forget()
    for each in made.daemons:
        await each.stop()


def config(*ips, **peer):
    ads = [w.make_ad(communities=peer.pop("communities", []))]
    extras = peer.pop("extras", "")
    services = [w.make_service(f"default/s{n}", ip) for n, ip in enumerate(ips)]
    peers = [w.make_peer(**{"password": "hunter2", **peer})]
    return compose.compose(w.plan(w.make_world(peers, ads, services, bfd_profiles=[w.make_bfd()], extras=extras)))


ONE, TWO = config("192.0.2.1"), config("192.0.2.1", "192.0.2.2")


async def test_the_first_apply_adopts_what_runs_and_the_next_sends_one_line(world):
    report = await world.applier.apply(ONE)
    assert (report.way, report.reason) == (RELOAD, "what runs is not known yet")
    world.bgpd.heard.clear()
    report = await world.applier.apply(TWO)
    (tag,) = {item.tag for item in TWO.classes}
    line = f"network 192.0.2.2/32 route-map class-{tag}"
    assert report == reloading.ApplyReport(
        reloading.Difference(added=(f"router bgp 64600 / address-family ipv4 unicast / {line}",)), way=HOT
    )
    inside = ["end", "configure terminal", "router bgp 64600", "address-family ipv4 unicast"]
    assert world.bgpd.heard == [*inside, line, "end", "show running-config"]
    assert "192.0.2.2" in world.conf.read_text()
    assert world.conf.stat().st_mode & 0o777 == 0o600
    assert world.whole.applied == 1
    assert (world.count("hot", "applied"), world.count("reload", "applied")) == (1, 1)
    assert 'frr_adapter_frr_apply_seconds_count{path="hot"} 1.0' in world.registry.render().decode()


async def test_the_second_time_nothing_is_sent(world):
    await world.applier.apply(ONE)
    world.bgpd.heard.clear()
    assert await world.applier.apply(ONE) == reloading.ApplyReport(way=HOT)
    assert world.bgpd.heard == []


async def test_resets_are_reported_and_passwords_are_not(world):
    await world.applier.apply(ONE)
    report = await world.applier.apply(config("192.0.2.1", password="hunter3"))
    assert report.resets == ("10.99.0.1: password changed",)
    assert report.changed.added == ("router bgp 64600 / neighbor 10.99.0.1 password ***",)


@pytest.mark.parametrize("where", ["network 192.0.2.2/32", "address-family"])
async def test_a_refused_line_is_given_to_the_whole(world, where):
    await world.applier.apply(ONE)
    world.bgpd.refuses = where
    report = await world.applier.apply(TWO)
    assert report.way is RELOAD
    assert report.reason.startswith(f"bgpd refused: {where}")
    assert report.reason.endswith("no *** here")
    assert world.count("hot", "refused") == 1
    world.bgpd.refuses = "\0"
    assert (await world.applier.apply(ONE)).way is HOT
    assert world.bgpd.core.state == statements.wanted(ONE, Daemon.BGPD)


async def test_a_block_that_is_refused_gets_none_of_its_lines(world):
    await world.applier.apply(ONE)
    world.bgpd.refuses = "address-family"
    world.bgpd.heard.clear()
    await world.applier.apply(TWO)
    assert not [line for line in world.bgpd.heard if line.startswith("network")]


async def test_a_new_entry_gets_its_condition_in_one_read(world):
    """An entry without `match` concerns every class: bgpd may do nothing else before it has it."""
    await world.applier.apply(ONE)
    world.bgpd.reads.clear()
    services = [w.make_service("default/s0", "192.0.2.1"), w.make_service("default/s1", "192.0.2.2", labels={"a": "b"})]
    ads = [w.make_ad(communities=[]), w.make_ad("other", communities=["64600:7"], selectors=[{"a": "b"}])]
    peers = [w.make_peer(password="hunter2")]
    wanted = compose.compose(w.plan(w.make_world(peers, ads, services, bfd_profiles=[w.make_bfd()])))
    assert (await world.applier.apply(wanted)).way is HOT
    opened = [(line, later) for line, later in world.bgpd.reads if re.match(r"route-map \S+-out deny ", line)]
    assert opened
    for line, later in opened:
        assert later.startswith(f"match tag {line.split()[-1]}\0".encode())


async def test_words_that_nobody_knows_are_no_success(world):
    await world.applier.apply(ONE)
    world.bgpd.says = "network"
    report = await world.applier.apply(TWO)
    assert (report.way, report.reason.endswith("% mind this")) == (RELOAD, True)


async def test_withdrawing_what_is_not_there_is_fine(world):
    await world.applier.apply(TWO)
    world.bgpd.core.state = {each for each in world.bgpd.core.state if "192.0.2.2/32" not in each[-1]}
    assert (await world.applier.apply(ONE)).way is HOT


async def test_somebody_else_changed_something(world):
    await world.applier.apply(ONE)
    world.bgpd.core.state.add(("router bgp 64600", "neighbor 10.99.0.77 remote-as 1"))
    report = await world.applier.apply(TWO)
    assert report.way is RELOAD
    assert report.reason == "bgpd has unasked: router bgp 64600 / neighbor 10.99.0.77 remote-as 1 (1 differences)"
    assert (await world.applier.apply(ONE)).way is HOT


async def test_what_a_reload_left_standing_is_not_ours_to_mend(world):
    """The user's own extra lines, and whatever a version of FRR prints by itself."""

    class Lenient(Whole):
        async def apply(self, config):
            report = await super().apply(config)
            world.bgpd.core.state.add(("router bgp 64600", "neighbor 10.99.0.1 maximum-prefix 5"))
            return report

    applier = hot.HotApplier(
        Lenient(world.daemons), world.conf.parent, TEMPLATES, world.conf, metrics.ApplyMetrics(metrics.Metrics())
    )
    await applier.apply(ONE)
    assert (await applier.apply(TWO)).way is HOT
    applier.forget()


async def test_an_edit_looks_first_whether_its_entry_is_there(world):
    await world.applier.apply(ONE)
    world.bgpd.core.state = {
        each for each in world.bgpd.core.state if not each[0].startswith("route-map 10.99.0.1-out")
    }
    world.bgpd.heard.clear()
    report = await world.applier.apply(config("192.0.2.1", communities=["64600:1"]))
    assert report.way is RELOAD
    assert not [line for line in world.bgpd.heard if line.startswith("set ")]


async def test_the_other_daemon_loses_policies_too(world):
    await world.applier.apply(ONE)
    (tag,) = {item.tag for item in ONE.classes}
    for text in (f"route-map class-{tag} permit 10", f"route-map 10.99.0.1-out permit {tag}"):
        world.zebra.core.state.add((text,))
    assert (await world.applier.apply(config())).way is HOT
    assert world.zebra.core.state == set()


async def test_a_reload_that_fails_is_told_and_nothing_counts_as_known(world):
    await world.applier.apply(ONE)
    world.bgpd.refuses = world.whole.refuses = "192.0.2.2"
    with pytest.raises(errors.ApplyError, match="refused"):
        await world.applier.apply(TWO)
    assert world.count("reload", "failed") == 1
    world.bgpd.refuses = world.whole.refuses = "\0"
    assert (await world.applier.apply(TWO)).reason == "what runs is not known yet"


async def test_after_forgetting_the_whole_is_asked_again(world):
    await world.applier.apply(ONE)
    world.applier.forget()
    assert world.whole.forgot == 1
    assert (await world.applier.apply(TWO)).way is RELOAD


async def test_what_is_forgotten_during_a_reload_is_not_remembered_by_it(world):
    world.whole.meanwhile = world.applier.forget
    await world.applier.apply(ONE)
    world.whole.meanwhile = lambda: None
    assert (await world.applier.apply(TWO)).reason == "what runs is not known yet"
    assert (await world.applier.apply(ONE)).way is HOT


async def test_forgetting_in_the_middle_of_a_difference_leads_to_a_reload(world):
    await world.applier.apply(ONE)
    world.bgpd.heard.clear()
    task = asyncio.create_task(world.applier.apply(TWO))
    while not world.bgpd.heard:
        await asyncio.sleep(0)
    world.applier.forget()
    assert (await task).way is RELOAD


async def test_a_daemon_that_dies_in_the_middle(world):
    await world.applier.apply(ONE)
    world.bgpd.dies_at = "network"
    report = await world.applier.apply(TWO)
    assert (report.way, report.reason[:20]) == (RELOAD, "bgpd.vty: no answer:")
    world.bgpd.dies_at = "\0"
    assert (await world.applier.apply(ONE)).way is HOT


async def test_an_unreadable_daemon_after_a_reload_means_the_next_is_a_reload(world):
    world.bfdd.dies_at = "show running-config"
    assert (await world.applier.apply(ONE)).way is RELOAD
    world.bfdd.dies_at = "\0"
    assert (await world.applier.apply(TWO)).reason == "what runs is not known yet"
    assert (await world.applier.apply(ONE)).way is HOT


async def test_applies_take_turns_and_are_finished_though_the_caller_goes_away(world):
    await world.applier.apply(ONE)
    task = asyncio.create_task(world.applier.apply(TWO))
    await asyncio.sleep(0)
    task.cancel()
    reports = await asyncio.gather(*(world.applier.apply(TWO) for _ in range(3)))
    assert reports == [reloading.ApplyReport(way=HOT)] * 3
    assert world.bgpd.core.state == statements.wanted(TWO, Daemon.BGPD)


async def test_what_it_does_not_handle_goes_to_the_whole_with_the_reason(world):
    await world.applier.apply(ONE)
    report = await world.applier.apply(config("192.0.2.1", extras="! hello", password="hunter3"))
    assert (report.way, report.reason) == (RELOAD, "the user's own extra lines changed")
    assert report.resets == ("10.99.0.1: password changed",)
    assert world.count("hot", "refused") == 0


async def test_an_instance_comes_goes_and_changes_its_as(world):
    await world.applier.apply(ONE)
    for wanted in (
        config("192.0.2.1", my_asn=64601),
        config("192.0.2.1", vrf="red"),
        compose.compose(values.BgpPlan(node="n1")),
        ONE,
    ):
        report = await world.applier.apply(wanted)
        assert report.way is HOT, report.reason
        assert world.bgpd.core.state == statements.wanted(wanted, Daemon.BGPD)


async def test_resets_are_told_and_counted_before_anything_is_sent(world, capsys):
    await world.applier.apply(ONE)
    world.bgpd.dies_at = "password"
    report = await world.applier.apply(config("192.0.2.1", password="hunter3"))
    assert (report.way, report.resets) == (RELOAD, ("10.99.0.1: password changed",))
    told = capsys.readouterr().out
    assert told.index("this change resets sessions") < told.index("difference did not go in")
    counted = 'frr_adapter_bgp_session_resets_total{reason="password changed"} 1.0'
    assert counted in world.registry.render().decode().splitlines()


async def test_interfaces_and_logging_are_told_to_those_who_keep_them(world):
    await world.applier.apply(ONE)
    unnumbered = dataclasses.replace(ONE, interfaces=(frr_config.Interface("eth1"),), log="log stdout", debug=True)
    world.zebra.core.state = {
        ("interface eth1", "ipv6 nd ra-interval 10"),
        ("interface eth1", "no ipv6 nd suppress-ra"),
    }
    assert (await world.applier.apply(unnumbered)).way is HOT
    for each in world.daemons:
        assert "log stdout" in each.heard
    assert [line for line in world.zebra.heard if "nd " in line] == ["ipv6 nd ra-interval 10", "no ipv6 nd suppress-ra"]
    assert "debug zebra rib" in world.zebra.heard
    assert "debug bgp updates in" in world.bgpd.heard
    assert "debug bfd peer" in world.bfdd.heard


async def test_an_interface_that_did_not_take_its_lines_is_noticed(world):
    await world.applier.apply(ONE)
    report = await world.applier.apply(dataclasses.replace(ONE, interfaces=(frr_config.Interface("eth1"),)))
    assert (report.way, report.reason) == (RELOAD, "zebra lacks: interface eth1 / ipv6 nd ra-interval 10")


async def test_a_value_beyond_the_grammar_goes_to_the_whole(world):
    await world.applier.apply(ONE)
    world.whole.daemons = ()
    report = await world.applier.apply(config("192.0.2.1", password="zwölf"))
    assert report.way is RELOAD
    assert "single words" in report.reason
    # What runs cannot be compared by the grammar either, so the way back is a reload, too.
    world.whole.daemons = world.daemons
    assert (await world.applier.apply(ONE)).reason == "what runs is not known yet"
    assert (await world.applier.apply(TWO)).way is HOT


async def test_the_file_keeps_what_works_until_the_new_one_is_seen_to_run(world):
    await world.applier.apply(ONE)
    await world.applier.apply(TWO)
    good = world.conf.read_text()
    world.bgpd.refuses = world.whole.refuses = "network 192.0.2.3/32"
    with pytest.raises(errors.ApplyError):
        await world.applier.apply(config("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    assert world.conf.read_text() == good


async def test_a_file_that_cannot_be_written_is_told(world, tmp_path):
    await world.applier.apply(ONE)
    world.applier._frr_conf = tmp_path / "absent" / "frr.conf"
    report = await world.applier.apply(TWO)
    assert (report.way, report.reason) == (
        RELOAD,
        f"cannot write {tmp_path}/absent/frr.conf: No such file or directory",
    )
