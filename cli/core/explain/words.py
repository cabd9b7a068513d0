"""How nodes, objects and reasons are put into words and which field of which object to edit for each. Called by the hops."""

from collections.abc import Iterable

from cli.documents.explain import Edit
from frr_adapter import refs
from frr_adapter.model import cluster
from speaker import values

_MOST = 6


def listed(names: Iterable[str], *, at_most: int = _MOST) -> str:
    """`n1, n2 and n3`; the first few of many."""
    found = list(names)
    if len(found) > at_most:
        return f"{', '.join(found[: at_most - 1])} and {len(found) - at_most + 1} more"
    return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))


def counted(number: int, word: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def headline(message: str) -> str:
    """The first line of a problem: where there are more, they repeat it in words that others compare with."""
    return message.partition("\n")[0].strip()


def edit(ref: refs.ObjectRef, field: str = "") -> Edit:
    """The object as people type it: `Kind/namespace/name`."""
    return Edit(f"{ref.kind}/{ref.key}", field)


NODE_WORDS = {
    values.Reason.NODE_NETWORK_UNAVAILABLE: "condition NetworkUnavailable is True",
    values.Reason.NODE_EXCLUDED: f"label {cluster.EXCLUDE_LABEL}",
    values.Reason.NO_LOCAL_ENDPOINTS: "no ready endpoint there, and externalTrafficPolicy is Local",
    values.Reason.NO_ENDPOINTS: "no ready endpoint",
    values.Reason.NOT_OWNER: "no advertisement selects the node",
    values.Reason.NO_MATCHING_ADVERTISEMENT: "no advertisement there selects the Service",
    values.Reason.CONFLICTING_ADVERTISEMENTS: "advertisements disagree about the local preference",
    values.Reason.SHARED_IP_WITH_SERVICE_SELECTOR: "an L2Advertisement with serviceSelectors cannot speak for a shared address",
    values.Reason.IP_NOT_ALLOWED: "no pool holds the address",
    values.Reason.NO_IP_ALLOCATED: "the Service has no address",
    values.Reason.INVALID_IP: "the address in the status of the Service cannot be read",
    values.Reason.NOT_LOAD_BALANCER: "the Service is no LoadBalancer",
}
"""Why a node keeps silent, said of the node."""
