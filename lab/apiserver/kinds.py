"""The kinds the embedded API serves: a built-in table, and the shape custom resources take.

`registry` looks kinds up; everything else receives a `Kind`. Must never hold objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.apiserver import builtin_schema
from lab.apiserver.converting import Converter
from lab.apiserver.objects import Json

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
SERVER_VERSION = "v1.34.0"


@dataclass(frozen=True, slots=True)
class Column:
    """One additional printer column of a custom resource."""

    name: str
    type: str
    json_path: str
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class CustomPart:
    """What only custom resources have: the version's schema and columns, and how versions become each other."""

    schema: Json
    converter: Converter
    columns: tuple[Column, ...] = ()
    storage_api_version: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One served version of one kind.

    `storage` names the place its objects are kept: versions of one kind share it. `generation` says whether the server
    counts spec changes. `model` is the official client's type the built-in schema comes from.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    storage: str
    model: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    generation: bool = False
    blind_update: bool = True
    create_on_update: bool = False
    returns_deleted: bool = False
    field_labels: Mapping[str, str] = field(default_factory=dict)
    custom: CustomPart | None = None
    warning: str = ""  # sent with every answer about a deprecated version

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own subresource only."""
        return "status" in self.subresources

    @property
    def list_kind(self) -> str:
        """The kind of a list of these."""
        return f"{self.kind}List"

    @property
    def schema(self) -> Json:
        """The structural schema of this version."""
        return self.custom.schema if self.custom else builtin_schema.schema_of(self.model)


def _kind(
    group: str,
    kind: str,
    plural: str,
    model: str,
    *,
    namespaced: bool = True,
    short: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    subresources: tuple[str, ...] = (),
    verbs: tuple[str, ...] = ALL_VERBS,
    storage: str = "",
    generation: bool = False,
    blind_update: bool = True,
    create_on_update: bool = False,
    returns_deleted: bool = False,
    labels: Mapping[str, str] | None = None,
    warning: str = "",
) -> Kind:
    return Kind(
        group=group,
        version="v1",
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        namespaced=namespaced,
        storage=storage or (f"{plural}.{group}" if group else plural),
        model=model,
        short_names=short,
        categories=categories,
        verbs=verbs,
        subresources=subresources,
        generation=generation,
        blind_update=blind_update,
        create_on_update=create_on_update,
        returns_deleted=returns_deleted,
        field_labels=labels or {},
        warning=warning,
    )


_EVENT_LABELS = {
    **{
        f"involvedObject.{part}": f"involvedObject.{part}"
        for part in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reason": "reason",
    "reportingComponent": "reportingComponent",
    "source": "source.component",
    "type": "type",
}
_NEW_EVENT_LABELS = {
    **{
        f"regarding.{part}": f"regarding.{part}"
        for part in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reason": "reason",
    "reportingController": "reportingController",
    "type": "type",
}
_POD_LABELS = {
    path: path
    for path in (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    )
}
_REVIEW = ("create",)

BUILT_IN: tuple[Kind, ...] = (
    _kind("", "ConfigMap", "configmaps", "V1ConfigMap", short=("cm",)),
    _kind(
        "",
        "Endpoints",
        "endpoints",
        "V1Endpoints",
        short=("ep",),
        create_on_update=True,
        warning="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ),
    _kind("", "Event", "events", "CoreV1Event", short=("ev",), create_on_update=True, labels=_EVENT_LABELS),
    _kind(
        "",
        "Namespace",
        "namespaces",
        "V1Namespace",
        namespaced=False,
        short=("ns",),
        subresources=("finalize", "status"),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        labels={"status.phase": "status.phase"},
    ),
    _kind(
        "",
        "Node",
        "nodes",
        "V1Node",
        namespaced=False,
        short=("no",),
        subresources=("status",),
        labels={"spec.unschedulable": "spec.unschedulable"},
    ),
    _kind(
        "",
        "Pod",
        "pods",
        "V1Pod",
        short=("po",),
        categories=("all",),
        subresources=("status", "exec"),
        returns_deleted=True,
        labels=_POD_LABELS,
    ),
    _kind("", "Secret", "secrets", "V1Secret", labels={"type": "type"}),
    _kind(
        "",
        "ServiceAccount",
        "serviceaccounts",
        "V1ServiceAccount",
        short=("sa",),
        subresources=("token",),
        returns_deleted=True,
    ),
    _kind(
        "",
        "Service",
        "services",
        "V1Service",
        short=("svc",),
        categories=("all",),
        subresources=("status",),
        create_on_update=True,
        returns_deleted=True,
        labels={"spec.clusterIP": "spec.clusterIP", "spec.type": "spec.type"},
    ),
    _kind(
        "discovery.k8s.io",
        "EndpointSlice",
        "endpointslices",
        "V1EndpointSlice",
        generation=True,
    ),
    _kind(
        "events.k8s.io",
        "Event",
        "events",
        "EventsV1Event",
        short=("ev",),
        storage="events",
        create_on_update=True,
        labels=_NEW_EVENT_LABELS,
    ),
    _kind("coordination.k8s.io", "Lease", "leases", "V1Lease", blind_update=False, create_on_update=True),
    _kind(
        "apps",
        "DaemonSet",
        "daemonsets",
        "V1DaemonSet",
        short=("ds",),
        categories=("all",),
        subresources=("status",),
        generation=True,
    ),
    _kind(
        "apps",
        "Deployment",
        "deployments",
        "V1Deployment",
        short=("deploy",),
        categories=("all",),
        subresources=("status",),
        generation=True,
    ),
    _kind(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "V1CustomResourceDefinition",
        namespaced=False,
        short=("crd", "crds"),
        categories=("api-extensions",),
        subresources=("status",),
        generation=True,
        blind_update=False,
    ),
    _kind(
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "V1ValidatingWebhookConfiguration",
        namespaced=False,
        categories=("api-extensions",),
        generation=True,
        blind_update=False,
    ),
    _kind("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", "V1ClusterRole", namespaced=False),
    _kind(
        "rbac.authorization.k8s.io",
        "ClusterRoleBinding",
        "clusterrolebindings",
        "V1ClusterRoleBinding",
        namespaced=False,
    ),
    _kind("rbac.authorization.k8s.io", "Role", "roles", "V1Role"),
    _kind("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", "V1RoleBinding"),
    _kind(
        "networking.k8s.io", "NetworkPolicy", "networkpolicies", "V1NetworkPolicy", short=("netpol",), generation=True
    ),
    _kind(
        "policy",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "V1PodDisruptionBudget",
        short=("pdb",),
        subresources=("status",),
        generation=True,
        blind_update=False,
    ),
    _kind(
        "authorization.k8s.io",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        "V1SelfSubjectAccessReview",
        namespaced=False,
        verbs=_REVIEW,
    ),
    _kind(
        "authorization.k8s.io",
        "SubjectAccessReview",
        "subjectaccessreviews",
        "V1SubjectAccessReview",
        namespaced=False,
        verbs=_REVIEW,
    ),
    _kind("authentication.k8s.io", "TokenReview", "tokenreviews", "V1TokenReview", namespaced=False, verbs=_REVIEW),
)
