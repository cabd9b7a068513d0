"""The Kubernetes built-in kinds that we read, reduced to the fields we use. Read by `decode` only."""

import msgspec

from frr_adapter.api.wire import Metadata, Wire


class Ingress(Wire, frozen=True):
    """One entry of `status.loadBalancer.ingress`."""

    ip: str = ""


class LoadBalancerStatus(Wire, frozen=True):
    """`status.loadBalancer`."""

    ingress: tuple[Ingress, ...] | None = None


class ServiceStatus(Wire, frozen=True):
    """`status` of a Service."""

    load_balancer: LoadBalancerStatus | None = None


class ServicePort(Wire, frozen=True):
    """One port of a Service."""

    port: int
    protocol: str = "TCP"


class ServiceSpec(Wire, frozen=True):
    """`spec` of a Service."""

    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] | None = msgspec.field(default=None, name="clusterIPs")
    ip_families: tuple[str, ...] | None = None
    ip_family_policy: str | None = None
    load_balancer_ip: str = msgspec.field(default="", name="loadBalancerIP")
    load_balancer_class: str | None = None
    external_traffic_policy: str | None = None
    ports: tuple[ServicePort, ...] | None = None
    selector: dict[str, str] | None = None


class Service(Wire, frozen=True):
    """A core/v1 Service."""

    metadata: Metadata
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class NodeCondition(Wire, frozen=True):
    """One condition of a Node."""

    type: str
    status: str


class NodeStatus(Wire, frozen=True):
    """`status` of a Node."""

    conditions: tuple[NodeCondition, ...] | None = None


class Node(Wire, frozen=True):
    """A core/v1 Node."""

    metadata: Metadata
    status: NodeStatus = NodeStatus()


class PodSpec(Wire, frozen=True):
    """`spec` of a Pod."""

    node_name: str = ""


class PodStatus(Wire, frozen=True):
    """`status` of a Pod."""

    phase: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")


class Pod(Wire, frozen=True):
    """A core/v1 Pod."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Namespace(Wire, frozen=True):
    """A core/v1 Namespace."""

    metadata: Metadata


class EndpointConditions(Wire, frozen=True):
    """Conditions of one endpoint; absent means unset."""

    ready: bool | None = None
    serving: bool | None = None


class Endpoint(Wire, frozen=True):
    """One endpoint of an EndpointSlice."""

    addresses: tuple[str, ...] | None = None
    conditions: EndpointConditions | None = None
    node_name: str | None = None


class EndpointSlice(Wire, frozen=True):
    """A discovery.k8s.io/v1 EndpointSlice."""

    metadata: Metadata
    endpoints: tuple[Endpoint, ...] | None = None


class Secret(Wire, frozen=True):
    """A core/v1 Secret; values stay base64 until one is needed."""

    metadata: Metadata
    type: str = ""
    data: dict[str, str] | None = None


class ConfigMap(Wire, frozen=True):
    """A core/v1 ConfigMap."""

    metadata: Metadata
    data: dict[str, str] | None = None
