"""When certificates are renewed, and that what is made is what a strict client believes."""

import datetime as dt
import ssl

import pytest
from cryptography import x509

from controller import credentials
from controller.boundary import certificates as making
from controller.core import certificates
from controller.core.certificates import Step

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMES = frozenset({"metallb-webhook-service.metallb-system.svc", "127.0.0.1"})


def held(authority_days=3650, server_days=365, names=NAMES, is_sound=True):
    return credentials.Held(NOW + dt.timedelta(authority_days), NOW + dt.timedelta(server_days), names, is_sound)


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (None, Step.START),
        (held(), Step.KEEP),
        (held(names=NAMES | {"more"}), Step.KEEP),
        (held(names=frozenset({"127.0.0.1"})), Step.SIGN),
        (held(server_days=90), Step.KEEP),
        (held(server_days=89), Step.SIGN),
        (held(server_days=-1), Step.SIGN),
        (held(authority_days=455), Step.KEEP),
        (held(authority_days=454), Step.START),
        (held(authority_days=-1), Step.START),
        (held(is_sound=False), Step.START),
    ],
)
def test_when_to_renew(found, step):
    decision = certificates.decide(found, NAMES, NOW)
    assert decision.step is step
    assert bool(decision.reason) == (step is not Step.KEEP)


def test_what_is_made_is_kept():
    bundle = making.start(NAMES, NOW, None)
    found = making.inspect(bundle)
    assert found == held()
    assert certificates.decide(found, NAMES, NOW).step is Step.KEEP


def test_a_new_server_certificate_comes_from_the_same_authority():
    first = making.start(NAMES, NOW, None)
    later = NOW + dt.timedelta(300)
    second = making.sign(first, NAMES, later)
    assert (second.authorities, second.authority_key) == (first.authorities, first.authority_key)
    assert second.certificate != first.certificate
    assert making.inspect(second).is_sound
    assert making.inspect(second).server_until == later + credentials.SERVER_LIFETIME


def test_a_new_authority_keeps_the_old_one_trusted_while_it_lasts():
    first = making.start(NAMES, NOW, None)
    second = making.start(NAMES, NOW + dt.timedelta(3500), first)
    assert second.authorities.endswith(first.authorities)
    assert making.inspect(second).is_sound
    third = making.start(NAMES, NOW + dt.timedelta(3651), second)
    assert len(x509.load_pem_x509_certificates(third.authorities)) == 2


@pytest.mark.parametrize(
    "bundle",
    [
        None,
        credentials.Bundle(b"", b"", b"", b""),
        credentials.Bundle(b"junk", b"junk", b"junk", b"junk"),
    ],
)
def test_what_cannot_be_read_says_nothing(bundle):
    assert making.inspect(bundle) is None


def test_pieces_of_different_bundles_do_not_belong_together():
    one, other = making.start(NAMES, NOW, None), making.start(NAMES, NOW, None)
    for mixed in (
        credentials.Bundle(other.authorities, one.authority_key, one.certificate, one.key),
        credentials.Bundle(other.authorities, other.authority_key, one.certificate, one.key),
        credentials.Bundle(one.authorities, one.authority_key, one.certificate, other.key),
    ):
        assert not making.inspect(mixed).is_sound


def test_a_strict_client_believes_it(tmp_path):
    """A handshake in memory, with every check that OpenSSL knows."""
    now = dt.datetime.now(dt.UTC)
    bundle = making.start(NAMES, now, making.start(NAMES, now, None))
    (tmp_path / "crt").write_bytes(bundle.certificate)
    (tmp_path / "key").write_bytes(bundle.key)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    client_context = ssl.create_default_context(cadata=bundle.authorities.decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in NAMES:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
        server = server_context.wrap_bio(to_server, to_client, server_side=True)
        done = set()
        for _ in range(4):
            for each in (client, server):
                try:
                    each.do_handshake()
                    done.add(each)
                except ssl.SSLWantReadError:
                    continue
        assert done == {client, server}


def test_keys_are_not_printed():
    bundle = making.start(NAMES, NOW, None)
    assert "PRIVATE" not in repr(bundle)
