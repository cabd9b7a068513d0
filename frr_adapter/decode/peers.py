"""Decoders of BGPPeer and BFDProfile. They check what a single object can say wrong about itself."""

import re

import msgspec

from frr_adapter import addresses, problems, refs, secret
from frr_adapter.api import kinds
from frr_adapter.api.wire import Metadata, Wire
from frr_adapter.decode.decoded import Decoded, Faults, read, selector_list
from frr_adapter.model import peer


class _Peer(Wire, frozen=True):
    metadata: Metadata
    spec: kinds.BGPPeerSpec


class _Profile(Wire, frozen=True):
    metadata: Metadata
    spec: kinds.BFDProfileSpec = kinds.BFDProfileSpec()


_peer_decoder = msgspec.json.Decoder(_Peer)
_profile_decoder = msgspec.json.Decoder(_Profile)

_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def decode_peer(raw: bytes | msgspec.Raw) -> Decoded[peer.Peer]:
    """A BGPPeer of version v1beta2."""
    return read(raw, "BGPPeer", _peer_decoder, _peer)


def decode_bfd_profile(raw: bytes | msgspec.Raw) -> Decoded[peer.BfdProfile]:
    """A BFDProfile."""
    return read(raw, "BFDProfile", _profile_decoder, _profile)


def duration_seconds(text: str) -> float:
    """Seconds of a Go duration such as `1m30s`. Raises ValueError. Source: Kubernetes meta/v1 Duration."""
    if text == "0":
        return 0.0
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'"{text}" is not a duration; allowed are numbers with units, such as 90s or 1m30s')
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


def _peer(ref: refs.ObjectRef, raw: _Peer, faults: Faults) -> peer.Peer | None:
    spec = raw.spec
    if not spec.my_asn:
        faults.add(
            "spec.myASN",
            problems.Reason.REQUIRED,
            "missing local ASN; 1 to 4294967295 is allowed",
            f"parsing peer {ref.name} missing local ASN",
        )
    _check_asn(spec, faults)
    hold, keepalive = _timers(spec, faults)
    address = _address(spec.peer_address, "spec.peerAddress", "invalid BGPPeer address", faults)
    if bool(spec.peer_address) == bool(spec.interface):
        found = "both are set" if spec.interface else "neither is set"
        faults.add(
            "spec.peerAddress",
            problems.Reason.CONFLICT,
            f"{found}; exactly one of peerAddress and interface is required",
        )
    router_id = _address(spec.router_id, "spec.routerID", "invalid router ID", faults)
    source = _address(spec.source_address, "spec.sourceAddress", "invalid source address", faults)
    password_secret = (spec.password_secret.name or "") if spec.password_secret else ""
    if spec.password and password_secret:
        faults.add(
            "spec.password", problems.Reason.CONFLICT, "both password and passwordSecret are set; only one is allowed"
        )
    selectors = selector_list(spec.node_selectors, "spec.nodeSelectors", faults, name="nodeSelectors")
    for field, name in (("interface", spec.interface), ("vrf", spec.vrf), ("bfdProfile", spec.bfd_profile)):
        _check_word(name or "", f"spec.{field}", faults)
    if faults.found:
        return None
    return peer.Peer(
        ref=ref,
        uid=raw.metadata.uid,
        created=raw.metadata.creation_timestamp or "",
        my_asn=spec.my_asn,
        asn=spec.peer_asn or 0,
        dynamic_asn=spec.dynamic_asn or "",
        local_asn=spec.local_asn or 0,
        address=address,
        interface=spec.interface or "",
        source_address=source,
        port=spec.peer_port,
        hold_time=hold,
        keepalive_time=keepalive,
        connect_time=_seconds(spec.connect_time, "spec.connectTime", faults),
        router_id=str(router_id) if router_id else "",
        node_selectors=selectors,
        password=secret.Secret(spec.password) if spec.password else None,
        password_secret=password_secret,
        bfd_profile=spec.bfd_profile or "",
        graceful_restart=bool(spec.enable_graceful_restart),
        ebgp_multihop=bool(spec.ebgp_multi_hop),
        vrf=spec.vrf or "",
        disable_mp=spec.disable_mp,
        dual_stack_address_family=spec.dual_stack_address_family,
    )


def _check_word(text: str, field: str, faults: Faults) -> None:
    """Names become words of one FRR statement: a blank or a line break in them would begin another."""
    if any(character.isspace() or not character.isprintable() for character in text):
        faults.add(
            field, problems.Reason.MALFORMED, f"{text!r} is not a name; printable characters without blanks are allowed"
        )


def _check_asn(spec: kinds.BGPPeerSpec, faults: Faults) -> None:
    if spec.dynamic_asn not in (None, "", "internal", "external"):
        faults.add(
            "spec.dynamicASN",
            problems.Reason.UNSUPPORTED,
            f'"{spec.dynamic_asn}" is not known; internal or external is allowed',
        )
    if bool(spec.peer_asn) == bool(spec.dynamic_asn):
        if spec.peer_asn:
            message = "both peer ASN and dynamicASN specified; only one is allowed"
        else:
            message = "missing peer ASN or dynamicASN; one of peerASN (1 to 4294967295) and dynamicASN (internal, external) is required"
        faults.add("spec.peerASN", problems.Reason.REQUIRED, message)
    if spec.ebgp_multi_hop and spec.peer_asn and spec.peer_asn == spec.my_asn:
        faults.add(
            "spec.ebgpMultiHop",
            problems.Reason.CONFLICT,
            f"invalid EBGP peer for multi-hop: peerASN equals myASN ({spec.my_asn}); multi-hop needs another ASN",
        )


def _address(text: str | None, field: str, words: str, faults: Faults) -> addresses.Address | None:
    if not text:
        return None
    try:
        return addresses.parse_address(text)
    except ValueError as error:
        faults.add(field, problems.Reason.MALFORMED, f"{words} {error}; an IPv4 or IPv6 address is allowed")
        return None


def _seconds(text: str | None, field: str, faults: Faults) -> int | None:
    if not text:
        return None
    try:
        return int(duration_seconds(text))
    except ValueError as error:
        faults.add(field, problems.Reason.MALFORMED, str(error))
        return None


def _timers(spec: kinds.BGPPeerSpec, faults: Faults) -> tuple[int | None, int | None]:
    """Hold and keepalive time in seconds; one missing is completed from the other, both missing is left to FRR."""
    hold = _seconds(spec.hold_time, "spec.holdTime", faults)
    keepalive = _seconds(spec.keepalive_time, "spec.keepaliveTime", faults)
    if hold is not None and hold in (1, 2):
        faults.add(
            "spec.holdTime", problems.Reason.OUT_OF_RANGE, f'invalid hold time "{spec.hold_time}": must be 0 or >=3s'
        )
    if hold is not None and keepalive is not None and keepalive > hold:
        faults.add(
            "spec.keepaliveTime",
            problems.Reason.OUT_OF_RANGE,
            f'invalid keepaliveTime "{spec.keepalive_time}": must be lower than holdTime "{spec.hold_time}"',
        )
    if hold is not None and keepalive is None:
        keepalive = hold // 3
    elif keepalive is not None and hold is None:
        hold = keepalive * 3
    return hold, keepalive


_PROFILE_RANGES = (
    ("receive_interval", "receiveInterval", 10, 60000),
    ("transmit_interval", "transmitInterval", 10, 60000),
    ("detect_multiplier", "detectMultiplier", 2, 255),
    ("echo_interval", "echoInterval", 10, 60000),
    ("minimum_ttl", "minimumTtl", 1, 254),
)


def _profile(ref: refs.ObjectRef, raw: _Profile, faults: Faults) -> peer.BfdProfile | None:
    spec = raw.spec
    for attribute, field, low, high in _PROFILE_RANGES:
        found: int | None = getattr(spec, attribute)
        if found is not None and not low <= found <= high:
            faults.add(
                f"spec.{field}", problems.Reason.OUT_OF_RANGE, f"invalid value {found}: {low} to {high} is allowed"
            )
    if faults.found:
        return None
    return peer.BfdProfile(
        ref=ref,
        uid=raw.metadata.uid,
        receive_interval=spec.receive_interval,
        transmit_interval=spec.transmit_interval,
        detect_multiplier=spec.detect_multiplier,
        echo_interval=spec.echo_interval,
        echo_mode=bool(spec.echo_mode),
        passive_mode=bool(spec.passive_mode),
        minimum_ttl=spec.minimum_ttl,
    )
