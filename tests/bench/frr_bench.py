"""How soon a configuration is a route: the same change over the daemons' sockets and through frr-reload.py, in turn."""

import asyncio
import contextlib
import ipaddress
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frr_adapter.boundary import completing, files, hot, metrics, ports, reload
from frr_adapter.frr import config, reloading
from speaker.core import compose
from tests import bgp_world
from tests.bench.figures import Figure
from tests.live import frr_pair

TITLE = "FRR"
METHOD = """
* Two network namespaces with FRR in each, one eBGP session, no Kubernetes. The configuration holds the given number
  of Services; one more comes and goes, in turn over the daemons' sockets ("hot") and through `frr-reload.py` ("reload").
* **-> route**: from the call of the applier until a netlink listener in the other namespace sees the route. FRR itself needs
  about 111 ms of it (two work queues of 50 ms, and zebra), which no way of configuring it can shorten.
* **-> applied**: until the applier has read back what runs. Neither includes any waiting for more changes.
"""
WATCH = Path(__file__).with_name("route_watch.py")
SIZES = (10, 1000)
UP = """
router bgp 64512
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor 10.99.0.11 remote-as 64600
 neighbor 10.99.0.11 timers connect 1
 address-family ipv4 unicast
  neighbor 10.99.0.11 activate
 exit-address-family
exit
"""


def configuration(services: int) -> config.FrrConfig:
    first = int(ipaddress.ip_address("10.128.0.0"))
    made = [
        bgp_world.make_service(f"default/s{number:05}", str(ipaddress.ip_address(first + number)))
        for number in range(services)
    ]
    pools = [bgp_world.make_pool("p", ["10.128.0.0/16"])]
    peers = [bgp_world.make_peer("tor", address="10.99.0.1", connect_time=1)]
    return compose.compose(bgp_world.plan(bgp_world.make_world(peers, [bgp_world.make_ad("all")], made, pools=pools)))


@contextlib.contextmanager
def routes(machine: frr_pair.Machine) -> Iterator["queue.Queue[Any]"]:
    """Every change of a route in the machine's kernel, as it happens."""
    argv = ["ip", "netns", "exec", machine.namespace, sys.executable, str(WATCH)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    lines: queue.Queue[Any] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(json.loads(line))

    threading.Thread(target=read, daemon=True).start()
    assert lines.get(timeout=20) == {"ready": True}
    try:
        yield lines
    finally:
        process.terminate()
        process.wait(10)


def when(lines: "queue.Queue[Any]", destination: str, hops: int) -> float:
    """The monotonic time at which the route to `destination` had that many next hops."""
    while True:
        change = lines.get(timeout=60)
        if change["dst"] == destination and change["hops"] == hops:
            return float(change["t"])


async def measure(pair: frr_pair.Pair, services: int, runs: int) -> tuple[Figure, ...]:
    templates, n1 = files.read_templates(), pair.n1
    whole = completing.CompletingApplier(
        reload.ReloadApplier(n1.frr_conf, n1.frr_reload, templates), n1.directory, templates
    )
    difference = hot.HotApplier(whole, n1.directory, templates, n1.frr_conf, metrics.ApplyMetrics(metrics.Metrics()))
    before, after = configuration(services), configuration(services + 1)
    address = str(ipaddress.ip_address("10.128.0.0") + services)
    found: list[Figure] = []
    with routes(pair.up) as lines:
        ways: dict[str, ports.Applier] = {"hot": difference, "reload": whole}
        for way, applier in ways.items():
            await applier.apply(before)
            frr_pair.poll(lambda: len(pair.up.routes()), services.__eq__, limit=60)
            # A session that has just come up sends its first updates in groups; what is measured is a session at rest.
            for wanted, hops in ((after, 1), (before, 0)):
                await applier.apply(wanted)
                await asyncio.to_thread(when, lines, address, hops)
            there: list[float] = []
            gone: list[float] = []
            applied: list[float] = []
            for _ in range(runs):
                for wanted, hops, times in ((after, 1, there), (before, 0, gone)):
                    started = time.monotonic()
                    report = await applier.apply(wanted)
                    applied.append((time.monotonic() - started) * 1000)
                    assert report.way is reloading.Way(way), report
                    times.append((await asyncio.to_thread(when, lines, address, hops) - started) * 1000)
            found += [
                Figure(f"{way}, {services} Services: one comes -> route in the neighbor's kernel", "ms", tuple(there)),
                Figure(f"{way}, {services} Services: one goes -> route gone", "ms", tuple(gone)),
                Figure(f"{way}, {services} Services: change -> applied and read back", "ms", tuple(applied)),
            ]
    difference.forget()
    return tuple(found)


def run(runs: int) -> tuple[Figure, ...]:
    with frr_pair.Pair() as pair:
        pair.up.load(UP)
        return tuple(figure for size in SIZES for figure in asyncio.run(measure(pair, size, runs)))
