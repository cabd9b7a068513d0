"""BGPPeer from v1beta1 to v1beta2 and back: the answer of the conversion webhook.

`controller.reviewing` hands every body here. What v1beta1 does not know is dropped on the way to it, so whoever reads a peer
as v1beta1 and writes it back removes that; `core.admission` warns of it. Must never touch metadata, which belongs to the API
server, and never judge an object.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from frr_adapter.api import conversion as wire

PATH = "/convert"
OLD = "metallb.io/v1beta1"
NEW = "metallb.io/v1beta2"

Json = dict[str, Any]

_ZERO = "0s"
_SAME = ("sourceAddress", "routerID", "password", "bfdProfile", "ebgpMultiHop")
_REQUIRED: Mapping[str, Any] = MappingProxyType({"myASN": 0, "peerASN": 0, "peerAddress": ""})
"""What v1beta1 always has, and how it says that there is nothing."""
_TIMERS = ("holdTime", "keepaliveTime")

KNOWN_TO_OLD = frozenset({*_SAME, *_REQUIRED, *_TIMERS, "peerPort", "nodeSelectors"})
"""The fields of a spec that survive v1beta1."""

_decode = msgspec.json.Decoder(wire.Question).decode
_encode = msgspec.json.Encoder().encode


def answer(body: bytes) -> bytes:
    """The ConversionReview that answers the one in `body`; what cannot be converted is a failure inside of it.

    Raises ValueError for a body that is no request for conversion.
    """
    try:
        review = _decode(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a ConversionReview: {error}") from error
    if review.api_version not in wire.VERSIONS or review.request is None:
        allowed = " or ".join(wire.VERSIONS)
        raise ValueError(f"found {review.kind} of {review.api_version}; a request of {allowed} is allowed")
    request = review.request
    try:
        objects = tuple(convert(each, request.desired_api_version) for each in request.objects)
        response = wire.Response(uid=request.uid, result=wire.Result(status="Success"), converted_objects=objects)
    except ValueError as error:
        response = wire.Response(uid=request.uid, result=wire.Result(status="Failed", message=str(error)))
    return _encode(wire.Answer(api_version=review.api_version, response=response))


def convert(document: Json, api_version: str) -> Json:
    """The BGPPeer in the wanted version; the same one when it has it already. Raises ValueError for anything else."""
    kind, found = document.get("kind"), document.get("apiVersion")
    if kind != "BGPPeer" or found not in _TO:
        raise ValueError(f"found {kind} of {found}; BGPPeer of {' or '.join(_TO)} is allowed")
    if api_version not in _TO:
        raise ValueError(f"found {api_version} as the wanted version; {' or '.join(_TO)} is allowed")
    if found == api_version:
        return document
    spec = document.get("spec")
    if not isinstance(spec, dict):
        return {**document, "apiVersion": api_version}
    return {**document, "apiVersion": api_version, "spec": _TO[api_version](spec)}


def _older(spec: Json) -> Json:
    made = {field: spec.get(field, nothing) for field, nothing in _REQUIRED.items()}
    made |= _shared(spec)
    if "peerPort" in spec:
        made["peerPort"] = spec["peerPort"]
    return made | _selectors(spec)


def _newer(spec: Json) -> Json:
    made = {field: spec[field] for field in _REQUIRED if field in spec} | _shared(spec)
    if spec.get("peerPort"):
        # 0 is how v1beta1 leaves the choice open; v1beta2 does not allow it, and leaving it out means 179.
        made["peerPort"] = spec["peerPort"]
    return made | _selectors(spec)


def _shared(spec: Json) -> Json:
    # Timers are no pointers in v1beta1: what was never said is zero there, and zero is then said to v1beta2.
    return {field: spec[field] for field in _SAME if field in spec} | {
        field: spec.get(field) or _ZERO for field in _TIMERS
    }


def _selectors(spec: Json) -> Json:
    # Both schemas ask for objects here; whatever else there may be is left to those who judge.
    found = [_selector(each) if isinstance(each, dict) else each for each in spec.get("nodeSelectors") or ()]
    return {"nodeSelectors": found} if found else {}


def _selector(selector: Json) -> Json:
    made: Json = {}
    if selector.get("matchLabels"):
        made["matchLabels"] = selector["matchLabels"]
    if selector.get("matchExpressions"):
        # v1beta1 cannot leave the values out, v1beta2 takes an empty list of them.
        made["matchExpressions"] = [
            {**each, "values": each.get("values") or []} for each in selector["matchExpressions"]
        ]
    return made


_TO: Mapping[str, Callable[[Json], Json]] = MappingProxyType({OLD: _older, NEW: _newer})
