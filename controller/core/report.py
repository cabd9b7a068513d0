"""Outcomes against what is there: the status to write and the events to tell. Called by `allocator` for each new outcome.

Reasons and message shapes are those that compatible tests and dashboards look for. Never decides anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from controller import values
from controller.core import quoting
from frr_adapter import addresses, effects
from frr_adapter.model import service as services

LONGEST_MESSAGE = 1024
"""The API refuses longer event notes (Kubernetes core/v1 Event validation)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a Service is told. It becomes one event when it was not told by the decision before."""

    type: effects.EventType
    reason: str
    message: str


def write(service: services.Service, outcome: values.Outcome) -> effects.WriteServiceStatus | None:
    """The status and annotation that the outcome wants, None when the Service has them already.

    Only the list of addresses and the annotation count: the API adds fields of its own to status entries.
    """
    ips = tuple(str(ip) for ip in values.held(outcome))
    pool = outcome.pool if isinstance(outcome, values.Kept | values.Assigned) else None
    present = dict(service.annotations).get(services.ALLOCATED_FROM_ANNOTATION)
    if present == pool and _same_ips(service.ingress, ips):
        return None
    return effects.WriteServiceStatus(service.ref, service.uid, service.resource_version, ips, pool)


def notices(service: services.Service, outcome: values.Outcome, *, is_written: bool) -> tuple[Notice, ...]:
    """Everything the outcome has to say; `is_written` when the Service's status is about to be written."""
    said = []
    if is_written:
        said += [_deprecated(name) for name in service.deprecated_annotations]
    match outcome:
        case values.Kept():
            said += _of_kept(outcome)
            said += _of_lacks(outcome.lacks)
        case values.Assigned():
            said += _of_cleared(service, outcome.cleared)
            said.append(_assigned(outcome))
            said += _of_lacks(outcome.lacks)
        case values.Refused():
            said += _of_cleared(service, outcome.cleared)
            said += _of_refused(service, outcome)
        case values.Released():
            pass
    return tuple(said)


def events(
    service: services.Service, said: Iterable[Notice], before: tuple[Notice, ...]
) -> tuple[effects.EmitEvent, ...]:
    """Events for the notices that are new."""
    return tuple(
        effects.EmitEvent(service.ref, service.uid, notice.type, notice.reason, notice.message)
        for notice in said
        if notice not in before
    )


def _same_ips(texts: tuple[str, ...], ips: tuple[str, ...]) -> bool:
    if texts == ips:
        return True
    if len(texts) != len(ips) or not all(texts):
        return False
    try:  # another spelling of the same IPv6 address is no difference
        return tuple(str(addresses.parse_address(text)) for text in texts) == ips
    except ValueError:
        return False


def _assigned(outcome: values.Assigned) -> Notice:
    if outcome.added is not None:
        return _normal("IPAllocated", f"Assigned additional IP {quoting.quote(str(outcome.added))}")
    return _normal("IPAllocated", f"Assigned IP {quoting.quote_ips(outcome.ips)}")


def _of_kept(outcome: values.Kept) -> list[Notice]:
    match outcome.why:
        case values.Keeping.MALFORMED_REQUEST:
            return [_malformed(outcome.detail)]
        case values.Keeping.UNKNOWN_FAMILY:
            return [_warning("noclusterIPsIPFamily", outcome.detail)]
        case values.Keeping.HELD | values.Keeping.POOL_BROKEN:
            return []  # a broken pool is told by the pool's own problem, once, not by each of its services


def _of_cleared(service: services.Service, cleared: values.Cleared | None) -> list[Notice]:
    if cleared is None:
        return []
    match cleared.why:
        case values.Clearing.CLAIM_REFUSED:
            return [
                _normal(
                    "ClearAssignment",
                    f"current IP for {quoting.quote(service.key)} not allowed by config, it is given up: {cleared.detail}",
                )
            ]
        case values.Clearing.UNKNOWN_FAMILY:
            return [
                _warning("nolbIPsIPFamily", f"the IP family of the load balancer IPs cannot be told: {cleared.detail}")
            ]
        case values.Clearing.FAMILY_CHANGED | values.Clearing.POOL_REQUESTED | values.Clearing.ADDRESSES_REQUESTED:
            return []  # what the user asked for needs no event; the assignment that follows has one


def _of_refused(service: services.Service, outcome: values.Refused) -> list[Notice]:
    match outcome.why:
        case values.Refusal.NO_POOLS | values.Refusal.NO_CLUSTER_IP:
            return []  # nothing the owner of the service could do; the outcome is logged and counted
        case values.Refusal.NOT_ENOUGH_CLUSTER_IPS:
            return [_warning("not enough clusterips", outcome.detail)]
        case values.Refusal.UNKNOWN_FAMILY:
            return [_warning("noclusterIPsIPFamily", outcome.detail)]
        case values.Refusal.MALFORMED_REQUEST:
            return [_malformed(outcome.detail)]
        case _:
            return [
                _warning(
                    "AllocationFailed", f"Failed to allocate IP for {quoting.quote(service.key)}: {reason(outcome)}"
                )
            ]


def reason(outcome: values.Refused) -> str:
    """Why a Service is refused, in one line: the sentence, then what each pool had against it."""
    if outcome.why is values.Refusal.ADDRESS_IN_USE or not outcome.verdicts:
        return outcome.detail
    return f"{outcome.detail}: {_listed(outcome.verdicts)}"


def _of_lacks(lacks: tuple[values.PoolVerdict, ...]) -> list[Notice]:
    if not lacks:
        return []
    return [_normal("AdditionalAssignFailed", f"cannot assign additional IP in PreferDualStack: {_listed(lacks)}")]


def _listed(verdicts: tuple[values.PoolVerdict, ...], *, at_most: int = 10) -> str:
    texts = [str(verdict) for verdict in verdicts[:at_most]]
    if len(verdicts) > at_most:
        texts.append(f"and {len(verdicts) - at_most} more pools")
    return "; ".join(texts)


def _deprecated(name: str) -> Notice:
    current = name.replace(services.DEPRECATED_PREFIX, services.PREFIX, 1)
    return _warning(
        "deprecatedAnnotation",
        f"annotation {quoting.quote(name)} is deprecated; {quoting.quote(current)} is its successor",
    )


def _malformed(detail: str) -> Notice:
    return _warning("LoadBalancerFailed", f"invalid requested loadbalancer IPs: {detail}")


def _normal(reason_word: str, message: str) -> Notice:
    return Notice(effects.EventType.NORMAL, reason_word, _shorten(message))


def _warning(reason_word: str, message: str) -> Notice:
    return Notice(effects.EventType.WARNING, reason_word, _shorten(message))


def _shorten(message: str) -> str:
    # the limit counts bytes
    data = message.encode()
    if len(data) <= LONGEST_MESSAGE:
        return message
    return data[: LONGEST_MESSAGE - 3].decode(errors="ignore") + "..."
