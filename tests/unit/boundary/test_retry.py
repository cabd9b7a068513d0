import asyncio

import pytest

from frr_adapter import errors
from frr_adapter.boundary import retry

FAST = retry.Pace(first=0.001, longest=0.01, attempts=3)


class Script:
    """Fails as told, then gives "done"."""

    def __init__(self, *failures: errors.KubernetesError) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def failure(status: int) -> errors.KubernetesError:
    return errors.KubernetesError(status, "Some", "words")


@pytest.mark.parametrize("status", [0, 429, 500, 503])
async def test_what_may_pass_is_tried_again(status):
    script = Script(failure(status), failure(status))
    assert await retry.bounded(script, FAST) == "done"
    assert script.calls == 3


async def test_bounded_gives_up_with_the_last_failure():
    with pytest.raises(errors.KubernetesError, match="503"):
        await retry.bounded(Script(*[failure(500)] * 2, failure(503)), FAST)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422])
async def test_what_will_not_pass_is_raised_at_once(status):
    script = Script(failure(status))
    with pytest.raises(errors.KubernetesError):
        await retry.bounded(script, FAST)
    assert script.calls == 1


async def test_forever_outlasts_many_failures_and_tells_each():
    noted = []
    script = Script(*[failure(403)] * 20)
    assert await retry.forever(script, FAST, lambda error, seconds: noted.append((error.status, seconds))) == "done"
    assert [status for status, _ in noted] == [403] * 20
    assert all(0 <= seconds <= 0.01 for _, seconds in noted)
    assert len({seconds for _, seconds in noted}) > 5


async def test_the_servers_wish_is_waited_for():
    throttled = retry.ThrottledError(429, "TooManyRequests", "later", 0.1)
    started = asyncio.get_running_loop().time()
    await retry.bounded(Script(throttled), retry.Pace(first=0.001, longest=5, attempts=2))
    assert asyncio.get_running_loop().time() - started >= 0.1


async def test_other_exceptions_are_not_retried():
    async def bug() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await retry.forever(bug, FAST, lambda *_: None)
