"""Who may read: bearer tokens are judged by the Kubernetes API, with a TokenReview and a SubjectAccessReview.

`scraping` asks before it shows metrics. Tokens are neither kept nor logged, only their digests; must never grant what the API
did not grant.
"""

import asyncio
import hashlib
import http
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from frr_adapter import errors
from frr_adapter.boundary import health, logs, ports

_log = logs.get_logger()

_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105  a path
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

GRANTED_SECONDS = 60.0
"""So long an answer "yes" counts: every scrape of every node would else be two requests to the API. A token that is withdrawn
is good for so long at most."""
REFUSED_SECONDS = 10.0
"""So long a "no" counts: short, because it ends with a change of roles that somebody waits for."""
STALE_SECONDS = 600.0
"""So long a "yes" counts while the API cannot be asked: metrics are wanted most when it is away."""

_ANSWER_SECONDS = 5.0
_REMEMBERED = 128
_AT_ONCE = 4
"""Strangers with ever new tokens cost the API no more than this many requests at a time."""


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str]] | None = None


class _TokenStatus(msgspec.Struct, frozen=True):
    authenticated: bool = False
    user: _User = _User()


class _AccessStatus(msgspec.Struct, frozen=True):
    allowed: bool = False


class _TokenReview(msgspec.Struct, frozen=True):
    status: _TokenStatus = _TokenStatus()


class _AccessReview(msgspec.Struct, frozen=True):
    status: _AccessStatus = _AccessStatus()


_decode_token = msgspec.json.Decoder(_TokenReview).decode
_decode_access = msgspec.json.Decoder(_AccessReview).decode


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the API said of one token and path, and when. No answer means that it may be read."""

    at: float
    answer: health.Answer | None

    def counts(self, now: float) -> bool:
        return now - self.at < (GRANTED_SECONDS if self.answer is None else REFUSED_SECONDS)


class Access:
    """A `health.Guard`."""

    def __init__(self, api: ports.KubePort, monotonic: Callable[[], float]) -> None:
        self._api = api
        self._monotonic = monotonic
        self._judged: OrderedDict[tuple[bytes, str], _Judged] = OrderedDict()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._is_told = False

    async def guard(self, request: health.Request) -> health.Answer | None:
        """None for who may read the path, else 401 (who are you?), 403 (not you) or 500 (the API cannot be asked)."""
        scheme, _, token = request.fields.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return _UNKNOWN
        key = (hashlib.sha256(token.encode("latin-1")).digest(), request.path)
        known = self._judged.get(key)
        if known is not None and known.counts(self._monotonic()):
            return known.answer
        try:
            async with asyncio.timeout(_ANSWER_SECONDS), self._turns:
                known = self._judged.get(key)
                if known is None or not known.counts(self._monotonic()):
                    known = _Judged(self._monotonic(), await self._ask(token, request.path))
        except (errors.KubernetesError, TimeoutError, msgspec.DecodeError) as error:
            return self._unanswered(error, known)
        self._is_told = False
        self._judged[key] = known
        self._judged.move_to_end(key)
        while len(self._judged) > _REMEMBERED:
            self._judged.popitem(last=False)
        return known.answer

    async def _ask(self, token: str, path: str) -> health.Answer | None:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        found = _decode_token(await self._api.create(_TOKEN_REVIEWS, body)).status
        if not found.authenticated:
            return _UNKNOWN
        user = found.user
        spec = {
            "user": user.username,
            "uid": user.uid,
            "groups": user.groups or [],
            "extra": user.extra or {},
            "nonResourceAttributes": {"path": path, "verb": "get"},
        }
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        if _decode_access(await self._api.create(_ACCESS_REVIEWS, body)).status.allowed:
            return None
        text = f"Forbidden (user={user.username}, verb=get, path={path})\n"
        return health.Answer(http.HTTPStatus.FORBIDDEN, text.encode())

    def _unanswered(self, error: Exception, known: _Judged | None) -> health.Answer | None:
        # Each scrape would say the same again.
        if not self._is_told:
            _log.error("cannot ask the API who may read metrics", error=str(error) or "timeout")
        self._is_told = True
        is_away = not isinstance(error, errors.KubernetesError) or error.status == 0 or error.status >= 500
        if is_away and known is not None and known.answer is None and self._monotonic() - known.at < STALE_SECONDS:
            return None
        return _UNASKED


_UNKNOWN = health.Answer(http.HTTPStatus.UNAUTHORIZED, b"Unauthorized\n", fields=("WWW-Authenticate: Bearer",))
_UNASKED = health.Answer(http.HTTPStatus.INTERNAL_SERVER_ERROR, b"the API cannot be asked who may read this\n")
