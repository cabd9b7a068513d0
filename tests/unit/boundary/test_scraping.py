"""The metrics endpoint over plain HTTP and HTTPS, asked over loopback."""

import asyncio
import json
import socket
import ssl

import aiohttp
import pytest
from cryptography import x509

from frr_adapter import errors, tls
from frr_adapter.boundary import clock, health, metrics, scraping, self_signed, tls_server


class Api:
    """Says yes to the token `good`."""

    async def create(self, path, body, _query=None):
        is_good = body["spec"].get("token", "good") == "good"
        return json.dumps({"status": {"authenticated": is_good, "allowed": path.endswith("accessreviews")}}).encode()


@pytest.fixture
def routes():
    registry = metrics.Metrics()
    registry.gauge("some", "A gauge").put(1)
    return health.metrics_routes(registry)


@pytest.fixture
def place():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return scraping.Place("127.0.0.1", taken.getsockname()[1])


def serving(place, routes, secure=None):
    return scraping.serving(Api(), clock.SystemClock(), place, routes, secure)


async def scrape(place, scheme, token="good", context=None):  # noqa: S107  the token of a test
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{scheme}://127.0.0.1:{place.port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=context or False) as answer:
        return answer.status, await answer.text()


async def served(place):
    """The certificate that is served, once there is one."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", place.port, ssl=context)
            except (ssl.SSLError, OSError):
                await asyncio.sleep(0.01)
                continue
            found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.close()
            return x509.load_der_x509_certificate(found)


async def test_plain_for_everybody(place, routes):
    async with serving(place, routes):
        assert await scrape(place, "http", "") == (200, (await scrape(place, "http"))[1])


async def test_port_zero_is_off(routes):
    async with serving(scraping.Place("127.0.0.1", 0), routes, scraping.Secure(tls.Policy())):
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_https_for_whom_the_api_trusts(place, routes):
    async with serving(place, routes, scraping.Secure(tls.Policy())):
        certificate = await served(place)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [socket.gethostname()]
        assert certificate.not_valid_after_utc - clock.SystemClock().now() > self_signed.LIFETIME / 2
        status, text = await scrape(place, "https")
        assert (status, "some 1.0" in text) == (200, True)
        assert await scrape(place, "https", "bad") == (401, "Unauthorized\n")
        assert await scrape(place, "https", "") == (401, "Unauthorized\n")
        with pytest.raises(aiohttp.ClientError):
            await scrape(place, "http")
        old = ssl.create_default_context()
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(aiohttp.ClientError):
            await scrape(place, "https", context=old)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_files_that_are_replaced_are_served(place, routes, tmp_path, monkeypatch):
    monkeypatch.setattr(tls_server, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(tls_server, "_AGAIN_SECONDS", 0.01)

    def write(made):
        for name, content in zip(tls_server.FILES, made, strict=True):
            (tmp_path / name).write_bytes(content)
        return x509.load_pem_x509_certificate(made[0]).serial_number

    now = clock.SystemClock().now()
    async with serving(place, routes, scraping.secure(tls.Policy(), str(tmp_path), is_on=False)):
        first = write(self_signed.make("localhost", now))
        assert (await served(place)).serial_number == first
        (tmp_path / "tls.key").write_bytes(b"half written")
        second = write(self_signed.make("localhost", now))
        async with asyncio.timeout(10):
            while (await served(place)).serial_number != second:
                await asyncio.sleep(0.01)
        assert (await scrape(place, "https"))[0] == 200


async def test_a_port_in_use_is_one_line(place, routes):
    with socket.create_server(("127.0.0.1", place.port)), pytest.raises(errors.SettingsError, match="--port: found "):
        async with serving(place, routes):
            pass


def test_what_the_flags_mean():
    policy = tls.Policy()
    assert scraping.secure(policy, "", is_on=False) is None
    assert scraping.secure(policy, "", is_on=True) == scraping.Secure(policy)
    assert str(scraping.secure(policy, "/certs", is_on=False).folder) == "/certs"
