import asyncio

import pytest

from frr_adapter import effects, refs
from frr_adapter.boundary import own_object, perform, retry
from tests.fakes import clock
from tests.performing import one_by_one

PACE = retry.Pace(first=0.001, longest=0.01, attempts=2)
STATE = refs.ObjectRef("ConfigurationState", "metallb-system", "speaker-n1")
LABELS = (("metallb.io/component-type", "speaker"), ("metallb.io/node-name", "n1"))
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "speaker-x", "uid": "u1"}


@pytest.fixture
def time():
    return clock.ManualClock()


@pytest.fixture
def performer(world, time):
    return perform.Performer(world, time, perform.Author("metallb-speaker", "n1", OWNER), PACE)


def state(*messages: str) -> effects.WriteConfigurationState:
    return effects.WriteConfigurationState(STATE, "configReconcilerValid", LABELS, messages)


async def test_the_object_is_created_with_labels_and_owner(world, performer):
    assert await one_by_one(performer, [state()]) == ()
    written = world.read(STATE)
    assert written["metadata"]["labels"] == dict(LABELS)
    assert written["metadata"]["ownerReferences"] == [OWNER]
    assert written["status"] == {
        "result": "Valid",
        "errorSummary": "",
        "conditions": [
            {
                "type": "configReconcilerValid",
                "status": "True",
                "reason": "Reconciled",
                "message": "",
                "lastTransitionTime": "2030-01-01T00:00:00Z",
            }
        ],
    }


async def test_the_same_again_writes_nothing(world, performer, time):
    await one_by_one(performer, [state("a")])
    world.writes.clear()
    time.advance(60)
    assert await one_by_one(performer, [state("a")]) == ()
    assert world.writes == []


async def test_problems_are_the_message_and_the_transition_is_only_that_of_the_status(world, performer, time):
    await one_by_one(performer, [state()])
    time.advance(60)
    await one_by_one(performer, [state("one", "two")])
    first = world.read(STATE)["status"]
    time.advance(60)
    await one_by_one(performer, [state("one")])
    second = world.read(STATE)["status"]
    assert (first["result"], first["errorSummary"]) == ("Invalid", "configuration error: one\ntwo")
    assert first["conditions"][0]["reason"] == "ConfigurationError"
    assert second["conditions"][0]["message"] == "configuration error: one"
    assert [each["conditions"][0]["lastTransitionTime"] for each in (first, second)] == ["2030-01-01T00:01:00Z"] * 2


async def test_conditions_of_others_stay_and_count(world, performer):
    other = {
        "type": "theirs",
        "status": "False",
        "reason": "ConfigurationError",
        "message": "their trouble",
        "lastTransitionTime": "2029-01-01T00:00:00Z",
    }
    await one_by_one(performer, [state()])
    document = world.read(STATE)
    document["status"]["conditions"].insert(0, other)
    world.put(document)
    await one_by_one(performer, [state("mine")])
    status = world.read(STATE)["status"]
    assert [each["type"] for each in status["conditions"]] == ["theirs", "configReconcilerValid"]
    assert status["errorSummary"] == "their trouble\nconfiguration error: mine"
    await one_by_one(performer, [state()])
    status = world.read(STATE)["status"]
    assert (status["result"], status["errorSummary"]) == ("Invalid", "their trouble")
    applied = world.writes[-1].body
    assert [each["type"] for each in applied["status"]["conditions"]] == ["configReconcilerValid"]


async def test_lost_labels_are_put_back_and_foreign_ones_kept(world, performer):
    await one_by_one(performer, [state()])
    document = world.read(STATE)
    document["metadata"]["labels"] = {"mine": "kept"}
    world.put(document)
    await one_by_one(performer, [state()])
    assert world.read(STATE)["metadata"]["labels"] == {"mine": "kept", **dict(LABELS)}


async def test_an_object_full_of_nonsense_is_said_anew(world, performer):
    await one_by_one(performer, [state()])
    document = world.read(STATE)
    document["status"] = {"result": 5}
    world.put(document)
    assert await one_by_one(performer, [state()]) == ()
    assert world.read(STATE)["status"]["result"] == "Valid"


@pytest.mark.parametrize(
    "owners",
    [None, [{"apiVersion": "v1", "kind": "Pod", "name": "speaker-gone", "uid": "u0"}]],
    ids=["none", "another"],
)
async def test_the_owner_is_the_pod_that_writes_now(world, performer, owners):
    await one_by_one(performer, [state()])
    document = world.read(STATE)
    document["metadata"]["ownerReferences"] = owners
    world.put(document)
    await one_by_one(performer, [state()])
    assert world.read(STATE)["metadata"]["ownerReferences"] == [OWNER]


async def test_without_an_own_pod_the_owner_is_left_alone(world, time):
    stray = perform.Performer(world, time, perform.Author("metallb-speaker", "n1"), PACE)
    await one_by_one(stray, [state()])
    assert "ownerReferences" not in world.read(STATE)["metadata"]
    document = world.read(STATE)
    document["metadata"]["ownerReferences"] = [OWNER]
    world.put(document)
    await one_by_one(stray, [state()])
    assert world.read(STATE)["metadata"]["ownerReferences"] == [OWNER]


async def test_following_tells_every_version_and_the_end_of_this_object_only(world, performer):
    told = []
    task = asyncio.create_task(own_object.follow(world, STATE, lambda: told.append(world.read(STATE))))
    try:
        await one_by_one(performer, [state()])
        await eventually(lambda: told and told[-1] == world.read(STATE))
        other = effects.WriteConfigurationState(
            refs.ObjectRef(STATE.kind, STATE.namespace, "controller"), "poolReconcilerValid", LABELS, ()
        )
        count = len(told)
        await one_by_one(performer, [other])
        world.remove(STATE)
        await eventually(lambda: told[-1] is None)
        assert len(told) == count + 1
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def eventually(holds) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)
