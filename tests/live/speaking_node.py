"""The real speaker program on a machine of a segment, beside a Kubernetes API that only this machine can reach.

`with Api(machine) as api:` serves the API on the machine's own loopback; tests reach it over a unix socket. `Speaker(machine, api)`
is `python -m speaker`: started, stopped and killed as a pod would be. Objects are those that the speaker needs. Used by live tests.
"""

import functools
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from frr_adapter.api import crds
from lab import kube
from tests.live import frr_pair

NAMESPACE = "metallb-system"
Document = dict[str, Any]
_MERGE = "application/merge-patch+json"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=15)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Program:
    """A Python program in the machine's namespace; its output is in a file."""

    def __init__(self, machine: frr_pair.Machine, log: Path, *words: str) -> None:
        command = ["ip", "netns", "exec", machine.namespace, sys.executable, "-m", *words]
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, cwd=Path(__file__).parents[2])

    def end(self, number: signal.Signals) -> int:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self.process.wait(20)


class Api:
    """An empty cluster with our definitions, the namespace, and the machine's Node."""

    def __init__(self, machine: frr_pair.Machine) -> None:
        self._machine = machine
        self.kubeconfig = machine.directory / "kubeconfig"
        self._socket = machine.directory / "api.sock"

    def __enter__(self) -> Self:
        where = ("--unix", str(self._socket), "--kubeconfig", str(self.kubeconfig))
        self._program = _Program(self._machine, self._machine.directory / "api.log", "lab.apiserver", *where)
        try:
            frr_pair.poll(self.kubeconfig.exists, bool)
            self.apply(*crds.documents(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
            self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._machine.name}})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._program.end(signal.SIGKILL)

    @property
    def port(self) -> int:
        """Where it listens, as its kubeconfig says."""
        return urlsplit(kube.read_kubeconfig(self.kubeconfig).server).port or 0

    def hang(self) -> None:
        """Connections still come about, and nobody answers."""
        os.kill(self._program.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Undoes `hang`."""
        os.kill(self._program.process.pid, signal.SIGCONT)

    def call(self, method: str, path: str, body: Document | None = None, content: str = "application/json") -> Document:
        """One request; the status code stands in `code` of what a refusal says."""
        connection = _UnixConnection(self._socket)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": content})
            answer: Document = json.loads(connection.getresponse().read() or b"{}")
        finally:
            connection.close()
        return answer

    def apply(self, *documents: Document) -> None:
        """Creates each object or merges it into the one there is; a `status` in it is written too."""
        for each in documents:
            meta = each["metadata"]
            collection = kube.path_of(each["apiVersion"], each["kind"], meta.get("namespace", ""))
            one = f"{collection}/{meta['name']}"
            answer = frr_pair.poll(functools.partial(self.call, "POST", collection, each), _is_served)
            if answer.get("code") == 409:
                answer = self.call("PATCH", one, each, _MERGE)
            if "status" in each and "code" not in answer and each["kind"] != "CustomResourceDefinition":
                answer = self.call("PATCH", f"{one}/status", {"status": each["status"]}, _MERGE)
            assert "code" not in answer, answer

    def delete(self, document: Document) -> None:
        """Deletes the object."""
        meta = document["metadata"]
        path = kube.path_of(document["apiVersion"], document["kind"], meta.get("namespace", ""), meta["name"])
        answer = self.call("DELETE", path)
        assert "code" not in answer, answer


def _is_served(answer: Document) -> bool:
    """A definition is served a moment after it was accepted."""
    return answer.get("code") != 404


class Speaker:
    """The speaker's program. `lines` are what it said so far."""

    def __init__(self, machine: frr_pair.Machine, kubeconfig: Path) -> None:
        self._machine = machine
        self._log = machine.directory / "speaker.log"
        self._start = self._log.stat().st_size if self._log.exists() else 0
        directory = str(machine.directory)
        self._program = _Program(
            machine,
            self._log,
            *("speaker", "--node-name", machine.name, "--kubeconfig", str(kubeconfig), "--namespace", NAMESPACE),
            *("--port", "0", "--health-probe-port", "0", "--log-level", "info"),
            *("--frr-config-file", str(machine.frr_conf), "--frr-reload", str(machine.frr_reload)),
            *("--frr-vty-dir", directory),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def lines(self) -> list[Document]:
        """What this run has logged."""
        with self._log.open("rb") as log:
            log.seek(self._start)
            found = log.read().decode().splitlines()
        return [json.loads(line) for line in found if line.startswith("{") and line.endswith("}")]

    def said(self, event: str) -> list[Document]:
        """The lines about this."""
        return [line for line in self.lines if line.get("msg") == event]

    def await_said(self, event: str, times: int = 1, limit: float = 20.0) -> list[Document]:
        """Waits until it said so that often."""
        found: list[Document] = frr_pair.poll(lambda: self.said(event), lambda found: len(found) >= times, limit)
        return found

    def stop(self) -> None:
        """As a pod is told to end."""
        assert self._program.end(signal.SIGTERM) == 0

    def kill(self) -> None:
        """As a node that runs out of memory does it."""
        self._program.end(signal.SIGKILL)


def _ours(kind: str, name: str, spec: Document, version: str = "v1beta1") -> Document:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": meta, "spec": spec}


def peer(name: str, address: str, **spec: Any) -> Document:
    """A BGPPeer that connects every second."""
    base = {"myASN": 64600, "peerASN": 64512, "peerAddress": address, "connectTime": "1s"}
    return _ours("BGPPeer", name, {**base, **spec}, "v1beta2")


def pool() -> Document:
    """192.0.2.0/24 and 2001:db8::/64, both of RFC 5737 and RFC 3849."""
    return _ours("IPAddressPool", "p", {"addresses": ["192.0.2.0/24", "2001:db8::/64"], "autoAssign": False})


def advertisement(name: str = "all", **spec: Any) -> Document:
    """A BGPAdvertisement."""
    return _ours("BGPAdvertisement", name, spec)


def bfd_profile(name: str, **spec: Any) -> Document:
    """A BFDProfile."""
    return _ours("BFDProfile", name, spec)


def password(name: str, text: str) -> Document:
    """A Secret that a peer may name."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"password": text},
    }


def service(name: str, *ips: str, node: str = "n1") -> tuple[Document, Document]:
    """A Service that has these addresses already, as a controller leaves it, and one ready endpoint on the node."""
    families = ["IPv6" if ":" in ip else "IPv4" for ip in ips]
    meta = {"name": name, "namespace": "default", "annotations": {"metallb.io/ip-allocated-from-pool": "p"}}
    spec = {
        "type": "LoadBalancer",
        "allocateLoadBalancerNodePorts": False,
        "selector": {"app": name},
        "ipFamilies": families,
        "ipFamilyPolicy": "RequireDualStack" if len(families) > 1 else "SingleStack",
        "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}],
    }
    status = {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in ips]}}
    slice_of = {"name": f"{name}-1", "namespace": "default", "labels": {"kubernetes.io/service-name": name}}
    endpoint = {"addresses": ["10.244.0.9"], "nodeName": node, "conditions": {"ready": True}}
    return (
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, "status": status},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slice_of,
            "addressType": "IPv4",
            "endpoints": [endpoint],
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        },
    )
