"""Why a Service got no address, or no second one, pool by pool. Called by `allocator` once nothing will change any more.

Explanations look at the final ledger of a decision, never at the one in the middle, so that an unchanged world explains
itself in unchanged words and no event repeats. Nothing here records anything.
"""

from controller import values
from controller.core import allocate, pool_choice
from controller.core import ledger as ledgers
from controller.core import request as requests
from frr_adapter import addresses
from frr_adapter.model import service as services

Cache = dict[allocate.Signature, tuple[values.PoolVerdict, ...]]


def verdicts(request: requests.Request, ledger: ledgers.Ledger, cache: Cache) -> tuple[values.PoolVerdict, ...]:
    """What each pool has against the request, in the order they are tried, then those out of question.

    `cache` serves all requests of one signature that do not share; it is valid only while the ledger does not change.
    """
    choice = allocate.choice_of(request, ledger.catalog)
    if isinstance(choice, values.Refused):
        return choice.verdicts
    if request.sharing:
        return _verdicts(request, choice, ledger)
    signature = allocate.signature_of(request, choice)
    found = cache.get(signature)
    if found is None:
        found = cache[signature] = _verdicts(request, choice, ledger)
    return found


def lacks(
    request: requests.Request, outcome: values.Kept | values.Assigned, ledger: ledgers.Ledger
) -> tuple[values.PoolVerdict, ...]:
    """Why the pool of a Service with one address gives no second one; empty when no second one is wanted."""
    if not allocate.is_short(request, outcome):
        return ()
    family = allocate.missing_family(outcome.ips)
    if family not in ledger.catalog.families[outcome.pool]:
        return (_no_family(outcome.pool, (family,)),)
    return (values.PoolVerdict(outcome.pool, values.WhyNot.FULL, f"full for {family}"),)


def _verdicts(
    request: requests.Request, choice: pool_choice.Choice, ledger: ledgers.Ledger
) -> tuple[values.PoolVerdict, ...]:
    tried = tuple(_verdict(request, pool, ledger) for tier in choice.tiers for pool in tier)
    return tried + choice.excluded


def _verdict(request: requests.Request, pool: str, ledger: ledgers.Ledger) -> values.PoolVerdict:
    offered = ledger.catalog.families[pool]
    absent = tuple(family for family in request.families if family not in offered)
    is_enough_partly = request.policy is services.FamilyPolicy.PREFER_DUAL
    if absent and (not is_enough_partly or absent == request.families):
        return _no_family(pool, absent)
    full = [f for f in request.families if f in offered and ledger.usable(pool, f, request) is None]
    if len(full) == len(request.families) or is_enough_partly:
        return values.PoolVerdict(pool, values.WhyNot.FULL)
    return values.PoolVerdict(pool, values.WhyNot.FULL, f"full for {' or '.join(str(family) for family in full)}")


def _no_family(pool: str, families: tuple[addresses.Family, ...]) -> values.PoolVerdict:
    names = " or ".join(str(family) for family in families)
    return values.PoolVerdict(pool, values.WhyNot.FAMILY, f"no {names} addresses")
