"""What may stand in an object's metadata.

`backend` calls it on every write. Pure; changes only what `tidy_metadata` says.
"""

from collections.abc import Callable, Iterator
from typing import Any

from lab.apiserver import objects
from lab.apiserver.fielderrors import FieldError, forbidden, invalid, required
from lab.apiserver.objects import Json, meta

_EMPTY_IS_ABSENT = (
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "selfLink",
)
_ANNOTATIONS_LIMIT = 256 * 1024
IMMUTABLE = "field is immutable"


def tidy_metadata(document: Json) -> None:
    """Removes the metadata fields that are there but empty, and selfLink."""
    found = meta(document)
    for field in _EMPTY_IS_ABSENT:
        if field in found and not found[field]:
            del found[field]
    found.pop("selfLink", None)


def metadata_errors(
    document: Json, old: Json | None, name_errors: Callable[[str], list[str]], *, namespaced: bool
) -> list[FieldError]:
    """Everything wrong with the metadata; `old` is the present version on an update."""
    found = meta(document)
    errors: list[FieldError] = []
    if old is None:
        if found.get("generateName"):
            base = found["generateName"].removesuffix("-")
            errors += [invalid("metadata.generateName", found["generateName"], text) for text in name_errors(base)]
        if found.get("name"):
            errors += [invalid("metadata.name", found["name"], text) for text in name_errors(found["name"])]
        else:
            errors.append(required("metadata.name", "name or generateName is required"))
    if not namespaced and found.get("namespace"):
        errors.append(forbidden("metadata.namespace", "not allowed on this type"))
    errors += _labels(found)
    errors += _owners(found)
    for index, finalizer in enumerate(found.get("finalizers") or ()):
        for text in objects.qualified_name_errors(finalizer):
            errors.append(invalid(f"metadata.finalizers[{index}]", finalizer, text))
    if old is not None:
        errors += _changes(found, old["metadata"])
    return errors


def _labels(found: Json) -> Iterator[FieldError]:
    for key, value in (found.get("labels") or {}).items():
        for text in objects.qualified_name_errors(key):
            yield invalid("metadata.labels", key, text)
        for text in objects.label_value_errors(value):
            yield invalid("metadata.labels", value, text)
    annotations: dict[str, str] = found.get("annotations") or {}
    for key in annotations:
        for text in objects.qualified_name_errors(key.lower()):
            yield invalid("metadata.annotations", key, text)
    if sum(len(key) + len(value) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        text = f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes"
        yield FieldError("metadata.annotations", "FieldValueTooLong", text)


def _owners(found: Json) -> Iterator[FieldError]:
    controllers = 0
    for owner in found.get("ownerReferences") or ():
        path = "metadata.ownerReferences"  # without an index, as real servers say it
        texts = {"apiVersion": "version must not be empty"}
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield invalid(f"{path}.{field}", owner.get(field, ""), texts.get(field, "must not be empty"))
        controllers += bool(owner.get("controller"))
    if controllers > 1:
        text = "Only one reference can have Controller set to true"
        yield invalid("metadata.ownerReferences", found["ownerReferences"], text)


def _changes(found: Json, old: Json) -> Iterator[FieldError]:
    for field in ("name", "uid", "creationTimestamp", "deletionTimestamp"):
        if found.get(field) != old.get(field):
            yield invalid(f"metadata.{field}", found.get(field), IMMUTABLE)
    if "deletionTimestamp" in old:
        added: list[Any] = [f for f in found.get("finalizers") or () if f not in (old.get("finalizers") or ())]
        if added:
            listed = ", ".join(f'"{item}"' for item in added)
            yield forbidden(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{listed}}}",
            )
