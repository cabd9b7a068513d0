import asyncio
import json
from contextlib import asynccontextmanager

import msgspec
import pytest

from frr_adapter import errors, problems, refs
from frr_adapter.boundary import retry, watch
from frr_adapter.decode import core, decoded
from tests.fakes import kube as fake_kube
from tests.unit.boundary import samples

MAPS = watch.Resource("ConfigMap", "metallb-system")
FAST = watch.Pace(page=2, period=5, stall=2, brief=0.05, waits=retry.Pace(first=0.001, longest=0.02))


class Followed:
    """A sink that says what came in short words."""

    def __init__(self, kube, resource=MAPS, decode=core.decode_config_map, pace=FAST) -> None:
        self.arguments = (kube, resource, decode, self.take, pace)
        self.events: list[watch.WatchEvent] = []
        self.news = asyncio.Event()

    def take(self, event: watch.WatchEvent) -> None:
        self.events.append(event)
        self.news.set()

    @property
    def words(self) -> list[str]:
        return [_word(event) for event in self.events]

    async def until(self, *expected: str) -> None:
        try:
            async with asyncio.timeout(5):
                while self.words[-len(expected) :] != list(expected):
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            assert self.words == list(expected)


def _word(event: watch.WatchEvent) -> str:
    match event:
        case watch.Listed(kind):
            return f"listed {kind}"
        case watch.Upserted(_, newest):
            data = dict(newest.value.data)["text"] if newest.value is not None else "-"
            return f"{newest.ref.name}={data}"
        case watch.Deleted(_, ref):
            return f"{ref.name} gone"


@asynccontextmanager
async def following(followed: Followed):
    task = asyncio.create_task(watch.follow(*followed.arguments))
    try:
        yield followed
    finally:
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_everything_is_listed_in_pages_and_then_watched(world):
    for number in range(5):
        world.put(samples.config_map(f"m{number}", "old"))
    async with following(Followed(world)) as followed:
        await followed.until("m0=old", "m1=old", "m2=old", "m3=old", "m4=old", "listed ConfigMap")
        world.put(samples.config_map("m1", "new"))
        world.put(samples.config_map("n", "born"))
        world.remove(refs.ObjectRef("ConfigMap", "metallb-system", "m0"))
        await followed.until("m1=new", "n=born", "m0 gone")


async def test_an_empty_kind_is_listed_too(world):
    async with following(Followed(world)) as followed:
        await followed.until("listed ConfigMap")
        assert followed.words == ["listed ConfigMap"]


async def test_namespaces_and_selectors_narrow_what_is_seen(world):
    resource = watch.Resource("ConfigMap", "metallb-system", label_selector="app=x")
    world.put(samples.config_map("other", namespace="default", app="x"))
    world.put(samples.config_map("mine", "1", app="x"))
    world.put(samples.config_map("plain"))
    async with following(Followed(world, resource)) as followed:
        await followed.until("mine=1", "listed ConfigMap")
        world.put(samples.config_map("mine", "1", app="y"))
        await followed.until("mine gone")
        assert followed.words == ["mine=1", "listed ConfigMap", "mine gone"]


async def test_a_selector_by_name(world):
    resource = watch.Resource("ConfigMap", "metallb-system", field_selector="metadata.name=bgpextras")
    world.put(samples.config_map("bgpextras", "1"))
    world.put(samples.config_map("other", "1"))
    async with following(Followed(world, resource)) as followed:
        await followed.until("bgpextras=1", "listed ConfigMap")
        assert followed.words == ["bgpextras=1", "listed ConfigMap"]


async def test_a_forgotten_position_is_listed_again_and_only_differences_are_told(world, server, port):
    for name in "abc":
        world.put(samples.config_map(name, "1"))
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}

    async def change_and_expire(request):
        world.remove(refs.ObjectRef("ConfigMap", "metallb-system", "a"))
        world.put(samples.config_map("b", "2"))
        world.put(samples.config_map("d", "1"))
        return await fake_kube.lines(json.dumps(gone).encode() + b"\n")(request)

    server.watches.append(change_and_expire)
    async with following(Followed(port)) as followed:
        await followed.until("b=2", "d=1", "a gone", "listed ConfigMap")
        assert followed.words == [
            *("a=1", "b=1", "c=1", "listed ConfigMap"),
            *("b=2", "d=1", "a gone", "listed ConfigMap"),
        ]


async def test_a_position_too_old_at_the_start_of_a_watch_is_listed_again(world, server, port):
    server.watches.append(fake_kube.refuse(410, "Expired"))
    world.put(samples.config_map("a", "1"))
    async with following(Followed(port)) as followed:
        await followed.until("a=1", "listed ConfigMap", "listed ConfigMap")
        world.put(samples.config_map("a", "2"))
        await followed.until("a=2")


async def test_pages_that_grow_too_old_are_read_again_without_paging(world, server, port):
    for number in range(5):
        world.put(samples.config_map(f"m{number}", "1"))

    async def forget(_request):
        world.put(samples.config_map("later", "1"))
        world.forget_history()

    async def first(_request):
        server.others.append(forget)

    server.others.append(first)
    async with following(Followed(port)) as followed:
        await followed.until("listed ConfigMap")
        assert sorted(followed.words[:-1]) == sorted(["later=1", *(f"m{number}=1" for number in range(5))])
        assert [request.query.get("limit") for request in server.seen[:3]] == ["2", "2", None]


@pytest.mark.parametrize(
    "misbehaviour",
    [
        fake_kube.refuse(500, "InternalError"),
        fake_kube.refuse(503),
        fake_kube.refuse(403, "Forbidden"),
        fake_kube.refuse(429, "TooManyRequests", retry_after="0"),
        fake_kube.broken(),
        fake_kube.lines(),
        fake_kube.lines(b'{"type":"ADDED","object":{"metadata":{"name":"a"', cut=True),
        fake_kube.lines(b"<html>bad gateway</html>\n"),
        fake_kube.lines(b'{"type":"ADDED","object":{"metadata":{}}}\n'),
        fake_kube.lines(b'{"type":"WHAT","object":{}}\n'),
        fake_kube.lines(b'{"type":"ERROR","object":{"code":500,"reason":"InternalError","message":"etcd"}}\n'),
    ],
    ids=["500", "503", "403", "429", "closed", "empty", "cut", "html", "nameless", "type", "error"],
)
async def test_a_watch_that_misbehaves_costs_no_object(world, server, port, misbehaviour):
    world.put(samples.config_map("a", "1"))
    server.watches.extend([misbehaviour, misbehaviour])
    async with following(Followed(port)) as followed:
        await followed.until("listed ConfigMap")
        world.put(samples.config_map("a", "2"))
        async with asyncio.timeout(5):
            while "a=2" not in followed.words:
                followed.news.clear()
                await followed.news.wait()
        assert [word for word in followed.words if "=" in word] == ["a=1", "a=2"]


@pytest.mark.parametrize(
    "misbehaviour",
    [
        fake_kube.refuse(500, "InternalError"),
        fake_kube.refuse(404),
        fake_kube.broken(),
        fake_kube.lines(b"<html>"),
        fake_kube.lines(b'{"metadata":{},"items":[{"metadata":{}}]}'),
        fake_kube.lines(b'{"metadata":{"resourceVersion":"5"},"items":[{"me', cut=True),
    ],
    ids=["500", "404", "closed", "html", "nameless", "cut"],
)
async def test_a_list_that_misbehaves_is_read_again(world, server, port, misbehaviour):
    world.put(samples.config_map("a", "1"))
    server.others.extend([misbehaviour, misbehaviour])
    async with following(Followed(port)) as followed:
        await followed.until("a=1", "listed ConfigMap")
        assert followed.words == ["a=1", "listed ConfigMap"]


async def test_a_connection_cut_after_news_resumes_where_it_was(world, server, port):
    world.put(samples.config_map("a", "1"))

    async def cut_after_news(request):
        changed = world.put(samples.config_map("a", "2"))
        event = json.dumps({"type": "MODIFIED", "object": changed}).encode()
        return await fake_kube.lines(event + b"\n" + event[:40], cut=True)(request)

    server.watches.append(cut_after_news)
    async with following(Followed(port)) as followed:
        await followed.until("a=2")
        world.put(samples.config_map("a", "3"))
        await followed.until("a=3")
        assert followed.words == ["a=1", "listed ConfigMap", "a=2", "a=3"]
        watches = [request for request in server.seen if "watch" in request.query]
        assert int(watches[1].query["resourceVersion"]) > int(watches[0].query["resourceVersion"])


async def test_bookmarks_move_the_position_and_the_watch_asks_for_them(world, server, port):
    pace = watch.Pace(period=1, stall=5, brief=0.05, waits=FAST.waits)
    async with following(Followed(port, pace=pace)) as followed:
        await followed.until("listed ConfigMap")
        for _ in range(500):
            watches = [request.query for request in server.seen if "watch" in request.query]
            if len(watches) > 1:
                break
            if watches:
                world.bookmark()
            await asyncio.sleep(0.01)
        assert watches[0]["allowWatchBookmarks"] == "true"
        assert watches[0]["timeoutSeconds"] == "1"
        assert int(watches[1]["resourceVersion"]) > int(watches[0]["resourceVersion"])
        assert followed.words == ["listed ConfigMap"]


async def test_after_garbage_everything_is_compared_anew(world, server, port):
    world.put(samples.config_map("a", "1"))
    world.put(samples.config_map("b", "1"))

    async def garble_a_deletion(request):
        world.remove(refs.ObjectRef("ConfigMap", "metallb-system", "a"))
        # A history without the deletion, so that only a new list can tell it.
        world.forget_history()
        server.watches.append(fake_kube.silent())
        return await fake_kube.lines(b'{"type":"DELETED","object":{"meta\x00\n')(request)

    server.watches.append(garble_a_deletion)
    async with following(Followed(port)) as followed:
        await followed.until("a gone", "listed ConfigMap")
        assert followed.words == ["a=1", "b=1", "listed ConfigMap", "a gone", "listed ConfigMap"]
        assert len([request for request in server.seen if "watch" in request.query]) <= 2


async def test_a_silent_watch_is_taken_for_dead(world, server, port):
    pace = watch.Pace(stall=0.1, brief=0.05, waits=FAST.waits)
    world.put(samples.config_map("a", "1"))
    server.watches.append(fake_kube.silent())
    async with following(Followed(port, pace=pace)) as followed:
        await followed.until("a=1", "listed ConfigMap")
        world.put(samples.config_map("a", "2"))
        await followed.until("a=2")
        assert followed.words == ["a=1", "listed ConfigMap", "a=2"]


async def test_failures_without_news_wait_longer_and_longer(world, server, port):
    server.watches.extend([fake_kube.refuse(500)] * 6)
    slower = watch.Pace(stall=5, brief=0.05, waits=retry.Pace(first=0.01, longest=0.05))
    async with following(Followed(port, pace=slower)) as followed:
        await followed.until("listed ConfigMap")
        async with asyncio.timeout(5):
            while server.watches:
                await asyncio.sleep(0.005)
        assert followed.words == ["listed ConfigMap"]


async def test_the_same_version_twice_is_told_once(world):
    world.put(samples.config_map("a", "1"))
    async with following(Followed(world)) as followed:
        await followed.until("a=1", "listed ConfigMap")
        stale = world._changes[0].after
        world._record("ConfigMap", stale, None)
        world._changes[-1] = world._changes[-1].__class__(world._version, "ConfigMap", stale, stale)
        world.put(samples.config_map("b", "1"))
        await followed.until("b=1")
        assert followed.words == ["a=1", "listed ConfigMap", "b=1"]


async def test_an_object_that_no_decoder_survives_is_a_problem_of_that_object(world):
    def fragile(raw: msgspec.Raw) -> decoded.Decoded:
        if b"bomb" in bytes(raw):
            raise ZeroDivisionError("bomb")
        return core.decode_config_map(raw)

    world.put(samples.config_map("a", "bomb"))
    world.put(samples.config_map("b", "1"))
    async with following(Followed(world, decode=fragile)) as followed:
        await followed.until("a=-", "b=1", "listed ConfigMap")
        problem = followed.events[0].decoded.problems[0]
        assert (problem.ref.name, problem.reason) == ("a", problems.Reason.MALFORMED)


async def test_what_the_sink_raises_comes_out(world):
    def sink(_event):
        raise errors.FrrAdapterError("full")

    with pytest.raises(errors.FrrAdapterError, match="full"):
        await watch.follow(world, MAPS, core.decode_config_map, sink, FAST)
