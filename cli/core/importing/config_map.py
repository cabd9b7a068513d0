"""The ConfigMap `config`, which was MetalLB's whole configuration before 0.13: peers, pools, BFD profiles and names of communities.

Called by `importing.setup`. Source: the form is that of MetalLB 0.9 to 0.12. Must never show a password.
"""

import re
from collections.abc import Callable
from typing import Any

from cli import errors, values
from cli.core.importing import pools, reading
from cli.core.importing.reading import Outcome

NAME = "config"
KEY = "config"

_PEER = {
    "my-asn": "myASN",
    "peer-asn": "peerASN",
    "peer-address": "peerAddress",
    "source-address": "sourceAddress",
    "peer-port": "peerPort",
    "hold-time": "holdTime",
    "keepalive-time": "keepaliveTime",
    "router-id": "routerID",
    "bfd-profile": "bfdProfile",
    "ebgp-multihop": "ebgpMultiHop",
    "password": "password",
    "node-selectors": "nodeSelectors",
}
_POOL = {
    "protocol": "protocol",
    "addresses": "addresses",
    "auto-assign": "autoAssign",
    "avoid-buggy-ips": "avoidBuggyIPs",
    "bgp-advertisements": "bgpAdvertisements",
}
_ADVERTISEMENT = {
    "aggregation-length": "aggregationLength",
    "aggregation-length-v6": "aggregationLengthV6",
    "localpref": "localPref",
    "communities": "communities",
}
_PROFILE = {
    "receive-interval": "receiveInterval",
    "transmit-interval": "transmitInterval",
    "detect-multiplier": "detectMultiplier",
    "echo-interval": "echoInterval",
    "echo-mode": "echoMode",
    "passive-mode": "passiveMode",
    "minimum-ttl": "minimumTtl",
}
Parse = Callable[[str, str], Any]
"""YAML -> values as Kubernetes reads them; the second text says in errors where it stands. Raises `errors.NoAnswerError`."""

_SECTIONS = ("peers", "address-pools", "bgp-communities", "bfd-profiles")
_OLD_HOLD_TIME = "90s"
_STAND_IN = re.compile(r"(?P<before>:[ \t]+)\*\*\*[^\s,}\]]*")


def read(document: values.Document, namespace: str, parse: Parse) -> reading.Reading:
    """Everything of the ConfigMap as objects."""
    notes = reading.of(document)
    data = document.raw.get("data")
    try:
        parsed = parse(_readable(str(data.get(KEY, ""))), f"data.{KEY}") if isinstance(data, dict) else None
    except errors.NoAnswerError as error:
        notes.say(Outcome.MISTAKE, f"{error}; nothing of it can be read")
        return notes.reading
    found: values.Json = parsed if isinstance(parsed, dict) else {}
    for name in found.keys() - set(_SECTIONS):
        notes.say(
            Outcome.UNSUPPORTED, f"is no section that is known; known are {', '.join(_SECTIONS)}", f"data.{KEY}.{name}"
        )
    names: set[str] = set()
    for index, raw in enumerate(reading.maps(found.get("peers"))):
        _peer(notes, raw, namespace, f"data.{KEY}.peers[{index}]", names)
    for index, raw in enumerate(reading.maps(found.get("address-pools"))):
        _pool(notes, raw, namespace, f"data.{KEY}.address-pools[{index}]")
    for index, raw in enumerate(reading.maps(found.get("bfd-profiles"))):
        name = reading.named(str(raw.get("name", "")))
        spec = _renamed(notes, raw, _PROFILE, f"data.{KEY}.bfd-profiles[{index}]", known=("name",))
        notes.make(reading.V1BETA1, "BFDProfile", namespace, name, spec)
        notes.say(Outcome.CONVERTED, f"BFDProfile {name}", f"data.{KEY}.bfd-profiles[{index}]")
    aliases = found.get("bgp-communities")
    if isinstance(aliases, dict) and aliases:
        listed = [{"name": str(name), "value": str(value)} for name, value in aliases.items()]
        notes.make(reading.V1BETA1, "Community", namespace, "communities", {"communities": listed})
        notes.say(
            Outcome.CONVERTED,
            f"Community communities, with {', '.join(map(str, aliases))}",
            f"data.{KEY}.bgp-communities",
        )
    notes.say(Outcome.LEFT, "nobody reads this ConfigMap any more; delete it when all is well")
    return notes.reading


def _readable(text: str) -> str:
    """With quotes around what stands for passwords: to YAML a star begins something else."""
    return _STAND_IN.sub(r'\g<before>"***"', text)


def _peer(notes: reading.Notes, raw: values.Json, namespace: str, path: str, names: set[str]) -> None:
    spec = _renamed(notes, raw, _PEER, path)
    base = name = reading.named("peer", str(raw.get("peer-address", "")))
    number = 1
    while name in names:
        number += 1
        name = f"{base}-{number}"
    names.add(name)
    if spec.pop("password", None):
        spec["passwordSecret"] = reading.secret_for(notes, namespace, name, f"{path}.password")
    if "nodeSelectors" in spec:
        spec["nodeSelectors"] = [_selector(each) for each in reading.maps(spec["nodeSelectors"])]
    said = "" if "holdTime" in spec else f"; holdTime {_OLD_HOLD_TIME} was what leaving it out meant"
    spec.setdefault("holdTime", _OLD_HOLD_TIME)
    notes.make(reading.V1BETA2, "BGPPeer", namespace, name, spec)
    notes.say(Outcome.CONVERTED, f"BGPPeer {name}{said}", path)


def _pool(notes: reading.Notes, raw: values.Json, namespace: str, path: str) -> None:
    spec = _renamed(notes, raw, _POOL, path, known=("name",))
    if "bgpAdvertisements" in spec:
        entries = enumerate(reading.maps(spec["bgpAdvertisements"]))
        spec["bgpAdvertisements"] = [
            _renamed(notes, each, _ADVERTISEMENT, f"{path}.bgp-advertisements[{index}]") for index, each in entries
        ]
    pools.convert(notes, reading.named(str(raw.get("name", ""))), spec, namespace, path)


def _selector(raw: values.Json) -> values.Json:
    made: values.Json = {}
    if raw.get("match-labels"):
        made["matchLabels"] = raw["match-labels"]
    if raw.get("match-expressions"):
        made["matchExpressions"] = raw["match-expressions"]
    return made


def _renamed(
    notes: reading.Notes, raw: values.Json, names: dict[str, str], path: str, known: tuple[str, ...] = ()
) -> values.Json:
    for name in raw:
        if name not in names and name not in known:
            notes.say(Outcome.UNSUPPORTED, "is no field that is known; it is left out", f"{path}.{name}")
    return {new: raw[old] for old, new in names.items() if raw.get(old) is not None}
