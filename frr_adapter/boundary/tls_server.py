"""The server's side of TLS: a context that follows the flags, certificates that can be changed while it serves.

`controller.boundary.webhook` and `scraping` listen with it. A private key is never written to a file system. Must never make
a certificate or listen itself.
"""

import asyncio
import contextlib
import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from frr_adapter import errors, tls
from frr_adapter.boundary import logs

_log = logs.get_logger()

FILES = ("tls.crt", "tls.key")
_LOOK_SECONDS = 30.0
_AGAIN_SECONDS = 1.0


def context(policy: tls.Policy) -> ssl.SSLContext:
    """A server context that follows the policy, without a certificate yet.

    errors.SettingsError for what the TLS library of this system lacks.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = policy.minimum
    try:
        if policy.suites:
            made.set_ciphers(":".join(policy.suites))
    except ssl.SSLError as error:
        raise errors.SettingsError(f"parsing tls-cipher-suites: {error.reason or error}") from error
    if policy.curves:
        _set_curve(made, policy.curves)
    return made


def load(serving: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Serves with this certificate and key (PEM) from the next connection on.

    ssl.SSLError when they do not fit; what was served before then goes on being served.
    """
    with _in_memory(certificate) as certificate_file, _in_memory(key) as key_file:
        # OpenSSL would have taken the certificate before it finds that the key does not fit.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate_file, key_file)
        serving.load_cert_chain(certificate_file, key_file)


async def follow(folder: Path, serve: Callable[[bytes, bytes], None], what: str) -> NoReturn:
    """Gives `serve` the certificate and key in `folder` again and again; whoever looks after the files may replace them.

    Files that are missing or do not fit each other are logged once, as `what`; a half-written pair is whole again soon.
    """
    told = ""
    while True:
        trouble = ""
        try:
            serve(*((folder / name).read_bytes() for name in FILES))
        except (OSError, ssl.SSLError) as error:
            trouble = str(error)
        if trouble and trouble != told:
            _log.error(f"cannot use the {what}'s certificate", folder=str(folder), error=trouble)
        told = trouble
        await asyncio.sleep(_LOOK_SECONDS if not trouble else _AGAIN_SECONDS)


def _set_curve(made: ssl.SSLContext, curves: tuple[str, ...]) -> None:
    # Python's ssl takes one curve. The first that is known keeps what the operator wants: no other is ever used.
    for curve in curves:
        try:
            made.set_ecdh_curve(curve)
        except (ValueError, ssl.SSLError):
            continue
        return
    raise errors.SettingsError(f"parsing tls-curve-preferences: none of {', '.join(curves)} is known on this system")


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path to content that is on no disk, because `load_cert_chain` reads only files."""
    descriptor = os.memfd_create("certificate")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
