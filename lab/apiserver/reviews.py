"""Objects that are answered, not kept: tokens of service accounts, and reviews of tokens and rights.

`web` calls it for creates of these. Who may do what is read from the roles in the store, but only told: the server itself knows
no users. Must never write to the store.
"""

import datetime as dt
import secrets
from dataclasses import dataclass

from lab.apiserver import objects, rights
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json
from lab.apiserver.store import Key, Store

_ACCOUNTS = "serviceaccounts"
_SHORTEST = 600
_USUAL = 3600


@dataclass(frozen=True, slots=True)
class _Issued:
    account: Key
    uid: str
    until: dt.datetime


class Reviews:
    """The tokens that one server gave out, and its answers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._issued: dict[str, _Issued] = {}

    def issue(self, account: Json, document: Json) -> Json:
        """A TokenRequest with a new token for a service account."""
        spec = document.get("spec") or {}
        seconds = max(int(spec.get("expirationSeconds") or _USUAL), _SHORTEST)
        until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        token = f"lab.{secrets.token_urlsafe(32)}"
        self._issued[token] = _Issued(objects.key_of(account), account["metadata"]["uid"], until)
        found = {"name": account["metadata"]["name"], "namespace": account["metadata"]["namespace"]}
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {**found, "creationTimestamp": objects.timestamp()},
            "spec": {**spec, "expirationSeconds": seconds},
            "status": {"token": token, "expirationTimestamp": objects.timestamp(until)},
        }

    def answer(self, kind: Kind, document: Json) -> Json:
        """The review with its status."""
        spec = document.get("spec") or {}
        match kind.kind:
            case "TokenReview":
                return {**document, "status": self._identity(spec.get("token", ""))}
            case "SubjectAccessReview":
                subject = rights.Subject(spec.get("user", ""), frozenset(spec.get("groups") or ()))
                return {**document, "status": {"allowed": rights.allows(self._store, subject, spec)}}
            case _:
                return {**document, "status": {"allowed": True}}

    def _identity(self, token: str) -> Json:
        issued = self._issued.get(token)
        account = self._store.get(_ACCOUNTS, issued.account) if issued is not None else None
        is_good = (
            issued is not None
            and account is not None
            and account.document["metadata"]["uid"] == issued.uid
            and dt.datetime.now(dt.UTC) < issued.until
        )
        if issued is None or not is_good:
            return {"user": {}, "error": "[invalid bearer token]"}
        namespace, name = issued.account
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
        user = {"username": f"system:serviceaccount:{namespace}:{name}", "uid": issued.uid, "groups": groups}
        return {"authenticated": True, "user": user, "audiences": ["https://kubernetes.default.svc"]}
