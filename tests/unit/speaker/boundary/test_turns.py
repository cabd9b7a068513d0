"""Work in steps: how much of it is done in one turn of the loop, and who gets the next one."""

import asyncio

from speaker.boundary import turns


def source(steps: list[int], done: list[str], name: str, worth: int = 1):
    def step() -> int:
        if not steps:
            return 0
        steps.pop()
        done.append(name)
        return worth

    return step


async def test_little_work_is_done_at_once_and_sources_take_turns(monkeypatch):
    monkeypatch.setattr(turns, "SECONDS", 0.0)
    done: list[str] = []
    made = turns.Turns()
    made.add(source([0] * 3, done, "a"))
    made.add(source([0] * 2, done, "b"))
    made.go()
    assert done == ["a", "b", "a", "b", "a"]


async def test_much_work_leaves_the_loop_free_in_between(monkeypatch):
    monkeypatch.setattr(turns, "SECONDS", 0.0)
    done: list[str] = []
    made = turns.Turns()
    made.add(source([0] * 100, done, "a"))
    made.go()
    made.go()  # a turn waits already
    seen = [len(done)]
    while len(done) < 100:
        await asyncio.sleep(0)
        seen.append(len(done))
    assert seen == [turns.SURE * number for number in range(1, 6)]


async def test_steps_that_are_worth_more_are_fewer(monkeypatch):
    monkeypatch.setattr(turns, "SECONDS", 0.0)
    done: list[str] = []
    made = turns.Turns()
    made.add(source([0] * 100, done, "a", worth=turns.SURE // 2))
    made.go()
    assert len(done) == 2
    made.stop()
    await asyncio.sleep(0)
    assert len(done) == 2
    made.go()
    assert len(done) == 4
    made.stop()


async def test_work_that_comes_from_work_belongs_to_the_same_turn():
    done: list[str] = []
    rest: list[int] = []
    made = turns.Turns()
    made.add(source(rest, done, "b"))

    def first() -> int:
        if done:
            return 0
        done.append("a")
        rest.append(0)
        made.go()
        assert done == ["a"]
        return 1

    made.add(first)
    made.go()
    assert done == ["a", "b"]
