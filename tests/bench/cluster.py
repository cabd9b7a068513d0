"""A lab for measuring: started by its own command, asked through its own API, watched from the router's kernel."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LAB = [sys.executable, "-m", "lab"]
WATCH = Path(__file__).with_name("route_watch.py")
NODES = 3


@dataclass
class Lab:
    state: Path
    started_in: float

    def call(self, command: str, *words: str) -> str:
        argv = [*LAB, command, "--state", str(self.state), *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    @property
    def url(self) -> str:
        config = yaml.safe_load((self.state / "kubeconfig").read_text())
        return str(config["clusters"][0]["cluster"]["server"])

    def api(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)  # noqa: S310  # our loopback
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)

    def pids(self, target: str) -> int:
        for each in json.loads(self.call("status", "-o", "json"))["children"]:
            if each["target"] == target:
                return int(each["pid"])
        raise LookupError(target)


def processes(pid: int) -> tuple[int, ...]:
    """The process and its children: a speaker is two."""
    return (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def resident_mib(pid: int) -> float:
    """Of the process and its children: `Pss`, which counts a page that several have once, in equal parts."""
    total = 0
    for each in processes(pid):
        rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
        total += int(rollup.split("\nPss:")[1].split()[0])
    return total / 1024


@contextlib.contextmanager
def lab(state: Path) -> Iterator[Lab]:
    started = time.monotonic()
    subprocess.run([*LAB, "up", "--state", str(state)], check=True, stdout=subprocess.DEVNULL)
    try:
        yield Lab(state, time.monotonic() - started)
    finally:
        subprocess.run([*LAB, "down", "--state", str(state)], check=True, stdout=subprocess.DEVNULL)


class Routes:
    """Changes of the router's kernel routes, as they happen."""

    def __init__(self, measured: Lab) -> None:
        argv = [*LAB, "exec", "--state", str(measured.state), "up", "--", sys.executable, str(WATCH)]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self._lines: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._lines.get(timeout=20) == {"ready": True}

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def when(self, destination: str, hops: int, *, seconds: float = 60.0) -> float:
        """The monotonic time at which the route to `destination` had that many next hops."""
        deadline = time.monotonic() + seconds
        while True:
            change = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            if change["dst"] == destination and change["hops"] == hops:
                return float(change["t"])

    def when_all(self, count: int, hops: int, prefix: str, *, seconds: float = 120.0) -> float:
        """The monotonic time at which so many destinations that begin with `prefix` had that many next hops."""
        deadline = time.monotonic() + seconds
        whole: set[str] = set()
        while True:
            change = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            if not change["dst"].startswith(prefix):
                continue
            (whole.add if change["hops"] == hops else whole.discard)(change["dst"])
            if len(whole) == count:
                return float(change["t"])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
