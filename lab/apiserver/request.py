"""A request to a resource, taken apart: which kind, which object, which options.

`web` parses every resource path with it. Pure; must never look at objects.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lab.apiserver import refusal, selectors
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json
from lab.apiserver.registry import Registry

_FIELDS_OF_ALL = {"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace"}
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse_path(path: str, registry: Registry) -> Target | None:
    """The target of `/api/v1/...` or `/apis/group/version/...`, or None where nothing is served."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return None
    namespace = ""
    # /namespaces/x is the object x; /namespaces/x/pods is a namespaced resource; finalize and status belong to x.
    if len(rest) >= 3 and rest[0] == "namespaces" and not (group == "" and rest[2] in {"finalize", "status"}):
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        return None
    kind = registry.find(group, version, rest[0])
    if kind is None or (namespace and not kind.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in kind.subresources:
        return None
    if name and kind.namespaced and not namespace:
        return None
    return Target(kind, namespace, name, subresource)


def is_true(query: Mapping[str, str], name: str) -> bool:
    """Whether a boolean query parameter is set."""
    return query.get(name, "") in _TRUE


def selection(kind: Kind, query: Mapping[str, str], name: str = "") -> selectors.Selection:
    """The selectors of a list, watch or delete-collection; raises the 400."""
    try:
        labels = selectors.parse_labels(query.get("labelSelector", ""))
        terms = selectors.parse_fields(query.get("fieldSelector", ""))
    except selectors.SelectorError as error:
        raise refusal.bad_request(str(error)) from error
    known = {**_FIELDS_OF_ALL, **kind.field_labels}
    fields = []
    for term in terms:
        if term.field not in known:
            if kind.custom:
                raise refusal.bad_request(f"field label not supported: {term.field}")
            raise refusal.bad_request(f'"{term.field}" is not a known field selector: only {_listed(kind)}')
        fields.append(selectors.FieldTerm(known[term.field], term.value, term.negated))
    if name:
        fields.append(selectors.FieldTerm("metadata.name", name))
    return selectors.Selection(labels, tuple(fields))


def _listed(kind: Kind) -> str:
    return ", ".join(f'"{label}"' for label in (*_FIELDS_OF_ALL, *kind.field_labels))


def whole_number(query: Mapping[str, str], name: str) -> int:
    """A number in the query, 0 where it is absent; raises the 400."""
    text = query.get(name, "")
    if not text:
        return 0
    if not re.fullmatch(r"\d{1,18}", text):
        raise refusal.bad_request(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def version_of(query: Mapping[str, str]) -> int | None:
    """The resourceVersion asked for: None where the parameter is absent or empty; raises the 422."""
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not text.isdigit():
        raise refusal.bad_request(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def manager_of(query: Mapping[str, str], user_agent: str) -> str:
    """The field manager: named in the query, or the program at the start of the user agent."""
    return query.get("fieldManager") or user_agent.partition("/")[0][:128] or "unknown"


def is_dry_run(query: Mapping[str, str], body: Json | None = None) -> bool:
    """Whether nothing is to be kept; raises the 422 for a value other than All."""
    asked = [query["dryRun"]] if query.get("dryRun") else list((body or {}).get("dryRun") or ())
    if any(value != "All" for value in asked):
        raise refusal.bad_request(f"Invalid value: {asked}: supported values: All")
    return bool(asked)
