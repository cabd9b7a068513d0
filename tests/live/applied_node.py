"""A node under test whose FRR is configured by the real applier, from worlds of `tests/bgp_world`. Used by live tests of BGP."""

from collections.abc import Mapping, Sequence
from typing import Any

from frr_adapter.boundary import completing, files, hot, metrics, reload
from frr_adapter.frr import config, reloading
from speaker.core import compose
from tests import bgp_world as w
from tests.live import frr_pair

TEMPLATES = files.read_templates()
Fields = Mapping[str, Any]


def wanted(
    peers: Mapping[str, Fields],
    services: Mapping[str, Sequence[str]],
    ads: Mapping[str, Fields] | None = None,
    *,
    node: str = "n1",
    nodes: Sequence[str] = ("n1",),
    bfd: Mapping[str, Fields] | None = None,
    labels: Mapping[str, str] | None = None,
) -> config.FrrConfig:
    """What the speaker of `node` wants. `services` name -> addresses, `labels` name -> the value of their label `color`."""
    colors = labels or {}
    world = w.make_world(
        [w.make_peer(name, **{"connect_time": 1, **fields}) for name, fields in peers.items()],
        [w.make_ad(name, **{"nodes": nodes, **fields}) for name, fields in (ads or {"all": {}}).items()],
        [
            w.make_service(f"default/{name}", *ips, labels={"color": colors.get(name, "none")})
            for name, ips in services.items()
        ],
        nodes=[w.make_node(name) for name in nodes],
        bfd_profiles=[w.make_bfd(name, **fields) for name, fields in (bfd or {}).items()],
    )
    return compose.compose(w.plan(world, node))


class Node:
    """The applier of one machine."""

    def __init__(self, machine: frr_pair.Machine) -> None:
        self.machine = machine
        directory, conf = machine.directory, machine.frr_conf
        whole = completing.CompletingApplier(
            reload.ReloadApplier(conf, machine.frr_reload, TEMPLATES), directory, TEMPLATES
        )
        self._applier = hot.HotApplier(whole, directory, TEMPLATES, conf, metrics.ApplyMetrics(metrics.Metrics()))

    async def apply(self, settings: config.FrrConfig) -> reloading.ApplyReport:
        """Configures FRR and gives the applier's report."""
        return await self._applier.apply(settings)

    def forget(self) -> None:
        """Closes the applier's connections."""
        self._applier.forget()
