"""Metrics under their compatible names, in a registry of our own. Loops set them from values; `health` serves `render`.

Gauge families are replaced as a whole, so the series of something that is gone cannot stay behind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import prometheus_client
from prometheus_client import exposition, process_collector, registry, utils

from frr_adapter import refs

Labels = tuple[str, ...]
NO_LABELS: Labels = ()


class Family:
    """One metric family, `type` being `gauge` or `counter`, with its current samples by label values."""

    def __init__(self, name: str, documentation: str, type_: str, labels: Labels = NO_LABELS) -> None:
        self.name = name
        self.type = type_
        self._documentation = documentation
        self._labels = labels
        self._samples: dict[Labels, float] = {}
        self._order = sorted(range(len(labels)), key=labels.__getitem__)
        pairs = ",".join(f'{labels[index]}="%s"' for index in self._order)
        self._template = f"{{{pairs}}}"

    def replace(self, samples: Mapping[Labels, float]) -> None:
        """Makes `samples` the only ones."""
        self._samples = dict(samples)

    def put(self, value: float, labels: Labels = NO_LABELS) -> None:
        """Sets one sample."""
        self._samples[labels] = value

    def drop(self, labels: Labels) -> None:
        """Takes one sample away; it may be gone already."""
        self._samples.pop(labels, None)

    def add(self, amount: float = 1, labels: Labels = NO_LABELS) -> None:
        """Counts one sample up, from zero when it is new."""
        self._samples[labels] = self._samples.get(labels, 0) + amount

    def text(self) -> str:
        """The family in the Prometheus text format, version 0.0.4; samples are sorted by label values."""
        # Thousands of samples are not worth an object each, and the loop stands still meanwhile.
        documentation = self._documentation.replace("\\", "\\\\").replace("\n", "\\n")
        lines = [f"# HELP {self.name} {documentation}", f"# TYPE {self.name} {self.type}"]
        lines += [
            f"{self.name}{self._written(labels)} {_number(value)}" for labels, value in sorted(self._samples.items())
        ]
        return "\n".join(lines) + "\n"

    def _written(self, labels: Labels) -> str:
        """`{name="value",...}`, sorted by name."""
        if not self._labels:
            return ""
        values = [_escaped(labels[index]) for index in self._order]
        return self._template % tuple(values)


def _escaped(value: str) -> str:
    if "\\" not in value and '"' not in value and "\n" not in value:
        return value
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return "1.0" if value == 1 else str(utils.floatToGoString(value))  # type: ignore[no-untyped-call]


class Metrics:
    """The registry of one program."""

    def __init__(self) -> None:
        self._registry = registry.CollectorRegistry(auto_describe=False)
        self._families: list[Family] = []

    def gauge(self, name: str, documentation: str, labels: Labels = NO_LABELS) -> Family:
        """Registers a gauge family."""
        return self._register(Family(name, documentation, "gauge", labels))

    def counter(self, name: str, documentation: str, labels: Labels = NO_LABELS) -> Family:
        """Registers a counter family; the name is used as given, with or without `_total`."""
        return self._register(Family(name, documentation, "counter", labels))

    def histogram(
        self, name: str, documentation: str, buckets: tuple[float, ...], labels: Labels = NO_LABELS
    ) -> prometheus_client.Histogram:
        """Registers a histogram; `buckets` are upper bounds, infinity is added."""
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        return prometheus_client.Histogram(name, documentation, labels, buckets=buckets, registry=self._registry)

    def include_process(self) -> None:
        """Adds `process_*` (memory, file descriptors, CPU time), whose names all client libraries share."""
        process_collector.ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """Everything in the Prometheus text format, version 0.0.4."""
        ours = "".join(family.text() for family in self._families)
        return ours.encode() + exposition.generate_latest(self._registry)

    def _register(self, family: Family) -> Family:
        self._families.append(family)
        return family


class ClientMetrics:
    """`metallb_k8s_client_*`: what the program makes of the API's news. In both programs."""

    def __init__(self, metrics: Metrics) -> None:
        prefix = "metallb_k8s_client"
        self.updates = metrics.counter(f"{prefix}_updates_total", "Kubernetes object updates that were processed")
        self.update_errors = metrics.counter(f"{prefix}_update_errors_total", "Updates that failed in processing")
        self._loaded = metrics.gauge(f"{prefix}_config_loaded_bool", "1 once a configuration was loaded")
        self._stale = metrics.gauge(f"{prefix}_config_stale_bool", "1 while the newest configuration is not in use")
        for family in (self.updates, self.update_errors, self._loaded, self._stale):
            family.put(0)

    def set_config(self, *, loaded: bool, stale: bool) -> None:
        """Whether a configuration is in use, and whether it is older than the newest one."""
        self._loaded.put(int(loaded))
        self._stale.put(int(stale))


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """Addresses of one pool: those it has and those in use, together and by family."""

    pool: str
    addresses: int
    ipv4: int
    ipv6: int
    in_use: int
    ipv4_in_use: int
    ipv6_in_use: int


class LeadershipMetrics:
    """`frr_adapter_controller_leading`, in the controller."""

    def __init__(self, metrics: Metrics) -> None:
        self._leading = metrics.gauge("frr_adapter_controller_leading", "1 while this replica leads")
        self._leading.put(0)

    def set_leading(self, *, leading: bool) -> None:
        """Whether this replica leads."""
        self._leading.put(int(leading))


class AllocatorMetrics:
    """`metallb_allocator_*`, in the controller."""

    def __init__(self, metrics: Metrics) -> None:
        def gauge(name: str, documentation: str) -> Family:
            return metrics.gauge(f"metallb_allocator_{name}", documentation, ("pool",))

        self._families = {
            "addresses": gauge("addresses_total", "Usable addresses of the pool"),
            "ipv4": gauge("ipv4_addresses_total", "Usable IPv4 addresses of the pool"),
            "ipv6": gauge("ipv6_addresses_total", "Usable IPv6 addresses of the pool"),
            "in_use": gauge("addresses_in_use_total", "Distinct addresses of the pool in use"),
            "ipv4_in_use": gauge("ipv4_addresses_in_use_total", "Distinct IPv4 addresses of the pool in use"),
            "ipv6_in_use": gauge("ipv6_addresses_in_use_total", "Distinct IPv6 addresses of the pool in use"),
        }
        # Compatible: this one exists and has never had a sample.
        gauge("services_allocated_total", "Services with an address of the pool")

    def set_pools(self, pools: Iterable[PoolFigures]) -> None:
        """Makes these the only pools that have series."""
        known = tuple(pools)
        for field, family in self._families.items():
            family.replace({(pool.pool,): getattr(pool, field) for pool in known})


class AssignmentMetrics:
    """`frr_adapter_service_assignment_seconds`, in the controller: how long a Service waits for us.

    From the watch event that first shows a Service without an address to the acknowledgement of its status write. A
    Service that is refused an address waits for the pools and not for us, and is not counted.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._seconds = metrics.histogram(
            "frr_adapter_service_assignment_seconds",
            "Time from the watch event of a Service without an address until its status was written",
            (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
        )

    def observe(self, seconds: float) -> None:
        """Counts one assignment."""
        self._seconds.observe(seconds)


class ApplyMetrics:
    """`frr_adapter_frr_*`, in the speaker: how configurations reach FRR.

    `path` is `hot` or `reload`. `outcome` is `applied`, `refused` (a hot line was refused, or what FRR runs then differed; a
    reload follows) or `failed` (of a reload).
    """

    def __init__(self, metrics: Metrics) -> None:
        self._applies = metrics.counter(
            "frr_adapter_frr_applies_total", "Configurations given to FRR", ("path", "outcome")
        )
        self._seconds = metrics.histogram(
            "frr_adapter_frr_apply_seconds",
            "Time from the start of an apply until FRR was seen to run the configuration",
            (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
            ("path",),
        )
        self._resets = metrics.counter(
            "frr_adapter_bgp_session_resets_total",
            "Sessions that a change of the configuration was known to reset, by what changed",
            ("reason",),
        )
        self._left_out = metrics.gauge(
            "frr_adapter_frr_left_out", "1 for every object that is left out because FRR refused it", ("kind", "name")
        )

    def observe(self, path: str, outcome: str, seconds: float) -> None:
        """Counts one attempt."""
        self._applies.add(1, (path, outcome))
        self._seconds.labels(path).observe(seconds)

    def reset(self, reason: str) -> None:
        """Counts one session; the reason is one of a few."""
        self._resets.add(1, (reason,))

    def set_left_out(self, left_out: Iterable[refs.ObjectRef]) -> None:
        """Makes these the only objects that have series."""
        self._left_out.replace({(ref.kind, ref.key): 1 for ref in left_out})


class SpeakerMetrics:
    """`metallb_speaker_announced` and `metallb_layer2_*`, in the speaker. The counters are labelled by address."""

    def __init__(self, metrics: Metrics) -> None:
        self._announced = metrics.gauge(
            "metallb_speaker_announced",
            "1 for every address that this node announces",
            ("service", "protocol", "node", "ip"),
        )
        self._held: dict[tuple[str, str], tuple[Labels, ...]] = {}

        def counter(name: str, documentation: str) -> Family:
            return metrics.counter(f"metallb_layer2_{name}", documentation, ("ip",))

        self.requests_received = counter("requests_received", "ARP and NDP requests for an announced address")
        self.responses_sent = counter("responses_sent", "ARP and NDP answers")
        self.gratuitous_sent = counter("gratuitous_sent", "Unsolicited ARP frames and neighbour advertisements")

    def set_announced(self, service: str, protocol: str, node: str, ips: Iterable[str]) -> None:
        """Makes these the only addresses of a service and protocol that have series; without any, none has.

        `service` is `namespace/name`, `protocol` `bgp` or `layer2`.
        """
        for labels in self._held.pop((service, protocol), ()):
            self._announced.drop(labels)
        held = tuple((service, protocol, node, ip) for ip in ips)
        for labels in held:
            self._announced.put(1, labels)
        if held:
            self._held[service, protocol] = held
