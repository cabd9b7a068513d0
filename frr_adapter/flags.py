"""Flags of the two programs: one table says name, environment variable, default and meaning.

Used by `controller.settings` and `speaker.settings`, and by the test that compares the chart with them.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frr_adapter import errors

LOG_LEVELS = ("all", "debug", "info", "warn", "error", "none")


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. `parse` raises ValueError with what is allowed; a boolean flag needs no value. A flag beats its variable."""

    name: str
    meaning: str
    default: Any = ""
    env: str = ""
    parse: Callable[[str], Any] = str
    is_switch: bool = False

    @property
    def attribute(self) -> str:
        """The flag's name as a Python name."""
        return self.name.replace("-", "_")


def port(text: str) -> int:
    """A TCP port, 0 meaning off."""
    if text.isdigit() and int(text) <= 65535:
        return int(text)
    raise ValueError("a port from 0 to 65535 is allowed")


def level(text: str) -> str:
    """A log level."""
    if text in LOG_LEVELS:
        return text
    raise ValueError(f"allowed are {', '.join(LOG_LEVELS)}")


def boolean(text: str) -> bool:
    """A switch given with a value, Go style."""
    if text.lower() in ("true", "1", "t"):
        return True
    if text.lower() in ("false", "0", "f"):
        return False
    raise ValueError("true or false is allowed")


COMMON: tuple[Flag, ...] = (
    Flag("kubeconfig", "path of a kubeconfig; without it, the pod's service account is used", env="KUBECONFIG"),
    Flag("namespace", "namespace of the metallb.io objects", "metallb-system", "METALLB_NAMESPACE"),
    Flag("pod-name", "name of the pod the program runs in", env="METALLB_POD_NAME"),
    Flag("port", "port of the metrics endpoint; 0 is off", 9120, parse=port),
    Flag("host", "address of the metrics endpoint", "0.0.0.0", "METALLB_HOST"),  # pods listen on all
    Flag("health-probe-port", "port of /healthz, /livez and /readyz; 0 is off", 17472, parse=port),
    Flag("log-level", f"one of {', '.join(LOG_LEVELS)}", "info", parse=level),
    Flag("lb-class", "spec.loadBalancerClass to care for; empty: Services without a class"),
    Flag("metrics-secure", "metrics over HTTPS, for whom the Kubernetes API lets read /metrics", False, is_switch=True),
    Flag("metrics-cert-dir", "folder with tls.crt and tls.key for that, which it turns on; empty: self-signed"),
    Flag("tls-min-version", "VersionTLS12 or VersionTLS13", "VersionTLS13"),
    Flag("tls-cipher-suites", "suites of TLS 1.2 by name, separated by commas; empty: the library's"),
    Flag("tls-curve-preferences", "curves by number, separated by commas; the first known one is used"),
)


def parse(
    program: str, summary: str, flags: Sequence[Flag], argv: Sequence[str], environ: Mapping[str, str]
) -> dict[str, Any]:
    """Reads flags, then variables, then defaults. Raises errors.SettingsError naming flag, found and allowed."""
    parser = argparse.ArgumentParser(program, description=summary, allow_abbrev=False)
    for flag in flags:
        variable = f" [${flag.env}]" if flag.env else ""
        meaning = f"{flag.meaning}{variable} (default: {flag.default or 'none'})"
        if flag.is_switch:
            parser.add_argument(f"--{flag.name}", nargs="?", const="true", default=None, help=meaning)
        else:
            parser.add_argument(f"--{flag.name}", default=None, help=meaning)
    given = vars(parser.parse_args(argv))
    values: dict[str, Any] = {}
    for flag in flags:
        text, source = given[flag.attribute], f"--{flag.name}"
        if text is None and flag.env and environ.get(flag.env):
            text, source = environ[flag.env], f"${flag.env}"
        if text is None:
            values[flag.attribute] = flag.default
            continue
        try:
            values[flag.attribute] = boolean(text) if flag.is_switch else flag.parse(text)
        except ValueError as error:
            raise errors.SettingsError(f'{program}: {source}: found "{text}"; {error}') from None
    return values
