"""What a program does for as long as it runs: when one of these tasks ends, for whatever reason, the program must not go on.

Made by the programs' wiring. A task that fails ends the program by itself (`asyncio.TaskGroup`); one that returns, or is cancelled by
somebody, would go unnoticed. It must never decide how the program ends beyond raising.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from frr_adapter import errors


class Duties:
    """Tasks with names. `dead` is for the liveness probe, should the program hang while it ends."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._is_stopping = False

    def start(self, group: asyncio.TaskGroup, name: str, work: Coroutine[Any, Any, object]) -> None:
        """Begins a duty in the group; `errors.DutyError` naming it ends the group when the work returns."""
        task = group.create_task(_for_ever(name, work), name=name)
        self._tasks[task] = name

    def dead(self) -> tuple[str, ...]:
        """One line for each duty that has ended although the program has not been stopped."""
        if self._is_stopping:
            return ()
        return tuple(f"{name}: the task has ended" for task, name in self._tasks.items() if task.done())

    def stop(self) -> None:
        """Cancels all: this is how the program ends well."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()


async def _for_ever(name: str, work: Coroutine[Any, Any, object]) -> None:
    await work
    raise errors.DutyError(f"{name}: the task has ended")
