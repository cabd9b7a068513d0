"""Services that have an address which no node is to announce, on layer 2 or over BGP: nobody can reach them. Pure.

Called by `status`. The reasons are those of the speakers' own decisions; which one is told is decided here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cli.core import nodes as node_plans
from cli.core import running
from cli.core import world as worlds
from cli.documents.owners import Announcer, Owner
from speaker import values as speaker_values

_DEPENDS_ON = frozenset({"BGPAdvertisement", "BGPPeer", "EndpointSlice", "IPAddressPool", "L2Advertisement", "Node"})

_Reason = speaker_values.Reason
_WORDS = (
    ({_Reason.CONFLICTING_ADVERTISEMENTS}, "its BGPAdvertisements contradict each other"),
    ({_Reason.IP_NOT_ALLOWED, _Reason.INVALID_IP}, "no pool has its address"),
    (
        {_Reason.SHARED_IP_WITH_SERVICE_SELECTOR},
        "it shares its address, and an L2Advertisement with service selectors is for it",
    ),
    ({_Reason.NODE_EXCLUDED, _Reason.NODE_NETWORK_UNAVAILABLE}, "no node that could announce it may"),
)
"""The first one that any node gives is told."""
_IDLE = {_Reason.NO_ENDPOINTS, _Reason.NO_LOCAL_ENDPOINTS}


@dataclass(frozen=True, slots=True)
class Unannounced:
    """`is_idle`: it has no ready endpoint, so there is nothing to announce, and nothing is wrong with the load balancer."""

    service: str
    reason: str
    is_idle: bool = False


def found(
    world: worlds.World,
    plans: node_plans.Nodes,
    seen: running.Running,
    owners: Iterable[Owner],
    announcers: Iterable[Announcer],
) -> tuple[Unannounced, ...]:
    """Sorted by key; none where not everything is known that it depends on."""
    if _DEPENDS_ON & seen.unread or not plans.names:
        return ()
    heard = {each.service for each in owners if each.candidates}
    heard |= {each.service for each in announcers if each.wanted}
    mute = [each for each in world.shared.services if each.is_load_balancer and each.ingress and each.key not in heard]
    if not mute:
        return ()
    ready = {key for key, some in world.shared.endpoints.items() if any(each.usable for each in some)}
    keys = {each.key for each in mute}
    reasons: dict[str, set[speaker_values.Reason]] = {key: set() for key in keys}
    told: dict[str, set[str]] = {key: set() for key in keys}
    for node in plans.names:
        for decision in plans.decisions(node):
            if decision.service not in keys:
                continue
            if isinstance(decision.verdict, speaker_values.Abstain):
                reasons[decision.service].add(decision.verdict.reason)
            else:
                told[decision.service].add(node)
    on_layer2 = {each.service for each in owners}
    return tuple(
        _judged(key, reasons[key], is_ready=key in ready, is_announced=bool(told[key]), is_on_layer2=key in on_layer2)
        for key in sorted(keys)
    )


def _judged(
    key: str, reasons: set[speaker_values.Reason], *, is_ready: bool, is_announced: bool, is_on_layer2: bool
) -> Unannounced:
    if not is_ready:
        return Unannounced(key, "has no ready endpoint, so nobody announces it", is_idle=True)
    if is_announced:
        return Unannounced(key, "BGP announces it, but to no peer")
    for some, words in _WORDS:
        if some & reasons:
            return Unannounced(key, f"nobody announces it: {words}")
    if reasons & _IDLE:
        return Unannounced(key, "no node that may announce it has a ready endpoint", is_idle=True)
    if is_on_layer2:
        return Unannounced(key, "nobody announces it: no node that its L2Advertisements select can")
    return Unannounced(key, "nobody announces it: no advertisement speaks for it")
