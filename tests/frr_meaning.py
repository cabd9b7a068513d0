"""What a set of bgpd's statements means to the neighbors: who is told which prefix, with what. Written from FRR's documentation.

Prefixes get a tag where they are originated (`network P route-map M`, `M` sets the tag). A neighbor that is activated and not shut
down is told what its outbound route-map permits: entries in the order of their numbers, the first that matches decides.
"""

from frr_adapter.frr import statements

Told = dict[tuple[str, str], dict[str, frozenset[str]]]
"""(Instance, neighbor) -> prefix -> what is set on it."""


def told(state: statements.Statements | set[statements.Statement]) -> Told:
    entries: dict[str, dict[int, tuple[str, set[str]]]] = {}
    for each in state:
        words = each[0].split()
        if words[0] == "route-map":
            entry = entries.setdefault(words[1], {}).setdefault(int(words[3]), (words[2], set()))
            entry[1].update(each[1:])
    maps = {name: [found[number] for number in sorted(found)] for name, found in entries.items()}
    heard: Told = {}
    for each in state:
        if not each[-1].endswith(" activate"):
            continue
        router, family, line = each
        neighbor = line.split()[1]
        answers = heard.setdefault((router, neighbor), {})
        if (router, f"neighbor {neighbor} shutdown") in state:
            continue
        outbound = next(
            (
                other[-1].split()[3]
                for other in state
                if other[:-1] == (router, family) and other[-1].split()[:2] == ["neighbor", neighbor]
                if other[-1].endswith(" out")
            ),
            "",
        )
        tags: dict[str, frozenset[str] | None] = {}
        for other in state:
            if other[:-1] == (router, family) and other[-1].startswith("network "):
                _, prefix, _, origin = other[-1].split()
                if origin not in tags:
                    tags[origin] = _permitted(maps.get(outbound, []), maps.get(origin, []))
                found = tags[origin]
                if found is not None:
                    answers[prefix] = found
    return heard


def is_being_made(state: statements.Statements | set[statements.Statement]) -> bool:
    """Whether an entry has no condition yet: closed, it holds back whatever its number precedes, until the next line.

    FRR evaluates known prefixes again only after `bgp route-map delay-timer`, so only those on their way right now could notice.
    """
    entries = {each[0] for each in state if each[0].startswith("route-map ") and each[0].split()[2] == "deny"}
    conditional = {each[0] for each in state if each[-1].startswith("match ")}
    return any(each.split()[1].endswith("-out") and each.split()[3] != "65535" for each in entries - conditional)


def _permitted(outbound: list[tuple[str, set[str]]], origin: list[tuple[str, set[str]]]) -> frozenset[str] | None:
    """What is set on a prefix of this origin; None when the neighbor is not told."""
    tag = next((line.removeprefix("set ") for _, body in origin for line in body if line.startswith("set tag ")), "")
    for action, body in outbound:
        conditions = {line.removeprefix("match ") for line in body if line.startswith("match ")}
        if conditions <= {tag}:
            return frozenset(line for line in body if line.startswith("set ")) if action == "permit" else None
    return None
