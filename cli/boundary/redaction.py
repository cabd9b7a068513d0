"""Passwords end here: called for every object as it is read, before it becomes a Document, and again for what goes into a bundle.

A password becomes a stand-in that says nothing about it, yet is the same for the same password within one run of the command (a keyed hash,
the key random and never kept), because a changed password resets a session and `plan` has to know. What is wrong with a password
(blanks, too long, not text) stays wrong. In a bundle, and wherever the password could not be read, it is `UNKNOWN`.
"""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable
from typing import Any

from cli.values import Json
from controller import settings as controller_settings
from frr_adapter.frr import reloading
from frr_adapter.resolve import peers
from speaker import settings as speaker_settings

UNKNOWN = "***"

_KEY = os.urandom(32)
_STAND_IN = re.compile(r"\*\*\*-[0-9a-f]{12}")
_DROPPED = ("kubectl.kubernetes.io/last-applied-configuration",)
"""Annotations that repeat the object."""

_NEIGHBOR = r"\bneighbor[ \t]+\S+[ \t]+passw\w*"
# FRR takes the beginning of a word for the word.
_WORD = r"\b(?:passw\w*|key-s\w*|authentication-k\w*|authentication[ \t]+str\w*|message-digest-k\w*)"
_KIND = r"(?:[ \t]+(?:\d+|md5|clear|encrypted))*[ \t]+"
_STATEMENT = re.compile(rf"(?P<before>{_WORD}{_KIND})(?P<password>\S+)")
_STATEMENT_IN_PROSE = re.compile(rf"(?P<before>{_NEIGHBOR}{_KIND})(?P<password>\S+)")
# MetalLB's old configuration is YAML in a ConfigMap.
_YAML = r"""["']?\bpassword["']?:[ \t]*"""
_QUOTED = re.compile(rf"""(?P<before>{_YAML})(?P<password>"(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*')""")
_BLOCK = re.compile(
    rf"^(?P<before>(?P<indent>[ \t]*)(?:-[ \t]+)?{_YAML})(?P<password>[|>][^\n]*(?:\n(?P=indent)[ \t]+[^\n]*)*)",
    re.MULTILINE,
)
_PLAIN = re.compile(rf"""^(?P<before>[ \t]*(?:-[ \t]+)?{_YAML})(?P<password>[^|>"'\s][^\n]*)""", re.MULTILINE)
_FLOW = re.compile(rf"""(?P<before>[{{,][ \t]*{_YAML})(?P<password>[^"',}}\s][^,}}\n]*)""")

_OPEN_KINDS = frozenset({"CustomResourceDefinition", "EndpointSlice", "Namespace", "Node", "Service"})
"""Kinds without passwords in any field; of some there are thousands."""
_SAID = re.compile(r"(?i)pass|secret|token|key|credential")
_OUR_VARIABLES = frozenset(flag.env for flag in (*speaker_settings.FLAGS, *controller_settings.FLAGS))
_WORKLOADS = frozenset({"DaemonSet", "Deployment", "Pod"})
_FRR_FIELDS = frozenset({"rawConfig"})
"""Where frr-k8s has lines of FRR."""


def stand_in(password: str) -> str:
    """What stands for that password in this run; a stand-in stands for itself, and no password has none."""
    text = password.rstrip("\r\n")  # as FRR is told it
    if not text or text == UNKNOWN or _STAND_IN.fullmatch(text):
        return text
    if len(text) > peers.LONGEST_PASSWORD:
        return "*" * len(text)
    if not text.isprintable() or " " in text:
        return "*" * (len(text) - 1) + (" " if " " in text else "\x7f")
    return f"{UNKNOWN}-{hashlib.blake2b(text.encode(), key=_KEY, digest_size=6).hexdigest()}"


def hide(raw: Json) -> Json:
    """Takes the passwords out of the object, in place, with what repeats the object (managedFields, kubectl's annotation); returns it."""
    _cut_metadata(raw.get("metadata"))
    kind = raw.get("kind")
    if kind in _OPEN_KINDS:
        return raw
    if kind == "Secret":
        _hide_secret(raw)
    elif kind == "ConfigMap":
        _hide_texts(raw)
    else:
        _hide_fields(raw)
        if kind in _WORKLOADS:
            _hide_environments(raw)
    return raw


def hide_text(text: str) -> str:
    """FRR's lines, or YAML, without what follows the word `password` and its likes."""
    text = _QUOTED.sub(_replaced_quoted, text)
    text = _BLOCK.sub(_replaced_block, text)
    for pattern in (_PLAIN, _FLOW):
        text = pattern.sub(_replaced_plain, text)
    return _STATEMENT.sub(_replaced, text)


def forget(raw: Json) -> Json:
    """The object with `UNKNOWN` for every stand-in: nothing of this run's key leaves the machine. A new object."""
    if raw.get("kind") != "Secret":
        found: Json = _each_text(raw, lambda text: _STAND_IN.sub(UNKNOWN, _STATEMENT_IN_PROSE.sub(_replaced, text)))
        return found
    data = raw.get("data")
    if not isinstance(data, dict):
        return raw
    return {**raw, "data": {key: _encoded(_forgotten(value)) for key, value in data.items()}}


def forget_text(text: str) -> str:
    """A text that may hold passwords or stand-ins, with `UNKNOWN` for all of them."""
    return _STAND_IN.sub(UNKNOWN, reloading.redact(hide_text(text), ()))


def knows(raw: Json) -> bool:
    """Whether every password in the object is told from others: none is `UNKNOWN`."""
    found: list[bool] = []

    def look(text: str) -> str:
        found.append(UNKNOWN in _STAND_IN.sub("", text))
        return text

    _each_text(_decoded_secret(raw), look)
    return not any(found)


def _cut_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict):
        return
    metadata.pop("managedFields", None)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        for name in _DROPPED:
            annotations.pop(name, None)


def _hide_secret(raw: Json) -> None:
    """`stringData` becomes `data`, as the API does it."""
    data = raw.get("data")
    if data is not None and not isinstance(data, dict):
        raw["data"] = data = _without_content(data)
    made = {key: _encoded(_hidden_bytes(value)) for key, value in data.items()} if isinstance(data, dict) else {}
    plain = raw.pop("stringData", None)
    if isinstance(plain, dict):
        made |= {key: _encoded(stand_in(value).encode()) for key, value in plain.items() if isinstance(value, str)}
    if made:
        raw["data"] = made


def _hidden_bytes(value: Any) -> bytes | None:
    """None for what is no base64: it stays unreadable."""
    try:
        return stand_in(base64.b64decode(value, validate=True).decode()).encode()
    except UnicodeDecodeError:
        return b"\xff" + UNKNOWN.encode()
    except (binascii.Error, ValueError, TypeError):
        return None


def _forgotten(value: Any) -> bytes | None:
    found = _hidden_bytes(value)
    return found if found is None or b"\xff" in found else _STAND_IN.sub(UNKNOWN, found.decode()).encode()


def _encoded(value: bytes | None) -> str:
    return UNKNOWN if value is None else base64.b64encode(value).decode()


def _decoded_secret(raw: Json) -> Json:
    data = raw.get("data")
    if raw.get("kind") != "Secret" or not isinstance(data, dict):
        return raw
    return {key: (_hidden_bytes(value) or b"").decode(errors="replace") for key, value in data.items()}


def _hide_texts(raw: Json) -> None:
    raw.pop("binaryData", None)
    data = raw.get("data")
    if isinstance(data, dict):
        for key, value in data.items():
            if isinstance(value, str):
                data[key] = stand_in(value) if key == "password" else hide_text(value)


def _hide_fields(value: Any) -> None:
    """Fields called `password`, and statements of FRR in texts. Words for people that speak of passwords stay as they are."""
    if isinstance(value, list):
        for each in value:
            _hide_fields(each)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key == "password":
                value[key] = _without_content(inner)
            elif isinstance(inner, str):
                value[key] = hide_text(inner) if key in _FRR_FIELDS else _STATEMENT_IN_PROSE.sub(_replaced, inner)
            else:
                _hide_fields(inner)


def _without_content(value: Any) -> Any:
    """Of the same type, so that a password that is no text is told as before."""
    if isinstance(value, str):
        return stand_in(value)
    return value if value is None or isinstance(value, bool) else type(value)()


def _hide_environments(value: Any) -> None:
    if isinstance(value, list):
        for each in value:
            _hide_environments(each)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key == "env" and isinstance(inner, list):
                for variable in inner:
                    _hide_variable(variable)
            else:
                _hide_environments(inner)


def _hide_variable(variable: Any) -> None:
    if isinstance(variable, dict) and isinstance(variable.get("value"), str):
        name = str(variable.get("name", ""))
        if _SAID.search(name) and name not in _OUR_VARIABLES:
            variable["value"] = UNKNOWN


def _replaced(match: re.Match[str]) -> str:
    return f"{match['before']}{stand_in(match['password'])}"


def _replaced_quoted(match: re.Match[str]) -> str:
    quote, password = match["password"][0], match["password"][1:-1]
    return f"{match['before']}{quote}{stand_in(password)}{quote}"


def _replaced_plain(match: re.Match[str]) -> str:
    """Quoted from now on, for a star means something to YAML."""
    return f'{match["before"]}"{stand_in(match["password"].partition(" #")[0].rstrip())}"'


def _replaced_block(match: re.Match[str]) -> str:
    password = "".join(line.strip() for line in match["password"].splitlines()[1:])
    return f'{match["before"]}"{stand_in(password)}"'


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _each_text(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_each_text(inner, change) for inner in value]
    return value
