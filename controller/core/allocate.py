"""The two halves of every decision: keep what a Service holds, or else assign something. Called by `allocator` in that order.

Each function judges one Service against the ledger and records what it grants. Which Service comes first is not decided here.
"""

from dataclasses import dataclass

from controller import values
from controller.core import ledger as ledgers
from controller.core import pool_choice, quoting
from controller.core import request as requests
from frr_adapter import addresses
from frr_adapter.model import service as services

Signature = tuple[pool_choice.Choice, tuple[addresses.Family, ...], services.FamilyPolicy, addresses.Family]
"""Requests with equal signatures find the same addresses as long as none of them shares."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a Service has now. `unreadable` is the text of its status when that holds something that is no address."""

    ips: tuple[addresses.Address, ...] = ()
    pool: str = ""
    unreadable: str = ""


def holding_of(service: services.Service) -> Holding:
    """What the Service's status and annotation say; entries that have only a hostname count as nothing."""
    pool = dict(service.annotations).get(services.ALLOCATED_FROM_ANNOTATION, "")
    texts = tuple(text for text in service.ingress if text)
    try:
        return Holding(tuple(addresses.parse_address(text) for text in texts), pool)
    except ValueError as error:
        return Holding((), pool, str(error))


def refuse_outright(
    service: services.Service, request: requests.Request, catalog: pool_choice.Catalog
) -> values.Refused | None:
    """Why the Service can have no address whatever it holds, None when it may."""
    if not catalog.pools:
        return values.Refused(values.Refusal.NO_POOLS, "there are no pools")
    if not service.cluster_ips:
        return values.Refused(values.Refusal.NO_CLUSTER_IP, "the service has no cluster IP")
    if request.policy is services.FamilyPolicy.REQUIRE_DUAL and len(service.cluster_ips) < 2:
        found = quoting.quote_ips(service.cluster_ips)
        return values.Refused(
            values.Refusal.NOT_ENOUGH_CLUSTER_IPS, f"service requires dual stack but has only {found} as clusterIPs"
        )
    return None


def keep(request: requests.Request, holding: Holding, ledger: ledgers.Ledger) -> values.Kept | values.Cleared:
    """Claims exactly what the Service holds; what speaks against that, when it cannot stay."""
    families = requests.families_of(holding.ips)
    if not families:
        found = holding.unreadable or f"{quoting.quote_ips(holding.ips)} found"
        return values.Cleared(
            values.Clearing.UNKNOWN_FAMILY, f"{found}; one address or two of different families are allowed"
        )
    is_preferred = len(request.families) == 2 and request.policy is services.FamilyPolicy.PREFER_DUAL
    if request.families and families != request.families and not is_preferred:
        return values.Cleared(
            values.Clearing.FAMILY_CHANGED, f"{_names(families)} held, {_names(request.families)} served"
        )
    why = values.Keeping.HELD
    detail = ""
    claim = stake(request, holding.ips, ledger, recorded=holding.pool)
    if isinstance(claim, values.Refused):
        rescued = _rescue(request, holding, ledger)
        if rescued is None:
            return values.Cleared(values.Clearing.CLAIM_REFUSED, claim.detail)
        why, detail = (
            values.Keeping.POOL_BROKEN,
            f'pool "{rescued.pool}" has entries that cannot be used: {claim.detail}',
        )
        claim = rescued
    if request.pool and request.pool != claim.pool:
        return values.Cleared(values.Clearing.POOL_REQUESTED, f'"{claim.pool}" held, "{request.pool}" requested')
    if isinstance(request.ips, requests.Malformed):
        why, detail = values.Keeping.MALFORMED_REQUEST, request.ips.reason
    elif request.ips and set(request.ips) != set(holding.ips):
        wanted = quoting.quote_ips(request.ips)
        return values.Cleared(
            values.Clearing.ADDRESSES_REQUESTED, f"{quoting.quote_ips(holding.ips)} held, {wanted} requested"
        )
    elif not request.families:
        why, detail = values.Keeping.UNKNOWN_FAMILY, _UNKNOWN_FAMILY
    ledger.record(claim)
    return values.Kept(claim.ips, claim.pool, why, detail)


def assign(
    request: requests.Request, ledger: ledgers.Ledger, dead_ends: set[Signature]
) -> values.Assigned | values.Refused:
    """Finds addresses for a Service that holds none.

    `dead_ends` gathers signatures that found nothing, so that thousands of waiting services cost one search; it is valid only
    while nothing is released. A refusal for want of addresses carries no verdicts yet: `explain` adds them at the end.
    """
    if isinstance(request.ips, requests.Malformed):
        return values.Refused(values.Refusal.MALFORMED_REQUEST, request.ips.reason)
    if not request.families:
        return values.Refused(values.Refusal.UNKNOWN_FAMILY, _UNKNOWN_FAMILY)
    if request.ips:
        return _assign_requested(request, request.ips, ledger)
    choice = choice_of(request, ledger.catalog)
    if isinstance(choice, values.Refused):
        return choice
    signature = signature_of(request, choice)
    if request.sharing or signature not in dead_ends:
        found = _search(request, choice, ledger)
        if found is not None:
            ledger.record(found)
            return values.Assigned(found.ips, found.pool)
        if not request.sharing:
            dead_ends.add(signature)
    where = f" in pool {request.pool}" if request.pool else ""
    return values.Refused(values.Refusal.NO_AVAILABLE_IPS, f"no available IPs{where}")


def add_second(
    request: requests.Request, outcome: values.Kept | values.Assigned, ledger: ledgers.Ledger
) -> values.Assigned | None:
    """Appends an address of the other family from the same pool, None when the pool has none to give."""
    found = ledger.usable(outcome.pool, missing_family(outcome.ips), request)
    if found is None:
        return None
    ips = (*outcome.ips, found)
    ledger.record(ledgers.Claim.of(request, ips, outcome.pool))
    return values.Assigned(ips, outcome.pool, added=found)


def is_short(request: requests.Request, outcome: values.Outcome) -> bool:
    """Whether the outcome leaves the Service with one address although a second one is wanted."""
    match outcome:
        case values.Assigned():
            return request.wants_second and len(outcome.ips) == 1
        case values.Kept():
            stands = outcome.why in (values.Keeping.HELD, values.Keeping.POOL_BROKEN)
            return stands and request.wants_second and len(outcome.ips) == 1
        case _:
            return False


def missing_family(ips: tuple[addresses.Address, ...]) -> addresses.Family:
    """The family that one address lacks to be a pair."""
    held = addresses.family_of(ips[0])
    return addresses.Family.IPV6 if held is addresses.Family.IPV4 else addresses.Family.IPV4


def choice_of(request: requests.Request, catalog: pool_choice.Catalog) -> pool_choice.Choice | values.Refused:
    """The pools in question for a request that names no address."""
    if len(request.families) == 2 and request.policy is services.FamilyPolicy.SINGLE:
        return values.Refused(
            values.Refusal.SINGLE_STACK_POLICY,
            "the service has cluster IPs of both families and ipFamilyPolicy SingleStack; "
            "PreferDualStack or RequireDualStack is allowed",
        )
    if not request.pool:
        return catalog.automatic(request.namespace, request.labels)
    pool = catalog.pools.get(request.pool)
    if pool is None:
        return values.Refused(values.Refusal.UNKNOWN_POOL, f"unknown pool {quoting.quote(request.pool)}")
    why = pool_choice.objection(pool, request.namespace, request.labels)
    if why is not None:
        return _not_compatible(pool.name, why)
    return catalog.named(request.pool)


def signature_of(request: requests.Request, choice: pool_choice.Choice) -> Signature:
    """What of a request decides the answer of a search, sharing and ports left aside."""
    return (choice, request.families, request.policy, request.primary)


def stake(
    request: requests.Request, ips: tuple[addresses.Address, ...], ledger: ledgers.Ledger, *, recorded: str = ""
) -> ledgers.Claim | values.Refused:
    """A claim on exactly these addresses, not yet recorded, or why it cannot be granted.

    All must come from one pool that is open to the Service. Where pools overlap, the one asked for is taken, then the one
    `recorded` so far, then the first by name.
    """
    names = ledger.catalog.containing_all(ips)
    if not names:
        return values.Refused(values.Refusal.NOT_IN_CONFIG, _not_in_config(ips, ledger.catalog))
    ordered = sorted(names, key=lambda name: (name != request.pool, name != recorded, name))
    objections = []
    for name in ordered:
        pool = ledger.catalog.pools[name]
        why = pool_choice.objection(pool, request.namespace, request.labels)
        if why is None:
            break
        objections.append((name, why))
    else:
        return _not_compatible(*objections[0])
    claim = ledgers.Claim.of(request, ips, name)
    blocked = ledger.check(claim)
    if blocked is not None:
        verdict = values.PoolVerdict(name, blocked.why, blocked.detail)
        return values.Refused(values.Refusal.ADDRESS_IN_USE, blocked.detail, (verdict,))
    return claim


_UNKNOWN_FAMILY = "the IP family of the cluster IPs cannot be told; one, or two of different families are allowed"


def _assign_requested(
    request: requests.Request, ips: tuple[addresses.Address, ...], ledger: ledgers.Ledger
) -> values.Assigned | values.Refused:
    wanted = requests.families_of(ips)
    if wanted != request.families:
        return values.Refused(
            values.Refusal.WRONG_FAMILY,
            f"requested {quoting.quote_ips(ips)} is {_names(wanted)}, but the service needs {_names(request.families)}",
        )
    claim = stake(request, ips, ledger)
    if isinstance(claim, values.Refused):
        return claim
    if request.pool and claim.pool != request.pool:
        return values.Refused(
            values.Refusal.POOL_MISMATCH,
            f"requested {quoting.quote_ips(ips)} is in pool {quoting.quote(claim.pool)}, "
            f"but pool {quoting.quote(request.pool)} is requested",
        )
    ledger.record(claim)
    return values.Assigned(claim.ips, claim.pool)


def _rescue(request: requests.Request, holding: Holding, ledger: ledgers.Ledger) -> ledgers.Claim | None:
    """The claim that a broken pool still honours: a mistake in a pool takes no address away."""
    pool = ledger.catalog.pools.get(holding.pool)
    if pool is None or not pool.is_broken:
        return None
    claim = ledgers.Claim.of(request, holding.ips, holding.pool)
    return claim if ledger.check(claim) is None else None


def _search(request: requests.Request, choice: pool_choice.Choice, ledger: ledgers.Ledger) -> ledgers.Claim | None:
    for tier in choice.tiers:
        alternatives: dict[addresses.Family, ledgers.Claim] = {}
        for pool in tier:
            found = [ip for family in request.families if (ip := ledger.usable(pool, family, request)) is not None]
            if len(found) == len(request.families):
                return ledgers.Claim.of(request, tuple(found), pool)
            for ip in found:
                alternatives.setdefault(addresses.family_of(ip), ledgers.Claim.of(request, (ip,), pool))
        if alternatives and request.policy is services.FamilyPolicy.PREFER_DUAL:
            # one family is better than none; the family the service lists first is better than the other
            return alternatives.get(request.primary) or next(iter(alternatives.values()))
    return None


def _not_compatible(pool: str, why: values.WhyNot) -> values.Refused:
    detail = f"pool {pool} not compatible for ip assignment"
    return values.Refused(values.Refusal.POOL_NOT_COMPATIBLE, detail, (values.PoolVerdict(pool, why),))


def _not_in_config(ips: tuple[addresses.Address, ...], catalog: pool_choice.Catalog) -> str:
    apart = [ip for ip in ips if catalog.containing(ip)]
    families = {addresses.family_of(ip) for ip in ips}
    fitting = [pool for name, pool in catalog.pools.items() if families <= catalog.families[name]]
    hint = " together (addresses of different pools cannot be combined)" if len(apart) == len(ips) else ""
    allowed = (
        pool_choice.describe(fitting) if fitting else f"no pool has addresses of {_names(tuple(sorted(families)))}"
    )
    return f"{quoting.quote_ips(ips)} is not allowed in config{hint}: allowed are {allowed}"


def _names(families: tuple[addresses.Family, ...]) -> str:
    return " and ".join(str(family) for family in families)
