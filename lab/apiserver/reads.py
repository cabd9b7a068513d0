"""Lists: which objects, as of which version, in which portion.

`web` answers get and list with it, `watching` starts from it. Must never change anything.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from lab.apiserver import refusal, request
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json
from lab.apiserver.request import Target
from lab.apiserver.selectors import Selection
from lab.apiserver.store import Entry, HistoryGoneError, Key, Shelf, Store

_MATCHES = frozenset({"", "Exact", "NotOlderThan"})
_CONTINUE_GONE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Portion:
    """One answer to a list: the entries in order, and the list's metadata."""

    entries: tuple[Entry, ...]
    list_meta: Json


@dataclass(frozen=True, slots=True)
class _Continue:
    version: int
    start: str


def in_scope(target: Target, key: Key) -> bool:
    """Whether an object lies in the namespace a path names."""
    return not target.namespace or key[0] == target.namespace


def path_of(kind: Kind, key: Key) -> str:
    """The place of an object in the order of lists."""
    return f"{key[0]}/{key[1]}" if kind.namespaced else key[1]


def list_portion(store: Store, target: Target, query: Mapping[str, str]) -> Portion:
    """Answers a list; raises the 400, 410 and 504 of the API."""
    kind = target.kind
    chosen = request.selection(kind, query)
    limit = request.whole_number(query, "limit")
    token = query.get("continue", "")
    version, start = _as_of(store, query, limit)
    if token:
        version, start = _resume(store, query, token)
    if query.get("resourceVersion") == "0" and not token:
        limit = 0  # a cached list is always whole
    shelf = store.shelf(kind.storage)
    entries = _at(shelf, version, start, store.version)
    named = chosen.single_name()
    if target.namespace and named is not None and not chosen.labels:
        entry = entries.get((target.namespace, named))
        found = [entry] if entry else []
    else:
        found = [entry for key, entry in entries.items() if in_scope(target, key)]
    ordered = sorted(found, key=lambda entry: path_of(kind, entry.key))
    if start:
        ordered = [entry for entry in ordered if path_of(kind, entry.key) >= start]
    selected = ordered if chosen.is_everything else [entry for entry in ordered if chosen.matches(entry.document)]
    list_meta: Json = {"resourceVersion": str(version if version >= 0 else store.version)}
    if limit and len(selected) > limit:
        following = path_of(kind, selected[limit - 1].key) + "\x00"
        list_meta["continue"] = _encode(_Continue(version if version >= 0 else store.version, following))
        if chosen.is_everything:
            list_meta["remainingItemCount"] = len(selected) - limit
        selected = selected[:limit]
    return Portion(tuple(selected), list_meta)


def _as_of(store: Store, query: Mapping[str, str], limit: int) -> tuple[int, str]:
    match = query.get("resourceVersionMatch", "")
    asked = request.version_of(query)
    if match and asked is None:
        raise _options_error(
            "resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if match not in _MATCHES:
        raise _options_error(
            "resourceVersionMatch", f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
        )
    if match == "Exact" and asked == 0:
        raise _options_error(
            "resourceVersionMatch",
            'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        )
    if not asked:
        return store.version, ""
    if asked > store.version:
        raise refusal.too_large_version(asked, store.version)
    # With a limit and without a match rule, a resource version means exactly that version.
    is_exact = match == "Exact" or (not match and limit > 0)
    return (asked if is_exact else store.version), ""


def _options_error(field: str, message: str) -> refusal.ApiError:
    kind = {"Forbidden": "FieldValueForbidden", "Unsupported": "FieldValueNotSupported"}
    cause = _OptionsCause(field, kind.get(message.partition(" ")[0].rstrip(":"), "FieldValueInvalid"), message)
    return refusal.invalid("ListOptions", "meta.k8s.io", "", [cause])


@dataclass(frozen=True, slots=True)
class _OptionsCause:
    path: str
    kind: str
    message: str


def _resume(store: Store, query: Mapping[str, str], token: str) -> tuple[int, str]:
    if query.get("resourceVersion", "") not in {"", "0"}:
        raise refusal.bad_request("specifying resource version is not allowed when using continue")
    found = _decode(token)
    return (store.version if found.version < 0 else found.version), found.start


def _at(shelf: Shelf, version: int, start: str, current: int) -> dict[Key, Entry]:
    if version >= current:
        return shelf.entries
    try:
        return shelf.at(version)
    except HistoryGoneError:
        if start:
            raise refusal.expired(_CONTINUE_GONE, _encode(_Continue(-1, start))) from None
        raise refusal.expired(f"The resourceVersion for the provided list is too old: {version}") from None


def _encode(token: _Continue) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": token.version, "start": token.start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(text: str) -> _Continue:
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if found["v"] != "meta.k8s.io/v1":
            raise refusal.bad_request(
                "invalid continue token: continue key is not valid: server does not recognize this encoded version"
            )
        return _Continue(int(found["rv"]), str(found["start"]))
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise refusal.bad_request(f"invalid continue token: continue key is not valid: {error}") from error


def matches(selection: Selection, target: Target, entry: Entry | None) -> bool:
    """Whether an entry is there and what a watch asks for."""
    return entry is not None and in_scope(target, entry.key) and selection.matches(entry.document)
