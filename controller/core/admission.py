"""May this write happen? The answer of the validating webhook, from the same functions as at run time.

`controller.reviewing` calls `read`, `judge` and `encode` around the listing of what exists. The rule: a write is refused when
the object under review, or one that it newly breaks, has a problem that was not there before. References to what may be
created later (BFD profiles, Secrets, community aliases) are accepted. Must never read or keep anything itself.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from controller.core import conversion
from frr_adapter import problems, refs, resolve
from frr_adapter.api import admission as wire
from frr_adapter.decode import advertisements, decoded, peers, pools
from frr_adapter.model import snapshot
from frr_adapter.resolve import view

_DECODERS: Mapping[str, Callable[[msgspec.Raw], decoded.Decoded[Any]]] = MappingProxyType(
    {
        "BFDProfile": peers.decode_bfd_profile,
        "BGPAdvertisement": advertisements.decode_bgp_advertisement,
        "BGPPeer": peers.decode_peer,
        "Community": advertisements.decode_community,
        "IPAddressPool": pools.decode_pool,
        "L2Advertisement": advertisements.decode_l2_advertisement,
    }
)

PATHS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        f"/validate-metallb-io-{version}-{kind.lower()}": (kind, version)
        for kind in _DECODERS
        for version in ("v1beta2" if kind == "BGPPeer" else "v1beta1",)
    }
)
"""Kind and version that each path reviews; the paths are those of existing ValidatingWebhookConfigurations."""

_UNKNOWN_TO_OLD: Mapping[str, str] = MappingProxyType(
    {
        "connect_time": "connectTime",
        "dual_stack_address_family": "dualStackAddressFamily",
        "dynamic_asn": "dynamicASN",
        "graceful_restart": "enableGracefulRestart",
        "interface": "interface",
        "local_asn": "localASN",
        "password_secret": "passwordSecret",
        "vrf": "vrf",
    }
)
"""Attributes of a peer that v1beta1 does not know, and their fields."""

_LAST = "9999-12-31T23:59:59Z"
_LONGEST = 10
_decode_review = msgspec.json.Decoder(wire.Review).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Allowed:
    """The write may happen; each warning is one line that kubectl shows."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """The write may not happen. `code` is an HTTP status: 403 for a rule, 400 for an object that cannot be read."""

    message: str
    code: int = 403


Verdict = Allowed | Denied


def read(path: str, body: bytes) -> wire.Request:
    """The request in an AdmissionReview. Raises ValueError when it is none, or not about the kind of this path."""
    kind, version = PATHS[path]
    try:
        review = _decode_review(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"not an AdmissionReview: {error}") from error
    if review.api_version != wire.VERSION or isinstance(review.request, msgspec.UnsetType):
        raise ValueError(f"found {review.kind} of {review.api_version}; a request of {wire.VERSION} is allowed")
    found = review.request.kind
    if (found.group, found.version, found.kind) != ("metallb.io", version, kind):
        raise ValueError(
            f"found {found.kind} of {found.group}/{found.version}; {kind} of metallb.io/{version} is allowed"
        )
    return review.request


def encode(request: wire.Request, verdict: Verdict) -> bytes:
    """The AdmissionReview that carries the verdict."""
    match verdict:
        case Allowed(warnings):
            response = wire.Response(uid=request.uid, allowed=True, warnings=warnings or msgspec.UNSET)
        case Denied(message, code):
            reason = "Forbidden" if code == 403 else "BadRequest"
            status = wire.Status(code=code, reason=reason, message=message)
            response = wire.Response(uid=request.uid, allowed=False, status=status)
    return _encode(wire.Review(response=response))


def judge(request: wire.Request, known: snapshot.ConfigObjects, namespace: str) -> Verdict:
    """The verdict on one write. `known` is what exists, with or without the object under review; `namespace` is ours."""
    kind = request.kind.kind
    if request.operation == "DELETE":
        return _judge_deletion(request, known, namespace)
    if request.namespace != namespace:
        ref = refs.ObjectRef(kind, request.namespace, request.name)
        where = f"resource must be created in {namespace} namespace"
        if request.operation == "CREATE":
            return Denied(f'{ref}: metadata.namespace: found "{request.namespace}"; {where}')
        return Allowed((f"{ref} has no effect: {where}",))
    try:
        new = _DECODERS[kind](request.object)
        old = _DECODERS[kind](request.old_object) if request.operation == "UPDATE" else None
    except msgspec.DecodeError as error:
        return Denied(f"{kind} {request.namespace}/{request.name}: cannot be read: {error}", 400)
    found = _news(_world(known, new), _world(known, old or _absent(new)), new.ref)
    if found:
        more = len(found) - _LONGEST
        lines = [problem.line for problem in found[:_LONGEST]] + ([f"and {more} more problems"] if more > 0 else [])
        return Denied("\n".join(lines))
    return Allowed((*_warnings(new.value, old.value if old else None), *_aged(request, new.value, known)))


def forgiving(objects: snapshot.ConfigObjects) -> snapshot.ConfigObjects:
    """The objects without references to what may be created later, so that any order of creation is accepted.

    Peers lose BFD profile and Secret, advertisements every community without a colon (it may become an alias).
    """
    return dataclasses.replace(
        objects,
        peers=tuple(dataclasses.replace(each, bfd_profile="", password_secret="") for each in objects.peers),
        bgp_advertisements=tuple(
            dataclasses.replace(each, communities=tuple(text for text in each.communities if ":" in text))
            for each in objects.bgp_advertisements
        ),
    )


def _judge_deletion(request: wire.Request, known: snapshot.ConfigObjects, namespace: str) -> Verdict:
    if request.kind.kind != "BFDProfile" or request.namespace != namespace:
        return Allowed()
    users = sorted(each.name for each in known.peers if each.bfd_profile == request.name)
    if not users:
        return Allowed()
    ref = refs.ObjectRef("BFDProfile", request.namespace, request.name)
    return Denied(
        f"failed to delete {ref}: used by BGPPeer {', '.join(users)}; only a profile that no peer uses is allowed"
    )


def _absent(new: decoded.Decoded[Any]) -> decoded.Decoded[Any]:
    return decoded.Decoded(new.ref, "", None)


def _world(known: snapshot.ConfigObjects, reviewed: decoded.Decoded[Any]) -> tuple[problems.Problem, ...]:
    """Every problem there is when the object under review is as given.

    It counts as the newest of all: whatever it quarrels with, the problem is then its own, and the message says so.
    """
    field = view.CONFIG_KINDS[reviewed.ref.kind]
    others = tuple(each for each in getattr(known, field) if each.ref != reviewed.ref)
    value = reviewed.value
    if value is not None and hasattr(value, "created"):
        value = dataclasses.replace(value, created=_LAST)
    changed: dict[str, Any] = {field: (*others, value) if value is not None else others}
    objects = dataclasses.replace(known, **changed)
    return (*reviewed.problems, *resolve.configuration(forgiving(objects)).problems)


def _news(
    after: tuple[problems.Problem, ...], before: tuple[problems.Problem, ...], reviewed: refs.ObjectRef
) -> tuple[problems.Problem, ...]:
    """What is wrong after the write and was not before. For other objects another wording is no news."""
    exact = frozenset(before)
    rough = frozenset((each.ref, each.field, each.reason) for each in before)
    return tuple(
        each
        for each in sorted(after, key=lambda each: (each.ref != reviewed, each))
        if each not in exact and (each.ref == reviewed or (each.ref, each.field, each.reason) not in rough)
    )


def _aged(request: wire.Request, new: Any, known: snapshot.ConfigObjects) -> tuple[str, ...]:
    """What a client did without saying so, because it wrote a peer in the older version.

    Compared with what exists, because the old object of the review came through the older version too.
    """
    asked = request.request_kind
    if new is None or (asked.kind, f"{asked.group}/{asked.version}") != ("BGPPeer", conversion.OLD):
        return ()
    old = next((each for each in known.peers if each.ref == new.ref), None)
    told = [
        f"{new.ref}: spec.{field}: removed, because {conversion.OLD} does not know it; write {conversion.NEW} to keep it"
        for attribute, field in _UNKNOWN_TO_OLD.items()
        if old is not None and getattr(old, attribute) and not getattr(new, attribute)
    ]
    told += [
        f"{new.ref}: spec.{field}: 0s, because {conversion.OLD} cannot leave it out; say a time, or write {conversion.NEW}"
        for attribute, field in (("hold_time", "holdTime"), ("keepalive_time", "keepaliveTime"))
        if getattr(new, attribute) == 0 and (old is None or getattr(old, attribute) != 0)
    ]
    return tuple(told)


def _warnings(new: Any, old: Any) -> tuple[str, ...]:
    if getattr(new, "disable_mp", False) and not getattr(old, "disable_mp", False):
        return (f"{new.ref}: spec.disableMP is deprecated and has no effect; leave it out",)
    return ()
