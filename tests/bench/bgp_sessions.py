"""A node and a router with many sessions between them, the routes that arrive, and the speaker's pipeline on the node's real FRR.

Used by `bgp_bench`. The router is one FRR with as many addresses as there are sessions; each session of the node comes from an
address of its own, so a route that all sessions bring has as many next hops in the router's kernel.
"""

import asyncio
import contextlib
import json
import os
import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from frr_adapter.boundary import completing, decoders, files, hot, metrics, reload, store, vty, watch
from frr_adapter.frr import reloading
from speaker import loop, settings
from speaker.boundary import applying
from tests.bench import frr_bench, rival
from tests.cycle import objects, world
from tests.live import frr_pair

OTHER_FRR = Path(__file__).parents[2] / ".cache/trixie"
Lines = queue.Queue[Any]


def neighbors(count: int) -> tuple[rival.Neighbor, ...]:
    return tuple(rival.Neighbor(f"10.99.0.{number}", f"10.99.0.{10 + number}") for number in range(1, count + 1))


def installs() -> tuple[str, ...]:
    """The FRRs to measure: what FRR_ROOT names, or this machine's and the newer one of the tests when it is there."""
    if "FRR_ROOT" in os.environ:
        return (os.environ["FRR_ROOT"],)
    return ("/", str(OTHER_FRR)) if (OTHER_FRR / "usr/lib/frr/zebra").exists() else ("/",)


@contextlib.contextmanager
def pair(root: str, count: int) -> Iterator[frr_pair.Pair]:
    """Both machines with FRR from `root`; the router knows `count` sessions."""
    before = os.environ.get("FRR_ROOT")
    os.environ["FRR_ROOT"] = root
    try:
        with frr_pair.Pair() as made:
            for each in neighbors(count)[1:]:
                made.up.ip("addr", "add", f"{each.address}/24", "dev", "eth0")
                made.n1.ip("addr", "add", f"{each.source}/24", "dev", "eth0")
            made.up.load("\n".join(_router(count)))
            yield made
    finally:
        if before is None:
            del os.environ["FRR_ROOT"]
        else:
            os.environ["FRR_ROOT"] = before


def _router(count: int) -> Iterator[str]:
    yield "router bgp 64512"
    yield from (" bgp router-id 10.99.0.1", " no bgp ebgp-requires-policy", " no bgp default ipv4-unicast")
    for each in neighbors(count):
        yield f" neighbor {each.source} remote-as {rival.ASN}"
        yield f" neighbor {each.source} update-source {each.address}"
        # Both ends dialing at once is another story than the one that is measured.
        yield f" neighbor {each.source} passive"
    yield " address-family ipv4 unicast"
    yield from (f"  neighbor {each.source} activate" for each in neighbors(count))
    yield from (" exit-address-family", "exit", "")


def event(document: dict[str, Any]) -> watch.Upserted:
    """As the watch gives it: decoded from JSON."""
    raw = msgspec.Raw(json.dumps(document).encode())
    return watch.Upserted(document["kind"], decoders.DECODERS[document["kind"]](raw))


def drain(lines: Lines) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            lines.get_nowait()


def when_all(lines: Lines, destinations: set[str], hops: int) -> float:
    """The time at which the last of these routes had that many next hops."""
    left = set(destinations)
    while True:
        change = lines.get(timeout=120)
        if change["hops"] == hops:
            left.discard(change["dst"])
        elif change["dst"] in destinations:
            left.add(change["dst"])
        if not left:
            return float(change["t"])


def missing(lines: Lines, aside: str) -> dict[str, float]:
    """How long each other route was missing, in seconds, of what the watch told so far."""
    since: dict[str, float] = {}
    found: dict[str, float] = {}
    with contextlib.suppress(queue.Empty):
        while True:
            change = lines.get_nowait()
            name, moment = change["dst"], float(change["t"])
            if name == aside:
                continue
            if not change["hops"]:
                since.setdefault(name, moment)
            elif name in since:
                found[name] = max(found.get(name, 0), moment - since.pop(name))
    return found | {name: time.monotonic() - moment for name, moment in since.items()}


def reload_as_others_do(machine: frr_pair.Machine, text: str) -> None:
    """First what would change, then the change: two runs of frr-reload.py, as a reloader beside FRR does them."""
    path = machine.directory / "other.conf"
    path.write_text(text)
    frr_pair.run(machine.frr_reload, "--test", "--stdout", path)
    frr_pair.run(machine.frr_reload, "--reload", "--overwrite", "--stdout", path)


class Pipeline:
    """Store, loop and applier of a speaker on the machine's FRR; no API, so no effects are performed."""

    def __init__(self, machine: frr_pair.Machine, count: int) -> None:
        self.machine = machine
        self.taken = 0.0
        registry = metrics.Metrics()
        self._known = store.Store(loop.KINDS)
        self._loop = loop.Loop(settings.parse(["--node-name=n1"], {}), self._known, world.Announcer(), registry)
        templates, directory, conf = files.read_templates(), machine.directory, machine.frr_conf
        whole = completing.CompletingApplier(
            reload.ReloadApplier(conf, machine.frr_reload, templates), directory, templates
        )
        self._applier = hot.HotApplier(whole, directory, templates, conf, metrics.ApplyMetrics(registry))
        self._bgp = applying.Applying(self._applier, self._told)
        self._loop.connect(None, self._bgp)  # type: ignore[arg-type]  # nobody performs effects
        self.reports: list[reloading.ApplyReport] = []
        for document in (
            *(objects.node("n1"), objects.node("n2"), objects.pool("default", "10.128.0.0/9")),
            objects.advertisement("BGPAdvertisement"),
            *(
                objects.peer(f"tor-{number}", peerAddress=each.address, sourceAddress=each.source, connectTime="1s")
                for number, each in enumerate(neighbors(count))
            ),
        ):
            self._known.apply(event(document))
        for kind in loop.KINDS:
            self._known.apply(watch.Listed(kind))

    def _told(self, outcome: applying.Outcome) -> None:
        assert isinstance(outcome, reloading.ApplyReport), outcome
        self.reports.append(outcome)

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        """Until the end of the block FRR is kept at what is wanted. `taken` is when bgpd last took `network` lines."""
        real = vty.Vty.execute_all

        async def timed(connection: vty.Vty, commands: Any, *rest: Any, **more: Any) -> Any:
            answers = await real(connection, commands, *rest, **more)
            if any(each.removeprefix("no ").startswith("network ") for each in commands):
                self.taken = time.monotonic()
            return answers

        vty.Vty.execute_all = timed  # type: ignore[method-assign, assignment]
        task = asyncio.create_task(self._bgp.run())
        self._bgp.up()
        try:
            await self.change(())
            yield
        finally:
            vty.Vty.execute_all = real  # type: ignore[method-assign]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._applier.forget()

    def start(self, news: tuple[watch.WatchEvent, ...]) -> None:
        """The events arrive and a cycle runs; what is wanted goes on its way."""
        for each in news:
            self._known.apply(each)
        self._loop.cycle()

    async def applied(self) -> float:
        """When FRR runs what is wanted, read back."""
        while not self._bgp.is_applied:
            await asyncio.sleep(0.001)
        return time.monotonic()

    async def change(self, news: tuple[watch.WatchEvent, ...]) -> None:
        self.start(news)
        await self.applied()


def routes(machine: frr_pair.Machine) -> contextlib.AbstractContextManager[Lines]:
    """Every change of a route in the machine's kernel, as it happens."""
    return frr_bench.routes(machine)
