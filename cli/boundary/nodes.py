"""Asks the speakers of a live cluster about their nodes: `frr-adapter node-report` in the speaker's container of each pod.

Called by `cli.boundary.sources`. A node that cannot be asked is a gap in the answer, never an error. It must never write anything,
and no node may keep the others waiting.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from frr_adapter import errors
from frr_adapter.api import node_report
from frr_adapter.boundary import paths
from frr_adapter.model import cluster

COMMAND = ("frr-adapter", "node-report")
CONTAINER = "speaker"
AT_ONCE = 10
SECONDS = 10.0
"""For each node."""

Progress = Callable[[int, int], None]
"""Called with how many nodes have answered, or will not, and how many there are."""


class Executor(Protocol):
    """The part of `boundary.kube.Kube` that is needed here."""

    async def exec(self, path: str, argv: Sequence[str], container: str) -> bytes:
        """See there."""
        ...


async def reports(
    kube: Executor, namespace: str, pods: Iterable[cluster.Pod], progress: Progress | None = None
) -> tuple[Mapping[str, node_report.NodeReport], tuple[str, ...]]:
    """By node, sorted, what those say that answer; and a line for each that does not, or one for all where that is not allowed.

    `pods` are speakers of the namespace; those that are over or have no node are left out.
    """
    asked = sorted((each for each in pods if each.node and not each.is_over), key=lambda each: (each.node, each.ref))
    round_ = _Round(kube, len(asked), progress)
    await asyncio.gather(*(round_.ask(each) for each in asked))
    gaps = tuple(f"node {node}: {why}" for node, why in sorted(round_.gaps.items()) if node not in round_.found)
    if round_.is_forbidden:
        refused = (f"nodes were not asked: no right to exec into pods of {namespace} (get and create on pods/exec)",)
        return dict(sorted(round_.found.items())), (*refused, *gaps)
    return dict(sorted(round_.found.items())), gaps


class _Round:
    def __init__(self, kube: Executor, number: int, progress: Progress | None) -> None:
        self._kube = kube
        self._number = number
        self._progress = progress
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._done = 0
        self.found: dict[str, node_report.NodeReport] = {}
        self.gaps: dict[str, str] = {}
        self.is_forbidden = False

    async def ask(self, pod: cluster.Pod) -> None:
        async with self._turns:
            if not self.is_forbidden:  # whoever may not ask one may not ask any
                await self._ask(pod)
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._number)

    async def _ask(self, pod: cluster.Pod) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._kube.exec(paths.path_of(pod.ref), COMMAND, CONTAINER)
            self.found[pod.node] = msgspec.json.decode(answer, type=node_report.NodeReport)
        except TimeoutError:
            self.gaps[pod.node] = f"pod {pod.ref.name} gave no report within {SECONDS:g} s"
        except msgspec.DecodeError as error:
            self.gaps[pod.node] = f"pod {pod.ref.name} gave no report that can be read: {error}"
        except errors.KubernetesError as error:
            if error.status == 403:
                self.is_forbidden = True
            else:
                self.gaps[pod.node] = f"pod {pod.ref.name} gave no report: {error}"
