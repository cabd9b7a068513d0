"""When the webhook's certificates are good and when new ones are needed. Called by `controller.reviewing`.

Time is an argument. Must never make a certificate.
"""

import datetime as dt
import enum
from dataclasses import dataclass

from controller import credentials

CHECK_EVERY = dt.timedelta(hours=12)
SERVER_MARGIN = dt.timedelta(days=90)
AUTHORITY_MARGIN = credentials.SERVER_LIFETIME + SERVER_MARGIN
"""An authority must outlive what it signs."""


class Step(enum.Enum):
    """What to do: nothing, a new server certificate from the same authority, or a new authority."""

    KEEP = enum.auto()
    SIGN = enum.auto()
    START = enum.auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, and the reason for people; empty when all is well."""

    step: Step
    reason: str = ""


def decide(held: credentials.Held | None, names: frozenset[str], now: dt.datetime) -> Decision:
    """What to do with what is held, for a server of these names. None is held where there is nothing readable."""
    if held is None:
        return Decision(Step.START, "there is no certificate yet")
    if not held.is_sound:
        return Decision(Step.START, "keys and certificates do not belong together")
    if held.authority_until - now < AUTHORITY_MARGIN:
        return Decision(Step.START, f"the authority ends at {held.authority_until.isoformat()}")
    if held.server_until - now < SERVER_MARGIN:
        return Decision(Step.SIGN, f"the server certificate ends at {held.server_until.isoformat()}")
    missing = sorted(names - held.names)
    if missing:
        return Decision(Step.SIGN, f"the server certificate is not for {', '.join(missing)}")
    return Decision(Step.KEEP)
