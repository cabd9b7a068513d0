import pytest

from frr_adapter import effects, errors, refs
from frr_adapter.boundary import perform, retry
from tests.fakes import clock
from tests.performing import one_by_one

PACE = retry.Pace(first=0.001, longest=0.01, attempts=2)
WEB = refs.ObjectRef("Service", "shop", "web")


@pytest.fixture
def time():
    return clock.ManualClock()


@pytest.fixture
def performer(world, time):
    return perform.Performer(world, time, perform.Author("metallb-speaker", "n1"), PACE)


def assigned(message="announcing", ref=WEB) -> effects.EmitEvent:
    return effects.EmitEvent(ref, "uid-7", effects.EventType.NORMAL, "nodeAssigned", message)


async def test_an_event_names_object_author_and_time(world, performer):
    assert await one_by_one(performer, [assigned()]) == ()
    (event,) = world.all("Event")
    assert event["metadata"]["name"].startswith("web.")
    assert event["metadata"]["namespace"] == "shop"
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Service",
        "name": "web",
        "namespace": "shop",
        "uid": "uid-7",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "nodeAssigned", "announcing")
    assert event["source"] == {"component": "metallb-speaker"}
    assert (event["reportingComponent"], event["reportingInstance"]) == ("metallb-speaker", "n1")
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2030-01-01T00:00:00Z"
    assert event["count"] == 1


@pytest.mark.parametrize(
    ("ref", "namespace", "version"),
    [
        (refs.ObjectRef("Node", "", "n1"), "default", "v1"),
        (refs.ObjectRef("IPAddressPool", "metallb-system", "p"), "metallb-system", "metallb.io/v1beta1"),
        (refs.ObjectRef("BGPPeer", "metallb-system", "p"), "metallb-system", "metallb.io/v1beta2"),
    ],
)
async def test_events_lie_beside_their_object(world, performer, ref, namespace, version):
    await one_by_one(performer, [assigned(ref=ref)])
    (event,) = world.all("Event")
    assert event["metadata"]["namespace"] == namespace
    assert event["involvedObject"]["apiVersion"] == version
    assert event["involvedObject"].get("namespace", "") == ref.namespace


async def test_repeats_are_counted_on_one_event(world, performer, time):
    await one_by_one(performer, [assigned(), assigned("other"), assigned()])
    time.advance(60)
    await one_by_one(performer, [assigned()])
    counts = {event["message"]: (event["count"], event["lastTimestamp"]) for event in world.all("Event")}
    assert counts == {"announcing": (3, "2030-01-01T00:01:00Z"), "other": (1, "2030-01-01T00:00:00Z")}


async def test_an_event_the_cluster_has_forgotten_is_told_anew(world, performer):
    await one_by_one(performer, [assigned()])
    (event,) = world.all("Event")
    world.remove(refs.ObjectRef("Event", "shop", event["metadata"]["name"]))
    assert await one_by_one(performer, [assigned()]) == ()
    (again,) = world.all("Event")
    assert (again["count"], again["metadata"]["name"] != event["metadata"]["name"]) == (1, True)


async def test_an_object_cannot_flood_the_api_and_no_occurrence_is_lost(world, performer, time):
    await one_by_one(performer, [assigned()] * 40 + [assigned(ref=refs.ObjectRef("Service", "shop", "other"))])
    assert len(world.writes) == 25 + 1
    time.advance(300)
    await one_by_one(performer, [assigned()])
    counts = {event["involvedObject"]["name"]: event["count"] for event in world.all("Event")}
    assert counts == {"web": 41, "other": 1}


async def test_an_event_that_cannot_be_written_is_returned(world, performer):
    world.refuse = lambda *_: errors.KubernetesError(403, "Forbidden", "no")
    (failure,) = await one_by_one(performer, [assigned()])
    assert (failure.effect, failure.error.reason, failure.is_ordinary) == (assigned(), "Forbidden", False)
    world.refuse = lambda *_: None
    assert await one_by_one(performer, [assigned()]) == ()
    assert [event["count"] for event in world.all("Event")] == [1]


async def test_an_event_whose_answer_got_lost_is_not_written_twice(world, performer, server, port, time):
    async def lose_the_answer(request):
        await world.create(request.path, await request.json())
        request.transport.abort()

    server.others.append(lose_the_answer)
    through = perform.Performer(port, time, perform.Author("metallb-speaker", "n1"), PACE)
    assert await one_by_one(through, [assigned(), assigned()]) == ()
    assert [event["count"] for event in world.all("Event")] == [2]


async def test_long_messages_are_shortened_to_what_the_api_takes(world, performer):
    await one_by_one(performer, [assigned("m" * 5000)])
    assert [len(event["message"]) for event in world.all("Event")] == [1024]
