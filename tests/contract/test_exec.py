"""`exec` into containers: our client against the embedded API, and that one against kubectl. What is behind the doors is a shell."""

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import time

import aiohttp
import msgspec
import pytest
from aiohttp import web

from cli.boundary import nodes
from frr_adapter import errors, refs
from frr_adapter.api import node_report
from frr_adapter.boundary import kube
from frr_adapter.model import cluster
from tests.contract import conftest
from tests.contract.test_kube_boundary import _plain

pytestmark = pytest.mark.contract

NAMESPACE = "metallb-system"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
REPORT = node_report.NodeReport(node_report.Speaker("n1", "2026-01-01T00:00:00Z", "1", node_report.Flags()))


def pod(name, *containers):
    spec = {"nodeName": name, "containers": [{"name": each, "image": "x"} for each in containers]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def speaker(name, node):
    return cluster.Pod(refs.ObjectRef("Pod", NAMESPACE, name), node, None)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Pods a and b have speakers, c nobody; what a command finds first is our own `frr-adapter`."""
    state = tmp_path_factory.mktemp("exec")
    tools = state / "bin"
    tools.mkdir()
    command = tools / "frr-adapter"
    command.write_text(f'#!/bin/sh\nread -r line < {state}/report && echo "$line"\n')
    command.chmod(0o755)
    (state / "report").write_bytes(msgspec.json.encode(REPORT) + b"\n")
    path = f"{tools}:{os.environ['PATH']}"
    doors = {
        f"{NAMESPACE}/{name}/{container}": {"argv": ["env"], "env": {"PATH": path, "CONTAINER": f"{name}/{container}"}}
        for name in "ab"
        for container in ("speaker", "frr")
    }
    (state / "doors").write_text(json.dumps(doors))
    with conftest.embedded(state, "--doors", str(state / "doors")) as found:
        asyncio.run(prepare(found))
        yield dataclasses.replace(found, origin=str(state))


async def prepare(found):
    async with aiohttp.ClientSession(found.url) as session:
        bodies = [("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})]
        bodies += [(PODS, pod(name, "speaker", "frr")) for name in "ab"]
        bodies += [(PODS, pod("c", "speaker"))]
        for path, body in bodies:
            async with session.post(path, json=body) as answer:
                assert answer.status == 201, await answer.text()


@pytest.fixture
async def api(server):
    async with await kube.Kube.connect(server.kubeconfig) as connected:
        yield connected


# Our client


async def test_standard_output_comes_back_whole(api):
    assert await api.exec(f"{PODS}/a", ("sh", "-c", 'echo "$CONTAINER"'), "frr") == b"a/frr\n"
    assert (
        await api.exec(f"{PODS}/b", ("printf", "%s|", "a b", "c&d=e+f%2f", "ü"), "speaker")
        == "a b|c&d=e+f%2f|ü|".encode()
    )
    long = await api.exec(f"{PODS}/b", ("head", "-c", "5000000", "/dev/zero"), "speaker")
    assert (len(long), set(long)) == (5_000_000, {0})


async def test_a_command_that_fails_says_why(api):
    with pytest.raises(errors.KubernetesError) as caught:
        await api.exec(f"{PODS}/a", ("sh", "-c", "echo out; echo first >&2; echo why >&2; exit 3"), "frr")
    assert (caught.value.status, caught.value.reason, caught.value.message) == (0, "NonZeroExitCode", "why")
    with pytest.raises(errors.KubernetesError, match="exit status 7"):
        await api.exec(f"{PODS}/a", ("sh", "-c", "exit 7"), "frr")
    with pytest.raises(errors.KubernetesError, match="exit status 137"):
        await api.exec(f"{PODS}/a", ("sh", "-c", "kill -KILL $$"), "frr")


@pytest.mark.parametrize(
    ("path", "container", "status"),
    [("a", "other", 400), ("a", "", 400), ("none", "speaker", 404), ("c", "speaker", 500)],
)
async def test_what_cannot_be_run_is_refused_before_it_starts(api, path, container, status):
    with pytest.raises(errors.KubernetesError) as caught:
        await api.exec(f"{PODS}/{path}", ("true",), container)
    assert caught.value.status == status


async def test_nobody_there_is_no_answer(tmp_path):
    async with await kube.Kube.connect(_plain(tmp_path, "http://127.0.0.1:9")) as away:
        with pytest.raises(errors.KubernetesError) as caught:
            await away.exec(f"{PODS}/a", ("true",), "speaker")
    assert (caught.value.status, caught.value.reason) == (0, "Unreachable")


async def test_a_command_ends_with_its_client(api, server, tmp_path):
    mark = tmp_path / "pid"
    asked = asyncio.create_task(api.exec(f"{PODS}/a", ("sh", "-c", f"echo $$ > {mark}; exec sleep 100"), "frr"))
    await until(lambda: mark.exists() and mark.read_text().strip())
    pid = int(mark.read_text())
    os.kill(pid, 0)
    asked.cancel()
    await until(lambda: not alive(pid))
    assert asked.cancelled() or asked.cancelling()
    await asyncio.gather(asked, return_exceptions=True)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(holds, seconds=10):
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)


# Asking all nodes


async def test_nodes_are_asked_and_who_does_not_answer_is_a_gap(api):
    steps = []
    pods = [speaker("c", "n3"), speaker("b", "n2"), speaker("a", "n1"), speaker("gone", "n0"), speaker("waits", "")]
    found, gaps = await nodes.reports(api, NAMESPACE, pods, lambda done, of: steps.append((done, of)))
    assert list(found) == ["n1", "n2"]
    assert found["n1"] == REPORT
    assert gaps == (
        "node n0: pod gone gave no report: 404 NotFound: exec is refused",
        "node n3: pod c gave no report: 500 InternalServerError: exec is refused",
    )
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


async def test_a_report_that_cannot_be_read_is_a_gap(api, server):
    from pathlib import Path

    report = Path(server.origin) / "report"
    before = report.read_bytes()
    report.write_text('{"speaker": 5}\n')
    try:
        found, gaps = await nodes.reports(api, NAMESPACE, [speaker("a", "n1")])
    finally:
        report.write_bytes(before)
    assert found == {}
    assert gaps == ("node n1: pod a gave no report that can be read: Expected `object`, got `int` - at `$.speaker`",)


@contextlib.asynccontextmanager
async def answering(handler):
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_who_may_not_ask_hears_it_once(tmp_path):
    asked = []

    async def refuse(request):
        asked.append(request.path)
        return web.json_response({"kind": "Status", "reason": "Forbidden", "code": 403}, status=403)

    async with answering(refuse) as url, await kube.Kube.connect(_plain(tmp_path, url)) as connected:
        found, gaps = await nodes.reports(connected, NAMESPACE, [speaker(f"p{n}", f"n{n:02}") for n in range(50)])
    assert found == {}
    assert gaps == (f"nodes were not asked: no right to exec into pods of {NAMESPACE} (get and create on pods/exec)",)
    assert len(asked) <= nodes.AT_ONCE


async def test_a_node_that_hangs_keeps_nobody_waiting_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(nodes, "SECONDS", 0.2)
    released = asyncio.Event()

    async def hang(request):
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        if "/p1/" not in request.path:
            await socket.send_bytes(b"\x01" + msgspec.json.encode(REPORT))
            await socket.send_bytes(b'\x03{"status":"Success"}')
        else:
            await released.wait()
        return socket

    async with answering(hang) as url, await kube.Kube.connect(_plain(tmp_path, url)) as connected:
        found, gaps = await nodes.reports(connected, NAMESPACE, [speaker(f"p{n}", f"n{n}") for n in range(3)])
        released.set()
    assert list(found) == ["n0", "n2"]
    assert gaps == ("node n1: pod p1 gave no report within 0.2 s",)


async def test_a_connection_that_ends_early_is_no_success(tmp_path):
    async def cut(request):
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        await socket.send_bytes(b"\x01half")
        return socket

    async with answering(cut) as url, await kube.Kube.connect(_plain(tmp_path, url)) as connected:
        with pytest.raises(errors.KubernetesError, match="the connection ended before the command did"):
            await connected.exec(f"{PODS}/a", ("true",), "speaker")


# kubectl against the embedded API


@pytest.fixture
def kubectl(server, tmp_path):
    program = os.environ.get("FRR_ADAPTER_TEST_KUBECTL") or shutil.which("kubectl")
    if program is None:
        pytest.skip("there is no kubectl on this machine")

    async def run(*words, stdin=None):
        process = await asyncio.create_subprocess_exec(
            program, f"--kubeconfig={server.kubeconfig}", f"--cache-dir={tmp_path}", f"--namespace={NAMESPACE}", *words,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            # Known to kubectl from 1.29 on, and how it asks from 1.31 on.
            env={**os.environ, "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "true"},
        )  # fmt: skip
        out, err = await process.communicate(stdin)
        return process.returncode, out.decode(), err.decode()

    return run


async def test_kubectl_exec(kubectl):
    assert await kubectl("exec", "a", "-c", "frr", "--", "sh", "-c", 'echo "$CONTAINER"; echo told >&2') == (
        0,
        "a/frr\n",
        "told\n",
    )
    code, out, err = await kubectl("exec", "a", "-c", "speaker", "--", "sh", "-c", "echo out; exit 5")
    assert (code, out) == (5, "out\n")
    assert "exit code 5" in err or "exit status 5" in err
    code, out, err = await kubectl("exec", "a", "-c", "none", "--", "true")
    assert code == 1
    assert "container none is not valid for pod a" in err or "container not found" in err


async def test_kubectl_exec_with_standard_input(kubectl):
    assert await kubectl("exec", "-i", "b", "-c", "frr", "--", "wc", "-c", stdin=b"x" * 100_000) == (0, "100000\n", "")


async def test_kubectl_knows_the_resource(kubectl, server):
    code, out, _ = await kubectl("api-resources", "--api-group=", "-o", "name")
    assert code == 0
    assert "pods" in out.split()
    async with aiohttp.ClientSession(server.url) as session, session.get("/api/v1") as answer:
        found = [each for each in (await answer.json())["resources"] if each["name"] == "pods/exec"]
    assert found == [
        {
            "name": "pods/exec",
            "singularName": "",
            "namespaced": True,
            "kind": "PodExecOptions",
            "verbs": ["create", "get"],
        }
    ]


async def test_without_a_websocket_it_says_what_it_wants(server):
    async with aiohttp.ClientSession(server.url) as session:
        query = {"command": "true", "container": "frr", "stdout": "true"}
        for method in ("GET", "POST"):
            async with session.request(method, f"{PODS}/a/exec", params=query) as answer:
                assert answer.status == 400
                assert "Upgrade request required" in (await answer.json())["message"]
        async with session.put(f"{PODS}/a/exec", params=query) as answer:
            assert answer.status == 405
