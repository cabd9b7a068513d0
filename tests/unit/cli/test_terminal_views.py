"""The views on a terminal: as wide as it is, words whole, and redrawn in place."""

import io
import re

import pytest
from rich.console import Console

from cli.core import changes, status
from cli.core import owners as owners_core
from cli.core import sessions as sessions_core
from cli.view import owners, sessions, watch
from cli.view import status as view
from tests.unit.cli import plan_world, view_world

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
WIDTH = 100


def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=WIDTH, height=40, highlight=False)


def lines(console):
    return [line.rstrip() for line in _CONTROL.sub("", console.file.getvalue()).splitlines()]


def ill():
    reset = view_world.session("Active", "Down", lastReset="Hold Timer Expired")
    waiting = [plan_world.service(f"s{number}") for number in range(9)]
    typo = plan_world.peer("typo", "10.0.0.300")
    return [*view_world.replaced(view_world.well(), view_world.node_status("n2", reset)), *waiting, typo]


def gathered(documents):
    return view_world.picture(documents).gathered


@pytest.mark.parametrize(
    "draw",
    [
        lambda documents, console: view.draw(status.document(view_world.picture(documents)), console),
        lambda documents, console: sessions.draw(
            sessions_core.document(gathered(documents), sessions_core.Choice()), console
        ),
        lambda documents, console: owners.draw(owners_core.document(gathered(documents)), console, has_bgp=True),
    ],
    ids=["status", "sessions", "owners"],
)
def test_it_fits(draw):
    console, pipe = terminal(), Console(file=io.StringIO(), width=160, highlight=False, soft_wrap=True)
    draw(ill(), console)
    draw(ill(), pipe)
    shown = lines(console)
    assert max(map(len, shown)) <= WIDTH
    # Folded between words, and nothing is lost.
    assert " ".join(" ".join(shown).split()) == " ".join(pipe.file.getvalue().split())
    assert "\x1b[" in console.file.getvalue()
    assert "\x1b" not in pipe.file.getvalue()


def test_the_screen_shows_the_picture_and_the_last_changes():
    console = terminal()
    with watch.Screen(console) as screen:
        for number in range(12):
            screen.show(
                status.document(view_world.picture(ill())), [changes.Change("ok", f"change {number} {'long ' * 40}")]
            )
    shown = lines(console)
    assert any("something is wrong" in line for line in shown)
    last = [line for line in shown if " change " in line][-8:]
    assert [line.split(" long")[0] for line in last] == [f"12:00:00 ✓ change {number}" for number in range(4, 12)]


def test_a_pipe_gets_one_line_for_each_change_however_long():
    console = Console(file=io.StringIO(), width=160, highlight=False, soft_wrap=True)
    document = status.document(view_world.picture(view_world.well()))
    with watch.Lines(console) as written:
        written.show(document, [changes.Change("bad", "long " * 60), changes.Change("idle", "short")])
        written.show(document, [])
    assert console.file.getvalue() == f"{view_world.TAKEN} ✗ {'long ' * 60}\n{view_world.TAKEN} · short\n"
