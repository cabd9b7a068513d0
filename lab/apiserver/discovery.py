"""Discovery: which groups, versions and resources there are, in the old and the aggregated form.

`web` serves it. Must never know objects. Source: Kubernetes documentation, "The Kubernetes API: discovery".
"""

import hashlib

from lab.apiserver import objects
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json
from lab.apiserver.registry import Registry

AGGREGATED = ("v2",)
_VERBS = {"status": ("get", "patch", "update"), "token": ("create",), "exec": ("create", "get")}


def verbs(subresource: str) -> tuple[str, ...]:
    """What can be done with a subresource."""
    return _VERBS.get(subresource, ("update",))


def _answers(kind: Kind, subresource: str) -> Json:
    """The type of what a subresource takes or answers."""
    if subresource == "exec":
        return {"group": kind.group, "version": kind.version, "kind": "PodExecOptions"}
    if subresource == "token":
        return {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def versions_of_core(address: str) -> Json:
    """/api"""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group(name: str, versions: list[str]) -> Json:
    """/apis/<group>"""
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": listed, "preferredVersion": listed[0]}


def groups(registry: Registry) -> Json:
    """/apis"""
    found = []
    for name, versions in registry.groups().items():
        if name:
            document = group(name, versions)
            found.append({key: document[key] for key in ("name", "versions", "preferredVersion")})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def resources(registry: Registry, group_name: str, version: str) -> Json:
    """/api/v1 and /apis/<group>/<version>"""
    group_version = f"{group_name}/{version}" if group_name else version
    listed: list[Json] = []
    for kind in registry.of(group_name, version):
        listed.append(_resource(kind))
        listed += [
            {
                "name": f"{kind.plural}/{subresource}",
                "singularName": "",
                "namespaced": kind.namespaced,
                **({} if subresource != "token" else {"group": "authentication.k8s.io", "version": "v1"}),
                "kind": _answers(kind, subresource)["kind"],
                "verbs": list(verbs(subresource)),
            }
            for subresource in kind.subresources
        ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def _resource(kind: Kind) -> Json:
    resource: Json = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if "list" in kind.verbs:
        digest = hashlib.sha256(f"{kind.group}/{kind.version}/{kind.kind}".encode()).digest()
        resource["storageVersionHash"] = objects.encode(digest[:8]).decode().strip('"')
    return resource


def aggregated(registry: Registry, form: str, *, core: bool) -> Json:
    """/api and /apis in the aggregated form `v2`: everything in one answer."""
    items = [
        _aggregated_group(registry, name, versions)
        for name, versions in registry.groups().items()
        if bool(name) != core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{form}",
        "metadata": {},
        "items": items,
    }


def _aggregated_group(registry: Registry, name: str, versions: list[str]) -> Json:
    return {
        "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
        "versions": [
            {
                "version": version,
                "resources": [_aggregated_resource(kind) for kind in registry.of(name, version)],
                "freshness": "Current",
            }
            for version in versions
        ],
    }


def _aggregated_resource(kind: Kind) -> Json:
    own = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    resource: Json = {
        "resource": kind.plural,
        "responseKind": own,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if kind.subresources:
        resource["subresources"] = [
            {"subresource": name, "responseKind": _answers(kind, name), "verbs": list(verbs(name))}
            for name in kind.subresources
        ]
    return resource
