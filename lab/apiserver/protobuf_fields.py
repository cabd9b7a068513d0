"""The field numbers of the Kubernetes protobuf messages kubectl sends.

`protobuf` reads with it. Holds facts only: message -> number -> (JSON name, type). A type is a scalar, a message, `*type`
for a list, `map:type` for a map, and ends in `?` where an empty value differs from an absent one.
Source: the field numbers published with the Kubernetes API.
"""

Table = dict[int, tuple[str, str]]


def _numbered(*fields: tuple[int, str, str]) -> Table:
    return {number: (name, declared) for number, name, declared in fields}


MESSAGES: dict[str, Table] = {
    "ObjectMeta": _numbered(
        (1, "name", "string"),
        (2, "generateName", "string"),
        (3, "namespace", "string"),
        (4, "selfLink", "string"),
        (5, "uid", "string"),
        (6, "resourceVersion", "string"),
        (7, "generation", "int"),
        (8, "creationTimestamp", "time"),
        (9, "deletionTimestamp", "time"),
        (10, "deletionGracePeriodSeconds", "int?"),
        (11, "labels", "map:string"),
        (12, "annotations", "map:string"),
        (13, "ownerReferences", "*OwnerReference"),
        (14, "finalizers", "*string"),
    ),
    "OwnerReference": _numbered(
        (1, "kind", "string"),
        (3, "name", "string"),
        (4, "uid", "string"),
        (5, "apiVersion", "string"),
        (6, "controller", "bool?"),
        (7, "blockOwnerDeletion", "bool?"),
    ),
    "Namespace": _numbered(
        (1, "metadata", "ObjectMeta"), (2, "spec", "NamespaceSpec"), (3, "status", "NamespaceStatus")
    ),
    "NamespaceSpec": _numbered((1, "finalizers", "*string")),
    "NamespaceStatus": _numbered((1, "phase", "string")),
    "ConfigMap": _numbered(
        (1, "metadata", "ObjectMeta"),
        (2, "data", "map:string"),
        (3, "binaryData", "map:bytes"),
        (4, "immutable", "bool?"),
    ),
    "Secret": _numbered(
        (1, "metadata", "ObjectMeta"),
        (2, "data", "map:bytes"),
        (3, "type", "string"),
        (4, "stringData", "map:string"),
        (5, "immutable", "bool?"),
    ),
    "ServiceAccount": _numbered(
        (1, "metadata", "ObjectMeta"),
        (2, "secrets", "*ObjectReference"),
        (3, "imagePullSecrets", "*LocalObjectReference"),
        (4, "automountServiceAccountToken", "bool?"),
    ),
    "ObjectReference": _numbered(
        (1, "kind", "string"),
        (2, "namespace", "string"),
        (3, "name", "string"),
        (4, "uid", "string"),
        (5, "apiVersion", "string"),
        (6, "resourceVersion", "string"),
        (7, "fieldPath", "string"),
    ),
    "LocalObjectReference": _numbered((1, "name", "string")),
    "Service": _numbered((1, "metadata", "ObjectMeta"), (2, "spec", "ServiceSpec"), (3, "status", "ServiceStatus")),
    "ServiceSpec": _numbered(
        (1, "ports", "*ServicePort"),
        (2, "selector", "map:string"),
        (3, "clusterIP", "string"),
        (4, "type", "string"),
        (5, "externalIPs", "*string"),
        (7, "sessionAffinity", "string"),
        (8, "loadBalancerIP", "string"),
        (9, "loadBalancerSourceRanges", "*string"),
        (10, "externalName", "string"),
        (11, "externalTrafficPolicy", "string"),
        (12, "healthCheckNodePort", "int"),
        (13, "publishNotReadyAddresses", "bool"),
        (17, "ipFamilyPolicy", "string?"),
        (18, "clusterIPs", "*string"),
        (19, "ipFamilies", "*string"),
        (20, "allocateLoadBalancerNodePorts", "bool?"),
        (21, "loadBalancerClass", "string?"),
        (22, "internalTrafficPolicy", "string?"),
        (23, "trafficDistribution", "string?"),
    ),
    "ServicePort": _numbered(
        (1, "name", "string"),
        (2, "protocol", "string"),
        (3, "port", "int"),
        (4, "targetPort", "int-or-string"),
        (5, "nodePort", "int"),
        (6, "appProtocol", "string?"),
    ),
    "ServiceStatus": _numbered((1, "loadBalancer", "LoadBalancerStatus")),
    "LoadBalancerStatus": {},
    "Deployment": _numbered(
        (1, "metadata", "ObjectMeta"), (2, "spec", "DeploymentSpec"), (3, "status", "DeploymentStatus")
    ),
    "DeploymentSpec": _numbered(
        (1, "replicas", "int?"),
        (2, "selector", "LabelSelector"),
        (3, "template", "PodTemplateSpec"),
        (4, "strategy", "DeploymentStrategy"),
        (5, "minReadySeconds", "int"),
        (6, "revisionHistoryLimit", "int?"),
        (7, "paused", "bool"),
        (9, "progressDeadlineSeconds", "int?"),
    ),
    "DeploymentStrategy": _numbered((1, "type", "string")),
    "DeploymentStatus": _numbered(
        (1, "observedGeneration", "int"),
        (2, "replicas", "int"),
        (3, "updatedReplicas", "int"),
        (4, "availableReplicas", "int"),
        (5, "unavailableReplicas", "int"),
        (7, "readyReplicas", "int"),
    ),
    "LabelSelector": _numbered((1, "matchLabels", "map:string"), (2, "matchExpressions", "*LabelSelectorRequirement")),
    "LabelSelectorRequirement": _numbered((1, "key", "string"), (2, "operator", "string"), (3, "values", "*string")),
    "PodTemplateSpec": _numbered((1, "metadata", "ObjectMeta"), (2, "spec", "PodSpec")),
    "PodSpec": _numbered(
        (2, "containers", "*Container"),
        (3, "restartPolicy", "string"),
        (4, "terminationGracePeriodSeconds", "int?"),
        (6, "dnsPolicy", "string"),
        (7, "nodeSelector", "map:string"),
        (8, "serviceAccountName", "string"),
        (9, "serviceAccount", "string"),
        (10, "nodeName", "string"),
        (11, "hostNetwork", "bool"),
        (12, "hostPID", "bool"),
        (13, "hostIPC", "bool"),
        (16, "hostname", "string"),
        (17, "subdomain", "string"),
        (19, "schedulerName", "string"),
        (24, "priorityClassName", "string"),
    ),
    "Container": _numbered(
        (1, "name", "string"),
        (2, "image", "string"),
        (3, "command", "*string"),
        (4, "args", "*string"),
        (5, "workingDir", "string"),
        (6, "ports", "*ContainerPort"),
        (7, "env", "*EnvVar"),
        (8, "resources", "ResourceRequirements"),
        (13, "terminationMessagePath", "string"),
        (14, "imagePullPolicy", "string"),
        (16, "stdin", "bool"),
        (17, "stdinOnce", "bool"),
        (18, "tty", "bool"),
        (20, "terminationMessagePolicy", "string"),
    ),
    "ContainerPort": _numbered(
        (1, "name", "string"),
        (2, "hostPort", "int"),
        (3, "containerPort", "int"),
        (4, "protocol", "string"),
        (5, "hostIP", "string"),
    ),
    "EnvVar": _numbered((1, "name", "string"), (2, "value", "string")),
    "ResourceRequirements": _numbered((1, "limits", "map:quantity"), (2, "requests", "map:quantity")),
    "DeleteOptions": _numbered(
        (1, "gracePeriodSeconds", "int?"),
        (2, "preconditions", "Preconditions"),
        (3, "orphanDependents", "bool?"),
        (4, "propagationPolicy", "string?"),
        (5, "dryRun", "*string"),
    ),
    "Preconditions": _numbered((1, "uid", "string?"), (2, "resourceVersion", "string?")),
    "TokenRequest": _numbered(
        (1, "metadata", "ObjectMeta"), (2, "spec", "TokenRequestSpec"), (3, "status", "TokenRequestStatus")
    ),
    "TokenRequestSpec": _numbered(
        (1, "audiences", "*string"),
        (3, "boundObjectRef", "BoundObjectReference?"),
        (4, "expirationSeconds", "int?"),
    ),
    "TokenRequestStatus": _numbered((1, "token", "string"), (2, "expirationTimestamp", "time")),
    "BoundObjectReference": _numbered(
        (1, "kind", "string"), (2, "apiVersion", "string"), (3, "name", "string"), (4, "uid", "string")
    ),
}
ROOTS = frozenset(
    {"Namespace", "ConfigMap", "Secret", "ServiceAccount", "Service", "Deployment", "DeleteOptions", "TokenRequest"}
)
