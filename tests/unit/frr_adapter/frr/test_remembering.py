"""What is remembered from apply to apply must never show: windows, the reading of what runs, the text of the file."""

import dataclasses
import random

import pytest

from frr_adapter import errors
from frr_adapter.boundary import files
from frr_adapter.frr import config, render, statements, verifying, windows
from frr_adapter.frr.grammar import Daemon
from speaker.core import compose
from tests import bgp_histories
from tests import bgp_world as w

TEMPLATES = files.read_templates()
STRAY = [
    "!",
    "exit",
    "",
    "bfd",
    " profile stray",
    "  passive-mode",
    "router bgp 64600",
    "router bgp 1 vrf red",
    " address-family ipv4 unicast",
    " address-family ipv6 unicast",
    "  network 192.0.2.7/32 route-map class-1",
    " neighbor 10.99.0.1 ebgp-multihop",
    "route-map stray permit 10",
    " set tag 7",
]


@pytest.mark.parametrize("seed", range(4))
def test_a_window_is_the_smallest_that_makes_the_one_of_the_other(seed):
    chance = random.Random(seed)
    for _ in range(200):
        before = [chance.randrange(3) for _ in range(chance.choice([0, 1, 5, 400, 600]))]
        after = list(before)
        for _ in range(chance.randrange(4)):
            start = chance.randrange(len(after) + 1)
            after[start : start + chance.randrange(3)] = [chance.randrange(3) for _ in range(chance.randrange(3))]
        found = windows.window(before, after)
        assert before[: found.start] == after[: found.start]
        assert before[found.before_stop :] == after[found.after_stop :]
        old, new = before[found.start : found.before_stop], after[found.start : found.after_stop]
        assert bool(found) == (before != after) == bool(old or new)
        if old and new:
            assert old[0] != new[0]
            assert old[-1] != new[-1]
        assert windows.window(tuple(before), tuple(after)) == found


def disturbed(chance, text):
    """What somebody else may have made of it."""
    lines = text.splitlines()
    for _ in range(chance.choice([0, 0, 1, 3, 20])):
        place = chance.randrange(len(lines))
        match chance.choice(["drop", "twice", "stray", "move"]):
            case "drop":
                del lines[place]
            case "twice":
                lines.insert(place, lines[chance.randrange(len(lines))])
            case "stray":
                lines.insert(place, chance.choice(STRAY))
            case "move":
                lines.insert(chance.randrange(len(lines)), lines.pop(place))
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(8))
def test_differences_are_those_from_scratch(seed):
    world = bgp_histories.World(seed)
    verifiers = {daemon: verifying.Verifier(daemon) for daemon in (Daemon.BGPD, Daemon.BFDD)}
    runs = world.config()
    for _ in range(25):
        for _ in range(world.chance.choice([0, 1, 1, 9])):
            world.change()
        wanted = world.config()
        runs = world.chance.choice([runs, wanted])
        text = disturbed(world.chance, render.render(runs, TEMPLATES))
        running = statements.running(text)
        for daemon, verifier in verifiers.items():
            scratch = statements.wanted(wanted, daemon)
            expected = verifying.Differences(scratch - running, running - scratch)
            assert verifier.compare(wanted, text) == expected
            assert verifier.compare(wanted, text) == expected


def test_a_value_that_cannot_be_a_word_leaves_nothing_half_done():
    good, bad = (
        compose.compose(w.plan(w.make_world([w.make_peer(password=word)]))) for word in ("hunter2", "two words")
    )
    verifier = verifying.Verifier(Daemon.BGPD)
    text = render.render(good, TEMPLATES)
    first = verifier.compare(good, text)
    with pytest.raises(errors.ApplyError):
        verifier.compare(bad, "")
    assert verifier.compare(good, text) == first
    assert first.lacking == frozenset()


def many(*numbers):
    prefixes = tuple(
        config.Origination(
            w.addresses.aggregate(w.addresses.parse_address(f"10.0.{n // 256}.{n % 256}"), 32), "class-1"
        )
        for n in numbers
    )
    families = (config.AddressFamily("ipv4", prefixes),)
    return config.FrrConfig("n1", routers=(config.Router(64600, families=families),))


@pytest.mark.parametrize("seed", range(3))
def test_the_text_with_a_memory_is_the_text_without(seed):
    chance, renderer, numbers = random.Random(seed), render.Renderer(TEMPLATES), set(range(600))
    for _ in range(12):
        numbers ^= {chance.randrange(900) for _ in range(chance.choice([0, 1, 1, 200]))}
        wanted = many(*sorted(numbers))
        assert renderer.render(wanted) == render.render(wanted, TEMPLATES)
    world, renderer = bgp_histories.World(seed), render.Renderer(TEMPLATES)
    for _ in range(25):
        world.change()
        wanted = world.config()
        assert renderer.render(wanted) == render.render(wanted, TEMPLATES)


def test_renderers_that_share_what_is_printed_print_no_prefix_twice(monkeypatch):
    shared, asked = {}, []
    real = render._prefixes
    monkeypatch.setattr(render, "_prefixes", lambda *both: asked.append(len(both[1])) or real(*both))
    wanted = many(*range(300))
    fewer = dataclasses.replace(
        wanted,
        hostname="n2",
        routers=(
            dataclasses.replace(
                wanted.routers[0],
                families=(config.AddressFamily("ipv4", wanted.routers[0].families[0].originations[::2]),),
            ),
        ),
    )
    texts = [render.Renderer(TEMPLATES, shared).render(each) for each in (wanted, fewer)]
    assert asked == [1] * 300
    assert texts == [render.render(each, TEMPLATES) for each in (wanted, fewer)]


def test_one_prefix_among_many_prints_only_its_surroundings(monkeypatch):
    renderer, printed = render.Renderer(TEMPLATES), []
    renderer.render(many(*range(0, 2000, 2)))
    real = render._prefixes

    def counting(environment, items):
        printed.append(len(items))
        return real(environment, items)

    monkeypatch.setattr(render, "_prefixes", counting)
    for wanted in (many(*range(0, 1001, 2), 1001, *range(1002, 2000, 2)), many(*range(0, 2000, 2))):
        printed.clear()
        assert renderer.render(wanted) == render.render(wanted, TEMPLATES)
        assert sum(printed[:-1]) <= 300
