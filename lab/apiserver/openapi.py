"""/openapi/v3: the schemas of the served kinds, for `kubectl explain` and client-side validation.

`web` serves it. Must never be read by the server itself.
"""

import hashlib

from lab.apiserver import objects
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json
from lab.apiserver.registry import Registry

_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def path_of(group: str, version: str) -> str:
    """`api/v1` or `apis/group/version`."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def index(registry: Registry) -> Json:
    """/openapi/v3: where the document of each group version is; its hash changes with the document."""
    paths: Json = {}
    for group, versions in registry.groups().items():
        for version in versions:
            path = path_of(group, version)
            digest = hashlib.sha256(objects.encode(document(registry, group, version))).hexdigest()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest[:32].upper()}"}
    return {"paths": paths}


def document(registry: Registry, group: str, version: str) -> Json:
    """The OpenAPI document of one group version."""
    schemas: Json = {_METADATA: {"type": "object", "description": "Metadata that all persisted resources have."}}
    paths: Json = {}
    for kind in registry.of(group, version):
        name = _schema_name(kind)
        schemas[name] = _schema(kind)
        paths.update(_paths(kind, name))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schema_name(kind: Kind) -> str:
    reverse = ".".join(reversed((kind.group or "core").split(".")))
    return (
        f"{reverse}.{kind.version}.{kind.kind}" if kind.custom else f"io.k8s.api.{reverse}.{kind.version}.{kind.kind}"
    )


def _schema(kind: Kind) -> Json:
    schema: Json = dict(kind.schema)
    properties: Json = dict(schema.get("properties") or {})
    properties["apiVersion"] = {"type": "string"}
    properties["kind"] = {"type": "string"}
    properties["metadata"] = {"allOf": [{"$ref": f"#/components/schemas/{_METADATA}"}], "default": {}}
    group_version_kind = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    return {
        **schema,
        "type": "object",
        "properties": properties,
        "x-kubernetes-group-version-kind": [group_version_kind],
    }


def _paths(kind: Kind, name: str) -> Json:
    base = f"/{path_of(kind.group, kind.version)}" + ("/namespaces/{namespace}" if kind.namespaced else "")
    group_version_kind = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    responses = {"200": {"description": "OK", "content": content}}

    def operation(action: str, **more: object) -> Json:
        return {
            "responses": responses,
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": group_version_kind,
            **more,
        }

    checked = [
        {"name": parameter, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for parameter in ("dryRun", "fieldManager", "fieldValidation")
    ]
    body = {"content": {"*/*": content["application/json"]}, "required": True}
    patch_types = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"]
    patches = {"content": {media: {"schema": {}} for media in patch_types}, "required": True}
    return {
        f"{base}/{kind.plural}": {
            "get": operation("list"),
            "post": operation("post", requestBody=body, parameters=checked),
        },
        f"{base}/{kind.plural}/{{name}}": {
            "get": operation("get"),
            "put": operation("put", requestBody=body, parameters=checked),
            "patch": operation("patch", requestBody=patches, parameters=checked),
            "delete": operation("delete"),
        },
    }
