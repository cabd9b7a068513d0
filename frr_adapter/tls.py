"""The TLS flags of the programs as one policy. Read by `settings`, followed by whoever listens with TLS.

Must never make a context: that is the boundary's work.
"""

import ssl
from dataclasses import dataclass
from types import MappingProxyType

from frr_adapter import errors

VERSIONS = MappingProxyType({"VersionTLS12": ssl.TLSVersion.TLSv1_2, "VersionTLS13": ssl.TLSVersion.TLSv1_3})

SUITES = MappingProxyType(
    {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    }
)
"""The suites of TLS 1.2 that are still sound: IANA's name -> OpenSSL's name."""

CURVES = MappingProxyType({23: "prime256v1", 24: "secp384r1", 25: "secp521r1", 29: "X25519"})
"""Number in IANA's "TLS Supported Groups" -> OpenSSL's name."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`suites` and `curves` under OpenSSL's names, in order of preference; empty leaves the choice to the library."""

    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    suites: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()


def policy(minimum: str, suites: str, curves: str) -> Policy:
    """The policy of the three flags' texts; lists are separated by commas.

    Raises errors.SettingsError naming the flag, what was found and what is allowed.
    """
    if minimum not in VERSIONS:
        raise errors.SettingsError(f'parsing tls-min-version: found "{minimum}"; allowed are {", ".join(VERSIONS)}')
    named = _parts(suites)
    if named and VERSIONS[minimum] is ssl.TLSVersion.TLSv1_3:
        raise errors.SettingsError(
            f'parsing tls-cipher-suites: found "{suites}"; cipher suites cannot be configured with TLS 1.3 as the minimum'
        )
    unknown = [name for name in named if name not in SUITES]
    if unknown:
        raise errors.SettingsError(f'parsing tls-cipher-suites: found "{unknown[0]}"; allowed are {", ".join(SUITES)}')
    return Policy(VERSIONS[minimum], tuple(SUITES[name] for name in named), _curves(curves))


def _curves(text: str) -> tuple[str, ...]:
    flag = "parsing tls-curve-preferences"
    allowed = ", ".join(f"{number} ({name})" for number, name in CURVES.items())
    found: list[int] = []
    for part in _parts(text):
        if not part.isascii() or not part.isdigit():
            raise errors.SettingsError(f'{flag}: invalid curve preference "{part}"; allowed are {allowed}')
        number = int(part)
        if number > 0xFFFF:
            raise errors.SettingsError(f"{flag}: curve preference {number} is out of range; allowed are {allowed}")
        if number not in CURVES:
            raise errors.SettingsError(f"{flag}: invalid curve preference {number}; allowed are {allowed}")
        if number in found:
            raise errors.SettingsError(f"{flag}: duplicate curve preference {number}; each is allowed once")
        found.append(number)
    return tuple(CURVES[number] for number in found)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
