"""Effects one after another, for tests that look at what a performer does and not at who waits for whom."""

from collections.abc import Iterable

from frr_adapter import effects
from frr_adapter.boundary import perform


async def one_by_one(performer: perform.Performer, wanted: Iterable[effects.Effect]) -> tuple[perform.Failure, ...]:
    done = [await performer.perform(each) for each in wanted]
    return tuple(failure for failure in done if failure is not None)
