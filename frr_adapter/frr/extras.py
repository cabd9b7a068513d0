"""The user's own extra lines, read before FRR reads them: which of them would undo or contradict a part that is ours. Pure.

Called by `boundary.quarantine` before anything is sent. Whether a line is FRR's language at all, FRR itself says (`boundary.proofreading`).
A line that contradicts ours is refused although FRR would take it: both would stand in the file, each reload would set now the one
and now the other, and some such settings reset the session each time.
"""

import ipaddress
from collections.abc import Iterator

from frr_adapter.frr import config, grammar
from frr_adapter.frr.refusal import Refusal

_LONGEST = 4000
"""Bytes. FRR cuts lines at 4096 (lib/vty.h) and reads the rest as another one."""

_OPENERS = ("router ", "route-map ", "interface ", "vrf ", "key chain ", "bfd", "segment-routing")
_INNER_OPENERS = ("address-family ", "profile ", "peer ")


def objections(settings: config.FrrConfig) -> tuple[Refusal, ...]:
    """The lines of `settings.extras` that cannot be used beside the rest of it, with the reason; in order."""
    return tuple(_objections(settings)) if settings.extras else ()


def _objections(settings: config.FrrConfig) -> Iterator[Refusal]:
    path: list[str] = []
    lines = [line for raw in settings.extras if (line := " ".join(raw.split())) and line[0] not in "!#"]
    while lines and lines[-1] in ("exit", "quit", "end"):  # nothing follows that they could keep from being read
        lines.pop()
    for line in lines:
        first = line.split()[0]
        if len(line.encode()) > _LONGEST or not line.isprintable():
            yield Refusal(f"{line[:40]}...", f"a line has at most {_LONGEST} bytes, and no control characters")
        elif line == "end":
            yield Refusal(line, "it would end the reading of the configuration")
        elif first.startswith("exit") or line == "quit":
            path = path[:-1]  # an `exit` too many is for FRR to find: it alone knows all blocks
        elif reason := _objection(settings, path, line):
            yield Refusal(" / ".join((*path, line)), reason)
        else:
            path = _entered(path, line)


def _entered(path: list[str], line: str) -> list[str]:
    if line.startswith(_OPENERS):
        return [line]
    if line.startswith(_INNER_OPENERS) and path:
        return [path[0], line]
    return path


def _objection(settings: config.FrrConfig, path: list[str], line: str) -> str:
    """Why not; empty when the line is fine."""
    words = line.split()
    match words:
        case ["no", "router", "bgp", *rest]:
            vrfs = {router.vrf for router in settings.routers}
            vrf = rest[rest.index("vrf") + 1] if "vrf" in rest[:-1] else ""
            return "it would remove the BGP instance of the BGPPeers" if vrf in vrfs else ""
        case ["no", "bfd"]:
            return "it would remove the BFDProfiles" if settings.bfd_profiles else ""
        case ["no", "profile", name] if path == ["bfd"]:
            return f"it would remove the BFDProfile {name}" if _profile(settings, name) else ""
        case ["no", "route-map", name, *_]:
            return "it would remove a policy of the speaker" if name in _policies(settings) else ""
        case ["route-map", name, _, sequence]:
            taken = _policies(settings).get(name, frozenset())
            return f"the speaker has an entry {sequence} in it; use another number" if sequence in taken else ""
    for router in settings.routers:
        if path and path[0] == grammar.in_router(router)[0]:
            return _in_router(router, path, words)
    if path[:1] == ["bfd"] and path[1:] and (profile := _profile(settings, path[1].removeprefix("profile "))):
        return _in_profile(profile, line)
    return ""


def _policies(settings: config.FrrConfig) -> dict[str, frozenset[str]]:
    """Our route-maps and the numbers of their entries."""
    found = {item.name: frozenset((str(grammar.CLASS_SEQUENCE),)) for item in settings.classes}
    for policy in settings.policies:
        found[policy.inbound] = frozenset((str(grammar.INBOUND_SEQUENCE),))
        found[policy.outbound] = frozenset(map(str, (*(e.tag for e in policy.entries), grammar.LAST_SEQUENCE)))
    return found


def _profile(settings: config.FrrConfig, name: str) -> config.BfdProfile | None:
    return next((item for item in settings.bfd_profiles if item.name == name), None)


def _in_profile(profile: config.BfdProfile, line: str) -> str:
    bare = line.removeprefix("no ")
    for kind, ours in grammar.bfd_settings(profile).items():
        if ours and (bare == kind or bare.startswith(f"{kind} ")) and line != ours:
            return f'the BFDProfile {profile.name} says "{ours}"'
    return ""


def _in_router(router: config.Router, path: list[str], words: list[str]) -> str:
    negated = words[0] == "no"
    bare = words[1:] if negated else words
    line = " ".join(words)
    opposite = " ".join(bare) if negated else f"no {line}"
    if opposite in grammar.ROUTER_STATEMENTS:
        return f'the speaker says "{opposite}"'
    match bare:
        case ["bgp", "router-id", *_] if router.router_id and line != f"bgp router-id {router.router_id}":
            return f'a BGPPeer says "bgp router-id {router.router_id}"'
        case ["coalesce-time", *_] if line != grammar.COALESCE:
            return f'the speaker says "{grammar.COALESCE}"'
        case ["network", prefix, *_]:
            return "a Service is behind this prefix" if _is_originated(router, prefix) else ""
        case ["neighbor", name, *rest]:
            neighbor = next((item for item in router.neighbors if item.name == name), None)
            return _of_neighbor(router, neighbor, path, " ".join(rest), negated) if neighbor else ""
    return ""


def _is_originated(router: config.Router, prefix: str) -> bool:
    try:
        network = ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        return False
    return any(item.prefix == network for family in router.families for item in family.originations)


def _of_neighbor(router: config.Router, neighbor: config.Neighbor, path: list[str], rest: str, negated: bool) -> str:
    ours = {"remote-as": f"remote-as {neighbor.remote_as}"}
    ours |= {item.remove: item.write(neighbor) or "" for item in grammar.SETTINGS}
    family = path[1].split()[1] if len(path) > 1 and path[1].startswith("address-family ") else "ipv4"
    for item in (a for f in router.families if f.name == family for a in f.activations if a.neighbor == neighbor.name):
        ours["activate"] = "activate"
        for name, way in ((item.inbound, "in"), (item.outbound, "out")):
            if rest.startswith("route-map ") and rest.endswith(f" {way}"):
                ours["route-map"] = f"route-map {name} {way}"
    if negated and not rest:
        return f"it would remove the session of BGPPeer {', '.join(neighbor.peers)}"
    # "timers connect 5" is of the longer kind.
    known = max((kind for kind in ours if rest == kind or rest.startswith(f"{kind} ")), key=len, default="")
    if known and ours[known] and (negated or rest != ours[known]):
        shown = "password ***" if known == "password" else ours[known]
        return f'BGPPeer {", ".join(neighbor.peers)} says "{shown}"'
    return ""
