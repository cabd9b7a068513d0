"""Who may read metrics: what the API is asked, how long its answers count, and what happens while it is away."""

import asyncio
import json

import pytest

from frr_adapter import errors
from frr_adapter.boundary import access, health
from tests.fakes.clock import ManualClock


class Api:
    """Knows one token, and who may read; counts what it is asked."""

    def __init__(self):
        self.allowed = True
        self.failure = None
        self.asked = []
        self.waits = None

    async def create(self, path, body, _query=None):
        self.asked.append((path.rpartition("/")[2], body["spec"]))
        if self.waits is not None:
            await self.waits.wait()
        if self.failure is not None:
            raise self.failure
        if path.endswith("tokenreviews"):
            user = {"username": "reader", "uid": "7", "groups": ["g"], "extra": {"a": ["b"]}}
            is_good = body["spec"]["token"] == "good"
            status = {"authenticated": True, "user": user} if is_good else {"user": {}, "error": "who?"}
        else:
            status = {"allowed": self.allowed}
        return json.dumps({"spec": {}, "status": status}).encode()


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def guard(api, clock):
    return access.Access(api, clock.monotonic).guard


def request(authorization="Bearer good", path="/metrics"):
    fields = {"authorization": authorization} if authorization is not None else {}
    return health.Request("GET", path, fields)


def status(answer):
    return None if answer is None else answer.status.value


async def test_the_api_is_asked_who_it_is_and_whether_he_may(guard, api):
    assert await guard(request()) is None
    (first, token), (second, spec) = api.asked
    assert (first, token) == ("tokenreviews", {"token": "good"})
    assert (second, spec) == (
        "subjectaccessreviews",
        {
            "user": "reader",
            "uid": "7",
            "groups": ["g"],
            "extra": {"a": ["b"]},
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        },
    )


@pytest.mark.parametrize("authorization", [None, "", "Basic Z29vZA==", "Bearer", "Bearer ", "good"])
async def test_without_a_token_nobody_is_asked(guard, api, authorization):
    answer = await guard(request(authorization))
    assert (status(answer), answer.fields, api.asked) == (401, ("WWW-Authenticate: Bearer",), [])


async def test_strangers_and_those_who_may_not(guard, api):
    assert status(await guard(request("Bearer other"))) == 401
    api.allowed = False
    answer = await guard(request("bearer good"))
    assert (status(answer), answer.body) == (403, b"Forbidden (user=reader, verb=get, path=/metrics)\n")


async def test_answers_count_for_a_while(guard, api, clock):
    assert await guard(request()) is None
    api.allowed = False
    clock.advance(access.GRANTED_SECONDS - 1)
    assert await guard(request()) is None
    assert len(api.asked) == 2
    clock.advance(1)
    assert status(await guard(request())) == 403
    api.allowed = True
    clock.advance(access.REFUSED_SECONDS - 1)
    assert status(await guard(request())) == 403
    clock.advance(1)
    assert await guard(request()) is None


async def test_another_path_is_another_question(guard, api):
    await guard(request())
    await guard(request(path="/other"))
    assert [spec["nonResourceAttributes"]["path"] for kind, spec in api.asked if kind == "subjectaccessreviews"] == [
        "/metrics",
        "/other",
    ]


AWAY = errors.KubernetesError(0, "Unreachable", "no route")


async def test_while_the_api_is_away_an_old_yes_counts_and_nothing_else(guard, api, clock):
    assert await guard(request()) is None
    api.failure = AWAY
    clock.advance(access.GRANTED_SECONDS)
    assert await guard(request()) is None
    assert status(await guard(request("Bearer other"))) == 500
    clock.advance(access.STALE_SECONDS - access.GRANTED_SECONDS)
    assert status(await guard(request())) == 500
    api.failure = None
    assert await guard(request()) is None


@pytest.mark.parametrize(
    "failure", [errors.KubernetesError(403, "Forbidden", "not you"), errors.KubernetesError(401, "U", "")]
)
async def test_an_api_that_refuses_us_is_no_reason_to_trust_longer(guard, api, clock, failure):
    assert await guard(request()) is None
    api.failure = failure
    clock.advance(access.GRANTED_SECONDS)
    assert status(await guard(request())) == 500


async def test_an_old_no_is_asked_again_also_while_the_api_is_away(guard, api, clock):
    api.allowed = False
    assert status(await guard(request())) == 403
    api.failure = AWAY
    clock.advance(access.REFUSED_SECONDS)
    assert status(await guard(request())) == 500


async def test_many_scrapes_at_once_are_one_question_and_many_strangers_few(api, clock):
    guard = access.Access(api, clock.monotonic).guard
    api.waits = asyncio.Event()
    strangers = [asyncio.create_task(guard(request(f"Bearer {number}"))) for number in range(20)]
    while len(api.asked) < 4:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(api.asked) == 4
    api.waits.set()
    assert {status(answer) for answer in await asyncio.gather(*strangers)} == {401}


async def test_what_is_remembered_is_bounded_and_holds_no_token(api, clock):
    judge = access.Access(api, clock.monotonic)
    for number in range(300):
        await judge.guard(request(f"Bearer secret-{number}"))
    assert len(judge._judged) == 128
    assert "secret-" not in repr(judge._judged)
