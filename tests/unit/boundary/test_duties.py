import asyncio

import pytest

from frr_adapter import errors
from frr_adapter.boundary import duties


async def endless():
    await asyncio.Event().wait()


async def short():
    await asyncio.sleep(0)


async def broken():
    raise ValueError("no such thing")


async def test_a_stop_is_a_good_end():
    made = duties.Duties()
    async with asyncio.TaskGroup() as group:
        made.start(group, "watch Service", endless())
        made.start(group, "cycles", endless())
        await asyncio.sleep(0)
        assert made.dead() == ()
        made.stop()
    assert made.dead() == ()


@pytest.mark.parametrize(
    ("work", "kind", "text"),
    [(short, errors.DutyError, "watch Service: the task has ended"), (broken, ValueError, "no such thing")],
)
async def test_a_task_that_ends_takes_everybody_along(work, kind, text):
    made = duties.Duties()

    async def program():
        async with asyncio.TaskGroup() as group:
            made.start(group, "cycles", endless())
            made.start(group, "watch Service", work())
            await endless()

    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(program(), 5)
    (problem,) = caught.value.exceptions
    assert (type(problem), str(problem)) == (kind, text)


async def test_a_task_that_somebody_cancelled_is_found_by_the_liveness_probe():
    made = duties.Duties()
    async with asyncio.TaskGroup() as group:
        made.start(group, "watch Service", endless())
        made.start(group, "cycles", endless())
        await asyncio.sleep(0)
        (task,) = (each for each in asyncio.all_tasks() if each.get_name() == "watch Service")
        task.cancel()
        await asyncio.wait({task})
        assert made.dead() == ("watch Service: the task has ended",)
        made.stop()
