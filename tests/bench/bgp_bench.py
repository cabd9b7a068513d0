"""How soon Services are routes: event -> bgpd -> the router's kernel, beside two other ways of configuring FRR, in one run.

The same change goes through the daemons' sockets, through frr-reload.py on the same configuration, and through frr-reload.py on
the structure of `rival`.
"""

import asyncio
import ipaddress
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from frr_adapter import refs
from frr_adapter.boundary import logs, memory, watch
from frr_adapter.frr import reloading
from tests.bench import bgp_sessions, rival
from tests.bench.bgp_sessions import Lines
from tests.bench.figures import Figure
from tests.cycle import objects
from tests.live import frr_pair

METHOD = """
* A node and a router, each an FRR in a network namespace, with 2 or 8 eBGP sessions between them. The node runs the store, loop and
  applier of the speaker; events come as JSON, without an API. Times run from the event.
* **hot**: our configuration over the daemons' sockets. **-> taken**: bgpd has answered the line. **-> route**: a netlink listener in
  the router's namespace sees the route with a next hop per session. FRR itself needs about 111 ms of it.
* **reload**: the same change of the same configuration through `frr-reload.py --test` and then `--reload --overwrite`, from the
  start of the first.
* **prefix-lists**: the same two runs for a configuration that lists, for each neighbor, what it is told (`tests/bench/rival.py`). The
  Service that comes sorts last, which is the easy case. Who works this way usually waits some seconds for more changes
  first; that is not in these figures.
* **others missing**: routes of other Services that were gone from the router's kernel while the first one, as they sort, was
  taken away, and for how long. With 2 neighbors only: that one change takes minutes with 8.
* **at once**: all events in one go, until the last route is there, or gone.
* Left out: prefix-lists on FRR 8 with more than 600 prefixes or 8 neighbors (loading them is quadratic: minutes to hours), on FRR
  10 with more than 1,000 (10,000 with 8 neighbors take minutes for a load and most of one for each change).
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure. `rival_old` and `rival_new`: sizes and numbers of neighbors for FRR before and from 10 on."""

    sizes: tuple[int, ...] = (10, 1000, 10_000)
    peers: tuple[int, ...] = (2, 8)
    runs: int = 10
    reloads: int = 2
    rival_old: tuple[tuple[int, int], ...] = ((100, 2), (300, 2), (600, 2))
    rival_new: tuple[tuple[int, int], ...] = ((10, 2), (10, 8), (600, 2), (1000, 2), (1000, 8))


SMALL = Plan(sizes=(10, 100), peers=(2,), runs=3, reloads=1, rival_old=((50, 2),), rival_new=((50, 2),))


MANAGED = 10
"""The first major version of FRR that loads prefix-lists in a time that does not grow with the square of their length."""

FEW = 2
"""With more neighbors than this, taking the first of many Services out of prefix-lists takes minutes."""

LAST = 60_000
"""A Service that is nobody else's."""


def address(number: int) -> str:
    return str(ipaddress.ip_address("10.128.0.0") + number)


def come(numbers: range) -> tuple[watch.WatchEvent, ...]:
    return tuple(
        bgp_sessions.event(document)
        for number in numbers
        for document in (
            objects.service(f"s{number:05}", ips=(address(number),)),
            objects.endpoints(f"s{number:05}", "n1"),
        )
    )


def go(numbers: range) -> tuple[watch.WatchEvent, ...]:
    return tuple(watch.Deleted("Service", refs.ObjectRef("Service", "default", f"s{number:05}")) for number in numbers)


class Rows:
    """Times by what they are times of, in the order in which they were first told."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], list[float]] = {}

    def add(self, what: str, value: float, unit: str = "ms") -> None:
        self.found.setdefault((what, unit), []).append(value)

    def figures(self) -> Iterator[Figure]:
        return (Figure(what, unit, tuple(values)) for (what, unit), values in self.found.items())


async def ours(pair: frr_pair.Pair, size: int, peers: int, plan: Plan, rows: Rows) -> None:
    what = f"{size:,} Services, {peers} peers"
    everybody = {address(number) for number in range(size)}
    pipeline = bgp_sessions.Pipeline(pair.n1, peers)
    texts: dict[int, str] = {}
    async with pipeline.running():
        frr_pair.poll(lambda: _established(pair), peers.__eq__, limit=60)
        with bgp_sessions.routes(pair.up) as lines:
            await _rest(pipeline, lines, peers)
            started = time.monotonic()
            pipeline.start(come(range(size)))
            arrived = asyncio.to_thread(bgp_sessions.when_all, lines, everybody, peers)
            rows.add(f"{what}: all come at once, hot -> routes", (await arrived - started) * 1000)
            await pipeline.applied()
            rows.add(f"{what}: all come at once, hot -> taken", (pipeline.taken - started) * 1000)
            memory.settle()
            for _ in range(plan.runs):
                for word, hops in (("comes", peers), ("goes", 0)):
                    numbers = range(size, size + 1)
                    bgp_sessions.drain(lines)
                    started = time.monotonic()
                    pipeline.start(come(numbers) if hops else go(numbers))
                    there = asyncio.to_thread(bgp_sessions.when_all, lines, {address(size)}, hops)
                    rows.add(f"{what}: one {word}, hot -> route", (await there - started) * 1000)
                    rows.add(f"{what}: one {word}, hot -> taken", (pipeline.taken - started) * 1000)
                    await pipeline.applied()
                    texts[hops] = pair.n1.frr_conf.read_text()
            _check(pipeline)
            _reloads(pair, lines, texts, plan, (f"{what}: one {{}}, reload -> route", size, peers), rows)
            bgp_sessions.drain(lines)
            started = time.monotonic()
            pipeline.start(go(range(size)))
            gone = asyncio.to_thread(bgp_sessions.when_all, lines, everybody, 0)
            rows.add(f"{what}: all go at once, hot -> no routes", (await gone - started) * 1000)
            await pipeline.applied()
            _check(pipeline)


async def _rest(pipeline: bgp_sessions.Pipeline, lines: Lines, peers: int) -> None:
    """A session that has just come up sends its first updates in groups, a second apart; what is measured is a session at rest."""
    numbers = range(LAST, LAST + 1)
    for news, hops in ((come(numbers), peers), (go(numbers), 0)):
        await pipeline.change(news)
        await asyncio.to_thread(bgp_sessions.when_all, lines, {address(LAST)}, hops)


def _check(pipeline: bgp_sessions.Pipeline) -> None:
    assert {report.way for report in pipeline.reports[1:]} == {reloading.Way.HOT}
    assert not [report.resets for report in pipeline.reports[1:] if report.resets]


def _established(pair: frr_pair.Pair) -> int:
    found = pair.up.show("show bgp ipv4 unicast summary json").get("peers", {})
    return sum(each["state"] == "Established" for each in found.values())


def _reloads(
    pair: frr_pair.Pair, lines: Lines, texts: dict[int, str], plan: Plan, what: tuple[str, int, int], rows: Rows
) -> None:
    """Through frr-reload.py, from one file to the other and back. `what` is the row, the new Service's number and the peers."""
    row, number, peers = what
    for _ in range(plan.reloads):
        for word, hops in (("comes", peers), ("goes", 0)):
            bgp_sessions.drain(lines)
            started = time.monotonic()
            bgp_sessions.reload_as_others_do(pair.n1, texts[hops])
            there = bgp_sessions.when_all(lines, {address(number)}, hops)
            rows.add(row.format(word), (there - started) * 1000)


def theirs(pair: frr_pair.Pair, size: int, peers: int, plan: Plan, rows: Rows) -> None:
    what = f"{size:,} Services, {peers} peers"
    neighbors = bgp_sessions.neighbors(peers)
    prefixes = [f"{address(number)}/32" for number in range(size + 1)]
    texts = {peers: rival.text(neighbors, prefixes), 0: rival.text(neighbors, prefixes[:-1])}
    everybody = {address(number) for number in range(size)}
    with bgp_sessions.routes(pair.up) as lines:
        started = time.monotonic()
        pair.n1.load(texts[0])
        rows.add(f"{what}: prefix-lists, FRR loads the file", (time.monotonic() - started) * 1000)
        bgp_sessions.when_all(lines, everybody, peers)
        _reloads(pair, lines, texts, plan, (f"{what}: one {{}}, prefix-lists -> route", size, peers), rows)
        if peers > FEW:
            return
        bgp_sessions.drain(lines)
        started = time.monotonic()
        bgp_sessions.reload_as_others_do(pair.n1, rival.text(neighbors, prefixes[1:-1]))
        rows.add(f"{what}: the first goes, prefix-lists -> reloaded", (time.monotonic() - started) * 1000)
        # What is away comes back when the policies are looked at again, some seconds later.
        frr_pair.poll(lambda: len(pair.up.routes()), (size - 1).__eq__, limit=60, pause=0.5)
        _missing(lines, f"{what}: the first goes, prefix-lists", rows)


def _missing(lines: Lines, what: str, rows: Rows) -> None:
    missed = bgp_sessions.missing(lines, address(0))
    rows.add(f"{what}: others missing", len(missed), "routes")
    rows.add(f"{what}: others missing for", max(missed.values(), default=0.0), "s")


async def first_goes(pair: frr_pair.Pair, size: int, peers: int, rows: Rows) -> None:
    """The counterpart of what `theirs` does last."""
    pipeline = bgp_sessions.Pipeline(pair.n1, peers)
    async with pipeline.running():
        with bgp_sessions.routes(pair.up) as lines:
            await _rest(pipeline, lines, peers)
            await pipeline.change(come(range(size)))
            everybody = {address(number) for number in range(size)}
            await asyncio.to_thread(bgp_sessions.when_all, lines, everybody, peers)
            bgp_sessions.drain(lines)
            pipeline.start(go(range(1)))
            await pipeline.applied()
            frr_pair.poll(lambda: len(pair.up.routes()), (size - 1).__eq__, limit=60, pause=0.5)
            _missing(lines, f"{size:,} Services, {peers} peers: the first goes, hot", rows)


def run(root: str, plan: Plan) -> tuple[str, tuple[Figure, ...]]:
    """The version of that FRR, and its figures."""
    rows = Rows()
    with Path(os.devnull).open("w") as sink:
        logs.configure(logs.Level.INFO, sink)  # as in a cluster, where somebody else writes them down
        try:
            version = _measure(root, plan, rows)
        finally:
            logs.configure(logs.Level.INFO)
    return version, tuple(rows.figures())


def _measure(root: str, plan: Plan, rows: Rows) -> str:
    version = ""
    for peers in plan.peers:
        for size in plan.sizes:
            with bgp_sessions.pair(root, peers) as pair:
                version = pair.frr.version
                print(f"FRR {version}: {size:,} Services, {peers} peers", flush=True)
                asyncio.run(ours(pair, size, peers, plan, rows))
    for size, peers in plan.rival_new if int(version.split(".")[0]) >= MANAGED else plan.rival_old:
        print(f"FRR {version}: {size:,} Services, {peers} peers, with prefix-lists", flush=True)
        with bgp_sessions.pair(root, peers) as pair:
            theirs(pair, size, peers, plan, rows)
        if peers == FEW:
            with bgp_sessions.pair(root, peers) as pair:
                asyncio.run(first_goes(pair, size, peers, rows))
    return version
