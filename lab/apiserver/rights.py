"""What a user may do by the roles in the store (rbac.authorization.k8s.io), for those who ask by SubjectAccessReview.

`reviews` asks. The server itself asks nobody: every request to it is allowed. Must never change an object.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lab.apiserver.objects import Json
from lab.apiserver.store import Store

_GROUP = "rbac.authorization.k8s.io"
_MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class Subject:
    """Who wants to do something."""

    user: str
    groups: frozenset[str]


def allows(store: Store, subject: Subject, spec: Json) -> bool:
    """Whether the attributes of a SubjectAccessReview's spec are granted to the subject."""
    if _MASTERS in subject.groups:
        return True
    resource = spec.get("resourceAttributes")
    if resource is not None:
        namespace = resource.get("namespace") or ""
        return any(_grants_resource(rule, resource) for rule in _rules(store, subject, namespace))
    path = spec.get("nonResourceAttributes") or {}
    return any(_grants_path(rule, path) for rule in _rules(store, subject, ""))


def _rules(store: Store, subject: Subject, namespace: str) -> Iterator[Json]:
    bindings = [(entry.document, "") for entry in store.shelf(f"clusterrolebindings.{_GROUP}").entries.values()]
    if namespace:
        bindings += [
            (entry.document, namespace)
            for key, entry in store.shelf(f"rolebindings.{_GROUP}").entries.items()
            if key[0] == namespace
        ]
    for binding, home in bindings:
        if any(_is_subject(each, subject, home) for each in binding.get("subjects") or ()):
            role = binding["roleRef"]
            key = (home, role["name"]) if role["kind"] == "Role" else ("", role["name"])
            found = store.get(f"{role['kind'].lower()}s.{_GROUP}", key)
            yield from (found.document.get("rules") or ()) if found is not None else ()


def _is_subject(named: Mapping[str, str], subject: Subject, home: str) -> bool:
    match named.get("kind"):
        case "User":
            return named["name"] == subject.user
        case "Group":
            return named["name"] in subject.groups
        case _:
            return f"system:serviceaccount:{named.get('namespace') or home}:{named['name']}" == subject.user


def _has(listed: list[str] | None, wanted: str) -> bool:
    return not {"*", wanted}.isdisjoint(listed or ())


def _grants_resource(rule: Json, asked: Json) -> bool:
    resource = asked.get("resource", "")
    if asked.get("subresource"):
        resource = f"{resource}/{asked['subresource']}"
    return (
        _has(rule.get("verbs"), asked.get("verb", ""))
        and _has(rule.get("apiGroups"), asked.get("group") or "")
        and _has(rule.get("resources"), resource)
        and (not rule.get("resourceNames") or asked.get("name") in rule["resourceNames"])
    )


def _grants_path(rule: Json, asked: Json) -> bool:
    path = asked.get("path", "")
    return _has(rule.get("verbs"), asked.get("verb", "")) and any(
        each in {"*", path} or (each.endswith("*") and path.startswith(each[:-1]))
        for each in rule.get("nonResourceURLs") or ()
    )
