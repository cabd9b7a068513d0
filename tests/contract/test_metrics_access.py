"""Metrics over HTTPS, for whom the API lets read them: the programs as processes, tokens as clusters give them."""

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
import sys

import aiohttp
import pytest

from controller.boundary import certificates
from tests.contract.test_kubernetes_api_reviews import account, role, subject
from tests.contract.test_webhook import controller, kinds

__all__ = ["kinds"]
pytestmark = pytest.mark.contract

READING = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def scrape(port, token="", path="/metrics", context=None):
    """Status, text and header fields, once somebody listens."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectorError):
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"https://127.0.0.1:{port}{path}", headers=headers, ssl=context or False) as answer,
                ):
                    return answer.status, await answer.text(), answer.headers
            await asyncio.sleep(0.05)


async def until(status, port, token):
    """A real API server takes a moment to notice roles, and a refusal counts for a while."""
    async with asyncio.timeout(30):
        while (found := await scrape(port, token))[0] != status:
            await asyncio.sleep(0.2)
    return found


@contextlib.asynccontextmanager
async def a_controller(api, port, *flags):
    async with controller(api, "--leader-elect=false", *flags, f"--port={port}") as running:
        yield running


@contextlib.asynccontextmanager
async def a_speaker(api, port, *flags):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speaker", "--node-name=n1", "--frr-vty-dir=", "--host=127.0.0.1"),
        *(f"--kubeconfig={api.kube.kubeconfig}", f"--namespace={api.namespace}", "--health-probe-port=0"),
        *(f"--port={port}", *flags),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        assert await process.wait() == 0


@pytest.mark.parametrize("program", [a_controller, a_speaker])
async def test_who_may_read_metrics(api, port, program):
    token = await account(api)
    async with program(api, port, "--metrics-secure"):
        status, text, fields = await scrape(port)
        assert (status, text, fields["WWW-Authenticate"]) == (401, "Unauthorized\n", "Bearer")
        assert (await scrape(port, "nobody's"))[:2] == (401, "Unauthorized\n")
        user = f"system:serviceaccount:{api.namespace}:reader"
        assert (await scrape(port, token))[:2] == (403, f"Forbidden (user={user}, verb=get, path=/metrics)\n")
        other = await account(api, "other")
        async with role(api, READING, [subject(api, "other")]):
            status, text, fields = await until(200, port, other)
            assert "metallb_k8s_client_config_loaded_bool" in text
            assert fields["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert (await scrape(port, other))[0] == 200
        assert (await scrape(port, token))[0] == 403


async def test_certificates_come_from_files(api, port, tmp_path):
    made = certificates.start({"127.0.0.1"}, dt.datetime.now(dt.UTC), None)
    async with a_controller(api, port, f"--metrics-cert-dir={tmp_path}") as running:
        await running.said("cannot use the metrics endpoint's certificate")
        (tmp_path / "tls.crt").write_bytes(made.certificate)
        (tmp_path / "tls.key").write_bytes(made.key)
        await running.said("metrics are served with a new certificate")
        trusting = ssl.create_default_context(cadata=made.authorities.decode())
        assert (await scrape(port, context=trusting))[0] == 401


async def test_plain_metrics_ask_nobody(api, port):
    async with a_controller(api, port):
        await _open(port)
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert answer.status == 200


async def _open(port):
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


async def test_the_log_level_of_a_running_program(api, kinds, port):
    async with controller(api, f"--health-probe-port={port}") as running:
        await _open(port)
        url = f"http://127.0.0.1:{port}/log-level"
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as answer:
                assert await answer.text() == "info\n"
            async with session.put(url, data="debug") as answer:
                assert (answer.status, await answer.text()) == (200, "debug\n")
        assert (await running.said("log level changed"))["level"] == "warn"
        service = {"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
        (await api.post(api.path("services"), service)).ok(201)
        assert (await running.said("cycle"))["level"] == "debug"
