"""The controller's flags. Read once at start by `controller.__main__`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frr_adapter import flags

FLAGS: tuple[flags.Flag, ...] = flags.COMMON


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


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Flags and environment as settings. Raises errors.SettingsError."""
    return Settings(**flags.parse("controller", __doc__.split(".", maxsplit=1)[0], FLAGS, argv, environ))
