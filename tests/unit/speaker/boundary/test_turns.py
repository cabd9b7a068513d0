"""Work in steps: how much of it is done in one turn of the loop, and who gets the next one."""

import asyncio

import pytest

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


async def test_work_that_comes_up_while_others_are_asked_for_theirs_is_not_forgotten():
    """As when the fence closes before a frame that then is not sent: what is to be told comes from a step without worth."""
    done: list[str] = []
    rest: list[int] = []
    made = turns.Turns()
    made.add(source(rest, done, "told"))
    is_new = [True]

    def looks() -> int:
        if is_new.pop() if is_new else False:
            rest.append(0)
            made.go()
        return 0

    made.add(looks)
    made.go()
    assert done == ["told"]


async def test_after_a_step_that_failed_the_others_go_on(monkeypatch):
    monkeypatch.setattr(turns, "FAILED_SECONDS", 0.01)
    done: list[str] = []
    faults = [ValueError("once")]
    made = turns.Turns()

    def fails() -> int:
        if faults:
            raise faults.pop()
        return 0

    made.add(fails)
    made.add(source([0] * 3, done, "a"))
    with pytest.raises(ValueError, match="once"):
        made.go()
    assert done == []
    async with asyncio.timeout(5):
        while len(done) < 3:
            await asyncio.sleep(0.001)
    faults.append(ValueError("again"))
    with pytest.raises(ValueError, match="again"):
        made.go()
    made.stop()
