"""A certificate that vouches for itself: HTTPS without anybody to ask for a better one.

`scraping` imports it where it is needed, because its library is large. Must never write a key anywhere.
"""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=365)
# Clocks differ: a certificate that is valid from this very second is refused by whoever is a second behind.
_BACKDATED = dt.timedelta(hours=1)


def make(name: str, now: dt.datetime) -> tuple[bytes, bytes]:
    """Certificate and key in PEM, for a server of this DNS name."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name has at most 64 characters (RFC 5280, upper bounds).
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private
