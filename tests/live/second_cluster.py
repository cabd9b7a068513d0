"""A second cluster on the segment of a lab: one node, a speaker with a secret, objects and an API of its own.

It lives in the lab's namespace `control`, which gets a cable to the switch. Used by `test_layer2_failover`.
"""

import asyncio
import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from frr_adapter.api import crds
from lab import kube, objects, world
from tests.live import layer2_lab, layer2_recording

NODE, MAC = "x1", "02:00:00:99:00:e1"
IP = "10.99.0.99"
ADDRESSES = ("10.99.0.230", "fd00:99::230")
_API_PORT = 6444


class Second:
    """What runs; `log` is the speaker's."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]

    def members(self) -> set[str]:
        """Every speaker that it ever took for one of its cluster."""
        return {each["member"] for each in self.messages() if each["msg"] == "speaker found"}


@contextlib.contextmanager
def running(lab: layer2_lab.Watched, directory: Path) -> Iterator[Second]:
    """A cluster that announces `ADDRESSES`; from its start until the block ends."""
    port = f"p-{NODE}"
    lab.run(
        "sw", "ip", "link", "add", port, "type", "veth",
        "peer", "name", "x0", "address", MAC, "netns", str(lab.places.netns("control")),
    )  # fmt: skip
    lab.run("sw", "ip", "link", "set", port, "master", "br0", "up")
    for command in (("address", "add", f"{IP}/24", "dev", "x0"), ("link", "set", "x0", "up")):
        lab.run("control", "ip", *command)
    secret = directory / "memberlist"
    secret.mkdir()
    (secret / objects.SECRET_KEY).write_text("the secret of the second cluster, long enough")
    kubeconfig, inner, log = (directory / name for name in ("kubeconfig", "kubeconfig.inner", "speaker.log"))
    recorded = world.running(lab.places)
    with contextlib.ExitStack() as stack, log.open("wb") as out:

        def start(*argv: str) -> None:
            environment = {**os.environ, "PYTHONPATH": str(layer2_lab.ROOT)}
            process = subprocess.Popen(argv, stdout=out, stderr=out, cwd=layer2_lab.ROOT, env=environment)
            stack.callback(process.wait, 10)
            stack.callback(process.kill)

        socket = directory / "api.sock"
        start(
            sys.executable, "-m", "lab.apiserver", "--host", "127.0.0.1", "--port", "0",
            "--unix", str(socket), "--kubeconfig", str(kubeconfig),
        )  # fmt: skip
        layer2_recording.until("the second API", kubeconfig.exists)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: asyncio.run(_fill(kubeconfig))).result()
        start(
            *world.entry(recorded), sys.executable, "-m", "lab.relay", "--netns", str(lab.places.netns("control")),
            "--port", str(_API_PORT), "--unix", str(socket),
        )  # fmt: skip
        config = yaml.safe_load(kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{_API_PORT}"
        inner.write_text(yaml.safe_dump(config))
        start(
            *lab.entry("control"), sys.executable, "-m", "speaker", "--node-name", NODE, "--kubeconfig", str(inner),
            "--namespace", objects.SYSTEM_NAMESPACE, "--port", "0", "--health-probe-port", "17480", "--frr-vty-dir", "",
            "--pod-name", f"speaker-{NODE}", "--ml-bindaddr", IP, "--ml-labels", "app=metallb",
            "--ml-secret-key-path", str(secret),
        )  # fmt: skip
        yield Second(log)
    lab.run("sw", "ip", "link", "delete", port)


def speaker_pod() -> dict[str, Any]:
    """The pod of the second cluster's speaker."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"speaker-{NODE}",
            "namespace": objects.SYSTEM_NAMESPACE,
            "labels": objects.SPEAKER_LABELS,
        },
        "spec": {"nodeName": NODE, "hostNetwork": True, "containers": [{"name": "speaker", "image": "lab/backend"}]},
        "status": {"phase": "Running", "hostIP": IP, "podIP": IP, "podIPs": [{"ip": IP}]},
    }


async def _fill(kubeconfig: Path) -> None:
    meta = {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}
    service = layer2_lab.layer2_service("web")
    ready = {"ready": True, "serving": True, "terminating": False}
    slices = [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.244.99.10"], "conditions": ready, "nodeName": NODE}],
            "ports": [{"port": 8080, "protocol": "TCP"}],
        }
    ]
    async with kube.Api(kube.read_kubeconfig(kubeconfig)) as api:
        await asyncio.gather(*(api.apply(definition) for definition in crds.documents()))
        await asyncio.gather(*(api.apply(objects.namespace(name)) for name in ("default", objects.SYSTEM_NAMESPACE)))
        address = {"type": "InternalIP", "address": IP}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {}, "status": {"addresses": [address]}}
        documents = layer2_lab.layer2_objects("10.99.0.230-10.99.0.239", "fd00:99::230-fd00:99::239")
        for document in (node, speaker_pod(), *documents, service, *slices):
            await api.apply(document)
        status = {"status": {"loadBalancer": {"ingress": [{"ip": address} for address in ADDRESSES]}}}
        path = kube.path_of("v1", "Service", "default", "web") + "/status"
        await api.call("PATCH", path, status, "application/merge-patch+json")
