"""A real etcd and kube-apiserver on loopback, from binaries the caller names.

The lab and the contract tests use it where such binaries are given (KUBEBUILDER_ASSETS): the lab's supervisor runs the
programs that `prepare` names, the tests let `start` run them. There are no controllers beside it: namespaces are not
emptied and nothing is garbage-collected. Must never be needed for anything, and never leave a process behind.
"""

import contextlib
import re
import secrets
import shutil
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
START_SECONDS = 90.0
"""How long a start may take on a slow machine; usually it is 5 to 10 seconds."""
_STOP_SECONDS = 20.0
_TIE = ("setpriv", "--pdeathsig", "KILL", "--")
"""Ends a program together with the thread that started it, however that one ends, prctl(2) PR_SET_PDEATHSIG."""
_DUAL_STACK_BY_DEFAULT = 21  # before this minor version dual-stack Services are behind a feature gate


class StartError(RuntimeError):
    """One of the two programs did not come up; the message names its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """One of the two: its name, its argument vector, where its output goes."""

    name: str
    argv: tuple[str, ...]
    log: Path


@dataclass(frozen=True, slots=True)
class RealServer:
    """What is to run, in start order. `url` is HTTPS; the token in the kubeconfig belongs to system:masters."""

    url: str
    kubeconfig: Path
    token: str
    certificate: Path
    version: str
    programs: tuple[Program, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """A ready server and its processes, which end with the thread that started them."""

    server: RealServer
    processes: tuple[subprocess.Popen[bytes], ...]

    def stop(self) -> None:
        """Ends both processes, the API server first."""
        _end(self.processes)


def is_given(assets: Path) -> bool:
    """Whether a directory holds both programs."""
    return all((assets / name).is_file() for name in ("etcd", "kube-apiserver"))


def prepare(assets: Path, state: Path) -> RealServer:
    """Chooses ports and writes keys and the kubeconfig under `state`; starts nothing.

    The kubeconfig names a certificate that the server itself writes: it is of use once `is_ready`.
    """
    state.mkdir(parents=True, exist_ok=True)
    version = _version(assets)
    store, peers, port = _free_ports(3)
    token = secrets.token_hex(16)
    key = state / "service-account.key"
    _quiet("openssl", "genrsa", "-out", str(key), "2048")
    tokens = state / "tokens.csv"
    tokens.touch(mode=0o600)
    tokens.write_text(f'{token},admin,admin,"system:masters"\n')
    etcd = (
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
    gates = ("--feature-gates=IPv6DualStack=true",) if _minor(version) < _DUAL_STACK_BY_DEFAULT else ()
    api = (
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
        # A loopback address is no valid endpoint; the server would try to be one for ever.
        "--endpoint-reconciler-type=none",
        # Nobody makes the default ServiceAccounts here, and no kubelet takes the taint off a new Node.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
        *gates,
    )
    server = RealServer(
        url=f"https://127.0.0.1:{port}",
        kubeconfig=state / "kubeconfig",
        token=token,
        certificate=certificates / "apiserver.crt",
        version=version,
        programs=(
            Program("etcd", etcd, state / "etcd.log"),
            Program("kube-apiserver", api, state / "kube-apiserver.log"),
        ),
    )
    _write_kubeconfig(server)
    return server


def start(assets: Path, state: Path) -> Running:
    """Starts etcd and kube-apiserver with their data under `state`; returns when the server is ready.

    The kernel kills both when the calling thread ends without `stop`. Raises StartError after 90 seconds or when a
    process ends early.
    """
    if shutil.which(_TIE[0]) is None:
        raise StartError(f"the program {_TIE[0]} is missing: install the package util-linux")
    server = prepare(assets, state)
    running = Running(server, tuple(_launch(program) for program in server.programs))
    try:
        _await_ready(running)
    except BaseException:
        running.stop()
        raise
    return running


def is_ready(server: RealServer) -> bool:
    """Whether the server serves, with the namespaces every cluster starts with."""
    if not server.certificate.is_file():
        return False
    headers = {"Authorization": f"Bearer {server.token}"}
    try:
        context = ssl.create_default_context(cafile=server.certificate)
        for path in ("/readyz", "/api/v1/namespaces/default", "/api/v1/namespaces/kube-system"):
            asked = urllib.request.Request(server.url + path, headers=headers)  # noqa: S310  our own https address
            with urllib.request.urlopen(asked, context=context, timeout=5):  # noqa: S310
                pass
    except (urllib.error.URLError, OSError):
        return False
    return True


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


def _launch(program: Program) -> subprocess.Popen[bytes]:
    with program.log.open("wb") as output:
        return subprocess.Popen([*_TIE, *program.argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _await_ready(running: Running) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        for process, program in zip(running.processes, running.server.programs, strict=True):
            if process.poll() is not None:
                raise StartError(f"{program.name} ended with code {process.returncode}; see {program.log}")
        if is_ready(running.server):
            return
        time.sleep(0.1)
    raise StartError(f"kube-apiserver is not ready after {START_SECONDS:.0f} s; see {running.server.programs[-1].log}")


def _write_kubeconfig(server: RealServer) -> None:
    cluster = {"server": server.url, "certificate-authority": str(server.certificate)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": {"token": server.token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    server.kubeconfig.touch(mode=0o600)
    server.kubeconfig.write_text(yaml.safe_dump(document, sort_keys=False))


def _end(processes: tuple[subprocess.Popen[bytes], ...]) -> None:
    for process in reversed(processes):
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
