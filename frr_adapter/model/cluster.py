"""Nodes, namespaces, endpoints, secrets and config maps: what the cluster says about itself."""

from dataclasses import dataclass

from frr_adapter import addresses, refs, secret, selectors

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"


@dataclass(frozen=True, slots=True)
class Node:
    """A node. `network_unavailable` is the truth of the condition of that name."""

    ref: refs.ObjectRef
    labels: selectors.Labels = selectors.NO_LABELS
    network_unavailable: bool = False

    @property
    def name(self) -> str:
        """The node's name, which is also the speaker's."""
        return self.ref.name

    @property
    def is_excluded(self) -> bool:
        """True when the node carries the exclude label, whatever its value."""
        return any(key == EXCLUDE_LABEL for key, _ in self.labels)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that runs, or is about to. `address` is None until it has one."""

    ref: refs.ObjectRef
    node: str
    address: addresses.Address | None
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and its labels."""

    ref: refs.ObjectRef
    labels: selectors.Labels = selectors.NO_LABELS


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One endpoint of a slice, reduced to what decides an announcement. `node` is empty when the slice names none."""

    node: str
    usable: bool
    has_address: bool = True


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """Endpoints of one Service; `service` is `namespace/name`, empty when the slice belongs to none."""

    ref: refs.ObjectRef
    service: str
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class SecretObject:
    """A Secret, reduced to what a peer's password needs. `password` is None when the key is missing."""

    ref: refs.ObjectRef
    type: str
    password: secret.Secret | None = None


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """A ConfigMap with its text data, sorted by key."""

    ref: refs.ObjectRef
    data: tuple[tuple[str, str], ...] = ()
