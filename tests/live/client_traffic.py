"""Clients of a lab that ask without a pause, and the count of what they lost: see `tests.live.drivers.echo_client`.

Used by tests that restart things under traffic. Stands on a running lab, as `layer2_lab.Watched` sees it.
"""

import contextlib
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.live.layer2_lab import Watched
from tests.live.layer2_recording import until

DRIVERS = Path(__file__).parent / "drivers"
PORT = 7000


class Question(NamedTuple):
    """What became of one datagram; without a delay it was lost. Times in seconds of the wall clock."""

    sent: float
    flow: int
    address: str
    delay: float | None
    backend: str


class Figures(NamedTuple):
    """What a client saw of one address, or of several."""

    asked: int
    lost: int
    gap: float
    """The longest time between two questions that were answered, in milliseconds."""
    broken: int
    """Flows that stay which another backend answered later on: connections would have ended."""
    flows: int


class Traffic:
    """What the clients saw, while it goes on."""

    def __init__(self) -> None:
        self._questions: list[Question] = []
        self._answered: dict[str, int] = {}

    def add(self, line: str) -> None:
        question = Question(*json.loads(line))
        self._questions.append(question)
        if question.delay is not None:
            self._answered[question.address] = self._answered.get(question.address, 0) + 1

    def more(self, addresses: Sequence[str], count: int) -> None:
        """Waits for so many more answers from each address."""
        wanted = {address: self._answered.get(address, 0) + count for address in addresses}
        until(
            f"{count} more answers from {', '.join(addresses)}",
            lambda: all(self._answered.get(address, 0) >= number for address, number in wanted.items()),
        )

    def about(self, *addresses: str) -> tuple[Question, ...]:
        return tuple(sorted(each for each in self._questions if each.address in addresses))

    def lost(self, *addresses: str) -> tuple[Question, ...]:
        return tuple(each for each in self.about(*addresses) if each.delay is None)

    def figures(self, *addresses: str) -> Figures:
        """Of all these addresses together; the gap is the longest of any of them."""
        gap = 0.0
        flows: dict[tuple[str, int], set[str]] = {}
        for address in addresses:
            sent = [each.sent for each in self.about(address) if each.delay is not None]
            gap = max(gap, *(after - before for before, after in itertools.pairwise(sent)))
        for each in self.about(*addresses):
            if each.flow and each.backend:
                flows.setdefault((each.address, each.flow), set()).add(each.backend)
        broken = sum(len(backends) > 1 for backends in flows.values())
        return Figures(len(self.about(*addresses)), len(self.lost(*addresses)), gap * 1000, broken, len(flows))


def service(name: str, pool: str) -> dict[str, Any]:
    """A dual-stack Service of the pods' echo."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": {"metallb.io/address-pool": pool}},
        "spec": {
            "type": "LoadBalancer",
            "ipFamilyPolicy": "RequireDualStack",
            "ipFamilies": ["IPv4", "IPv6"],
            "selector": {"app": "demo"},
            "ports": [{"port": PORT, "targetPort": PORT, "protocol": "UDP"}],
        },
    }


@contextlib.contextmanager
def backends(lab: Watched) -> Iterator[None]:
    """An echo in every pod."""
    with contextlib.ExitStack() as stack:
        for node in lab.nodes:
            command = [sys.executable, "-I", str(DRIVERS / "echo_backend.py"), "--node", node, "--port", str(PORT)]
            process = subprocess.Popen([*lab.entry(f"{node}-pod"), *command], stdout=subprocess.PIPE, text=True)
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
            assert process.stdout is not None
            stack.enter_context(process.stdout)
            assert process.stdout.readline() == "ready\n"
        yield


@contextlib.contextmanager
def flowing(lab: Watched, **by_place: Sequence[str]) -> Iterator[Traffic]:
    """Asks the addresses every 10 ms from each of the lab's namespaces, while the block runs; begins when all have answered."""
    traffic = Traffic()
    with contextlib.ExitStack() as stack:
        for place, addresses in by_place.items():
            command = [sys.executable, "-I", str(DRIVERS / "echo_client.py"), "--port", str(PORT), *addresses]
            process = subprocess.Popen(
                [*lab.entry(place), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            stack.callback(_end, process, _reading(process, traffic))
        everything = tuple(itertools.chain.from_iterable(by_place.values()))
        traffic.more(everything, 50)
        yield traffic
        traffic.more(everything, 50)


def _reading(process: subprocess.Popen[str], traffic: Traffic) -> threading.Thread:
    def read() -> None:
        for line in process.stdout or ():
            traffic.add(line)

    reader = threading.Thread(target=read)
    reader.start()
    return reader


def _end(process: subprocess.Popen[str], reader: threading.Thread) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(10)
    reader.join()
    process.stdout.close()
    assert process.returncode == 0, f"the client ended with {process.returncode} at {time.time()}"
