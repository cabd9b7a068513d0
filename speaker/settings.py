"""The speaker's flags. Read once at start by `speaker.__main__`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frr_adapter import errors, flags

FRR_LOG_LEVELS = {
    "all": "debugging",
    "debug": "debugging",
    "info": "informational",
    "warn": "warnings",
    "error": "errors",
    "none": "emergencies",
}
"""Our log levels in FRR's words; FRR_LOGGING_LEVEL overrides."""

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
    node_name: str
    ignore_exclude_lb: bool
    frr_config_file: str
    frr_reload: str
    frr_vty_dir: str
    frr_log_level: str
    exclude_interfaces_file: str

    @property
    def frr_level(self) -> str:
        """The log level in FRR's own word."""
        return self.frr_log_level or FRR_LOG_LEVELS[self.log_level]


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Flags and environment as settings. Raises errors.SettingsError."""
    settings = Settings(**flags.parse("speaker", __doc__.split(".", maxsplit=1)[0], FLAGS, argv, environ))
    if not settings.node_name:
        raise errors.SettingsError("speaker: --node-name: missing; the name of the Node object is required")
    return settings
