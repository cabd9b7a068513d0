"""Kubernetes protobuf, as far as kubectl sends it: typed creates of the kinds it has commands for.

From 1.33 on `kubectl create namespace` and its kin send protobuf; `bodies` turns that into JSON here, `openapi_v2` writes
with the same primitives. Must never be chosen for an answer. Source: protobuf wire format; "Kubernetes API Concepts".
"""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from lab.apiserver.objects import Json, timestamp
from lab.apiserver.protobuf_fields import MESSAGES, ROOTS

_MAGIC = b"k8s\x00"
_BYTES = 2  # wire type of strings and messages


class ProtobufError(ValueError):
    """A message that cannot be read, or has fields this server does not know."""


def read_object(data: bytes) -> Json:
    """The JSON object in a Kubernetes protobuf envelope; raises ProtobufError."""
    if not data.startswith(_MAGIC):
        raise ProtobufError("does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    envelope = dict(_fields(data[len(_MAGIC) :]))
    type_meta = dict(_fields(envelope.get(1, b"")))
    api_version, kind = (type_meta.get(number, b"").decode() for number in (1, 2))
    if kind not in ROOTS:
        raise ProtobufError(f"the {kind} of a protobuf body is not known here")
    return {"apiVersion": api_version, "kind": kind, **_message(envelope.get(2, b""), kind)}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise ProtobufError("unexpected EOF")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
            case 2:
                size, at = _varint(data, at)
                if at + size > len(data):
                    raise ProtobufError("unexpected EOF")
                yield tag >> 3, data[at : at + size]
                at += size
            case wire:
                raise ProtobufError(f"illegal wireType {wire}")


def _message(data: bytes, name: str) -> Json:
    table = MESSAGES[name]
    found: Json = {}
    for number, raw in _fields(data):
        if number not in table:
            raise ProtobufError(f"field {number} of a {name} is not known here")
        field, declared = table[number]
        if declared.startswith("map:"):
            key, value = _pair(raw, declared.removeprefix("map:"))
            found.setdefault(field, {})[key] = value
        elif declared.startswith("*"):
            found.setdefault(field, []).append(_value(raw, declared[1:]))
        else:
            value = _value(raw, declared.removesuffix("?"))
            # Go writes fields without pointers even when they are empty; in JSON they are left out.
            if declared.endswith("?") or value not in ("", 0, False, None):
                found[field] = value
    return found


def _pair(raw: bytes, declared: str) -> tuple[str, Any]:
    pair = dict(_fields(raw))
    return pair.get(1, b"").decode(), _value(pair.get(2, b""), declared)


def _value(raw: Any, declared: str) -> Any:
    match declared:
        case "string":
            return raw.decode()
        case "int":
            return raw - (1 << 64) if raw >> 63 else raw
        case "bool":
            return bool(raw)
        case "bytes":
            return base64.b64encode(raw).decode()
        case "time":
            parts = dict(_fields(raw))
            return timestamp(datetime.fromtimestamp(parts[1], UTC)) if parts.get(1) else None
        case "quantity":
            return dict(_fields(raw)).get(1, b"").decode()
        case "int-or-string":
            parts = dict(_fields(raw))
            return parts.get(3, b"").decode() if parts.get(1) else parts.get(2, 0)
        case _:
            return _message(raw, declared)


def write_varint(value: int) -> bytes:
    """A number in base 128."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write(number: int, *values: bytes | str) -> bytes:
    """A field of strings or messages, once per value."""
    out = b""
    for value in values:
        data = value.encode() if isinstance(value, str) else value
        out += write_varint(number << 3 | _BYTES) + write_varint(len(data)) + data
    return out
