"""Membership over real sockets on the loopback: each speaker has an address 127.0.77.x of its own."""

import asyncio
import contextlib
import ipaddress
import json
import os
import random
import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable

import pytest

from frr_adapter import errors
from speaker.boundary import datagrams, gossip, membership, roster

pytestmark = pytest.mark.contract

SECRET = "0123456789abcdefghijkl"
OTHER = "another-secret-altogether"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def address(number: int) -> str:
    return f"127.0.77.{number}"


class Segment:
    """What lies between the speakers: loses what `passes` does not let through, and remembers everything when asked to."""

    def __init__(self, directory, port: int) -> None:
        self.directory = directory
        self.port = port
        self.passes: Callable[[str, str], bool] = lambda _source, _target: True
        self.recorded: list[tuple[bytes, datagrams.Endpoint]] | None = None
        self.speakers: dict[str, membership.Membership] = {}
        self.told: list[tuple[str, str, bytes]] = []
        self.changes: dict[str, int] = {}

    def secret(self, text: str):
        directory = self.directory / text
        directory.mkdir(exist_ok=True)
        (directory / gossip.SECRET_FILE).write_text(text)
        return directory

    def open(self, endpoint: datagrams.Endpoint) -> datagrams.Datagrams:
        segment = self

        class Filtered(datagrams.Udp):
            def send(self, datagram: bytes, target: datagrams.Endpoint) -> None:
                if segment.recorded is not None:
                    segment.recorded.append((datagram, target))
                if segment.passes(endpoint[0], target[0]):
                    super().send(datagram, target)

        return Filtered(endpoint)

    async def add(self, number: int, known: int, text: str = SECRET, own: str = "") -> membership.Membership:
        name = f"n{number}"
        one = membership.Membership(name, (own or address(number), self.port), self.secret(text), open_socket=self.open)
        self.changes[name] = 0

        def changed() -> None:
            self.changes[name] += 1

        await one.start(membership.Callbacks(changed, lambda sender, body: self.told.append((name, sender, body))))
        self.speakers[name] = one
        one.set_peers({f"n{each}": ipaddress.ip_address(address(each)) for each in range(1, known + 1)})
        return one

    def agree(self, *names: str) -> bool:
        return all(self.speakers[name].live() == frozenset(names) for name in names)


@pytest.fixture
async def segment(tmp_path):
    made = Segment(tmp_path, free_port())
    yield made
    for each in made.speakers.values():
        await each.stop()


async def until(condition: Callable[[], bool], seconds: float = 5) -> float:
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)
    return time.monotonic() - began


async def trio(segment: Segment) -> None:
    for number in (1, 2, 3):
        await segment.add(number, 3)
    await until(lambda: segment.agree("n1", "n2", "n3"))


async def test_three_meet_one_dies_and_comes_back(segment):
    await trio(segment)
    await segment.speakers.pop("n2").stop()
    took = await until(lambda: segment.agree("n1", "n3"))
    assert 0.2 < took < 2
    dead = next(each for each in segment.speakers["n1"].members() if each.name == "n2")
    assert dead == membership.Member("n2", ipaddress.ip_address(address(2)), is_live=False)
    await segment.add(2, 3)
    assert await until(lambda: segment.agree("n1", "n2", "n3")) < 2


async def test_leaving_is_known_before_it_returns(segment):
    await trio(segment)
    began = time.monotonic()
    assert await segment.speakers["n2"].leave()
    assert time.monotonic() - began < 0.2
    await until(lambda: segment.speakers["n1"].live() == segment.speakers["n3"].live() == {"n1", "n3"}, 0.2)
    assert await segment.speakers["n2"].leave(), "once more is no harm"


async def test_metadata_and_messages(segment):
    await trio(segment)
    before = dict(segment.changes)
    segment.speakers["n1"].set_metadata(b"eth0 eth1")
    await until(lambda: all(segment.changes[name] > before[name] for name in before), 0.5)
    assert all(each.members()[0].metadata == b"eth0 eth1" for each in segment.speakers.values())
    before = dict(segment.changes)
    await asyncio.gather(*(segment.speakers["n1"].send("n3", b"%d" % number) for number in range(8)))
    assert sorted(segment.told) == [("n3", "n1", b"%d" % number) for number in range(8)]
    assert segment.changes == before
    with pytest.raises(ValueError, match="at most 256 are allowed"):
        segment.speakers["n1"].set_metadata(b"x" * 257)
    with pytest.raises(KeyError):
        await segment.speakers["n1"].send("n9", b"")


async def test_a_message_to_the_dead_is_given_up(segment):
    await trio(segment)
    await segment.speakers.pop("n3").stop()
    with pytest.raises(TimeoutError):
        await segment.speakers["n1"].send("n3", b"are you there", seconds=0.05)


async def test_a_partition_and_its_end(segment):
    await trio(segment)
    cut = address(1)
    segment.passes = lambda source, target: (source == cut) == (target == cut)
    await until(lambda: segment.agree("n2", "n3") and segment.speakers["n1"].live() == {"n1"})
    segment.passes = lambda _source, _target: True
    await until(lambda: segment.agree("n1", "n2", "n3"), 2)


async def test_two_clusters_and_a_flood_of_garbage(segment):
    await trio(segment)
    await segment.add(4, 5, OTHER)
    await segment.add(5, 5, OTHER)
    await until(lambda: segment.agree("n4", "n5"))
    for each in ("n1", "n2", "n3"):
        segment.speakers[each].set_peers({f"n{n}": ipaddress.ip_address(address(n)) for n in range(1, 6)})
    dice = random.Random(1)

    def refused(reason: gossip.Refusal) -> int:
        return dict(segment.speakers["n1"].counts().refusals).get(reason, 0)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
        for _ in range(40):  # a lot at a time: how many wait in a socket is the kernel's decision
            before = refused(gossip.Refusal.NOT_GOSSIP)
            for _ in range(50):
                noisy.sendto(dice.randbytes(dice.randrange(1500)), (address(1), segment.port))
            await until(lambda before=before: refused(gossip.Refusal.NOT_GOSSIP) >= before + 25)
    await until(lambda: refused(gossip.Refusal.STRANGER) > 10)
    assert segment.agree("n1", "n2", "n3")
    assert segment.agree("n4", "n5")
    for one, other in (("n4", "n5"), ("n5", "n4")):  # since when is of no matter: nobody else was ever heard
        heard = segment.speakers[one].hearing().heard
        assert {name for name, at in heard.items() if at > roster.NEVER} == {other}


async def test_recordings_change_nothing(segment):
    segment.recorded = []
    await trio(segment)
    await segment.speakers["n3"].leave()
    await segment.speakers.pop("n3").stop()
    await until(lambda: segment.agree("n1", "n2"))
    recorded, segment.recorded = segment.recorded, None
    changes, before = dict(segment.changes), segment.speakers["n1"].members()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as replayer:
        for datagram, target in recorded:
            replayer.sendto(datagram, target)
    counts = segment.speakers["n1"].counts
    await until(lambda: dict(counts().refusals)[gossip.Refusal.REPLAYED] > 5)
    assert segment.changes == changes
    assert segment.speakers["n1"].members() == before


async def test_a_new_secret_is_taken_from_the_file(segment, monkeypatch):
    monkeypatch.setattr(membership, "_SECRET_SECONDS", 0.05)
    await trio(segment)
    (segment.directory / SECRET / gossip.SECRET_FILE).write_text(OTHER)
    await segment.add(4, 4, OTHER)
    await until(lambda: segment.agree("n1", "n2", "n3", "n4"))


async def test_ipv6(segment):
    """Real IPv6 sockets; the loopback has one address only, so ports stand for addresses."""
    try:
        ports = {f"fd00::{number}": free_port() for number in (1, 2)}
        datagrams.Udp(("::1", 0)).close()
    except OSError:
        pytest.skip("there is no IPv6 on this machine")
    names = {port: address for address, port in ports.items()}

    class Translated(datagrams.Udp):
        def __init__(self, endpoint):
            super().__init__(("::1", ports[endpoint[0]]))

        def send(self, datagram, target):
            super().send(datagram, ("::1", ports[target[0]]))

        def receive(self):
            found = super().receive()
            return found and (found[0], (names[found[1][1]], segment.port))

    segment.open = Translated
    for number, own in enumerate(ports, 1):
        one = await segment.add(number, 0, own=own)
        one.set_peers({f"n{each}": ipaddress.ip_address(at) for each, at in enumerate(ports, 1)})
    await until(lambda: segment.agree("n1", "n2"))
    assert segment.speakers["n1"].members()[1].address == ipaddress.ip_address("fd00::2")


async def test_what_the_network_refuses_is_counted(segment):
    one = await segment.add(1, 1)
    one.set_peers({"n8": ipaddress.ip_address("2001:db8::1")})
    await until(lambda: one.counts().send_errors > 0)
    assert one.live() == {"n1"}


async def test_an_address_in_use_and_a_missing_secret_are_said_at_once(segment, tmp_path):
    await segment.add(1, 1)
    with pytest.raises(OSError, match="in use"):
        await segment.add(1, 1)
    with pytest.raises(errors.SettingsError, match="secretkey"):
        membership.Membership("n1", (address(1), segment.port), tmp_path / "nowhere")


class Process:
    """A speaker's gossip in a process of its own, and the lines it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict] = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    @property
    def live(self):
        return next((line["live"] for line in reversed(self.lines) if "live" in line), [])

    @property
    def is_fenced(self):
        return next((line["fenced"] for line in reversed(self.lines) if "fenced" in line), True)

    def first(self, since: float, **wanted) -> float | None:
        """When it first said so."""
        return next((line["at"] for line in self.lines if line["at"] >= since and wanted.items() <= line.items()), None)


@contextlib.asynccontextmanager
async def processes(segment: Segment, count: int, *more: str):
    peers = [f"n{number}={address(number)}" for number in range(1, count + 1)]
    secret = str(segment.secret(SECRET))
    started = {}
    for number in range(1, count + 1):
        command = [
            "-m",
            "tests.gossip_process",
            "--node",
            f"n{number}",
            "--port",
            str(segment.port),
            "--secret",
            secret,
        ]
        started[f"n{number}"] = Process(
            await asyncio.create_subprocess_exec(
                sys.executable, *command, *more, *peers, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        )
    names = sorted(started)
    try:
        await until(lambda: all(sorted(each.live) == names and not each.is_fenced for each in started.values()), 30)
        yield started
    finally:
        for each in started.values():
            with contextlib.suppress(ProcessLookupError):
                each.process.kill()
            await each.process.wait()
            await each.reading


async def test_killed_and_stopped_processes(segment):
    async with processes(segment, 3) as started:
        began = time.monotonic()
        started["n3"].process.kill()
        await until(lambda: started["n1"].live == started["n2"].live == ["n1", "n2"])
        assert max(started[name].first(began, live=["n1", "n2"]) - began for name in ("n1", "n2")) < 2

        began = time.monotonic()
        os.kill(started["n2"].process.pid, signal.SIGSTOP)
        await until(lambda: started["n1"].live == ["n1"])
        woken = time.monotonic()
        os.kill(started["n2"].process.pid, signal.SIGCONT)
        await until(lambda: started["n1"].live == started["n2"].live == ["n1", "n2"])
        await until(lambda: started["n2"].first(woken, fenced=True) is not None)
        await until(lambda: not started["n2"].is_fenced)
        assert started["n2"].first(woken, live=["n2"]) is None, "who stood still accuses nobody"


@pytest.mark.long
@pytest.mark.parametrize("more", [[], ["--busy", "0.5"]], ids=["idle loops", "loops that plan half of the time"])
async def test_no_false_alarm_on_a_busy_machine(segment, more):
    hogs = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
        for _ in range(2 * (os.cpu_count() or 2))
    ]
    try:
        async with processes(segment, 3, *more) as started:
            began = time.monotonic()
            await asyncio.sleep(60)
            lines = [line for each in started.values() for line in each.lines if line["at"] > began]
            deaths = [line["live"] for line in lines if len(line.get("live", "three")) < 3]
            fences = [line for line in lines if line.get("fenced")]
            print(f"in 60 s false deaths: {deaths}, closed fences: {len(fences)}, load {os.getloadavg()[0]:.1f}")
            assert len(deaths) <= 3
            await end(hogs)  # whatever was missed is made up for
            names = sorted(started)
            await until(lambda: all(sorted(each.live) == names and not each.is_fenced for each in started.values()), 30)
    finally:
        await end(hogs)


async def end(hogs) -> None:
    while hogs:
        hog = hogs.pop()
        hog.kill()
        await hog.wait()


@pytest.mark.long
@pytest.mark.parametrize(("count", "runs"), [(3, 20), (10, 10)])
async def test_how_soon_a_killed_process_is_missed(segment, count, runs):
    times = []
    for _ in range(runs):
        segment.port = free_port()
        async with processes(segment, count) as started:
            victim = started.pop(f"n{random.randrange(1, count + 1)}")
            rest = sorted(started)
            began = time.monotonic()
            victim.process.kill()
            await until(lambda rest=rest, started=started: all(sorted(each.live) == rest for each in started.values()))
            times += [each.first(began, live=rest) - began for each in started.values()]
            await victim.process.wait()
            await victim.reading
    times.sort()
    print(f"{count}: median {statistics.median(times):.3f} p99 {times[int(len(times) * 0.99)]:.3f} of {len(times)}")
    assert statistics.median(times) < 0.5
    assert times[int(len(times) * 0.99)] < 1
