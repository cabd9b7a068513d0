"""/openapi/v2 in protobuf, just enough for kubectl before 1.28: which kinds can be patched with field validation.

`web` serves it. It has no definitions: such a kubectl then leaves validation to the server and merges built-in kinds by
the types it was compiled with. Must never grow into a second source of schemas. Source: gnostic's OpenAPI v2 messages.
"""

from lab.apiserver.openapi import path_of
from lab.apiserver.protobuf import write
from lab.apiserver.registry import Registry

MEDIA = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# Field numbers of the messages used, in the order they nest.
_SWAGGER, _INFO, _PATHS = 1, 2, 8
_TITLE, _VERSION = 1, 2
_PATH = 2
_NAME, _VALUE = 1, 2
_PATCH = 8
_PARAMETERS, _VENDOR = 8, 13
_PARAMETER, _NON_BODY, _QUERY = 1, 2, 3
_IN, _PARAMETER_NAME, _TYPE = 2, 4, 6
_YAML = 2


def document(registry: Registry) -> bytes:
    """The document of all served kinds."""
    parameters = b""
    for name in ("dryRun", "fieldManager", "fieldValidation"):
        query = write(_IN, "query") + write(_PARAMETER_NAME, name) + write(_TYPE, "string")
        parameters += write(_PARAMETERS, write(_PARAMETER, write(_NON_BODY, write(_QUERY, query))))
    paths = b""
    for kind in registry:
        if "patch" not in kind.verbs:
            continue
        yaml = f'group: "{kind.group}"\nkind: {kind.kind}\nversion: {kind.version}\n'
        named = write(_NAME, "x-kubernetes-group-version-kind") + write(_VALUE, write(_YAML, yaml))
        operation = parameters + write(_VENDOR, named)
        home = "/namespaces/{namespace}" if kind.namespaced else ""
        path = f"/{path_of(kind.group, kind.version)}{home}/{kind.plural}/{{name}}"
        paths += write(_PATH, write(_NAME, path) + write(_VALUE, write(_PATCH, operation)))
    info = write(_TITLE, "Kubernetes") + write(_VERSION, "unversioned")
    return write(_SWAGGER, "2.0") + write(_INFO, info) + write(_PATHS, paths)
