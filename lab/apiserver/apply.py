"""Server-side apply, and the record of who set which field.

The HTTP part calls `apply` for an apply patch and `track_update` for every other write. Pure: the time is an argument.
Source: Kubernetes, "Server-Side Apply".
"""

import copy
from typing import Any

from lab.apiserver import fieldset, merging, ownership
from lab.apiserver.fieldset import FieldSet
from lab.apiserver.listtypes import ListTypes, core_list_types, list_types
from lab.apiserver.ownership import Owned, Owner, Owners
from lab.apiserver.patch import PatchError

__all__ = ["ApplyConflict", "ListTypes", "apply", "core_list_types", "list_types", "track_update"]

_BEFORE = "before-first-apply"


class ApplyConflict(Exception):  # noqa: N818 - a conflict, as the API calls it
    """Fields the applied object wants to change belong to others.

    `conflicts` has (manager, field path), `causes` (the cause's message, field path); the text is the whole message.
    """

    def __init__(self, causes: tuple[tuple[str, str], ...], conflicts: tuple[tuple[str, str], ...]) -> None:
        self.causes = causes
        self.conflicts = conflicts
        super().__init__(_message(causes))


def _message(causes: tuple[tuple[str, str], ...]) -> str:
    if len(causes) == 1:
        text, path = causes[0]
        return f"Apply failed with 1 conflict: {text}: {path}"
    lines: list[str] = []
    for text in sorted({text for text, _ in causes}):
        lines.append(f"{text.replace('conflict with', 'conflicts with', 1)}:")
        lines += [f"- {path}" for other, path in causes if other == text]
    return f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)


def apply(
    live: dict[str, Any] | None,
    applied: dict[str, Any],
    *,
    manager: str,
    force: bool,
    schema: ListTypes,
    api_version: str,
    subresource: str,
    now: str,
) -> dict[str, Any]:
    """The live object (None where there is none yet) after `manager` applied `applied`.

    What the manager applied before, leaves out now and shares with nobody is removed. Raises `ApplyConflict` for
    fields of others unless `force`, and `PatchError` for an object whose map lists lack their keys. An apply that
    changes nothing returns an equal object.
    """
    before = _body(live or {})
    stated = merging.without_nulls(_body(applied))
    owners = ownership.decode(live)
    if live is not None and not owners:
        everything = ownership.ownable(fieldset.of_object(before, schema))
        owners[Owner("Update", _BEFORE, api_version, "")] = Owned(everything, api_version, now)
    me = ownership.owner("Apply", manager, api_version, subresource)
    last = owners.get(me)
    wanted = ownership.ownable(fieldset.of_object(stated, schema))
    others = {who: what for who, what in owners.items() if who != me}

    merged = merging.merge(before, stated, schema)
    if last is not None:
        kept = wanted.union(*(what.fields for what in others.values()))
        merged = merging.without(merged, last.fields - kept, kept, schema)
    difference = merging.compare(before, merged, schema)
    _refuse_conflicts(others, difference.changed, force=force)

    result = _after(others, difference)
    if wanted:
        is_same = last is not None and last.fields == wanted and merged == before
        result[me] = Owned(wanted, api_version, last.time if last is not None and is_same else now)
    return _with_owners(merged, result)


def _refuse_conflicts(others: Owners, changed: FieldSet, *, force: bool) -> None:
    if force:
        return
    found: list[tuple[str, str, str]] = []
    for who, what in sorted(others.items(), key=lambda pair: pair[0]):
        text = f"conflict with {ownership.show(who, what)}"
        found += [(text, who.manager, fieldset.show(path)) for path in sorted(what.fields & changed)]
    if found:
        raise ApplyConflict(
            tuple((text, path) for text, _, path in found),
            tuple((name, path) for _, name, path in found),
        )


def _after(owners: Owners, difference: merging.Comparison) -> Owners:
    """What the others still own once the changed fields are somebody else's and the removed ones are gone."""
    left: Owners = {}
    for who, what in owners.items():
        fields = what.fields - difference.changed - difference.removed
        if fields:
            left[who] = Owned(fields, what.api_version, what.time)
    return left


def track_update(
    live: dict[str, Any] | None,
    new: dict[str, Any],
    *,
    manager: str,
    api_version: str,
    subresource: str,
    now: str,
    schema: ListTypes,
) -> None:
    """Writes into `new`, in place, who owns what after `manager` put it in the place of `live` by an ordinary write.

    An empty managedFields list in `new` forgets every owner; a list with entries replaces the live object's. Never
    fails: an object whose map lists cannot be told apart keeps its owners.
    """
    claimed = new.setdefault("metadata", {}).get("managedFields")
    if claimed in ([], [{}]):
        del new["metadata"]["managedFields"]
        return
    owners = ownership.decode(new) or ownership.decode(live)
    if live is not None and not owners:
        return  # an object nobody tracked stays so until it is applied
    try:
        difference = merging.compare(_body(live or {}), _body(new), schema)
    except PatchError:
        _set_owners(new, owners)
        return
    me = ownership.owner("Update", manager, api_version, subresource)
    mine = owners.pop(me, None)
    previous = mine.fields if mine is not None else fieldset.EMPTY
    fields = ownership.ownable((previous - difference.removed) | difference.changed)
    result = _after(owners, difference)
    if fields:
        time = mine.time if mine is not None and fields == previous else now
        result[me] = Owned(fields, api_version, time)
    _set_owners(new, result)


def _body(obj: dict[str, Any]) -> dict[str, Any]:
    """The object without its own record of owners."""
    metadata = {name: value for name, value in (obj.get("metadata") or {}).items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


def _with_owners(obj: dict[str, Any], owners: Owners) -> dict[str, Any]:
    result = copy.deepcopy(obj)
    _set_owners(result, owners)
    return result


def _set_owners(obj: dict[str, Any], owners: Owners) -> None:
    obj["metadata"].pop("managedFields", None)
    if owners:
        obj["metadata"]["managedFields"] = ownership.encode(owners)
