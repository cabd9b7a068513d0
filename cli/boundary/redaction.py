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

import yaml

from cli.values import Json
from controller import settings as controller_settings
from frr_adapter.frr import reloading
from frr_adapter.resolve import peers
from speaker import settings as speaker_settings

UNKNOWN = "***"

_KEY = os.urandom(32)
_STAND_IN = re.compile(r"\*\*\*-[0-9a-f]{12}")
_DROPPED = (
    "kapp.k14s.io/original",
    "kubectl.kubernetes.io/last-applied-configuration",
    "objectset.rio.cattle.io/applied",
)
"""Annotations that repeat the object."""

_NEIGHBOR = r"\bneighbor[ \t]+\S+[ \t]+passw\w*"
_KIND = r"(?:[ \t]+(?:\d+|md5|clear|encrypted))*[ \t]+"
# To the end of the line, as a password may hold blanks there.
_STATEMENT = re.compile(rf"(?P<before>\b{reloading.SAID_BEFORE}{_KIND})(?P<password>\S[^\r\n]*)")
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
_SAID = re.compile(r"(?i)pass|pwd|(?:^|_)pw(?:_|$)|secret|token|key|credential|auth")
_LOGIN = re.compile(r"://[^/@\s]*:[^/@\s]*@")
_PASSWORD_FIELD = re.compile(r"(?i)pas+w")
"""Also in fields that are called otherwise by mistake, and in `passwordSecret` where the password itself was put there."""
_SECRET_KEY = re.compile(r"(?i)pas+w|secret|token|credential")
_OPEN_FIELDS = frozenset({"apiVersion", "kind", "metadata", "type", "data", "stringData"})
"""Of a Secret; what stands anywhere else was meant for one of the last two."""
_OUR_VARIABLES = frozenset(flag.env for flag in (*speaker_settings.FLAGS, *controller_settings.FLAGS))
_OUR_FLAGS = frozenset(flag.name for flag in (*speaker_settings.FLAGS, *controller_settings.FLAGS))
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
    kind = raw.get("kind")
    _cut_metadata(raw.get("metadata"), str(kind))
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
    return _STATEMENT.sub(_replaced_line, text)


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


def _cut_metadata(metadata: Any, kind: str) -> None:
    if not isinstance(metadata, dict):
        return
    metadata.pop("managedFields", None)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        for name, value in list(annotations.items()):
            # Tools that we do not know repeat objects, too. In a Secret that would be base64.
            is_open = kind in _OPEN_KINDS or not (kind == "Secret" or _PASSWORD_FIELD.search(str(value)))
            if name in _DROPPED or not is_open:
                del annotations[name]


def _hide_secret(raw: Json) -> None:
    """`stringData` becomes `data`, as the API does it."""
    for name in raw.keys() - _OPEN_FIELDS:
        raw[name] = raw[name] if isinstance(raw[name], bool) else UNKNOWN
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
    if isinstance(data, str):
        raw["data"] = _hide_file(data)
    elif isinstance(data, dict):
        for key, value in data.items():
            if isinstance(value, str):
                data[key] = stand_in(value) if _SECRET_KEY.search(str(key)) else _hide_file(value)


def _hide_file(text: str) -> str:
    """A text that may be YAML: what its author may write in ways that no pattern finds is found by reading it."""
    hidden = hide_text(text)
    if not _PASSWORD_FIELD.search(text):
        return hidden
    try:
        parts = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError, RecursionError):
        return hidden
    found: set[str] = set()
    _find_passwords(parts, found)
    if not any(word in hidden for each in found for word in each.split()):
        return hidden
    _hide_fields(parts)
    return str(yaml.safe_dump_all(_each_text(parts, lambda inner: stand_in(inner) if inner in found else inner)))


def _find_passwords(value: Any, found: set[str]) -> None:
    """The texts of all fields that are called so, but for those that are hidden already."""
    if isinstance(value, list):
        for each in value:
            _find_passwords(each, found)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if _PASSWORD_FIELD.search(str(key)) and isinstance(inner, str) and stand_in(inner) != inner:
                found.add(inner)
            else:
                _find_passwords(inner, found)


def _hide_fields(value: Any) -> None:
    """Fields called `password`, and statements of FRR in texts. Words for people that speak of passwords stay as they are."""
    if isinstance(value, list):
        for each in value:
            _hide_fields(each)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key == "password" or (isinstance(inner, str) and _PASSWORD_FIELD.search(str(key))):
                value[key] = _without_content(inner)
            elif isinstance(inner, dict) and _PASSWORD_FIELD.search(str(key)):
                value[key] = {name: _named(name, each) for name, each in inner.items()}
            elif isinstance(inner, str):
                value[key] = hide_text(inner) if key in _FRR_FIELDS else _STATEMENT_IN_PROSE.sub(_replaced, inner)
            else:
                _hide_fields(inner)


def _named(name: str, value: Any) -> Any:
    """What may stand in a reference to a Secret: the name is no password, anything else may be one."""
    return value if name in ("name", "namespace") and isinstance(value, str) else _without_content(value)


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
            elif key in ("command", "args") and isinstance(inner, list):
                value[key] = _hidden_words(inner)
            else:
                _hide_environments(inner)


def _hide_variable(variable: Any) -> None:
    if isinstance(variable, dict) and isinstance(variable.get("value"), str):
        name = str(variable.get("name", ""))
        if name not in _OUR_VARIABLES and (_SAID.search(name) or _LOGIN.search(variable["value"])):
            variable["value"] = UNKNOWN


def _hidden_words(words: list[Any]) -> list[Any]:
    """Without the values of flags of others that may be secret."""
    found: list[Any] = []
    is_value = False
    for word in words:
        name, equals, _ = str(word).partition("=")
        is_secret = name.startswith("-") and name.lstrip("-") not in _OUR_FLAGS and bool(_SAID.search(name))
        if is_secret and equals:
            found.append(f"{name}={UNKNOWN}")
        else:
            found.append(UNKNOWN if is_value and not name.startswith("-") else word)
        is_value = is_secret and not equals
    return found


def _replaced_line(match: re.Match[str]) -> str:
    """What FRR's own rules make of blanks in a password does not matter here; only that another password is told as another."""
    return f"{match['before']}{stand_in('_'.join(match['password'].split()))}"


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
