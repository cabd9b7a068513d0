"""The entries of metadata.managedFields as values: which manager owns which fields since when.

`apply` reads and writes them. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.apiserver import fieldset
from lab.apiserver.fieldset import FieldSet, Path

# Every object has these; nobody owns them.
_UNOWNED: frozenset[Path] = frozenset({("f:apiVersion",), ("f:kind",), ("f:metadata",)}) | {
    ("f:metadata", f"f:{name}")
    for name in (
        "creationTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    )
}


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """Who owns: an applier is the same in every version of an API, an updater is not."""

    operation: str
    manager: str
    api_version: str
    subresource: str


@dataclass(frozen=True, slots=True)
class Owned:
    """What an owner owns, in which version of the API, and since when."""

    fields: FieldSet
    api_version: str
    time: str


Owners = dict[Owner, Owned]


def owner(operation: str, manager: str, api_version: str, subresource: str) -> Owner:
    """The owner that one request speaks for."""
    return Owner(operation, manager, "" if operation == "Apply" else api_version, subresource)


def ownable(fields: FieldSet) -> FieldSet:
    """The fields of a set that can be owned at all."""
    return fields - _UNOWNED


def decode(obj: dict[str, Any] | None) -> Owners:
    """The owners an object's managedFields name."""
    owners: Owners = {}
    for entry in ((obj or {}).get("metadata") or {}).get("managedFields") or ():
        if not entry.get("operation"):
            continue
        version = entry.get("apiVersion", "")
        who = owner(entry["operation"], entry.get("manager", ""), version, entry.get("subresource", ""))
        owners[who] = Owned(fieldset.decode(entry.get("fieldsV1") or {}), version, entry.get("time", ""))
    return owners


def encode(owners: Mapping[Owner, Owned]) -> list[dict[str, Any]]:
    """The managedFields list: appliers before updaters, then by time and name."""
    ranked = sorted(owners.items(), key=lambda pair: (pair[0].operation, pair[1].time, pair[0]))
    return [_entry(who, what) for who, what in ranked]


def _entry(who: Owner, what: Owned) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "manager": who.manager,
        "operation": who.operation,
        "apiVersion": what.api_version,
        "time": what.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldset.encode(what.fields),
    }
    if who.subresource:
        entry["subresource"] = who.subresource
    return entry


def show(who: Owner, what: Owned) -> str:
    """An owner as conflict messages print it."""
    text = f'"{who.manager}"'
    if who.subresource:
        text += f' with subresource "{who.subresource}"'
    if who.operation != "Update":
        return text
    return f"{text} using {what.api_version}"
