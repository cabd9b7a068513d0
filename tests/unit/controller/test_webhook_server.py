"""The HTTPS server of the webhook, asked over loopback."""

import asyncio
import datetime as dt
import ssl

import aiohttp
import pytest

from controller import settings
from controller.boundary import certificates, webhook
from frr_adapter import errors, tls
from frr_adapter.boundary import tls_server

NAMES = {"127.0.0.1"}


def bundle():
    return certificates.start(NAMES, dt.datetime.now(dt.UTC), None)


async def review(path, body):
    return (200, b'{"echo":' + body + b"}") if path == "/good" else (400, b"no\n")


@pytest.fixture
async def server():
    running = await webhook.WebhookServer.listen("127.0.0.1", 0, tls.Policy(), ["/good", "/bad"], review)
    yield running
    await running.close()


def trusting(held, highest=ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cadata=held.authorities.decode())
    context.maximum_version = highest
    return context


async def ask(server, context, path="/good", method="POST"):
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
        session.request(method, f"https://127.0.0.1:{server.port}{path}", data=b"7", ssl=context) as answer,
    ):
        return answer.status, await answer.text(), answer.content_type


async def test_nobody_is_answered_before_there_is_a_certificate(server):
    with pytest.raises(aiohttp.ClientError):
        await ask(server, trusting(bundle()))


async def test_it_answers_what_it_is_told_on_the_paths_it_has(server):
    held = bundle()
    server.load(held.certificate, held.key)
    assert await ask(server, trusting(held)) == (200, '{"echo":7}', "application/json")
    assert await ask(server, trusting(held), "/bad") == (400, "no\n", "text/plain")
    assert (await ask(server, trusting(held), "/other"))[0] == 404
    assert (await ask(server, trusting(held), "/good", "GET"))[0] == 405


async def test_a_new_certificate_counts_from_the_next_connection_on(server):
    first, second = bundle(), bundle()
    server.load(first.certificate, first.key)
    await ask(server, trusting(first))
    server.load(second.certificate, second.key)
    await ask(server, trusting(second))
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await ask(server, trusting(first))


async def test_a_pair_that_does_not_fit_changes_nothing(server):
    first, second = bundle(), bundle()
    server.load(first.certificate, first.key)
    with pytest.raises(ssl.SSLError):
        server.load(second.certificate, first.key)
    assert (await ask(server, trusting(first)))[0] == 200


async def test_less_than_tls_1_3_is_refused_unless_allowed(server):
    held = bundle()
    server.load(held.certificate, held.key)
    with pytest.raises(aiohttp.ClientError):
        await ask(server, trusting(held, ssl.TLSVersion.TLSv1_2))
    policy = tls.policy("VersionTLS12", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "24")
    lenient = await webhook.WebhookServer.listen("127.0.0.1", 0, policy, ["/good"], review)
    lenient.load(held.certificate, held.key)
    assert (await ask(lenient, trusting(held, ssl.TLSVersion.TLSv1_2)))[0] == 200
    _, writer = await asyncio.open_connection("127.0.0.1", lenient.port, ssl=trusting(held, ssl.TLSVersion.TLSv1_2))
    assert writer.get_extra_info("cipher")[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    writer.close()
    await lenient.close()


async def test_a_port_in_use_is_one_line(server):
    with pytest.raises(errors.SettingsError, match=f"--webhook-port: found {server.port}; "):
        await webhook.WebhookServer.listen("127.0.0.1", server.port, tls.Policy(), [], review)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--webhook-mode=on"], 'found "on"; allowed are enabled, disabled, onlywebhook'),
        (["--tls-min-version=VersionTLS10"], "parsing tls-min-version"),
        (["--tls-cipher-suites=x"], "cipher suites cannot be configured with TLS 1.3"),
        (["--tls-min-version=VersionTLS12", "--tls-cipher-suites=x"], 'parsing tls-cipher-suites: found "x"'),
        (["--tls-curve-preferences=70000"], "is out of range"),
        (["--tls-curve-preferences=x"], "parsing tls-curve-preferences: invalid curve preference"),
        (["--tls-curve-preferences=1"], "invalid curve preference 1"),
        (["--tls-curve-preferences=29,23,29"], "duplicate curve preference 29"),
    ],
)
def test_flags_that_cannot_be_followed_are_one_line(flags, words):
    with pytest.raises(errors.SettingsError) as raised:
        settings.parse(flags, {})
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_webhook_is_off_and_strict_by_default():
    read = settings.parse([], {})
    assert (read.webhook_mode, read.webhook_port, read.webhook_secret) == ("disabled", 9443, "metallb-webhook-cert")
    assert read.tls == tls.Policy(ssl.TLSVersion.TLSv1_3)
    read = settings.parse(["--cert-extra-names= a.example, 10.0.0.1 ", "--tls-curve-preferences=29,23"], {})
    assert read.cert_extra_names == ("a.example", "10.0.0.1")
    assert read.tls.curves == ("X25519", "prime256v1")


@pytest.mark.parametrize("curve", tls.CURVES.values())
def test_every_curve_is_known_to_this_system(curve):
    assert tls_server.context(tls.Policy(curves=(curve,))).minimum_version is ssl.TLSVersion.TLSv1_3


def test_a_curve_that_nobody_knows_is_one_line():
    with pytest.raises(errors.SettingsError, match="none of x, y is known"):
        tls_server.context(tls.Policy(curves=("x", "y")))
