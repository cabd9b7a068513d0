"""Which lines a single daemon lacks, although FRR as a whole seems to have them. Pure; `boundary.completing` sends the lines.

`vtysh` and frr-reload.py see the running configuration of all daemons merged into one. Route-maps live in zebra (FRR 10: mgmtd)
and in bgpd, so after a restart of bgpd alone they still seem to be there, and bgpd would get its sessions without any policy:
every `network` line of a route-map that does not exist originates nothing.
"""

from dataclasses import dataclass

BGPD = "bgpd"
POLICY_DAEMONS = ("mgmtd", "zebra")
"""Who else keeps route-maps: mgmtd from FRR 10 on, zebra before. Where mgmtd runs, zebra knows no `route-map` command."""

_BGPD_LINES = ("route-map ", "router bgp ", "bgp ", "debug bgp ", "hostname ", "log ")


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level statement and what stands inside it, without comments and the closing `exit`."""

    head: str
    body: tuple[str, ...] = ()


def blocks(text: str) -> tuple[Block, ...]:
    """The statements of a configuration file, or of `show running-config`, in order."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        words = line.strip()
        if not words or words.startswith("!"):
            continue
        if line[0] == " " and found:
            found[-1][1].append(words)
        elif words not in ("exit", "end"):
            found.append((words, []))
    return tuple(Block(head, tuple(body)) for head, body in found)


def missing(wanted: str, running: str, daemon: str) -> tuple[str, ...]:
    """Lines to send to the daemon in configuration mode, in order, so that it has what only it can lack unseen.

    A bgpd without any BGP instance is new and gets everything that is its own: the policies first, each neighbor shut down
    until it is complete and all prefixes are there, so that nobody meets a half-configured neighbor or an early End-of-RIB
    (RFC 4724). Otherwise it gets route-map entries that it lacks or that lack a line; another daemon, which keeps but a part of
    each entry, those it lacks as a whole. An entry denies until its conditions are in.
    """
    want, have = blocks(wanted), blocks(running)
    is_new = daemon == BGPD and not any(block.head.startswith("router bgp ") for block in have)
    if is_new:
        return tuple(line for block in want if block.head.startswith(_BGPD_LINES) for line in _whole(block))
    bodies = {block.head: frozenset(block.body) for block in have}

    def lacks(block: Block) -> bool:
        body = bodies.get(block.head)
        return body is None or (daemon == BGPD and not body.issuperset(block.body))

    return tuple(
        line for block in want if block.head.startswith("route-map ") and lacks(block) for line in _entry(block)
    )


def _whole(block: Block) -> tuple[str, ...]:
    if not block.head.startswith("router bgp "):
        return (block.head, *block.body, "exit") if block.head.startswith("route-map ") else (block.head,)
    lines = [block.head]
    names: list[str] = []
    for line in block.body:
        lines.append(line)
        words = line.split()
        if words[0] == "neighbor" and "remote-as" in words:
            names.append(words[1])
            lines.append(f"neighbor {words[1]} shutdown")
    return (*lines, *(f"no neighbor {name} shutdown" for name in names), "exit")


def _entry(block: Block) -> tuple[str, ...]:
    _, name, action, sequence = block.head.split()
    if action == "deny":
        return (block.head, *block.body, "exit")
    return (f"route-map {name} deny {sequence}", *block.body, "exit", block.head, "exit")
