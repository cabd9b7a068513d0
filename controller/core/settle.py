"""One round of decisions over a ledger: first everybody keeps what they hold, then the waiting are served, oldest first.

Used by `allocator`, both for the whole world and for the few services that changed; that both give the same answer is a
property the tests check. A round ends with `finish`; until the next one, nothing in the ledger may change under its outcomes.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from controller import values
from controller.core import allocate, explain
from controller.core import ledger as ledgers
from controller.core import request as requests
from frr_adapter.model import service as services


@dataclass(frozen=True, slots=True)
class Task:
    """A Service to decide about. `holding` is what it has, `is_settled` that nothing about it changed since it got that."""

    service: services.Service
    request: requests.Request
    holding: allocate.Holding
    is_settled: bool = False

    @property
    def precedence(self) -> tuple[bool, int, str, str]:
        """Order among holders: unchanged ones, then those with more addresses, then the older, then by key."""
        return (not self.is_settled, -len(self.holding.ips), self.service.created, self.service.key)


@dataclass(frozen=True, slots=True)
class Waiter:
    """A Service that wants something it has not: a first address (`outcome` None or a refusal) or a second one."""

    service: services.Service
    request: requests.Request
    outcome: values.Outcome | None = None
    cleared: values.Cleared | None = None

    @property
    def age(self) -> tuple[str, str]:
        """Oldest first."""
        return (self.service.created, self.service.key)


class Round:
    """Decisions in the making."""

    def __init__(self, ledger: ledgers.Ledger) -> None:
        self.ledger = ledger
        self.outcomes: dict[str, values.Outcome] = {}
        self.requests: dict[str, requests.Request] = {}
        self._waiters: list[Waiter] = []

    def keep(self, tasks: Iterable[Task]) -> None:
        """Decides who keeps what; the others wait."""
        holders = []
        for task in tasks:
            self.requests[task.service.key] = task.request
            refused = allocate.refuse_outright(task.service, task.request, self.ledger.catalog)
            if refused is not None:
                self.outcomes[task.service.key] = refused
            elif task.holding.ips or task.holding.unreadable:
                holders.append(task)
            else:
                self._waiters.append(Waiter(task.service, task.request))
        for task in sorted(holders, key=lambda holder: holder.precedence):
            outcome = allocate.keep(task.request, task.holding, self.ledger)
            if isinstance(outcome, values.Cleared):
                self._waiters.append(Waiter(task.service, task.request, cleared=outcome))
                continue
            self.outcomes[task.service.key] = outcome
            if allocate.is_short(task.request, outcome):
                self._waiters.append(Waiter(task.service, task.request, outcome))

    def retry(self, waiters: Iterable[Waiter]) -> None:
        """Adds services that were waiting before this round."""
        for waiter in waiters:
            self.requests[waiter.service.key] = waiter.request
            self._waiters.append(waiter)

    def serve(self) -> None:
        """Serves everybody who waits, oldest first."""
        dead_ends: set[allocate.Signature] = set()
        for waiter in sorted(self._waiters, key=lambda one: one.age):
            if not (dead_ends and self._is_in_vain(waiter, dead_ends)):
                self.outcomes[waiter.service.key] = self._serve(waiter, dead_ends)

    def _is_in_vain(self, waiter: Waiter, dead_ends: set[allocate.Signature]) -> bool:
        """Whether the waiter was refused for want of addresses before and an older one with the same wishes is again."""
        match waiter.outcome:
            case values.Refused(why=values.Refusal.NO_AVAILABLE_IPS) if not waiter.request.sharing:
                choice = allocate.choice_of(waiter.request, self.ledger.catalog)
                return (
                    not isinstance(choice, values.Refused)
                    and allocate.signature_of(waiter.request, choice) in dead_ends
                )
            case _:
                return False

    def _serve(self, waiter: Waiter, dead_ends: set[allocate.Signature]) -> values.Outcome:
        match waiter.outcome:
            case values.Kept() | values.Assigned():
                return allocate.add_second(waiter.request, waiter.outcome, self.ledger) or waiter.outcome
            case _:
                outcome = allocate.assign(waiter.request, self.ledger, dead_ends)
                cleared = waiter.cleared
                return dataclasses.replace(outcome, cleared=cleared) if cleared is not None else outcome

    def finish(self, others: Iterable[Waiter], cache: explain.Cache) -> dict[str, values.Outcome]:
        """The outcomes with their explanations; `others` are explained anew although the round did not serve them."""
        for waiter in others:
            if waiter.outcome is not None and waiter.service.key not in self.outcomes:
                self.requests[waiter.service.key] = waiter.request
                self.outcomes[waiter.service.key] = waiter.outcome
        return {key: self._explain(self.requests[key], outcome, cache) for key, outcome in self.outcomes.items()}

    def _explain(self, request: requests.Request, outcome: values.Outcome, cache: explain.Cache) -> values.Outcome:
        match outcome:
            case values.Refused(why=values.Refusal.NO_AVAILABLE_IPS):
                verdicts = explain.verdicts(request, self.ledger, cache)
                return outcome if verdicts == outcome.verdicts else dataclasses.replace(outcome, verdicts=verdicts)
            case values.Refused(why=values.Refusal.ADDRESS_IN_USE) if isinstance(request.ips, tuple):
                again = allocate.stake(request, request.ips, self.ledger)
                # the words name the holders, who may have changed after this one was refused
                return (
                    dataclasses.replace(again, cleared=outcome.cleared)
                    if isinstance(again, values.Refused)
                    else outcome
                )
            case values.Kept() | values.Assigned() if outcome.lacks or allocate.is_short(request, outcome):
                return dataclasses.replace(outcome, lacks=explain.lacks(request, outcome, self.ledger))
            case _:
                return outcome
