"""`frr-adapter node-report` beside a probe port and VTY sockets of ours: what it tells, and what it does when somebody is silent."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from cli import errors
from cli.boundary import pod
from cli.documents.node_report import NodeReportDocument
from frr_adapter.api import node_report
from frr_adapter.boundary import health
from speaker.boundary import reporting
from tests.fakes.vty_daemon import Daemon

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
NEIGHBORS = {
    "default": {
        "vrfId": 0,
        "vrfName": "default",
        "10.0.0.1": {
            "bgpState": "Established",
            "remoteAs": 64512,
            "connectionsDropped": 2,
            "lastResetDueTo": "Hold Timer Expired",
            "addressFamilyInfo": {"ipv4Unicast": {"sentPrefixCounter": 2, "acceptedPrefixCounter": 1}},
            "peerBfdInfo": {"status": "Up"},
        },
        "10.0.0.2": {"bgpState": "Active", "remoteAs": 64513},
    },
    "red": {"eth7": {"bgpState": "Established", "remoteAs": 64514}},
}
SILENT = "show bgp vrf red ipv6 unicast neighbors eth7 advertised-routes json"


def routes(*prefixes: str) -> bytes:
    return answer(json.dumps({"advertisedRoutes": {each: {} for each in prefixes}}))


def answer(text: str, status: int = 0) -> bytes:
    return text.encode() + b"\0\0\0" + bytes([status])


def speaking(directory: Path | str, **more) -> node_report.Speaker:
    flags = node_report.Flags(frr_vty_dir=str(directory))
    return node_report.Speaker("n1", "2030-01-01T00:00:00.000Z", "1", flags, **more)


@contextlib.asynccontextmanager
async def speaker(found: node_report.Speaker):
    """Its probe port."""
    server = await health.HttpServer.listen("127.0.0.1", 0, reporting.Reporting(lambda: lambda: found).routes)
    yield server.port
    await server.close()


@pytest.fixture
async def daemons(tmp_path):
    made = {name: Daemon(tmp_path / f"{name}.vty") for name in ("zebra", "bgpd", "bfdd", "staticd")}
    for name, daemon in made.items():
        daemon.raw["show running-config"] = answer(f"hostname {name}\n")
        await daemon.start()
    made["bgpd"].raw |= {
        "show running-config": answer("router bgp 64600\n neighbor 10.0.0.1 password ge heim\n"),
        "show version": answer("FRRouting 10.3 (n1) on Linux.\n"),
        "show bgp vrf all neighbors json": answer(json.dumps(NEIGHBORS)),
        "show bgp ipv4 unicast neighbors 10.0.0.1 advertised-routes json": routes("192.0.2.10/32", "192.0.2.9/32"),
        "show bgp ipv6 unicast neighbors 10.0.0.1 advertised-routes json": answer('{"warning":"not activated"}', 1),
        "show bgp vrf red ipv4 unicast neighbors eth7 advertised-routes json": routes(),
        SILENT: routes("2001:db8::/64"),
    }
    yield made
    for daemon in made.values():
        if daemon.server.is_serving():
            await daemon.stop()


async def test_both_halves_are_told(daemons, tmp_path):
    said = speaking(tmp_path, decisions=(node_report.Decision("d/a", "bgp", ("192.0.2.9",)),))
    async with speaker(said) as port:
        found = await pod.report(port)
    assert found.speaker == said
    assert (found.frr_version, found.frr_error) == ("10.3", "")
    assert found.running == {
        "bfdd": "hostname bfdd\n",
        "bgpd": "router bgp 64600\n neighbor 10.0.0.1 password ***\n",
        "staticd": "hostname staticd\n",
        "zebra": "hostname zebra\n",
    }
    assert found.sessions == (
        node_report.Session("default", "10.0.0.1", "Established", 64512, "Hold Timer Expired", "Up", 2, 1, 2),
        node_report.Session("default", "10.0.0.2", "Active", 64513),
        node_report.Session("red", "eth7", "Established", 64514),
    )
    assert found.advertised == (
        node_report.Advertised("default", "10.0.0.1", ("192.0.2.9/32", "192.0.2.10/32")),
        node_report.Advertised("red", "eth7", ("2001:db8::/64",)),
    )
    assert not any(each.startswith("configure") for daemon in daemons.values() for each in daemon.heard)


async def test_a_daemon_that_is_gone_is_told_and_the_rest_stays(daemons, tmp_path):
    await daemons["zebra"].stop()
    async with speaker(speaking(tmp_path)) as port:
        found = await pod.report(port)
    assert found.frr_error == f"zebra.vty: no connection: {tmp_path}/zebra.vty does not exist"
    assert set(found.running) == {"bfdd", "bgpd", "staticd"}
    assert len(found.sessions) == 3


async def test_a_daemon_that_hangs_costs_its_part_and_no_more_than_the_time_allowed(daemons, tmp_path, monkeypatch):
    monkeypatch.setattr(pod, "SECONDS", 0.4)
    daemons["bfdd"].hang()
    started = time.monotonic()
    async with speaker(speaking(tmp_path)) as port:
        found = await pod.report(port)
    assert time.monotonic() - started < 2
    assert found.frr_error.startswith("bfdd.vty: no answer")
    assert len(found.sessions) == 3
    assert len(found.advertised) == 2


async def test_answers_of_another_shape_are_told(daemons, tmp_path):
    daemons["bgpd"].raw["show bgp vrf all neighbors json"] = answer("% what?")
    async with speaker(speaking(tmp_path)) as port:
        found = await pod.report(port)
    assert found.frr_error.startswith("bgpd: JSON is malformed")
    assert (found.frr_version, found.sessions) == ("10.3", ())
    assert "bgpd" in found.running


async def test_a_speaker_without_bgp_has_no_second_half(daemons, tmp_path):
    async with speaker(speaking("")) as port:
        found = await pod.report(port)
        assert found == node_report.NodeReport(speaking(""))
        assert (await pod.report(port, tmp_path)).frr_version == "10.3"


async def test_a_speaker_that_says_nothing_is_no_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(pod, "SECONDS", 0.2)
    with pytest.raises(errors.NoAnswerError, match=r"the speaker at port 1 of 127\.0\.0\.1 \(--port\): "):
        await pod.report(1)
    told = []

    async def hang(reader, writer):
        told.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        with pytest.raises(errors.NoAnswerError, match=r"no answer within 0\.2 s"):
            await pod.report(server.sockets[0].getsockname()[1])
    assert told[0].startswith(b"GET /node-report HTTP/1.1\r\n")


async def test_another_program_on_that_port_is_no_answer():
    server = await health.HttpServer.listen("127.0.0.1", 0, health.probe_routes(tuple, tuple))
    with pytest.raises(errors.NoAnswerError, match=r"HTTP/1\.1 404 Not Found: unknown path"):
        await pod.report(server.port)
    await server.close()
    strange = {"/node-report": lambda: health.Answer(health.http.HTTPStatus.OK, b"{}")}
    server = await health.HttpServer.listen("127.0.0.1", 0, strange)
    with pytest.raises(errors.NoAnswerError, match="no report of ours: Object missing required field"):
        await pod.report(server.port)
    await server.close()


async def test_one_report_is_made_at_a_time_and_others_are_served_meanwhile():
    running, most, is_let_go = 0, 0, threading.Event()

    def work() -> node_report.Speaker:
        nonlocal running, most
        running += 1
        most = max(most, running)
        assert is_let_go.wait(5)
        running -= 1
        return speaking("")

    probes = health.probe_routes(tuple, tuple)
    server = await health.HttpServer.listen("127.0.0.1", 0, {**probes, **reporting.Reporting(lambda: work).routes})
    asked = [asyncio.create_task(pod.report(server.port)) for _ in range(3)]
    while not running:
        await asyncio.sleep(0.001)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /readyz HTTP/1.1\r\n\r\n")
    assert (await reader.read()).endswith(b"ok\n")
    writer.close()
    assert running == 1
    is_let_go.set()
    assert [each.speaker.node for each in await asyncio.gather(*asked)] == ["n1"] * 3
    assert most == 1
    await server.close()


async def run(*words):
    """The command as it is started in a container."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "node-report", *words,
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out, err.decode()


async def test_the_command_prints_the_document(daemons, tmp_path):
    async with speaker(speaking(tmp_path)) as port:
        code, out, err = await run("--port", str(port))
    assert (code, err) == (0, "")
    assert out.startswith(b'{"format":"frr-adapter.node-report/v1","speaker":{"node":"n1"')
    assert out.count(b"\n") == 1
    found = msgspec.json.decode(out, type=NodeReportDocument)
    assert found.frr_version == "10.3"
    assert msgspec.json.decode(out, type=node_report.NodeReport).sessions == found.sessions


async def test_the_command_ends_with_one_line_and_its_status_when_there_is_no_speaker():
    code, out, err = await run("--port", "1")
    assert (code, out) == (errors.Exit.NO_ANSWER, b"")
    assert err == "frr-adapter: node-report: the speaker at port 1 of 127.0.0.1 (--port): Connection refused\n"
