"""The speaker alone: from the event of one Service to the line for FRR, and to the change read back, without API and FRR."""

import asyncio
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frr_adapter import refs
from frr_adapter.boundary import decoders, files, hot, logs, memory, metrics, store, vty, watch
from frr_adapter.frr import config, reloading, render
from speaker import loop, settings, values
from speaker.boundary import applying
from tests.bench import figures
from tests.cycle import objects, world

TITLE = "Speaker alone"
METHOD = """
* One process: the real store, loop, applier and VTY client. The API is replaced by watch events that are already decoded, FRR by a
  bgpd that answers at once (`tests/bench/quiet_bgpd.py`, a process of its own); the real one adds what it takes to print its
  configuration, about 1 ms per 1,000 prefixes. The file is written as ever.
* **-> wanted**: from the event to the wanted configuration (the cycle). **-> line**: until the line is written to the socket.
  **-> applied**: until what runs is read back, found right and written to `frr.conf`.
* One Service comes or goes at a random place among the others; the service has one address and one endpoint.
* **All at once**: the events of all Services in one go, until all lines are written and read back.
"""
QUIET = Path(__file__).with_name("quiet_bgpd.py")
SIZES = (10, 1000, 10_000)
PEERS = (2, 8)
_MIB = 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    sizes: tuple[int, ...] = SIZES
    peers: tuple[int, ...] = PEERS
    runs: int = 30


SMALL = Plan(sizes=(10, 1000), peers=(2,), runs=5)


def event(document: dict[str, Any]) -> watch.Upserted:
    decoded = decoders.DECODERS[document["kind"]](json.dumps(document).encode())
    assert decoded.value is not None, decoded.problems
    return watch.Upserted(document["kind"], decoded)


def address(number: int) -> str:
    return f"10.{128 + number // 65536}.{number // 256 % 256}.{number % 256}"


def come(number: int) -> tuple[watch.WatchEvent, ...]:
    name = f"s{number:05}"
    return tuple(event(each) for each in (objects.service(name, ips=(address(number),)), objects.endpoints(name, "n1")))


def go(number: int) -> tuple[watch.WatchEvent, ...]:
    name = f"s{number:05}"
    return (
        watch.Deleted("Service", refs.ObjectRef("Service", "default", name)),
        watch.Deleted("EndpointSlice", refs.ObjectRef("EndpointSlice", "default", f"{name}-1")),
    )


def surroundings(peers: int, kind: str) -> Iterator[watch.WatchEvent]:
    documents = [objects.node("n1"), objects.node("n2"), objects.pool("default", "10.128.0.0/9")]
    documents.append(objects.advertisement(kind, "all"))
    documents += [objects.peer(f"tor-{number}", peerAddress=f"10.99.0.{number + 1}") for number in range(peers)]
    yield from (event(each) for each in documents)
    yield from (watch.Listed(each) for each in loop.KINDS)


class Whole:
    """In place of frr-reload.py: makes the quiet bgpd run what is wanted."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.templates = files.read_templates()

    def forget(self) -> None: ...

    async def apply(self, wanted: config.FrrConfig) -> reloading.ApplyReport:
        (self.directory / "running-bgpd").write_text(render.render(wanted, self.templates))
        return reloading.ApplyReport()


@dataclass
class Speaker:
    """The loop and what it drives; `written` is when the last `network` line went out."""

    directory: Path
    written: float = 0.0
    lines: int = 0

    def __post_init__(self) -> None:
        self.told = asyncio.Event()
        registry = metrics.Metrics()
        self.known = store.Store(loop.KINDS)
        chosen = settings.parse(["--node-name=n1"], {})
        self.announcer = world.Announcer()
        self.loop = loop.Loop(chosen, self.known, self.announcer, registry)
        templates, conf = files.read_templates(), self.directory / "frr.conf"
        counted = metrics.ApplyMetrics(registry)
        self.applier = hot.HotApplier(Whole(self.directory), self.directory, templates, conf, counted)
        self.bgp = applying.Applying(self.applier, self._told)
        self.loop.connect(None, self.bgp)  # type: ignore[arg-type]  # no effects are performed
        self.bgp.up()

    def _told(self, outcome: applying.Outcome) -> None:
        assert not isinstance(outcome, Exception), outcome
        self.told.set()

    def take(self, news: tuple[watch.WatchEvent, ...]) -> None:
        for each in news:
            self.known.apply(each)

    async def change(self, news: tuple[watch.WatchEvent, ...]) -> tuple[float, float, float]:
        """Milliseconds until wanted, until the line is out, until applied."""
        started = time.perf_counter()
        self.take(news)
        self.loop.cycle()
        wanted = time.perf_counter()
        while not self.bgp.is_applied:
            self.told.clear()
            await self.told.wait()
        done = time.perf_counter()
        return tuple((moment - started) * 1000 for moment in (wanted, self.written, done))  # type: ignore[return-value]


def resident_mib() -> float:
    """Of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / _MIB


async def measure(directory: Path, size: int, peers: int, runs: int) -> tuple[figures.Figure, ...]:
    speaker = Speaker(directory)
    real = vty.Vty.execute_all

    async def execute_all(self: vty.Vty, commands: Any, *rest: Any, **more: Any) -> Any:
        if any(each.removeprefix("no ").startswith("network ") for each in commands):
            speaker.written = time.perf_counter()
            speaker.lines += len(commands)
        return await real(self, commands, *rest, **more)

    vty.Vty.execute_all = execute_all  # type: ignore[method-assign]
    try:
        return await _figures(speaker, size, peers, runs)
    finally:
        vty.Vty.execute_all = real  # type: ignore[method-assign]


async def _figures(speaker: Speaker, size: int, peers: int, runs: int) -> tuple[figures.Figure, ...]:
    task = asyncio.create_task(speaker.bgp.run())
    chance = random.Random(1)
    what = f"{size:,} Services, {peers} peers"
    speaker.take(tuple(surroundings(peers, "BGPAdvertisement")))
    # One Service more, so that class and policies are there.
    everybody = tuple(each for number in range(size) for each in come(number * 2))
    await speaker.change(come(size * 2 + 1))
    at_once = await speaker.change(everybody)
    memory.settle()
    gc.collect()
    rows: dict[str, list[float]] = {}
    try:
        for _ in range(runs):
            number = chance.randrange(size) * 2 + 1
            for word, news in (("comes", come(number)), ("goes", go(number))):
                before = speaker.lines
                for stage, spent in zip(("wanted", "line", "applied"), await speaker.change(news), strict=True):
                    rows.setdefault(f"one {word} -> {stage}", []).append(spent)
                assert speaker.lines == before + 1
    finally:
        task.cancel()
        speaker.applier.forget()
    return (
        *(figures.Figure(f"{what}: {row}", "ms", tuple(found)) for row, found in rows.items()),
        figures.Figure(f"{what}: all at once -> applied", "ms", (at_once[2],)),
        figures.Figure(f"{what}: resident", "MiB", (resident_mib(),)),
    )


async def layer2(size: int, runs: int) -> tuple[figures.Figure, ...]:
    """The cycle alone, with the same Services on layer 2."""
    chance = random.Random(1)
    known, announcer = store.Store(loop.KINDS), world.Announcer()
    the_loop = loop.Loop(settings.parse(["--node-name=n1"], {}), known, announcer, metrics.Metrics())
    for each in surroundings(0, "L2Advertisement"):
        known.apply(each)
    for number in range(size):
        for each in come(number * 2):
            known.apply(each)
    the_loop.cycle()
    memory.settle()
    found: list[float] = []
    for _ in range(runs):
        number = chance.randrange(size) * 2 + 1
        for news in (come(number), go(number)):
            started = time.perf_counter()
            for each in news:
                known.apply(each)
            the_loop.cycle()
            found.append((time.perf_counter() - started) * 1000)
    owned = announcer.plans[-1].entries
    assert isinstance(owned[0], values.L2Entry)
    return (
        figures.Figure(f"{size:,} Services on layer 2, {len(owned):,} ours: one comes or goes", "ms", tuple(found)),
    )


def one(size: int, peers: int, runs: int) -> tuple[figures.Figure, ...]:
    """One row of the page; without peers that of layer 2."""
    if not peers:
        return asyncio.run(layer2(size, runs))
    with tempfile.TemporaryDirectory(prefix="fra-bench-") as directory:
        daemon = subprocess.Popen([sys.executable, str(QUIET), directory], stdout=subprocess.PIPE)
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline() == b"ready\n"
            return asyncio.run(measure(Path(directory), size, peers, runs))
        finally:
            daemon.kill()
            daemon.wait()


def run(plan: Plan) -> tuple[figures.Figure, ...]:
    """Each size and number of peers in a process of its own, for the sake of the memory figure."""
    found: list[figures.Figure] = []
    for size in plan.sizes:
        for peers in (*plan.peers, 0):
            argv = [sys.executable, "-m", "tests.bench.speaker_bench", str(size), str(peers), str(plan.runs)]
            told = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1]
            found += [figures.Figure(what, unit, tuple(spent)) for what, unit, spent in json.loads(told)]
    return tuple(found)


if __name__ == "__main__":
    _size, _peers, _runs = (int(word) for word in sys.argv[1:])
    logs.configure(logs.Level.INFO)
    print(json.dumps([(each.what, each.unit, each.values) for each in one(_size, _peers, _runs)]))
