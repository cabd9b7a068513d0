"""Labs for live tests: real FRR, real packets, one state directory each, gone when the module is done.

`lab_factory(nodes=2, demo=False, programs=False)` makes one; `lab_topology` is one without controller and speakers,
`lab_cluster` one with them. `lab_cluster` is skipped while those programs do not exist.
"""

import asyncio
import concurrent.futures
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab import kube, plan, survey, world
from lab.errors import LabError
from lab.places import Places


class LabCluster:
    """A running lab as tests see it. Every call is synchronous and works inside coroutine tests too."""

    def __init__(self, state: Path, nodes: int) -> None:
        self.places = Places(state)
        self.plan = plan.plan(nodes)
        self.kubeconfig = self.places.kubeconfig

    def lab(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`python -m lab COMMAND --state ... ARGUMENTS`."""
        command, *rest = arguments
        return _lab(command, "--state", str(self.places.state), *rest, check=check)

    def exec(self, node: str, argv: list[str], check: bool = True) -> str:
        """Run a command in a network namespace (n1, n1-pod, up, client, sw, control); its output."""
        prefix = world.entry_to(world.running(self.places), self.places, node)
        done = subprocess.run([*prefix, *argv], capture_output=True, text=True, check=False, timeout=60)
        if check and done.returncode != 0:
            raise AssertionError(f"{node}: {argv}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def vtysh(self, node: str, command: str) -> str:
        """What FRR on a node or the router answers."""
        wrapper = str(self.places.node(node) / "vtysh")
        return subprocess.run([wrapper, "-c", command], capture_output=True, text=True, check=True, timeout=60).stdout

    def reload(self, node: str, text: str) -> str:
        """Give a node this configuration through frr-reload; its output."""
        path = self.places.node(node) / "test.conf"
        path.write_text(text)
        wrapper = str(self.places.node(node) / "frr-reload")
        done = subprocess.run([wrapper, "--reload", str(path)], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def router_routes(self, prefix: str) -> tuple[str, ...]:
        """Sorted names of the nodes to which the router's kernel sends this prefix (as `ip route` writes it)."""
        family = "-6" if ":" in prefix else "-4"
        shown = prefix.removesuffix("/32").removesuffix("/128")
        routes = json.loads(self.exec("up", ["ip", family, "-j", "route", "show", shown, "proto", "bgp"]) or "[]")
        return tuple(sorted(self.plan.owner_of(hop) for route in routes for hop in survey.next_hops(route)))

    def client_get(self, url: str, seconds: float = 2.0) -> dict[str, Any]:
        """The JSON answer to a GET from the client behind the router; OSError when there is none."""
        parts = urlsplit(url)
        program = (
            "import sys,urllib.request;"
            "sys.stdout.write(urllib.request.urlopen(sys.argv[1],timeout=float(sys.argv[2])).read().decode())"
        )
        prefix = world.entry_to(world.running(self.places), self.places, "client")
        argv = [*prefix, sys.executable, "-I", "-c", program, url, str(seconds)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode != 0:
            raise OSError(f"{parts.netloc}: {done.stderr.strip().splitlines()[-1]}")
        return json.loads(done.stdout)

    def apply(self, *documents: dict[str, Any]) -> None:
        """Create or merge objects."""

        async def work(api: kube.Api) -> None:
            for document in documents:
                await api.apply(document)

        self._api(work)

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, content: str = "application/json"
    ) -> Any:
        """One request to the API."""
        return self._api(lambda api: api.call(method, path, body, content))

    def set_ingress(self, namespace: str, name: str, *addresses: str) -> None:
        """Write a service's status as the controller would."""
        status = {"status": {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}}
        path = kube.path_of("v1", "Service", namespace, name) + "/status"
        self.call("PATCH", path, status, "application/merge-patch+json")

    def until(self, what: str, holds: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Poll until `holds()` is truthy and return it; an exception counts as not yet."""
        end = time.monotonic() + seconds
        while True:
            last: object = None
            try:
                if found := holds():
                    return found
            except (OSError, AssertionError, LabError, subprocess.CalledProcessError) as error:
                last = error
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {seconds} s; last: {last}")
            time.sleep(0.05)

    def _api(self, work: Callable[[kube.Api], Any]) -> Any:
        async def run() -> Any:
            async with kube.Api(kube.read_kubeconfig(self.kubeconfig)) as api:
                return await work(api)

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(run())).result()


LabFactory = Callable[..., LabCluster]


@pytest.fixture(scope="module")
def lab_factory() -> Iterator[LabFactory]:
    """Makes labs; skips with the reason when this machine cannot."""
    try:
        world.check_machine()
    except LabError as error:
        pytest.skip(f"no lab here: {error}")
    made: list[Path] = []

    def make(nodes: int = 2, demo: bool = False, programs: bool = False, *more: str) -> LabCluster:
        state = Path(tempfile.mkdtemp(prefix="lab-", dir="/tmp"))
        made.append(state)
        flags = [*([] if demo else ["--no-demo"]), *([] if programs else ["--no-programs"]), *more]
        _lab("up", "--state", str(state), "--nodes", str(nodes), *flags)
        return LabCluster(state, nodes)

    yield make
    for state in made:
        with contextlib.suppress(FileNotFoundError):
            _lab("down", "--state", str(state), check=False)
            shutil.rmtree(state)


@pytest.fixture(scope="module")
def lab_topology(lab_factory: LabFactory) -> LabCluster:
    """Two nodes with FRR, backends and forwarding; no controller, no speakers, no demo objects."""
    return lab_factory()


@pytest.fixture(scope="module")
def lab_cluster(lab_factory: LabFactory) -> LabCluster:
    """Two nodes with everything running; no demo objects."""
    import importlib.util

    for program in ("controller", "speaker"):
        if importlib.util.find_spec(f"{program}.__main__") is None:
            pytest.skip(f"python -m {program} does not exist")
    return lab_factory(programs=True)


def _lab(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "lab", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {done.returncode}: {done.stdout}{done.stderr}")
    return done
