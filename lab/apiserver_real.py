"""A real etcd and kube-apiserver on loopback, from binaries the caller names.

The lab and the contract tests use it where such binaries are given (KUBEBUILDER_ASSETS). There are no controllers
beside it: namespaces are not emptied and nothing is garbage-collected. Must never be needed for anything.
"""

import contextlib
import re
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml

CONTEXT = "frr-adapter-lab"
SERVICE_NETWORKS = "10.96.0.0/16,fd00:10:96::/112"
_START_SECONDS = 90.0
_STOP_SECONDS = 20.0
_DUAL_STACK_BY_DEFAULT = 21  # before this minor version dual-stack Services are behind a feature gate


class StartError(RuntimeError):
    """One of the two programs did not come up; the message names its log."""


@dataclass(frozen=True, slots=True)
class RealServer:
    """A running pair of processes. `url` is HTTPS; the token in the kubeconfig belongs to system:masters."""

    url: str
    kubeconfig: Path
    token: str
    certificate: Path
    version: str
    processes: tuple[subprocess.Popen[bytes], ...]

    def stop(self) -> None:
        """Ends both processes, the API server first."""
        _end(self.processes)


def is_given(assets: Path) -> bool:
    """Whether a directory holds both programs."""
    return all((assets / name).is_file() for name in ("etcd", "kube-apiserver"))


def start(assets: Path, state: Path) -> RealServer:
    """Starts etcd and kube-apiserver with their data under `state`; returns when the server is ready.

    Raises StartError after 90 seconds or when a process ends early.
    """
    state.mkdir(parents=True, exist_ok=True)
    version = _version(assets)
    store, peers, port = _free_ports(3)
    token = secrets.token_hex(16)
    key = state / "service-account.key"
    _quiet("openssl", "genrsa", "-out", str(key), "2048")
    tokens = state / "tokens.csv"
    tokens.write_text(f'{token},admin,admin,"system:masters"\n')
    tokens.chmod(0o600)
    etcd = _launch(
        state / "etcd.log",
        str(assets / "etcd"),
        f"--data-dir={state / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{store}",
        f"--advertise-client-urls=http://127.0.0.1:{store}",
        f"--listen-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-cluster=default=http://127.0.0.1:{peers}",
        "--unsafe-no-fsync",
    )
    certificates = state / "certificates"
    gates = ["--feature-gates=IPv6DualStack=true"] if _minor(version) < _DUAL_STACK_BY_DEFAULT else []
    server = _launch(
        state / "kube-apiserver.log",
        str(assets / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{store}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={certificates}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        f"--service-cluster-ip-range={SERVICE_NETWORKS}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={key}",
        f"--service-account-key-file={key}",
        # Nobody makes the default ServiceAccounts here, and no kubelet takes the taint off a new Node.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
        *gates,
    )
    certificate = certificates / "apiserver.crt"
    running = RealServer(
        url=f"https://127.0.0.1:{port}",
        kubeconfig=state / "kubeconfig",
        token=token,
        certificate=certificate,
        version=version,
        processes=(etcd, server),
    )
    try:
        _await_ready(running, state)
    except StartError:
        running.stop()
        raise
    _write_kubeconfig(running)
    return running


def _version(assets: Path) -> str:
    asked = subprocess.run([assets / "kube-apiserver", "--version"], check=True, capture_output=True, text=True)
    return asked.stdout.split()[-1]


def _minor(version: str) -> int:
    found = re.match(r"v\d+\.(\d+)", version)
    return int(found[1]) if found else _DUAL_STACK_BY_DEFAULT


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _quiet(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _launch(log: Path, *command: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _await_ready(running: RealServer, state: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends:
        for process, name in zip(running.processes, ("etcd", "kube-apiserver"), strict=True):
            if process.poll() is not None:
                raise StartError(f"{name} ended with code {process.returncode}; see {state / (name + '.log')}")
        if running.certificate.is_file() and _is_ready(running):
            return
        time.sleep(0.2)
    raise StartError(f"kube-apiserver is not ready after {_START_SECONDS:.0f} s; see {state / 'kube-apiserver.log'}")


def _is_ready(running: RealServer) -> bool:
    """Ready means that the namespaces every cluster starts with are there too."""
    headers = {"Authorization": f"Bearer {running.token}"}
    try:
        context = ssl.create_default_context(cafile=running.certificate)
        for path in ("/readyz", "/api/v1/namespaces/default", "/api/v1/namespaces/kube-system"):
            asked = urllib.request.Request(running.url + path, headers=headers)  # noqa: S310  our own https address
            with urllib.request.urlopen(asked, context=context, timeout=5):  # noqa: S310
                pass
    except (urllib.error.URLError, OSError):
        return False
    return True


def _write_kubeconfig(running: RealServer) -> None:
    cluster = {"server": running.url, "certificate-authority": str(running.certificate)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": {"token": running.token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    running.kubeconfig.touch(mode=0o600)
    running.kubeconfig.write_text(yaml.safe_dump(document, sort_keys=False))


def _end(processes: tuple[subprocess.Popen[bytes], ...]) -> None:
    for process in reversed(processes):
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
