"""`exec` where API servers are as in real life: behind TLS, and only for those whom they know.

What is at the other end of the WebSocket says one line; `test_exec` is about what can be run.
"""

import pytest
from aiohttp import web

from frr_adapter import errors
from frr_adapter.boundary import kube
from tests.fakes import cluster
from tests.fakes import kube as fake_kube
from tests.unit.boundary import conftest, test_kube

pytestmark = pytest.mark.contract

POD = "/api/v1/namespaces/metallb-system/pods/a"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return test_kube.Authority(tmp_path_factory.mktemp("authority"))


async def says_who_asks(request):
    socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
    await socket.prepare(request)
    shown = request.transport.get_extra_info("peercert") or {}
    names = [value for fields in shown.get("subject", ()) for _, value in fields]
    await socket.send_bytes(b"\x01" + ",".join([*request.query.getall("command"), *names]).encode())
    await socket.send_bytes(b'\x03{"status":"Success"}')
    return socket


def serving(*, tls=None, token="", times=1):
    server = fake_kube.KubeServer(cluster.Cluster(), tls=tls, token=token)
    server.others.extend([says_who_asks] * times)
    return server


def trusting(authority, server):
    return {"server": server.url, "certificate-authority": str(authority.folder / "ca.pem")}


def client(authority):
    return {
        f"client-{word}": str(authority.folder / f"client.{end}")
        for word, end in (("certificate", "pem"), ("key", "key"))
    }


async def ask(config):
    async with await kube.Kube.connect(config) as port:
        return await port.exec(POD, ("who", "am i"), "speaker")


async def test_with_a_client_certificate(authority, tmp_path):
    async with serving(tls=authority.strict) as server:
        config = conftest.write_kubeconfig(tmp_path, trusting(authority, server), client(authority))
        assert await ask(config) == b"who,am i,client"
        assert "Authorization" not in server.seen[-1].headers


async def test_without_a_client_certificate_there_is_no_connection(authority, tmp_path):
    async with serving(tls=authority.strict) as server:
        with pytest.raises(errors.KubernetesError) as caught:
            await ask(conftest.write_kubeconfig(tmp_path, trusting(authority, server), {}))
        assert (caught.value.status, caught.value.reason, server.seen) == (0, "Unreachable", [])


async def test_with_a_bearer_token(authority, tmp_path):
    async with serving(tls=authority.server, token="mine") as server:
        config = conftest.write_kubeconfig(tmp_path, trusting(authority, server), {"token": "mine"})
        assert await ask(config) == b"who,am i"
        (request,) = server.seen
        assert request.headers["Authorization"] == "Bearer mine"
        assert (request.path, request.query["container"]) == (f"{POD}/exec", "speaker")


async def test_a_server_that_nobody_vouches_for_gets_no_token(authority, tmp_path):
    async with serving(tls=authority.server, token="mine") as server:
        with pytest.raises(errors.KubernetesError, match="certificate verify failed"):
            await ask(conftest.write_kubeconfig(tmp_path, {"server": server.url}, {"token": "mine"}))
        assert server.seen == []


async def test_the_expected_name_may_be_another(authority, tmp_path):
    async with serving(tls=authority.other) as server:
        fields = trusting(authority, server)
        with pytest.raises(errors.KubernetesError, match=r"127\.0\.0\.1"):
            await ask(conftest.write_kubeconfig(tmp_path, fields, {}))
        named = {**fields, "tls-server-name": "api.test"}
        assert await ask(conftest.write_kubeconfig(tmp_path, named, {})) == b"who,am i"


async def test_a_refused_token_is_read_again_and_the_command_runs_once(authority, tmp_path):
    token = tmp_path / "token"
    token.write_text("old")
    async with serving(tls=authority.server, token="old", times=3) as server:
        config = conftest.write_kubeconfig(tmp_path, trusting(authority, server), {"tokenFile": str(token)})
        async with await kube.Kube.connect(config) as port:
            await port.exec(POD, ("first",), "speaker")
            token.write_text("new")
            server.token = "new"
            assert await port.exec(POD, ("second",), "speaker") == b"second"
            sent = [request.headers["Authorization"] for request in server.seen]
            assert sent == ["Bearer old", "Bearer old", "Bearer new"]
            assert len(server.others) == 1
            # What was read again is good for everything that follows.
            assert await port.exec(POD, ("third",), "speaker") == b"third"
            assert len(server.seen) == 4


async def test_who_stays_refused_hears_it_after_one_more_try(authority, tmp_path):
    async with serving(tls=authority.server, token="another") as server:
        config = conftest.write_kubeconfig(tmp_path, trusting(authority, server), {"token": "mine"})
        with pytest.raises(errors.KubernetesError) as caught:
            await ask(config)
        assert (caught.value.status, caught.value.reason) == (401, "Unauthorized")
        assert len(server.seen) == 2


async def test_what_is_refused_for_another_reason_is_not_tried_again(authority, tmp_path):
    async with serving(tls=authority.server, times=0) as server:

        async def refuse(request):
            return web.json_response({"kind": "Status", "reason": "Forbidden", "code": 403}, status=403)

        server.others.extend([refuse, says_who_asks])
        config = conftest.write_kubeconfig(tmp_path, trusting(authority, server), {})
        with pytest.raises(errors.KubernetesError) as caught:
            await ask(config)
        assert (caught.value.status, len(server.seen)) == (403, 1)


async def test_in_a_pod_with_its_own_rights(authority, tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text("old")
    async with serving(tls=authority.server, token="old", times=2) as server:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
        port = test_kube._InThisPod(kube.client_library.load(), None)
        port.files = {"token_filename": str(token), "cert_filename": str(authority.folder / "ca.pem")}
        await port.open()
        try:
            assert await port.exec(POD, ("one",), "speaker") == b"one"
            token.write_text("new")
            server.token = "new"
            assert await port.exec(POD, ("two",), "speaker") == b"two"
        finally:
            await port.close()
