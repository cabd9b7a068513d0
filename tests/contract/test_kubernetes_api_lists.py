"""Lists and watches: selectors, portions, old versions, bookmarks, resuming."""

import asyncio
import base64
import json

import aiohttp
import pytest

from tests.contract.conftest import Client, embedded

pytestmark = pytest.mark.contract


async def fill(api, *names, **labels):
    for name in names:
        body = {"metadata": {"name": name, "labels": {"name": name, **labels}}}
        (await api.post(api.path("configmaps"), body)).ok(201)


def names_of(body):
    return [item["metadata"]["name"] for item in body["items"] if not item["metadata"]["name"].startswith("kube-")]


async def listing(api, **query):
    return names_of((await api.get(api.path("configmaps"), **query)).ok(200))


async def test_list_is_ordered_and_typed(api):
    await fill(api, "b", "a", "c")
    found = (await api.get(api.path("configmaps"))).ok(200)
    assert (found["kind"], found["apiVersion"]) == ("ConfigMapList", "v1")
    assert names_of(found) == ["a", "b", "c"]
    assert all("kind" not in item and "apiVersion" not in item for item in found["items"])
    assert int(found["metadata"]["resourceVersion"]) >= max(
        int(item["metadata"]["resourceVersion"]) for item in found["items"]
    )


async def test_list_of_all_namespaces(api):
    await fill(api, "a")
    found = (await api.get("/api/v1/configmaps")).ok(200)
    assert api.namespace in {item["metadata"]["namespace"] for item in found["items"]}
    (await api.post("/api/v1/configmaps", {"metadata": {"name": "x"}})).refused(405, "MethodNotAllowed")


async def test_list_of_nothing(api):
    found = (await api.get(api.path("endpoints"))).ok(200)
    assert found["items"] == []


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("name=a", ["a"]),
        ("name==a", ["a"]),
        ("name!=a", ["b", "c"]),
        ("name in (a,b)", ["a", "b"]),
        ("name notin (a,b)", ["c"]),
        ("name", ["a", "b", "c"]),
        ("!name", []),
        ("name!=a,name!=b", ["c"]),
        ("tier=front,name in (a,c)", ["a", "c"]),
    ],
)
async def test_label_selectors(api, selector, expected):
    await fill(api, "a", "b", "c", tier="front")
    assert await listing(api, labelSelector=selector) == expected


async def test_field_selectors(api):
    await fill(api, "a", "b")
    assert await listing(api, fieldSelector="metadata.name=a") == ["a"]
    assert await listing(api, fieldSelector="metadata.name!=a") == ["b"]
    assert await listing(api, fieldSelector=f"metadata.namespace={api.namespace},metadata.name=b") == ["b"]
    assert await listing(api, fieldSelector="metadata.namespace=other") == []


async def test_unreadable_selectors(api):
    (await api.get(api.path("configmaps"), fieldSelector="spec.nothing=1")).refused(400, "BadRequest")
    (await api.get(api.path("configmaps"), labelSelector="a in (b")).refused(400, "BadRequest")


async def test_portions_come_from_one_version(api):
    await fill(api, "a", "b", "c", "d", "e")
    first = (await api.get(api.path("configmaps"), limit="2", fieldSelector="metadata.name!=kube-root-ca.crt")).ok(200)
    assert names_of(first) == ["a", "b"]
    await fill(api, "bb", "f")
    (await api.delete(api.path("configmaps", "d"))).ok(200)
    token = first["metadata"]["continue"]
    more = {"fieldSelector": "metadata.name!=kube-root-ca.crt", "limit": "2"}
    second = (await api.get(api.path("configmaps"), **more, **{"continue": token})).ok(200)
    assert names_of(second) == ["c", "d"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    rest = (await api.get(api.path("configmaps"), **more, **{"continue": second["metadata"]["continue"]})).ok(200)
    assert names_of(rest) == ["e"]
    assert not rest["metadata"].get("continue")
    assert await listing(api) == ["a", "b", "bb", "c", "e", "f"]


async def test_portions_count_what_is_left(api):
    for name in "abc":
        (await api.post(api.path("endpoints"), {"metadata": {"name": name}})).ok(201)
    first = (await api.get(api.path("endpoints"), limit="1")).ok(200)
    assert first["metadata"]["remainingItemCount"] == 2
    selected = (await api.get(api.path("endpoints"), limit="1", labelSelector="!x")).ok(200)
    assert "remainingItemCount" not in selected["metadata"]


async def test_broken_continue_token(api):
    (await api.get(api.path("configmaps"), limit="1", **{"continue": "%%%"})).refused(400, "BadRequest")


async def test_list_at_an_exact_version(api):
    await fill(api, "a")
    version = (await api.get(api.path("configmaps"))).ok(200)["metadata"]["resourceVersion"]
    await fill(api, "b")
    exact = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
    assert await listing(api, **exact) == ["a"]
    cached = await listing(api, resourceVersion=version, resourceVersionMatch="NotOlderThan")
    assert sorted(cached) == ["a", "b"]


async def test_list_of_a_version_to_come(api):
    status = (await api.get(api.path("configmaps"), resourceVersion="999999999")).refused(504, "Timeout")
    assert "Too large resource version" in status["message"]
    assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_version_match_needs_a_version(api):
    (await api.get(api.path("configmaps"), resourceVersionMatch="Exact")).refused(422, "Invalid")


async def test_watch_tells_every_change_once(api):
    await fill(api, "a")
    version = (await api.get(api.path("configmaps"))).ok(200)["metadata"]["resourceVersion"]
    async with api.watch(api.path("configmaps"), resourceVersion=version) as watch:
        await fill(api, "b")
        (await api.patch(api.path("configmaps", "b"), {"data": {"x": "1"}})).ok(200)
        (await api.patch(api.path("configmaps", "b"), {"data": {"x": "1"}})).ok(200)
        (await api.delete(api.path("configmaps", "b"))).ok(200)
        events = []
        while len(events) < 3:
            event = await watch.next()
            if not event["object"]["metadata"]["name"].startswith("kube-"):
                events.append(event)
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert all(event["object"]["kind"] == "ConfigMap" for event in events)
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert int(version) < versions[0] < versions[1] < versions[2]


async def test_watch_resumes_after_any_version(api):
    await fill(api, "a", "b", "c")
    middle = (await api.get(api.path("configmaps", "b"))).ok(200)["metadata"]["resourceVersion"]
    async with api.watch(api.path("configmaps"), resourceVersion=middle) as watch:
        assert (await watch.until("ADDED"))["metadata"]["name"] == "c"


async def test_watch_without_a_version_starts_with_what_is_there(api):
    await fill(api, "a", "b")
    for query in ({}, {"resourceVersion": "0"}):
        async with api.watch(api.path("configmaps"), labelSelector="name", **query) as watch:
            events = [await watch.next() for _ in range(2)]
        assert {event["type"] for event in events} == {"ADDED"}
        assert {event["object"]["metadata"]["name"] for event in events} == {"a", "b"}


async def test_watch_of_one_name(api):
    async with api.watch(api.path("configmaps"), fieldSelector="metadata.name=b") as watch:
        await fill(api, "a", "b")
        assert (await watch.next())["object"]["metadata"]["name"] == "b"


async def test_watch_of_a_selection_sees_entering_and_leaving(api):
    await fill(api, "a", color="red")
    version = (await api.get(api.path("configmaps"))).ok(200)["metadata"]["resourceVersion"]
    async with api.watch(api.path("configmaps"), resourceVersion=version, labelSelector="color=blue") as watch:
        (await api.patch(api.path("configmaps", "a"), {"metadata": {"labels": {"color": "blue"}}})).ok(200)
        changed = (await api.patch(api.path("configmaps", "a"), {"data": {"x": "1"}})).ok(200)
        last = (await api.patch(api.path("configmaps", "a"), {"metadata": {"labels": {"color": "red"}}})).ok(200)
        events = [await watch.next() for _ in range(3)]
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert events[1]["object"]["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]
    gone = events[2]["object"]["metadata"]
    assert gone["labels"]["color"] == "blue"
    assert gone["resourceVersion"] == last["metadata"]["resourceVersion"]


async def test_watch_of_a_version_long_gone(api, pools):
    path = api.path(pools, group="lab.example.org")
    async with api.watch(path, resourceVersion="1") as watch:
        event = await watch.next()
        assert event["type"] == "ERROR"
        assert event["object"]["kind"] == "Status"
        assert (event["object"]["code"], event["object"]["reason"]) in {(410, "Expired"), (410, "Gone")}
        assert event["object"]["message"].startswith("too old resource version: 1 (")
        assert await watch.next() is None


async def test_watch_ends_after_its_time(api):
    async with api.watch(api.path("configmaps"), timeoutSeconds="1", labelSelector="none=none") as watch:
        assert await watch.next() is None


async def test_initial_events_end_with_a_bookmark(api, kube_api):
    kube_api.require(32, "streaming lists")
    await fill(api, "a", "b")
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "resourceVersion": "",
        "allowWatchBookmarks": "true",
    }
    async with api.watch(api.path("configmaps"), **query) as watch:
        found = await watch.until("BOOKMARK")
        assert found["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(found["metadata"]["resourceVersion"]) > 0
        await fill(api, "c")
        await watch.until("ADDED", "c")
    (await api.get(api.path("configmaps"), watch="true", sendInitialEvents="true")).refused(422, "Invalid")


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory):
    """An embedded server that forgets quickly and sends bookmarks often."""
    with embedded(tmp_path_factory.mktemp("forgetful"), "--history", "10", "--bookmark-seconds", "0.2") as kube:
        yield kube


@pytest.fixture
async def short(forgetful):
    async with aiohttp.ClientSession(forgetful.url) as session:
        yield Client(forgetful, session, "default")


async def churn(api, rounds):
    for number in range(rounds):
        (await api.patch(api.path("configmaps", "a"), {"data": {"n": str(number)}})).ok(200)


async def test_short_history_answers_410(short):
    await fill(short, "a", "b", "c")
    old = (await short.get(short.path("configmaps"), limit="1")).ok(200)
    await churn(short, 30)
    async with short.watch(short.path("configmaps"), resourceVersion=old["metadata"]["resourceVersion"]) as watch:
        event = await watch.next()
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    more = {"limit": "1", "continue": old["metadata"]["continue"]}
    status = (await short.get(short.path("configmaps"), **more)).refused(410, "Expired")
    rest = {"limit": "9", "continue": status["metadata"]["continue"]}
    assert await listing(short, **rest) == ["b", "c"]
    exact = {"resourceVersion": old["metadata"]["resourceVersion"], "resourceVersionMatch": "Exact"}
    (await short.get(short.path("configmaps"), **exact)).refused(410, "Expired")


async def test_bookmark_at_the_end_of_a_watch(short):
    version = (await short.get(short.path("configmaps"))).ok(200)["metadata"]["resourceVersion"]
    query = {"resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": "1"}
    async with short.watch(short.path("configmaps"), **query) as watch:
        found = await watch.until("BOOKMARK")
    assert (found["kind"], found["apiVersion"]) == ("ConfigMap", "v1")
    assert int(found["metadata"]["resourceVersion"]) >= int(version)
    assert "name" not in found["metadata"]


async def test_bookmarks_carry_a_quiet_watch_along(short):
    async with short.watch(short.path("configmaps"), allowWatchBookmarks="true", labelSelector="no=one") as watch:
        before = int((await watch.until("BOOKMARK"))["metadata"]["resourceVersion"])
        (await short.post(short.path("secrets"), {"metadata": {"generateName": "s-"}})).ok(201)
        while int((await watch.until("BOOKMARK"))["metadata"]["resourceVersion"]) <= before:
            pass


async def test_many_watchers_see_the_same(api):
    version = (await api.get(api.path("endpoints"))).ok(200)["metadata"]["resourceVersion"]

    async def collect(count):
        async with api.watch(api.path("endpoints"), resourceVersion=version) as watch:
            return [(await watch.next())["object"]["metadata"]["name"] for _ in range(count)]

    watchers = [asyncio.create_task(collect(20)) for _ in range(5)]
    for number in range(20):
        (await api.post(api.path("endpoints"), {"metadata": {"name": f"e{number:02}"}})).ok(201)
    expected = [f"e{number:02}" for number in range(20)]
    assert await asyncio.gather(*watchers) == [expected] * 5


async def test_continue_token_is_opaque_but_bound_to_its_list(api):
    await fill(api, "a", "b")
    token = (await api.get(api.path("configmaps"), limit="1")).ok(200)["metadata"]["continue"]
    found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    assert found["v"] == "meta.k8s.io/v1"
