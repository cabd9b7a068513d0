"""The lab in a cluster that is not its own: it uses that API, and takes its objects away when it goes."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from frr_adapter.api import crds
from lab import kube, objects

pytestmark = [pytest.mark.live, pytest.mark.frr]


@pytest.fixture
def outside():
    """A Kubernetes API that outlives the lab: the path of its kubeconfig."""
    with tempfile.TemporaryDirectory(prefix="outside-") as directory:
        kubeconfig = Path(directory) / "kubeconfig"
        argv = [sys.executable, "-m", "lab.apiserver", "--port", "0", "--unix", f"{directory}/sock", "--kubeconfig"]
        server = subprocess.Popen([*argv, str(kubeconfig)], stdout=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 20
            while not kubeconfig.exists():
                assert time.monotonic() < end
                assert server.poll() is None
                time.sleep(0.05)
            yield kubeconfig
        finally:
            server.terminate()
            server.wait(10)


def test_objects_come_with_the_lab_and_go_with_it(lab_factory, outside):
    lab = lab_factory(1, False, True, "--kubeconfig", str(outside))
    lab.apply(*objects.demo())
    lab.until(
        "an address", lambda: lab.call("GET", "/api/v1/namespaces/default/services/web")["status"]["loadBalancer"]
    )
    assert len(lab.call("GET", "/api/v1/nodes")["items"]) == 1
    said = lab.lab("down").stdout
    assert f"{len(crds.documents())} CustomResourceDefinitions stay" in said
    assert not lab.places.state.exists()

    async def left() -> tuple[int, int, int]:
        async with kube.Api(kube.read_kubeconfig(outside)) as api:
            return (
                len(await api.list("/api/v1/nodes")),
                len(await api.list("/api/v1/pods")),
                len(await api.list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")),
            )

    assert asyncio.run(left()) == (0, 0, len(crds.documents()))


def machine_namespaces() -> set[str]:
    """Every network namespace that a process of this machine is in."""
    listed = subprocess.run(["lsns", "-n", "-t", "net", "-o", "NS"], capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


@pytest.mark.skipif(
    os.geteuid() != 0, reason="looks at the machine's own namespaces, mounts and nft tables, which only root sees"
)
def test_down_leaves_nothing_behind(lab_factory):
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    lab = lab_factory(1, True, True)
    shown = {name: lab.exec(name, ["readlink", "/proc/self/ns/net"]) for name in ("n1", "n1-pod", "up", "client", "sw")}
    made = {text.strip().removeprefix("net:[").removesuffix("]") for text in shown.values()}
    assert len(made) == 5
    assert made & machine_namespaces(), "its processes are in namespaces of their own"
    processes = json.loads(lab.lab("status", "-o", "json").stdout)["children"]
    lab.lab("down")
    assert not made & machine_namespaces()
    assert str(lab.places.state) not in Path("/proc/mounts").read_text()
    assert subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout == tables
    assert not lab.places.state.exists()
    for child in processes:
        assert not Path(f"/proc/{child['pid']}").exists(), child["target"]
