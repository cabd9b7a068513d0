"""The controller's flags. Read once at start by `controller.__main__`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frr_adapter import errors, flags, tls

WEBHOOK_MODES = ("enabled", "disabled", "onlywebhook")


def webhook_mode(text: str) -> str:
    """Whether the validating webhook runs, or nothing but it."""
    if text in WEBHOOK_MODES:
        return text
    raise ValueError(f"allowed are {', '.join(WEBHOOK_MODES)}")


def whole_seconds(text: str) -> int:
    """A duration as a Lease carries it."""
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 3600:
        return int(text)
    raise ValueError("a whole number of seconds from 1 to 3600 is allowed")


def seconds(text: str) -> float:
    """A duration."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if 0.01 <= number <= 3600:
        return number
    raise ValueError("a number of seconds from 0.01 to 3600 is allowed")


def names(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


WEBHOOK: tuple[flags.Flag, ...] = (
    flags.Flag("webhook-mode", f"one of {', '.join(WEBHOOK_MODES)}", "disabled", parse=webhook_mode),
    flags.Flag("webhook-port", "port of the validating webhook; 0 takes any free one", 9443, parse=flags.port),
    flags.Flag("webhook-secret", "Secret that keeps the webhook's certificates", "metallb-webhook-cert"),
    flags.Flag(
        "cert-service-name", "Service of the webhook; its name is in the certificate", "metallb-webhook-service"
    ),
    flags.Flag(
        "cert-extra-names", "more names and addresses for the certificate, separated by commas", (), parse=names
    ),
    flags.Flag(
        "disable-cert-rotation", "take the certificate from --cert-dir instead of making it", False, is_switch=True
    ),
    flags.Flag("cert-dir", "folder with tls.crt and tls.key", "/tmp/k8s-webhook-server/serving-certs"),  # noqa: S108  its known place
    flags.Flag("webhook-http2", "accepted and ignored: the webhook speaks HTTP/1.1", False, is_switch=True),
)

LEASE: tuple[flags.Flag, ...] = (
    flags.Flag(
        "leader-elect", "work only while holding the lease, so that several replicas may run", True, is_switch=True
    ),
    flags.Flag("lease-name", "name of the Lease object, in --namespace", "frr-adapter-controller"),
    flags.Flag("lease-duration", "seconds after which others take an unrenewed lease", 15, parse=whole_seconds),
    flags.Flag("renew-deadline", "seconds after which a leader that cannot renew stops", 10.0, parse=seconds),
    flags.Flag("retry-period", "seconds between two tries to take or renew the lease", 2.0, parse=seconds),
)

SPEAKERS: tuple[flags.Flag, ...] = (
    flags.Flag(
        "ml-secret-name",
        "Secret for the gossip of speakers, made where it is missing; empty: none",
        env="METALLB_ML_SECRET_NAME",
    ),
    flags.Flag("deployment", "Deployment of the controller, which is to own that Secret", env="METALLB_DEPLOYMENT"),
)

_JITTER = 1.2
"""Pauses of a candidate are up to this much longer; see `core.leadership`."""

FLAGS: tuple[flags.Flag, ...] = (*flags.COMMON, *LEASE, *SPEAKERS, *WEBHOOK)


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
    leader_elect: bool
    lease_name: str
    lease_duration: int
    renew_deadline: float
    retry_period: float
    ml_secret_name: str
    deployment: str
    webhook_mode: str
    webhook_port: int
    webhook_secret: str
    cert_service_name: str
    cert_extra_names: tuple[str, ...]
    disable_cert_rotation: bool
    cert_dir: str
    webhook_http2: bool

    @property
    def tls(self) -> tls.Policy:
        """The three TLS flags together. Raises errors.SettingsError."""
        return tls.policy(self.tls_min_version, self.tls_cipher_suites, self.tls_curve_preferences)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Flags and environment as settings. Raises errors.SettingsError."""
    chosen = Settings(**flags.parse("controller", __doc__.split(".", maxsplit=1)[0], FLAGS, argv, environ))
    _ = chosen.tls  # flags that contradict each other are told at start
    _check_lease(chosen)
    return chosen


def _check_lease(chosen: Settings) -> None:
    duration, deadline, pause = chosen.lease_duration, chosen.renew_deadline, chosen.retry_period
    if not chosen.lease_name:
        raise errors.SettingsError('controller: --lease-name: found ""; the name of a Lease is required')
    if not deadline < duration:
        allowed = f"less than --lease-duration ({duration}) is allowed"
        raise errors.SettingsError(f"controller: --renew-deadline: found {deadline:g}; {allowed}")
    if not pause * _JITTER < deadline:
        allowed = f"less than --renew-deadline / {_JITTER} ({deadline / _JITTER:.3g}) is allowed"
        raise errors.SettingsError(f"controller: --retry-period: found {pause:g}; {allowed}")
