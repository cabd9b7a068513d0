"""Small facts about Kubernetes objects as plain JSON: copies, metadata, timestamps, names.

Called by every other module of the embedded API. Must never read the store or the network.
"""

import random
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec

Json = dict[str, Any]

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_NAME_BASE_LIMIT = 63 - _SUFFIX_LENGTH

_LABEL_1123 = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

LABEL_1123_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def encode(value: Any) -> bytes:
    """The JSON bytes of a value."""
    return msgspec.json.encode(value)


def copy(value: Json) -> Json:
    """A deep copy of a JSON object, sharing nothing with the original."""
    fresh: Json = msgspec.json.decode(msgspec.json.encode(value))
    return fresh


def meta(document: Json) -> Json:
    """The metadata of an object, created empty where it is missing or not an object."""
    found = document.get("metadata")
    if not isinstance(found, dict):
        found = document["metadata"] = {}
    return found


def key_of(document: Json) -> tuple[str, str]:
    """(namespace, name); the namespace of a cluster-wide object is empty."""
    found = document["metadata"]
    return found.get("namespace", ""), found["name"]


def timestamp(moment: datetime | None = None) -> str:
    """RFC 3339 in UTC with whole seconds, as metav1.Time prints itself."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_uid() -> str:
    """A random version 4 UUID."""
    return str(uuid.uuid4())


def generated_name(base: str) -> str:
    """GenerateName's base, cut where too long, with five random characters."""
    return base[:_NAME_BASE_LIMIT] + "".join(random.choices(_SUFFIX_ALPHABET, k=_SUFFIX_LENGTH))


def label_1123_errors(name: str) -> list[str]:
    """Why a name is no RFC 1123 label; empty when it is one."""
    return _name_errors(name, _LABEL_1123, 63, LABEL_1123_TEXT)


def label_1035_errors(name: str) -> list[str]:
    """Why a name is no RFC 1035 label; empty when it is one."""
    return _name_errors(name, _LABEL_1035, 63, LABEL_1035_TEXT)


def subdomain_errors(name: str) -> list[str]:
    """Why a name is no RFC 1123 subdomain; empty when it is one."""
    return _name_errors(name, _SUBDOMAIN, 253, SUBDOMAIN_TEXT)


def path_segment_errors(name: str) -> list[str]:
    """Why a name cannot stand in a URL path; the rule for objects with free names."""
    if name in {".", ".."}:
        return [f"may not be '{name}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in name]


def qualified_name_errors(key: str) -> list[str]:
    """Why a label or annotation key is not `[prefix/]name`; empty when it is."""
    prefix, slash, name = key.rpartition("/")
    errors: list[str] = []
    if slash and not prefix:
        errors.append("prefix part must be non-empty")
    elif slash:
        errors.extend(f"prefix part {error}" for error in subdomain_errors(prefix))
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > 63:
        errors.append("name part must be no more than 63 characters")
    if not _QUALIFIED.fullmatch(name):
        errors.append(QUALIFIED_TEXT)
    return errors


def label_value_errors(value: str) -> list[str]:
    """Why a string is no label value; empty when it is one."""
    errors = ["must be no more than 63 characters"] if len(value) > 63 else []
    if value and not _QUALIFIED.fullmatch(value):
        errors.append(LABEL_VALUE_TEXT)
    return errors


def _name_errors(name: str, pattern: re.Pattern[str], limit: int, text: str) -> list[str]:
    errors = [f"must be no more than {limit} characters"] if len(name) > limit else []
    if not pattern.fullmatch(name):
        errors.append(text)
    return errors
