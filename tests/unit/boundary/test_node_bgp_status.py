"""The NodeBGPStatus object: written when it differs, with times that change with what they date."""

import dataclasses
import json

import pytest

from frr_adapter import effects, refs
from frr_adapter.boundary import perform, retry
from tests.fakes import clock
from tests.performing import one_by_one

PACE = retry.Pace(first=0.001, longest=0.01, attempts=2)
REF = refs.ObjectRef("NodeBGPStatus", "metallb-system", "n1")
LABELS = (("metallb.io/component-type", "speaker"), ("metallb.io/node-name", "n1"))
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "speaker-x", "uid": "u1"}
UP = effects.SessionStatus("10.99.0.1", "default", ("tor",), "Established", "Up")
DOWN = effects.SessionStatus("eth1", "default", ("cable",), "Active", "N/A", "Interface down")
START = effects.WriteNodeBgpStatus(
    REF, LABELS, "8.4.4", True, "aaa", "aaa", "Applied", "hot", "", ("10.99.0.1: AS changed",), (UP, DOWN)
)


@pytest.fixture
def time():
    return clock.ManualClock()


@pytest.fixture
def performer(world, time):
    return perform.Performer(world, time, perform.Author("metallb-speaker", "n1", OWNER), PACE)


async def test_the_object_says_everything(world, performer):
    assert await one_by_one(performer, [START]) == ()
    written = world.read(REF)
    assert written["metadata"]["labels"] == dict(LABELS)
    assert written["metadata"]["ownerReferences"] == [OWNER]
    now = "2030-01-01T00:00:00Z"
    first = {"neighbor": "10.99.0.1", "vrf": "default", "peers": ["tor"], "state": "Established", "bfd": "Up"}
    second = {"neighbor": "eth1", "vrf": "default", "peers": ["cable"], "state": "Active", "bfd": "N/A"}
    assert json.loads(json.dumps(written["status"])) == {
        "node": "n1",
        "established": "1/2",
        "frr": {"version": "8.4.4", "up": True},
        "configuration": {
            "state": "Applied",
            "wanted": "aaa",
            "applied": "aaa",
            "way": "hot",
            "lastAppliedTime": now,
            "lastResets": ["10.99.0.1: AS changed"],
        },
        "sessions": [
            {**first, "lastTransitionTime": now},
            {**second, "lastReset": "Interface down", "lastTransitionTime": now},
        ],
    }


async def test_the_same_again_writes_nothing(world, performer, time):
    await one_by_one(performer, [START])
    world.writes.clear()
    time.advance(60)
    assert await one_by_one(performer, [START]) == ()
    assert world.writes == []


async def test_only_the_session_that_changed_gets_a_new_time(world, performer, time):
    await one_by_one(performer, [START])
    time.advance(60)
    await one_by_one(performer, [dataclasses.replace(START, sessions=(dataclasses.replace(UP, state="Idle"), DOWN))])
    status = world.read(REF)["status"]
    assert [each["lastTransitionTime"] for each in status["sessions"]] == [
        "2030-01-01T00:01:00Z",
        "2030-01-01T00:00:00Z",
    ]
    assert status["established"] == "0/2"
    assert status["configuration"]["lastAppliedTime"] == "2030-01-01T00:00:00Z"


async def test_what_passed_is_taken_away(world, performer):
    refused = dataclasses.replace(START, wanted="bbb", state="Refused", last_error="line 7", way="")
    await one_by_one(performer, [refused])
    assert world.read(REF)["status"]["configuration"]["lastError"] == "line 7"
    await one_by_one(performer, [dataclasses.replace(START, sessions=(UP,))])
    status = world.read(REF)["status"]
    assert "lastError" not in status["configuration"]
    assert [each["neighbor"] for each in status["sessions"]] == ["10.99.0.1"]


async def test_the_time_of_the_last_success_stays_until_the_next(world, performer, time):
    times = []
    for applied in ("aaa", "bbb", "bbb", "", "bbb"):
        await one_by_one(performer, [dataclasses.replace(START, applied=applied)])
        times.append(world.read(REF)["status"]["configuration"]["lastAppliedTime"][14:16])
        time.advance(60)
    assert times == ["00", "01", "01", "01", "04"]


async def test_a_long_error_is_cut(world, performer):
    await one_by_one(performer, [dataclasses.replace(START, last_error="x" * 5000)])
    assert len(world.read(REF)["status"]["configuration"]["lastError"]) == 1024


async def test_nonsense_and_lost_metadata_are_mended(world, performer):
    await one_by_one(performer, [START])
    before = world.read(REF)
    document = world.read(REF)
    document["status"] = {"sessions": 5}
    document["metadata"]["labels"] = {"mine": "kept"}
    document["metadata"]["ownerReferences"] = [{**OWNER, "uid": "gone"}]
    world.put(document)
    await one_by_one(performer, [START])
    after = world.read(REF)
    assert after["status"] == before["status"]
    assert after["metadata"]["labels"] == {"mine": "kept", **dict(LABELS)}
    assert after["metadata"]["ownerReferences"] == [OWNER]
