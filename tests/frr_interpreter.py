"""What the lines of a `Delta` mean: a tiny bgpd and bfdd over a set of statements, written from FRR's documentation, not from ours.

It knows only the lines that may be sent, and asserts at every line what must never be: an entry that lets everything out, a
session without a policy, an unknown block.
"""

from frr_adapter.frr import statements

DEFAULTS = {"detect-multiplier 3", "transmit-interval 300", "receive-interval 300"} | {
    f"echo {way}-interval 50" for way in ("transmit", "receive")
}
NOT_THE_DEFAULT = {
    f"no bgp {what}" for what in ("ebgp-requires-policy", "default ipv4-unicast", "network import-check")
}
"""Settings that FRR prints in this form, since they are on by default."""

_TWO_WORDS = ("timers connect", "bfd profile", "capability extended-nexthop")


class RefusedError(Exception):
    """The daemon says no."""


def kind(text: str) -> str:
    """Lines of one kind replace each other within a block."""
    words = text.split()
    match words:
        case ["network", prefix, *_]:
            return f"network {prefix}"
        case ["neighbor", name, "route-map", _, direction]:
            return f"neighbor {name} route-map {direction}"
        case ["neighbor", name, "interface", *_]:
            return f"neighbor {name} remote-as"
        case ["neighbor", name, *rest]:
            two = " ".join(rest[:2])
            return f"neighbor {name} {two if two in _TWO_WORDS else rest[0]}"
        case ["set", what, *_]:
            return f"set {what}"
        case ["echo", way, _]:
            return f"echo {way}"
        case [first, _] if first != "profile":
            return first
        case ["bgp", "router-id", _]:
            return "bgp router-id"
    return text


class Daemon:
    """`state` is what `show running-config` would say. `shut` are the neighbors whose session is kept closed."""

    def __init__(self, state: statements.Statements) -> None:
        self.state = set(state)
        self.cleared: list[str] = []

    def take(self, line) -> None:
        """One line, in its place."""
        if line.path is None:
            assert line.text.startswith("clear bgp "), line
            self.cleared.append(line.text)
            return
        if line.path and not line.path[-1].startswith("address-family "):
            assert line.path in self.state or line.path == ("bfd",), f"{line} stands in a block that is not there"
        if line.text in NOT_THE_DEFAULT:
            self._put(line.path, line.text)
        elif line.text.startswith("no "):
            self._remove(line.path, line.text.removeprefix("no "))
        elif line.text.startswith("route-map "):
            self._entry(line.text)
        elif line.text.startswith("router bgp "):
            self._instance(line.text)
        else:
            self._put(line.path, line.text)

    def _put(self, path, text) -> None:
        if text.startswith("neighbor ") and " remote-as " not in text:
            head = f"neighbor {text.split()[1]} remote-as"
            assert any(each[0] == path[0] and kind(each[-1]) == head for each in self.state), (
                f"{path} {text}: no neighbor"
            )
        self.state -= {each for each in self.state if each[:-1] == path and kind(each[-1]) == kind(text)}
        if text not in DEFAULTS:
            self.state.add((*path, text))
        words = text.split()
        if words[0] == "neighbor" and words[2:] == ["activate"]:
            assert any(
                each[:-1] == path and kind(each[-1]) == f"neighbor {words[1]} route-map out" for each in self.state
            )

    def _instance(self, text) -> None:
        vrf = text.split()[3:]
        if any(
            each[0].startswith("router bgp ") and each[0].split()[3:] == vrf and each[0] != text for each in self.state
        ):
            raise RefusedError(f"BGP is already running: {text}")
        self.state.add((text,))

    def _entry(self, text) -> None:
        _, name, action, sequence = text.split()
        other = f"route-map {name} {'deny' if action == 'permit' else 'permit'} {sequence}"
        moved = {each for each in self.state if each[0] == other}
        self.state -= moved
        self.state |= {(text,), *((text, *each[1:]) for each in moved)}
        if action == "permit" and name.endswith("-out"):
            body = {each[1].split()[0] for each in self.state if each[0] == text and len(each) > 1}
            assert "match" in body, f"{text} lets everything out"

    def _remove(self, path, text) -> None:
        words = text.split()
        match words:
            case ["route-map", name]:
                gone = {each for each in self.state if each[0].split()[:2] == ["route-map", name]}
            case ["route-map", *_] | ["router", "bgp", *_]:
                gone = {each for each in self.state if each[0] == text}
            case ["neighbor", name]:
                gone = {each for each in self.state if each[: len(path)] == path and each[-1].split()[:2] == words}
            case ["profile", _]:
                gone = {each for each in self.state if each[:1] == (text,) or each[:2] == ("bfd", text)}
            case ["neighbor", name, "bfd"]:
                gone = {each for each in self.state if each[:-1] == path and each[-1].startswith(text)}
            case ["neighbor", name, "route-map", *_]:
                assert (*path, f"neighbor {name} activate") not in self.state, "an open session lost its policy"
                gone = {each for each in self.state if each == (*path, text)}
            case _:
                gone = {each for each in self.state if each[:-1] == path and kind(each[-1]) in (text, kind(text))}
        if not gone:
            raise RefusedError(f"{path} {text}")
        self.state -= gone
