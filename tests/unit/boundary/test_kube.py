import asyncio
import json
import ssl
import subprocess

import pytest

from frr_adapter import errors
from frr_adapter.boundary import kube, ports, retry
from tests.fakes import kube as fake_kube
from tests.unit.boundary import conftest, samples

MAPS = "/api/v1/namespaces/metallb-system/configmaps"


async def test_a_stream_gives_an_event_of_one_mebibyte_as_one_line(port, world):
    world.put(samples.config_map("large", "x" * 2**20))
    async for line in port.stream(MAPS, {"watch": "true", "resourceVersion": "1"}):
        assert json.loads(line)["object"]["data"]["text"] == "x" * 2**20
        break
    else:
        pytest.fail("no line came")


async def test_a_stream_joins_lines_from_small_pieces(port, server):
    server.watches.append(fake_kube.lines(b'{"a', b'":1}\n{"b":', b"2}\n", b"\n", b'{"c":3}\n{"d'))
    assert [line async for line in port.stream(MAPS, {"watch": "true"})] == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


async def test_a_stream_that_is_cut_off_fails_and_keeps_the_half_line_back(port, server):
    server.watches.append(fake_kube.lines(b'{"a":1}\n{"b":', cut=True))
    lines = port.stream(MAPS, {"watch": "true"})
    assert await anext(lines) == b'{"a":1}'
    with pytest.raises(errors.KubernetesError) as raised:
        await anext(lines)
    assert raised.value.status == 0


async def test_leaving_a_stream_closes_its_connection(port, server, world):
    world.put(samples.config_map("one"))
    lines = port.stream(MAPS, {"watch": "true", "resourceVersion": "1"})
    await anext(lines)
    await lines.aclose()
    transport = server.seen[-1].transport
    async with asyncio.timeout(5):
        while transport is not None and not transport.is_closing():
            await asyncio.sleep(0.005)


async def test_failures_carry_the_words_of_the_api(port):
    with pytest.raises(errors.KubernetesError) as raised:
        await port.get(f"{MAPS}/absent")
    assert (raised.value.status, raised.value.reason) == (404, "NotFound")
    assert "absent" in raised.value.message


async def test_failures_of_something_else_carry_its_text(port, server):
    server.others.append(fake_kube.refuse(503))
    with pytest.raises(errors.KubernetesError) as raised:
        await port.get(MAPS)
    assert (raised.value.status, raised.value.reason) == (503, "ServiceUnavailable")
    assert raised.value.message == "no healthy upstream"


async def test_the_wish_to_come_back_later_is_kept(port, server):
    server.others.append(fake_kube.refuse(429, "TooManyRequests", retry_after="7"))
    with pytest.raises(retry.ThrottledError) as raised:
        await port.get(MAPS)
    assert raised.value.retry_after == 7


async def test_no_answer_is_status_zero(port, server):
    server.others.append(fake_kube.broken())
    with pytest.raises(errors.KubernetesError) as raised:
        await port.create(MAPS, samples.config_map("new"))
    assert (raised.value.status, raised.value.reason) == (0, "Unreachable")


async def test_nobody_listening_is_status_zero(tmp_path):
    config = conftest.write_kubeconfig(tmp_path, {"server": "http://127.0.0.1:1"}, {})
    async with await kube.Kube.connect(config) as port:
        with pytest.raises(errors.KubernetesError) as raised:
            await port.get(MAPS)
    assert raised.value.status == 0


async def test_queries_are_encoded(port, server):
    await port.get(MAPS, {"labelSelector": "a=b&c,d in (e)"})
    assert server.seen[-1].query["labelSelector"] == "a=b&c,d in (e)"


async def test_a_token_is_sent_and_read_again_when_refused(world, tmp_path):
    token = tmp_path / "token"
    token.write_text("old")
    async with fake_kube.KubeServer(world, token="old") as server:
        config = conftest.write_kubeconfig(tmp_path, {"server": server.url}, {"tokenFile": str(token)})
        async with await kube.Kube.connect(config) as port:
            await port.get(MAPS)
            token.write_text("new")
            server.token = "new"
            await port.get(MAPS)
            assert [request.headers["Authorization"] for request in server.seen] == [
                "Bearer old",
                "Bearer old",
                "Bearer new",
            ]
            token.unlink()
            server.token = "newer"
            with pytest.raises(errors.KubernetesError) as raised:
                await port.get(MAPS)
            assert raised.value.status == 401


async def test_in_a_pod_the_service_account_is_used_and_a_new_token_found_at_once(
    world, tmp_path, monkeypatch, authority
):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    token = tmp_path / "token"
    token.write_text("old")
    async with fake_kube.KubeServer(world, tls=authority.server, token="old") as server:
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
        port = _InThisPod(kube.client_library.load(), None)
        port.files = {"token_filename": str(token), "cert_filename": str(authority.folder / "ca.pem")}
        await port.open()
        await port.get(MAPS)
        token.write_text("new")
        server.token = "new"
        await port.get(MAPS)
        assert server.seen[-1].headers["Authorization"] == "bearer new"
        await port.close()


class _InThisPod(kube.Kube):
    """The service account's files lie where every pod has them; here they lie elsewhere."""

    async def open(self) -> None:
        loader = __import__("kubernetes.aio.config.incluster_config", fromlist=["*"])

        def load(client_configuration):
            loader.InClusterConfigLoader(**self.files).load_and_set(client_configuration)

        library = kube.client_library.ordinary()
        self._library = kube.client_library.Library(
            library.Configuration, library.RESTClientObject, library.load_kube_config, load
        )
        self._configuration = await self._load()
        self._rest = library.RESTClientObject(self._configuration)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("{", "kubeconfig"),
        ("clusters: []\n", "current-context"),
        ("current-context: a\ncontexts: []\nclusters: []\n", "a"),
    ],
)
async def test_a_kubeconfig_that_cannot_be_used_is_a_settings_error(tmp_path, text, words):
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    with pytest.raises(errors.SettingsError, match=words) as raised:
        await kube.Kube.connect(path)
    assert str(path) in str(raised.value)


async def test_outside_a_pod_a_kubeconfig_is_needed(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(errors.SettingsError, match="service account: Service host/port is not set"):
        await kube.Kube.connect(None)


class Authority:
    """A certificate authority in a folder, with a server certificate for api.test and a client certificate."""

    def __init__(self, folder):
        self.folder = folder
        self._openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca"
                      " -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem")  # fmt: skip
        self._issue("server", "subjectAltName=DNS:api.test,IP:127.0.0.1")
        self._issue("other", "subjectAltName=DNS:api.test")
        self._issue("client", "extendedKeyUsage=clientAuth")
        self.server = self._context("server")
        self.other = self._context("other")
        self.strict = self._context("server")
        self.strict.load_verify_locations(folder / "ca.pem")
        self.strict.verify_mode = ssl.CERT_REQUIRED

    def _issue(self, name, extension):
        self._openssl(f"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name}"
                      f" -keyout {name}.key -out {name}.csr")  # fmt: skip
        (self.folder / f"{name}.ext").write_text(f"{extension}\nauthorityKeyIdentifier=keyid\n")
        self._openssl(f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
                      f" -extfile {name}.ext -out {name}.pem")  # fmt: skip

    def _context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context

    def _openssl(self, arguments):
        subprocess.run(["openssl", *arguments.split()], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


async def _names(config) -> list[str]:
    async with await kube.Kube.connect(config) as port:
        return [item["metadata"]["name"] for item in json.loads(await port.get(MAPS))["items"]]


async def test_tls_is_verified_against_the_given_authority(world, authority, tmp_path):
    world.put(samples.config_map("one"))
    async with fake_kube.KubeServer(world, tls=authority.server) as server:
        trusting = {"server": server.url, "certificate-authority": str(authority.folder / "ca.pem")}
        assert await _names(conftest.write_kubeconfig(tmp_path, trusting, {})) == ["one"]
        with pytest.raises(errors.KubernetesError, match="certificate verify failed"):
            await _names(conftest.write_kubeconfig(tmp_path, {"server": server.url}, {}))


async def test_tls_may_be_left_unverified(world, authority, tmp_path):
    world.put(samples.config_map("one"))
    async with fake_kube.KubeServer(world, tls=authority.server) as server:
        careless = {"server": server.url, "insecure-skip-tls-verify": True}
        assert await _names(conftest.write_kubeconfig(tmp_path, careless, {})) == ["one"]


async def test_tls_may_expect_another_server_name(world, authority, tmp_path):
    world.put(samples.config_map("one"))
    async with fake_kube.KubeServer(world, tls=authority.other) as server:
        fields = {"server": server.url, "certificate-authority": str(authority.folder / "ca.pem")}
        with pytest.raises(errors.KubernetesError, match=r"127\.0\.0\.1"):
            await _names(conftest.write_kubeconfig(tmp_path, fields, {}))
        named = {**fields, "tls-server-name": "api.test"}
        assert await _names(conftest.write_kubeconfig(tmp_path, named, {})) == ["one"]


async def test_a_client_certificate_is_shown(world, authority, tmp_path):
    world.put(samples.config_map("one"))
    async with fake_kube.KubeServer(world, tls=authority.strict) as server:
        fields = {"server": server.url, "certificate-authority": str(authority.folder / "ca.pem")}
        user = {f"client-{name}": str(authority.folder / file) for name, file in
                (("certificate", "client.pem"), ("key", "client.key"))}  # fmt: skip
        assert await _names(conftest.write_kubeconfig(tmp_path, fields, user)) == ["one"]
        with pytest.raises(errors.KubernetesError):
            await _names(conftest.write_kubeconfig(tmp_path, fields, {}))


def test_kube_is_the_port():
    def as_port(real: kube.Kube) -> ports.KubePort:
        return real

    assert as_port
