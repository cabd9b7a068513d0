"""A Service of the cluster, reduced to what allocation and announcement read."""

import enum
from dataclasses import dataclass

from frr_adapter import addresses, refs, selectors

PREFIX = "metallb.io"
DEPRECATED_PREFIX = "metallb.universe.tf"
POOL_ANNOTATION = "address-pool"
IPS_ANNOTATION = "loadBalancerIPs"
SHARED_ANNOTATION = "allow-shared-ip"
ALLOCATED_FROM_ANNOTATION = f"{PREFIX}/ip-allocated-from-pool"


class FamilyPolicy(enum.StrEnum):
    """`spec.ipFamilyPolicy`; unset counts as SingleStack."""

    SINGLE = "SingleStack"
    PREFER_DUAL = "PreferDualStack"
    REQUIRE_DUAL = "RequireDualStack"


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """Protocol and port number that a service occupies on its address."""

    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}/{self.port}"


@dataclass(frozen=True, slots=True)
class Service:
    """One Service.

    `annotations` holds only those of our two prefixes; `ingress` the `ip` texts of `status.loadBalancer` as written,
    with an empty text for an entry that has only a hostname; `created` the creation timestamp (RFC 3339, sortable).
    """

    ref: refs.ObjectRef
    uid: str = ""
    resource_version: str = ""
    created: str = ""
    labels: selectors.Labels = selectors.NO_LABELS
    annotations: tuple[tuple[str, str], ...] = ()
    type: str = "LoadBalancer"
    cluster_ips: tuple[addresses.Address, ...] = ()
    primary_family: addresses.Family = addresses.Family.IPV4
    family_policy: FamilyPolicy = FamilyPolicy.SINGLE
    load_balancer_ip: str = ""
    load_balancer_class: str = ""
    is_local: bool = False
    ports: tuple[Port, ...] = ()
    selector: tuple[tuple[str, str], ...] = ()
    ingress: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return self.ref.key

    @property
    def is_load_balancer(self) -> bool:
        """Only Services of type LoadBalancer get addresses."""
        return self.type == "LoadBalancer"

    def annotation(self, name: str) -> str | None:
        """The annotation under the current prefix, else under the deprecated one; None when neither is present."""
        found = dict(self.annotations)
        return found.get(f"{PREFIX}/{name}", found.get(f"{DEPRECATED_PREFIX}/{name}"))

    @property
    def deprecated_annotations(self) -> tuple[str, ...]:
        """Keys that still use the deprecated prefix."""
        return tuple(key for key, _ in self.annotations if key.startswith(DEPRECATED_PREFIX))

    @property
    def families(self) -> frozenset[addresses.Family]:
        """Families of the cluster IPs: what the service can serve."""
        return frozenset(addresses.family_of(ip) for ip in self.cluster_ips)


def is_handled(service: Service, lb_class: str) -> bool:
    """Whether this installation cares for the Service: `spec.loadBalancerClass` must equal `--lb-class`, both may be unset."""
    return service.load_balancer_class == lb_class
