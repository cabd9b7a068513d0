"""Where each kind lives in the Kubernetes API. `watch` and `perform` build their paths here; nothing is decoded here."""

from dataclasses import dataclass
from types import MappingProxyType
from urllib import parse

from frr_adapter import refs

METALLB = "metallb.io/v1beta1"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `api_version` as objects carry it, `plural` as paths carry it."""

    name: str
    api_version: str
    plural: str
    is_namespaced: bool = True

    def collection(self, namespace: str = "") -> str:
        """Path of all objects, or of those in one namespace."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        inside = f"/namespaces/{parse.quote(namespace, safe='')}" if namespace else ""
        return f"{root}{inside}/{self.plural}"


KINDS = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("ConfigMap", "v1", "configmaps"),
            Kind("Event", "v1", "events"),
            Kind("Namespace", "v1", "namespaces", is_namespaced=False),
            Kind("Node", "v1", "nodes", is_namespaced=False),
            Kind("Pod", "v1", "pods"),
            Kind("Secret", "v1", "secrets"),
            Kind("Service", "v1", "services"),
            Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices"),
            Kind("Lease", "coordination.k8s.io/v1", "leases"),
            Kind("Deployment", "apps/v1", "deployments"),
            Kind(
                "ValidatingWebhookConfiguration",
                "admissionregistration.k8s.io/v1",
                "validatingwebhookconfigurations",
                is_namespaced=False,
            ),
            Kind(
                "CustomResourceDefinition",
                "apiextensions.k8s.io/v1",
                "customresourcedefinitions",
                is_namespaced=False,
            ),
            Kind("BFDProfile", METALLB, "bfdprofiles"),
            Kind("BGPAdvertisement", METALLB, "bgpadvertisements"),
            Kind("BGPPeer", "metallb.io/v1beta2", "bgppeers"),
            Kind("Community", METALLB, "communities"),
            Kind("ConfigurationState", METALLB, "configurationstates"),
            Kind("IPAddressPool", METALLB, "ipaddresspools"),
            Kind("L2Advertisement", METALLB, "l2advertisements"),
            Kind("NodeBGPStatus", METALLB, "nodebgpstatuses"),
            Kind("ServiceBGPStatus", METALLB, "servicebgpstatuses"),
            Kind("ServiceL2Status", METALLB, "servicel2statuses"),
        )
    }
)


def path_of(ref: refs.ObjectRef, subresource: str = "") -> str:
    """Path of one object, or of a subresource such as `status`; KeyError for a kind that is not in the table."""
    tail = f"/{subresource}" if subresource else ""
    return f"{KINDS[ref.kind].collection(ref.namespace)}/{parse.quote(ref.name, safe='')}{tail}"
