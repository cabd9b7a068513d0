"""What a Service asks for, read once from its spec and annotations. Called by `allocator`; never looks at pools or at others.

A malformed request is a value with its reason, because a Service that already has an address keeps it then.
"""

from dataclasses import dataclass

from frr_adapter import addresses, selectors
from frr_adapter.model import service as services


@dataclass(frozen=True, slots=True)
class Malformed:
    """A request that cannot be understood, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Request:
    """Wishes and properties of one Service that decide about its addresses.

    `families` are those of the cluster IPs in ascending order, one or two; empty when they cannot be told. `ips` are in the
    order asked for. `pool` and `sharing` are empty when not asked for. `backend` is empty unless the Service is Local.
    """

    key: str
    namespace: str
    labels: selectors.Labels
    families: tuple[addresses.Family, ...]
    primary: addresses.Family
    policy: services.FamilyPolicy
    ips: tuple[addresses.Address, ...] | Malformed
    pool: str
    sharing: str
    backend: str
    ports: tuple[services.Port, ...]

    @property
    def wants_second(self) -> bool:
        """Whether one address is not all: both families are served, both are preferred, and no address was asked for."""
        return len(self.families) == 2 and self.policy is services.FamilyPolicy.PREFER_DUAL and self.ips == ()


def read(service: services.Service) -> Request:
    """The request of a Service of type LoadBalancer."""
    return Request(
        key=service.key,
        namespace=service.ref.namespace,
        labels=service.labels,
        families=families_of(service.cluster_ips),
        primary=service.primary_family,
        policy=service.family_policy,
        ips=_requested(service),
        pool=service.annotation(services.POOL_ANNOTATION) or "",
        sharing=service.annotation(services.SHARED_ANNOTATION) or "",
        backend=_backend(service),
        ports=service.ports,
    )


def families_of(ips: tuple[addresses.Address, ...]) -> tuple[addresses.Family, ...]:
    """Family of one address, or both of a pair of different families; empty for anything else."""
    families = tuple(sorted(addresses.family_of(ip) for ip in ips))
    if len(families) == 1 or families == (addresses.Family.IPV4, addresses.Family.IPV6):
        return families
    return ()


def _requested(service: services.Service) -> tuple[addresses.Address, ...] | Malformed:
    listed = service.annotation(services.IPS_ANNOTATION) or ""
    if listed and service.load_balancer_ip:
        return Malformed(
            f'spec.loadBalancerIP is "{service.load_balancer_ip}" and the annotation {services.IPS_ANNOTATION} is "{listed}": '
            "only one of both is allowed"
        )
    if not listed and not service.load_balancer_ip:
        return ()
    field = f"annotation {services.IPS_ANNOTATION}" if listed else "spec.loadBalancerIP"
    texts = listed.split(",") if listed else [service.load_balancer_ip]
    found = []
    for text in texts:
        try:
            found.append(addresses.parse_address(text.strip()))
        except ValueError as error:
            return Malformed(f"{field}: {error}")
    if not families_of(tuple(found)):
        return Malformed(f'{field}: "{listed}" found; one address or two of different families are allowed')
    return tuple(found)


def _backend(service: services.Service) -> str:
    # Services that keep traffic on the receiving node may share an address only when the same pods answer for both.
    if not service.is_local:
        return ""
    return ",".join(f"{name}={value}" for name, value in sorted(service.selector))
