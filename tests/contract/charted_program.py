"""A program as its container in the chart starts it: its flags and variables, its account's rights, and a network of its own.

Used by `test_chart_rights`. It talks to the API server through a `rights.Gate` only.
"""

import asyncio
import contextlib
import http.client
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from lab import netns
from tests import chart
from tests.contract import replica, rights

NODE = "n1"
WEBHOOK_PORT = replica.free_port()
FLAGS = {
    "controller": ("--lease-duration=3", "--renew-deadline=2", "--retry-period=0.2", f"--webhook-port={WEBHOOK_PORT}"),
    "speaker": (),
}
ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def network():
    """A network of its own with one link, for a speaker whose frames go nowhere."""
    name = f"fra-rights-{os.getpid()}-{secrets.token_hex(2)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"the speaker needs a network of its own: {made.stderr.strip()}")
    try:
        for words in (
            "link set lo up",
            "link add eth0 type veth peer name far0",
            "addr add 192.0.2.1/24 dev eth0",
            "link set eth0 up",
            "link set far0 up",
        ):
            subprocess.run(["ip", "-n", name, *words.split()], check=True)
        yield Path("/run/netns") / name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def listening(path=None):
    def listen():
        made = socket.create_server(("127.0.0.1", 0))
        made.setblocking(False)
        return made

    return netns.inside(path, listen) if path else listen()


class Program:
    """One program as its container in the chart starts it, through a gate."""

    def __init__(self, api, documents, name, folder, path=None):
        self.api, self.name, self.folder, self.path = api, name, folder, path
        workload = chart.one(documents, "Deployment" if name == "controller" else "DaemonSet")
        pod = workload["spec"]["template"]["spec"]
        (self.container,) = (each for each in pod["containers"] if each["name"] == name)
        account = pod["serviceAccountName"]
        granted = rights.grants(documents, account)
        self.gate = rights.Gate(api.kube, account, chart.NAMESPACE, granted, listening(path))
        self.account = account
        self.labels = workload["spec"]["template"]["metadata"]["labels"]
        self.port = replica.free_port()

    @property
    def environment(self):
        known = {
            "metadata.name": f"{self.name}-0",
            "metadata.namespace": chart.NAMESPACE,
            "spec.nodeName": NODE,
            "status.hostIP": "127.0.0.1",
            "status.podIP": "127.0.0.1",
        }
        said = {}
        for each in self.container["env"]:
            field = each.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            said[each["name"]] = known[field] if field else each["value"]
        said["METALLB_ML_SECRET_KEY_PATH"] = said.get("METALLB_ML_SECRET_KEY_PATH") and str(self.folder / "secret")
        return {key: value for key, value in said.items() if value}

    async def pod(self):
        """The pod that it believes to run in, new with every start."""
        path = self.api.path("pods", f"{self.name}-0")
        await self.api.delete(path, {"gracePeriodSeconds": 0})
        spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": NODE}
        meta = {"name": f"{self.name}-0", "labels": self.labels}
        (await self.api.post(self.api.path("pods"), {"metadata": meta, "spec": spec})).ok(201)
        status = {"status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}
        (await self.api.patch(f"{path}/status", status)).ok()

    @contextlib.asynccontextmanager
    async def running(self):
        await self.pod()
        self.folder.mkdir(exist_ok=True)
        kubeconfig = self.folder / "kubeconfig"
        async with self.gate:
            kubeconfig.write_text(self.gate.kubeconfig)
            enter = ["nsenter", f"--net={self.path}"] if self.path else []
            flags = [each for each in self.container["args"] if not each.startswith(("--port", "--health-probe-port"))]
            if self.name == "speaker":
                empty = self.folder / "frr"
                empty.mkdir(exist_ok=True)
                flags = [each.replace("/var/run/frr", str(empty)).replace("/etc/frr", str(empty)) for each in flags]
            command = [*enter, sys.executable, "-m", self.name, f"--kubeconfig={kubeconfig}", *flags, *FLAGS[self.name]]
            with (self.folder / "log").open("ab") as log:
                process = subprocess.Popen(
                    [*command, f"--port={self.port}", "--health-probe-port=0"],
                    cwd=ROOT, env={**os.environ, **self.environment}, stdout=log, stderr=log,
                )  # fmt: skip
            try:
                yield process
                assert process.poll() is None, self.log
            finally:
                process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(process.wait, 20)

    @property
    def log(self):
        return (self.folder / "log").read_text()

    async def asked(self, verb, resource, name=None):
        """Waits until it was asked for that."""
        async with asyncio.timeout(30):
            while not any(
                (each.verb, each.resource) == (verb, resource) and name in {None, each.name} for each in self.gate.seen
            ):
                await asyncio.sleep(0.02)

    async def scraped(self):
        """The HTTP status that somebody gets who has a token, but no right to read metrics."""
        path = self.api.path("serviceaccounts", self.account, sub="token")
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = (await self.api.post(path, request)).ok(201)["status"]["token"]

        def ask():
            # The connection is made in the program's network, and the thread ends with it.
            headers = {"Authorization": f"Bearer {token}"}
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)
            with contextlib.closing(connection):
                connection.request("GET", "/metrics", headers=headers)
                return connection.getresponse().status

        return await asyncio.to_thread(lambda: netns.inside(self.path, ask) if self.path else ask())

    def assert_least(self):
        assert self.gate.refused == []
        assert self.gate.unused() == [], self.log
