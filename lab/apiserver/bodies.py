"""Request bodies: from bytes to JSON objects, and to valid objects of a kind.

`writes` calls it for every create, update and patch. Must never touch the store.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from lab.apiserver import builtin_schema, protobuf, refusal, schema
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json

_JSON = ("", "application/json", "*/*")
_YAML = ("application/yaml", "text/yaml", "application/x-yaml")
_PROTOBUF = "application/vnd.kubernetes.protobuf"
READABLE = ("application/json", "application/yaml", _PROTOBUF)
_METADATA = builtin_schema.schema_of("V1ObjectMeta")
_MODES = ("Ignore", "Warn", "Strict")


@dataclass(slots=True)
class FieldCheck:
    """What to do with unknown and duplicate fields, and the warnings so far."""

    mode: str = "Warn"
    warnings: list[str] = field(default_factory=list)

    @property
    def is_strict(self) -> bool:
        """Whether such a field refuses the request."""
        return self.mode == "Strict"


def field_check(asked: str) -> FieldCheck:
    """The check the fieldValidation parameter asks for; raises the 422."""
    if asked and asked not in _MODES:
        raise refusal.bad_request(f'Unsupported value: "{asked}": supported values: "Ignore", "Strict", "Warn"')
    return FieldCheck(asked or "Warn")


def parse(data: bytes, content_type: str, repeated: list[str] | None = None) -> Any:
    """The JSON value of a JSON, YAML or protobuf body; collects duplicate fields; raises the 400 or 415."""
    media = content_type.partition(";")[0].strip().lower()
    if media == _PROTOBUF:
        try:
            return protobuf.read_object(data)
        except protobuf.ProtobufError as error:
            raise refusal.bad_request(f"error decoding: {error}") from error
    if media not in _JSON and media not in _YAML and media != "application/apply-patch+yaml":
        raise refusal.unsupported_media(READABLE)
    try:
        if media in _JSON:
            return _parse_json(data, [] if repeated is None else repeated)
        return _plain(yaml.safe_load(data))
    except (ValueError, yaml.YAMLError) as error:
        raise refusal.bad_request(f"error decoding: {error}") from error


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its fields as they were written, repeated ones too."""


def _parse_json(data: bytes, repeated: list[str]) -> Any:
    found = json.loads(data, object_pairs_hook=_Pairs)
    return _from_pairs(found, "", repeated)


def _from_pairs(value: Any, path: str, repeated: list[str]) -> Any:
    if isinstance(value, _Pairs):
        document: Json = {}
        for key, item in value:
            here = f"{path}.{key}" if path else key
            if key in document:
                repeated.append(here)
            document[key] = _from_pairs(item, here, repeated)
        return document
    if isinstance(value, list):
        return [_from_pairs(item, f"{path}[{index}]", repeated) for index, item in enumerate(value)]
    return value


def _plain(value: Any) -> Any:
    """YAML's dates as the text they were written as; everything else is JSON already."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return value.isoformat().replace("+00:00", "Z")


def read_object(data: bytes, content_type: str, kind: Kind, check: FieldCheck) -> Json:
    """The object of a create or update body, decoded as its kind."""
    repeated: list[str] = []
    document = parse(data, content_type, repeated)
    if not isinstance(document, dict):
        raise refusal.bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            "json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    _check_type(document, kind)
    complain(kind, [f'duplicate field "{name}"' for name in repeated], check)
    decode(document, kind, check)
    return document


def _check_type(document: Json, kind: Kind) -> None:
    document.setdefault("apiVersion", kind.api_version)
    document.setdefault("kind", kind.kind)
    if (document["apiVersion"], document["kind"]) != (kind.api_version, kind.kind):
        group, _, version = str(document["apiVersion"]).rpartition("/")
        found = f"{document['kind']}.{version}.{group}".rstrip(".")
        wanted = f"{kind.kind}.{kind.version}.{kind.group}".rstrip(".")
        if kind.custom or document["kind"] == kind.kind:
            text = f"the API version in the data ({document['apiVersion']}) does not match the expected API version ({kind.api_version})"
        else:
            text = f'{document["kind"]} in version "{version}" cannot be handled as a {kind.kind}: converting ({found}) to ({wanted}): unknown conversion'
        raise refusal.bad_request(text)


def decode(document: Json, kind: Kind, check: FieldCheck) -> None:
    """Reads an object as its kind, in place: unknown fields go, wrong types are refused, defaults come later."""
    try:
        if kind.custom:
            found = document.get("metadata")
            unknown = []
            if found is not None:
                unknown = [
                    f"metadata.{path}" for path in builtin_schema.decode(found, _METADATA, "ObjectMeta.metadata")
                ]
            unknown += schema.prune(document, kind.schema)
        else:
            unknown = builtin_schema.decode(document, kind.schema, kind.kind)
    except builtin_schema.WrongTypeError as error:
        raise refusal.bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {error}'
        ) from error
    complain(kind, [f'unknown field "{path}"' for path in sorted(unknown)], check)


def complain(kind: Kind, complaints: list[str], check: FieldCheck) -> None:
    """Warns of or refuses unknown and duplicate fields."""
    if not complaints or check.mode == "Ignore":
        return
    if check.is_strict:
        raise refusal.bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f"strict decoding error: {', '.join(complaints)}"
        )
    check.warnings += complaints
