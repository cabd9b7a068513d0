"""The webhook's certificates as values, and how long they last.

Made by `controller.boundary.certificates`, judged by `controller.core.certificates`. Must never know how a certificate is
made or where it is kept.
"""

import datetime as dt
from dataclasses import dataclass, field

AUTHORITY_LIFETIME = dt.timedelta(days=3650)
SERVER_LIFETIME = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything in PEM. `authorities` begins with the one that signs; former ones that still count come after it."""

    authorities: bytes
    authority_key: bytes = field(repr=False)
    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Held:
    """What a bundle says about itself. `is_sound`: both keys belong to their certificates and the authority signed."""

    authority_until: dt.datetime
    server_until: dt.datetime
    names: frozenset[str]
    is_sound: bool
