"""The speaker's flags. Read once at start by `speaker.__main__`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frr_adapter import addresses, errors, flags, tls

FRR_LOG_LEVELS = {
    "all": "debugging",
    "debug": "debugging",
    "info": "informational",
    "warn": "warnings",
    "error": "errors",
    "none": "emergencies",
}
"""Our log levels in FRR's words; FRR_LOGGING_LEVEL overrides."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a silent speaker is missed; all in seconds, `members` counts every speaker that is expected, this one included.

    What holds everything together: a node fences itself (`fence_after`) before the others hold it for dead (`dead_after`) and
    take its addresses over (`takeover_after` later at the earliest).
    """

    round: float = 0.1
    """Between two rounds of questions."""
    step: float = 0.025
    """How finely time is looked at; who is suspected is asked once a step."""
    fence: float = 0.35
    suspicion: float = 0.25
    death: float = 0.4
    takeover_after: float = 0.1
    """A node waits so long after a death before it answers for an address of the dead; probing the wire fits in here."""
    unfence_after: float = 0.3
    """A node that was fenced hears a majority for so long before it answers again, so that all know that it is back."""
    forget_after: float = 60.0
    """Who was silent for so long, while this node was not fenced, is no longer expected."""
    stall_after: float = 2.0
    """A program whose event loop stands still for so long says nothing more, so that others take over."""

    def suspect_after(self, members: int) -> float:
        """News older than this make a node ask directly."""
        return self.suspicion * _stretch(members)

    def dead_after(self, members: int) -> float:
        """Who gave no sign of life for so long is dead."""
        return self.death * _stretch(members)

    def fence_after(self, members: int) -> float:
        """A node that heard no majority for so long answers nobody."""
        return self.fence * _stretch(members)


def _stretch(members: int) -> float:
    """News travel through more hands in a larger cluster: by the logarithm, above 16 members."""
    return max(1.0, math.log2(max(members, 1)) / 4)


LAN = Timing()
WAN = Timing(
    round=0.5, step=0.1, fence=1.75, suspicion=1.25, death=2.0, takeover_after=0.5, unfence_after=1.5, stall_after=4.0
)


def _address(text: str) -> str:
    try:
        return str(addresses.parse_address(text)) if text else ""
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address is allowed") from None


def _owner(text: str) -> str:
    if text in {"keep", "hash"}:
        return text
    raise ValueError("keep and hash are allowed")


def _gossip_port(text: str) -> int:
    if text.isdigit() and 0 < int(text) <= 65535:
        return int(text)
    raise ValueError("a port from 1 to 65535 is allowed")


FLAGS: tuple[flags.Flag, ...] = (
    *flags.COMMON,
    flags.Flag("node-name", "name of the node (required)", env="METALLB_NODE_NAME"),
    flags.Flag("ignore-exclude-lb", "announce from nodes that carry the exclude label too", False, is_switch=True),
    flags.Flag("frr-config-file", "the frr.conf to render", "/etc/frr_reloader/frr.conf", "FRR_CONFIG_FILE"),
    flags.Flag("frr-reload", "the frr-reload.py program", "/usr/lib/frr/frr-reload.py", "FRR_RELOAD"),
    flags.Flag("frr-vty-dir", "directory of FRR's VTY sockets; empty runs without BGP", "/var/run/frr", "FRR_VTY_DIR"),
    flags.Flag("frr-log-level", "FRR's log level, overriding --log-level", env="FRR_LOGGING_LEVEL"),
    flags.Flag(
        "exclude-interfaces-file",
        "file whose announcedInterfacesToExclude lists interfaces that layer 2 leaves alone",
        "/etc/metallb/excludel2.yaml",
        "METALLB_EXCLUDE_L2_FILE",
    ),
    flags.Flag(
        "l2-owner",
        "keep: a healthy owner keeps its layer-2 addresses; hash: they always follow the order of the election",
        "keep",
        "METALLB_L2_OWNER",
        _owner,
    ),
    flags.Flag(
        "l2-kernel-proxy",
        "let the kernel answer on layer 2 where it can; it goes on while this program hangs, so see docs/layer2.md",
        False,
        "METALLB_L2_KERNEL_PROXY",
        is_switch=True,
    ),
    flags.Flag(
        "ml-bindaddr", "own address for the gossip of speakers; empty: none", "", "METALLB_ML_BIND_ADDR", _address
    ),
    flags.Flag("ml-bindport", "UDP port of that gossip", 7946, "METALLB_ML_BIND_PORT", _gossip_port),
    flags.Flag("ml-labels", "label selector of the speakers' pods; empty: no gossip", env="METALLB_ML_LABELS"),
    flags.Flag(
        "ml-secret-key-path",
        "directory with the file secretkey, the secret shared by all speakers; empty: no gossip",
        env="METALLB_ML_SECRET_KEY_PATH",
    ),
    flags.Flag("ml-wan-config", "five times slower gossip, for speakers far from each other", False, is_switch=True),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags say."""

    kubeconfig: str
    namespace: str
    pod_name: str
    port: int
    host: str
    health_probe_port: int
    log_level: str
    lb_class: str
    metrics_secure: bool
    metrics_cert_dir: str
    tls_min_version: str
    tls_cipher_suites: str
    tls_curve_preferences: str
    node_name: str
    ignore_exclude_lb: bool
    frr_config_file: str
    frr_reload: str
    frr_vty_dir: str
    frr_log_level: str
    exclude_interfaces_file: str
    l2_kernel_proxy: bool
    l2_owner: str
    ml_bindaddr: str
    ml_bindport: int
    ml_labels: str
    ml_secret_key_path: str
    ml_wan_config: bool

    @property
    def has_membership(self) -> bool:
        """Whether speakers watch each other: pods to find, an address to talk from, and a secret. Never without a secret."""
        return bool(self.ml_labels and self.ml_bindaddr and self.ml_secret_key_path)

    @property
    def tls(self) -> tls.Policy:
        """The three TLS flags together. Raises errors.SettingsError."""
        return tls.policy(self.tls_min_version, self.tls_cipher_suites, self.tls_curve_preferences)

    @property
    def timing(self) -> Timing:
        """The gossip's timing."""
        return WAN if self.ml_wan_config else LAN

    @property
    def frr_level(self) -> str:
        """The log level in FRR's own word."""
        return self.frr_log_level or FRR_LOG_LEVELS[self.log_level]


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Flags and environment as settings. Raises errors.SettingsError."""
    settings = Settings(**flags.parse("speaker", __doc__.split(".", maxsplit=1)[0], FLAGS, argv, environ))
    if not settings.node_name:
        raise errors.SettingsError("speaker: --node-name: missing; the name of the Node object is required")
    _ = settings.tls  # flags that contradict each other are told at start
    return settings
