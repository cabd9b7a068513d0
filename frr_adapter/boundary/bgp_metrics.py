"""What the speaker counts about BGP and BFD sessions, and how long changes take to reach them. Families as in `metrics`.

Filled by `speaker.boundary.{observing,measuring,bfd_care}` from values; nothing is asked here.
"""

from collections.abc import Iterable

from frr_adapter.boundary import metrics
from frr_adapter.frr import show


class EventMetrics:
    """`frr_adapter_bgp_event_*`, in the speaker: how long a change in the cluster takes to be seen by FRR and by its neighbors.

    Changes that went to FRR together count once, from the oldest. What FRR is given after its own start is not counted.
    """

    def __init__(self, registry: metrics.Metrics) -> None:
        buckets = (
            0.005,
            0.01,
            0.025,
            0.05,
            0.075,
            0.1,
            0.15,
            0.2,
            0.3,
            0.4,
            0.5,
            0.75,
            1.0,
            2.5,
            5.0,
            10.0,
            30.0,
            60.0,
        )
        self._applied = registry.histogram(
            "frr_adapter_bgp_event_applied_seconds",
            "Time from the watch event of a change until FRR was seen to run it",
            buckets,
        )
        self._advertised = registry.histogram(
            "frr_adapter_bgp_event_advertised_seconds",
            "Time from the watch event of a change until bgpd had told a new prefix of it to a neighbor",
            buckets,
        )

    def applied(self, seconds: float) -> None:
        """FRR runs a change."""
        self._applied.observe(seconds)

    def advertised(self, seconds: float) -> None:
        """A neighbor was told of a change."""
        self._advertised.observe(seconds)


class SessionMetrics:
    """`metallb_bgp_*` and `metallb_bfd_*`, in the speaker: what FRR says about its sessions."""

    def __init__(self, registry: metrics.Metrics) -> None:
        labels = ("peer", "vrf")
        self._families = {name: registry.gauge(name, meaning, labels) for name, meaning in show.GAUGES}
        self._families |= {name: registry.counter(name, meaning, labels) for name, meaning in show.COUNTERS}

    def set_samples(self, samples: Iterable[show.Sample]) -> None:
        """Makes these the only series."""
        found: dict[str, dict[metrics.Labels, float]] = {name: {} for name in self._families}
        for sample in samples:
            found[sample.name][tuple(value for _, value in sample.labels)] = sample.value
        for name, family in self._families.items():
            family.replace(found[name])


class BfdCareMetrics:
    """`frr_adapter_bfd_*`, in the speaker. Sessions are pairs of VRF and neighbor, as in `show.SessionKey`."""

    def __init__(self, registry: metrics.Metrics) -> None:
        labels = ("peer", "vrf")
        self._repairs = registry.counter(
            "frr_adapter_bfd_repairs_total", "Times that bfdd had lost a BFD session and was told of it anew", labels
        )
        self._held = registry.gauge(
            "frr_adapter_bfd_held", "1 while BFD waits until the BGP session was up once", labels
        )
        self._one_sided = registry.gauge(
            "frr_adapter_bfd_one_sided", "1 while the BGP session is up and its BFD session does not come up", labels
        )

    def repaired(self, key: show.SessionKey) -> None:
        """A session was mended."""
        vrf, peer = key
        self._repairs.add(1, (peer, vrf))

    def set_held(self, keys: Iterable[show.SessionKey]) -> None:
        """Makes these the only sessions whose BFD waits."""
        self._held.replace({(peer, vrf): 1 for vrf, peer in keys})

    def set_one_sided(self, keys: Iterable[show.SessionKey]) -> None:
        """Makes these the only sessions that have BFD on our side only."""
        self._one_sided.replace({(peer, vrf): 1 for vrf, peer in keys})
