"""Texts inside event messages, quoted the way the compatible messages quote them (Go's %q). Used by the modules of the core."""

from collections.abc import Iterable

from frr_adapter import addresses

_NAMED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def quote(text: str) -> str:
    """The text in double quotes; quotes, backslashes and what cannot be printed are escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_NAMED.get(char) or (char if char.isprintable() else _escape(char)) for char in text) + '"'


def quote_ips(ips: Iterable[addresses.Address]) -> str:
    """A list of addresses: `["1.2.3.4" "fc00::1"]`."""
    return "[" + " ".join(quote(str(ip)) for ip in ips) + "]"


def _escape(char: str) -> str:
    number = ord(char)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
