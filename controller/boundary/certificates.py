"""Makes and reads X.509 certificates with the `cryptography` library. Called by `controller.reviewing`, loaded only there.

It must never decide whether a certificate is good, and never write one anywhere.
"""

import datetime as dt
import ipaddress
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controller import credentials

_COMMON_NAME = "cert"
_ORGANISATION = "metallb"
# Clocks differ: a certificate that is valid from this very second is refused by whoever is a second behind.
_BACKDATED = dt.timedelta(hours=1)


def start(names: Iterable[str], now: dt.datetime, former: credentials.Bundle | None) -> credentials.Bundle:
    """A new authority and a server certificate for these names (DNS names or addresses).

    The authorities of `former` stay trusted while they last, so that a replica that still serves its old certificate is
    believed.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(_COMMON_NAME)
    certificate = (
        _draft(subject, subject, key.public_key(), now, now + credentials.AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    authorities = [certificate, *(each for each in _former(former) if each.not_valid_after_utc > now)]
    return _signed(authorities, key, names, now)


def sign(held: credentials.Bundle, names: Iterable[str], now: dt.datetime) -> credentials.Bundle:
    """A new server certificate from the authority that is held. ValueError when that cannot be read."""
    key = serialization.load_pem_private_key(held.authority_key, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is of another kind")  # noqa: TRY004  # its content is wrong, not its type
    return _signed(x509.load_pem_x509_certificates(held.authorities), key, names, now)


def inspect(bundle: credentials.Bundle | None) -> credentials.Held | None:
    """What the bundle says about itself; None when it cannot be read."""
    if bundle is None:
        return None
    try:
        authority = x509.load_pem_x509_certificates(bundle.authorities)[0]
        server = x509.load_pem_x509_certificate(bundle.certificate)
        authority_key = serialization.load_pem_private_key(bundle.authority_key, None)
        key = serialization.load_pem_private_key(bundle.key, None)
        found = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, IndexError, x509.ExtensionNotFound):
        return None
    is_sound = _belongs(authority_key, authority) and _belongs(key, server) and _has_signed(authority, server)
    # Only keys of our own kind can sign again later.
    is_ours = isinstance(authority_key, ec.EllipticCurvePrivateKey)
    return credentials.Held(
        authority_until=authority.not_valid_after_utc,
        server_until=server.not_valid_after_utc,
        names=frozenset(
            [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]
        ),
        is_sound=is_sound and is_ours,
    )


def _signed(
    authorities: list[x509.Certificate],
    authority_key: ec.EllipticCurvePrivateKey,
    names: Iterable[str],
    now: dt.datetime,
) -> credentials.Bundle:
    ordered = sorted(names, key=lambda name: (not _is_dns(name), name))
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authorities[0]
    certificate = (
        _draft(_name(ordered[0]), issuer.subject, key.public_key(), now, now + credentials.SERVER_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in ordered]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return credentials.Bundle(
        authorities=b"".join(each.public_bytes(serialization.Encoding.PEM) for each in authorities),
        authority_key=_pem(authority_key),
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        key=_pem(key),
    )


def _draft(
    subject: x509.Name, issuer: x509.Name, key: CertificateIssuerPublicKeyTypes, now: dt.datetime, until: dt.datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now - _BACKDATED).not_valid_after(until)


def _name(common: str) -> x509.Name:
    # A common name has at most 64 characters (RFC 5280, upper bounds); clients look at the alternative names anyway.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _is_dns(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return True
    return False


def _alternative(name: str) -> x509.GeneralName:
    return x509.DNSName(name) if _is_dns(name) else x509.IPAddress(ipaddress.ip_address(name))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _former(bundle: credentials.Bundle | None) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(bundle.authorities) if bundle is not None else []
    except ValueError:
        return []


def _belongs(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    return key.public_key() == certificate.public_key()


def _has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
