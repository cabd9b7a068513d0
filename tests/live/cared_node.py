"""A node whose FRR has everything around it that the speaker has: applier, care of BFD, observer, measurements.

`async with Node(machine).running() as node:`; `until` and `lasts` wait without stopping its tasks. Used by live tests only.
"""

import asyncio
import contextlib
import time

from frr_adapter.boundary import bgp_metrics, completing, hot, metrics, reload
from frr_adapter.frr import show
from speaker.boundary import applying, bfd_care, measuring, observing
from tests.live import applied_node, frr_pair
from tests.live import segment_bgp as s

NEIGHBOR = "10.99.0.1"


class Node:
    """FRR of one machine with everything around it; without care, the plain applier."""

    def __init__(self, machine, *, care=True):
        self.machine = machine
        self.registry = metrics.Metrics()
        directory, conf = machine.directory, machine.frr_conf
        whole = completing.CompletingApplier(
            reload.ReloadApplier(conf, machine.frr_reload, applied_node.TEMPLATES), directory, applied_node.TEMPLATES
        )
        plain = hot.HotApplier(whole, directory, applied_node.TEMPLATES, conf, metrics.ApplyMetrics(metrics.Metrics()))
        self.care = bfd_care.BfdCare(plain, directory, bgp_metrics.BfdCareMetrics(self.registry))
        self.outcomes = []
        self.observing = observing.Observing(directory, self._observed, bgp_metrics.SessionMetrics(self.registry))
        self.measuring = measuring.Measuring(
            directory, self.observing.has_session, bgp_metrics.EventMetrics(self.registry)
        )
        self.applying = applying.Applying(self.care if care else plain, self._applied, self.measuring.landed)
        self.care.connect(self.applying.again)

    def _applied(self, outcome):
        self.outcomes.append(outcome)
        self.observing.soon()

    def _observed(self, look):
        self.care.observed(look.sessions, look.bfd)

    @contextlib.asynccontextmanager
    async def running(self):
        tasks = [asyncio.create_task(each.run()) for each in (self.applying, self.observing, self.care, self.measuring)]
        try:
            yield self
            assert not [task for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.applying.down()

    async def apply(self, config):
        """Of a FRR of which nothing is known."""
        self.applying.up()
        await self.want(config)

    async def want(self, config):
        """As a cycle does it."""
        self.applying.want(config, asyncio.get_running_loop().time())
        await until(lambda: self.applying.is_applied)

    def session(self):
        return s.sessions(self.machine).get(NEIGHBOR, show.Session("", NEIGHBOR, ""))

    def bfd(self):
        return [item.status for item in show.bfd_sessions(self.machine.vtysh(show.bfd_peers_command()))]

    def metric(self, name):
        lines = [line for line in self.registry.render().decode().splitlines() if line.startswith(f"{name}{{")]
        return [float(line.rsplit(" ", 1)[1]) for line in lines]

    def restart(self, *daemons):
        """As a node that crashed: all of them are gone before the first is back."""
        for daemon in daemons:
            self.machine.kill(daemon)
        for daemon in reversed(daemons):
            self.machine.start(daemon)


async def until(probe, limit=20.0):
    """Waits without stopping the node's tasks."""
    return await asyncio.to_thread(frr_pair.poll, probe, bool, limit, 0.02)


async def lasts(probe, seconds):
    """The time it takes until the answer is not true any more, at most this."""
    start = time.monotonic()
    while time.monotonic() - start < seconds and await asyncio.to_thread(probe):
        await asyncio.sleep(0.1)
    return time.monotonic() - start >= seconds
