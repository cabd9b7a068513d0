"""The string and number formats a structural schema may ask for.

`validate` asks; the names are those the API server checks, every other format is ignored as it ignores it. Pure.
"""

import base64
import binascii
import datetime as dt
import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"[-+]?(0|({_DURATION_PART.pattern})+)")
_MICROSECONDS = {
    "ns": "0.001",
    "us": "1",
    "µs": "1",
    "μs": "1",
    "ms": "1000",
    "s": "1000000",
    "m": "60000000",
    "h": "3600000000",
}
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[-+][0-9]{2}:[0-9]{2})"
)
_HOST_LABEL = r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
_HOSTNAME = re.compile(rf"{_HOST_LABEL}(\.{_HOST_LABEL})*\.?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}([:-][0-9a-fA-F]{2}){0,2}|([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}")
_URI = re.compile(r"[A-Za-z][-+.A-Za-z0-9]*:\S+|/\S*")


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _date_time(text: str) -> bool:
    if _DATE_TIME.fullmatch(text) is None:
        return False
    return _parses(dt.datetime.fromisoformat)(text[:19].upper())


def _cidr(text: str) -> object:
    if "/" not in text:
        raise ValueError(text)
    return ipaddress.ip_interface(text)


def duration(text: str) -> dt.timedelta:
    """A duration such as `1h2m3.5s`, cut to microseconds. Raises `ValueError`. Source: Go, `time.ParseDuration`."""
    if _DURATION.fullmatch(text) is None:
        raise ValueError(f"type conversion error from '{text}' to 'google.protobuf.Duration'")
    parts = (Decimal(amount) * Decimal(_MICROSECONDS[unit]) for amount, unit in _DURATION_PART.findall(text))
    total = int(sum(parts, Decimal(0)))
    return dt.timedelta(microseconds=-total if text.startswith("-") else total)


_STRING_FORMATS: dict[str, Callable[[str], bool]] = {
    "byte": _parses(lambda text: base64.b64decode(text, validate=True)),
    "cidr": _parses(_cidr),
    "date": _parses(lambda text: dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC)),
    "date-time": _date_time,
    "datetime": _date_time,
    "duration": _parses(duration),
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "hostname": lambda text: len(text) <= 255 and _HOSTNAME.fullmatch(text) is not None,
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "mac": lambda text: _MAC.fullmatch(text) is not None,
    "uri": lambda text: _URI.fullmatch(text) is not None,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
}


def is_string_valid(text: str, name: str) -> bool:
    """Whether `text` has the format `name`; true for a format the API server does not know."""
    check = _STRING_FORMATS.get(name)
    return check is None or check(text)
