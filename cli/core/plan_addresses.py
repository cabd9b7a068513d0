"""Addresses that Services gain, lose, change or wait for between two moments, and why. Called by `planning`. Pure.

The outcomes are the controller's; here they are compared and put into words. It must never decide who gets an address.
"""

from collections.abc import Iterator

from cli.core import moment
from cli.documents import plan
from controller import values
from controller.core import pool_choice, report

_NO_BALANCER = "the Service is not of type LoadBalancer any more"


def changes(before: moment.Moment, after: moment.Moment) -> tuple[plan.AddressChange, ...]:
    """Sorted by Service."""
    old, new = before.last.outcomes, after.last.outcomes
    found = (_change(key, old.get(key), new.get(key), after) for key in sorted({*old, *new}))
    return tuple(change for change in found if change is not None)


def warnings(before: moment.Moment, after: moment.Moment, found: tuple[plan.AddressChange, ...]) -> Iterator[str]:
    """One line for each pool that goes, or gives less than before, while Services have addresses of it."""
    wanting = {service.key for service in after.world.controller.services if service.is_load_balancer}
    moving = {change.service for change in found if change.change in ("lost", "changed")} & wanting
    remaining = {pool.name: pool for pool in after.world.controller.configuration.pools}
    for pool in before.world.controller.configuration.pools:
        shall = remaining.get(pool.name)
        if shall is not None and pool_choice.same_for_allocation(pool, shall):
            continue
        leaving = [
            key
            for key, outcome in before.last.outcomes.items()
            if isinstance(outcome, values.Kept | values.Assigned) and outcome.pool == pool.name and key in moving
        ]
        if leaving:
            what = "goes" if shall is None else "changes"
            count = "1 Service loses" if len(leaving) == 1 else f"{len(leaving)} Services lose"
            yield f"{pool.ref} {what} while it is in use: {count} the address that it gave"


def _change(
    key: str, old: values.Outcome | None, new: values.Outcome | None, after: moment.Moment
) -> plan.AddressChange | None:
    had, has = held(old), held(new)
    first = after.first.memory.entries.get(key)
    why = first.outcome if first is not None else new
    match new:
        case values.Kept() | values.Assigned():
            if had == has:
                return None
            return plan.AddressChange(key, "changed" if had else "gained", had, has, pool=new.pool, reason=_reason(why))
        case values.Refused():
            if not had and isinstance(old, values.Refused) and (old.why, old.detail) == (new.why, new.detail):
                return None
            verdicts = tuple(str(verdict) for verdict in new.verdicts)
            told = new if not isinstance(why, values.Refused) else why
            return plan.AddressChange(key, "lost" if had else "pending", had, reason=_reason(told), verdicts=verdicts)
        case values.Released():
            return plan.AddressChange(key, "lost", had, reason=_NO_BALANCER) if had else None
        case None:
            return plan.AddressChange(key, "lost", had, reason=_gone(key, after)) if had else None


def _gone(key: str, after: moment.Moment) -> str:
    service = next((each for each in after.world.controller.services if each.key == key), None)
    if service is None:
        return "the Service is deleted"
    if not service.is_load_balancer:
        return _NO_BALANCER
    return f'the Service belongs to another load balancer: its class is "{service.load_balancer_class}"'


def _reason(outcome: values.Outcome | None) -> str:
    match outcome:
        case values.Assigned(cleared=cleared, added=added):
            if cleared is not None:
                return _cleared(cleared)
            return "a second address" if added is not None else ""
        case values.Refused(cleared=cleared):
            said = outcome.detail or report.reason(outcome)
            return f"{_cleared(cleared)}; {said}" if cleared is not None else said
        case values.Kept(detail=detail):
            return detail
        case _:
            return ""


def _cleared(cleared: values.Cleared) -> str:
    match cleared.why:
        case values.Clearing.CLAIM_REFUSED:
            return f"not allowed any more: {cleared.detail}"
        case values.Clearing.UNKNOWN_FAMILY:
            return f"its status cannot be read: {cleared.detail}"
        case values.Clearing.FAMILY_CHANGED:
            return f"its address family changed: {cleared.detail}"
        case values.Clearing.POOL_REQUESTED:
            return _with("it asks for another pool", cleared.detail)
        case values.Clearing.ADDRESSES_REQUESTED:
            return _with("it asks for other addresses", cleared.detail)


def _with(said: str, detail: str) -> str:
    return f"{said}: {detail}" if detail else said


def held(outcome: values.Outcome | None) -> tuple[str, ...]:
    """The addresses that a Service has, as texts."""
    return () if outcome is None else tuple(str(ip) for ip in values.held(outcome))
