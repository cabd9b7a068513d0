"""When to try the Kubernetes API again: jittered exponential waits around any call. Used by `watch` and `perform`.

Never hides a failure: what does not pass is raised as it came.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import tenacity

from frr_adapter import errors

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """Waits in seconds: random between 0 and `first` * 2^n, at most `longest`; `attempts` counts for `bounded` only."""

    first: float = 0.25
    longest: float = 30.0
    attempts: int = 5


DEFAULT = Pace()


class ThrottledError(errors.KubernetesError):
    """The API asked to come back later: `retry_after` is its wish in seconds."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float) -> None:
        super().__init__(status, reason, message)
        self.retry_after = retry_after


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed a little later: no answer, too many requests, or the server's own trouble."""
    return isinstance(error, errors.KubernetesError) and (error.status in {0, 429} or error.status >= 500)


def _wait(pace: Pace) -> Callable[[tenacity.RetryCallState], float]:
    jittered = tenacity.wait_random_exponential(multiplier=pace.first, max=pace.longest)

    def wait(state: tenacity.RetryCallState) -> float:
        seconds = jittered(state)
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, ThrottledError):
            # The server's wish is a lower bound; our jitter on top keeps clients from coming back together.
            return min(error.retry_after, pace.longest) + min(seconds, 1.0)
        return seconds

    return wait


async def forever(
    action: Callable[[], Awaitable[T]], pace: Pace, note: Callable[[errors.KubernetesError, float], None]
) -> T:
    """Does `action` until it passes; every `errors.KubernetesError` is noted with the seconds until the next attempt."""

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, errors.KubernetesError) and state.next_action is not None:
            note(error, state.next_action.sleep)

    retrying = tenacity.AsyncRetrying(
        wait=_wait(pace),
        retry=tenacity.retry_if_exception_type(errors.KubernetesError),
        before_sleep=before_sleep,
        reraise=True,
    )
    return await retrying(_plain(action))


async def bounded(action: Callable[[], Awaitable[T]], pace: Pace) -> T:
    """Does `action`, again only after failures that may pass (see `is_passing`), `pace.attempts` times at most."""
    try:
        return await action()
    except errors.KubernetesError as error:
        # tenacity costs as much as a request, and almost every request passes at once: it only sees the others
        if pace.attempts < 2 or not is_passing(error):
            raise
        first = error
    retrying = tenacity.AsyncRetrying(
        wait=_wait(pace),
        stop=tenacity.stop_after_attempt(pace.attempts),
        retry=tenacity.retry_if_exception(is_passing),
        reraise=True,
    )
    failures = [first]

    async def again() -> T:
        if failures:
            raise failures.pop()
        return await action()

    return await retrying(_plain(again))


def _plain(action: Callable[[], Awaitable[T]]) -> Callable[[], Any]:
    # tenacity looks for a coroutine function; lambdas and partials that return awaitables count as ours too.
    async def call() -> T:
        return await action()

    return call
