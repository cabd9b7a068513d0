"""What the speaker counts about layer 2 beyond single frames: rivals, the fence, takeovers, other speakers. Families as in `metrics`.

Filled by the wiring of `speaker` and by `speaker.company` from values, just before metrics are read; nothing is asked here.
"""

from collections.abc import Iterable, Mapping

from frr_adapter.boundary import metrics


class Layer2Metrics:
    """`frr_adapter_layer2_*`, `frr_adapter_members*` and `frr_adapter_gossip_*`, in the speaker. Those about members have samples only
    where speakers watch each other.
    """

    def __init__(self, registry: metrics.Metrics) -> None:
        self._rivals = registry.counter(
            "frr_adapter_layer2_rivals_total",
            "Claims of stations that are no speakers on addresses that this node has or wants",
            ("ip", "mac"),
        )
        self._fenced = registry.gauge(
            "frr_adapter_layer2_fenced", "1 while too few other speakers are heard to answer for any address"
        )
        self._fenced.put(0)
        self._takeover = registry.histogram(
            "frr_adapter_layer2_takeover_seconds",
            "Time from the last sign of life of a speaker that was lost until this one answered for an address",
            (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0),
        )
        self._members = registry.gauge("frr_adapter_members", "Speakers that live, this one included")
        self._expected = registry.gauge(
            "frr_adapter_members_expected",
            "Speakers that should live, this one included: all that did not leave in order",
        )
        self._sent = registry.counter("frr_adapter_gossip_sent_total", "Datagrams sent to other speakers")
        self._received = registry.counter(
            "frr_adapter_gossip_received_total", "Datagrams received, refused ones included"
        )
        self._send_errors = registry.counter("frr_adapter_gossip_send_errors_total", "Datagrams that could not be sent")
        self._clashes = registry.counter(
            "frr_adapter_gossip_clashes_total", "Signs of life of another speaker that has the name of this node"
        )
        self._refused = registry.counter(
            "frr_adapter_gossip_refused_total", "Received datagrams that were not believed", ("reason",)
        )

    def set_rivals(self, claims: Iterable[tuple[str, str, int]]) -> None:
        """Makes these the only rivals that have series: address, link-layer address, claims since the address is wanted."""
        self._rivals.replace({(ip, mac): number for ip, mac, number in claims})

    def set_fenced(self, *, fenced: bool) -> None:
        """Whether this node is fenced."""
        self._fenced.put(int(fenced))

    def took_over(self, seconds: float) -> None:
        """An address was taken so long after the last sign of life of a speaker."""
        self._takeover.observe(seconds)

    def set_members(self, live: int, expected: int) -> None:
        """How many speakers live, and how many should."""
        self._members.put(live)
        self._expected.put(expected)

    def set_gossip(self, sent: int, received: int, send_errors: int, clashes: int, refused: Mapping[str, int]) -> None:
        """Everything counted since start; `refused` by reason."""
        self._sent.put(sent)
        self._received.put(received)
        self._send_errors.put(send_errors)
        self._clashes.put(clashes)
        self._refused.replace({(reason,): number for reason, number in refused.items()})
