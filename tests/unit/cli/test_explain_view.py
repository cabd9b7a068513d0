"""How the chain is drawn: one mark, words beside symbols, lines that fit a terminal, and no colours in a pipe."""

import io

import msgspec
import pytest
from rich.console import Console

from cli.documents.explain import Edit, ExplainDocument, Hop
from cli.view import explain as view

LONG = (
    "BGPPeer up cannot be used on n1, n2 and n3: parsing peer up secret ref not found for peer config, told is nobody"
)
DOCUMENT = ExplainDocument(
    service="default/web",
    node="n1",
    source="cluster lab",
    summary=f"default/web 198.51.100.7: {LONG}",
    gaps=("Secrets: forbidden",),
    hops=(
        Hop("type", "ok", "type LoadBalancer"),
        Hop("pools", "ok", "pool public serves", ("public: serves",)),
        Hop("applied", "ok", "FRR on n1 runs it", ("n1: FRR runs what these objects give",)),
        Hop("owner", "notApplicable", "not announced on layer 2"),
        Hop(
            "intent",
            "failed",
            LONG,
            ("n1: router bgp 64600",),
            Edit("BGPPeer/metallb-system/up", "spec.passwordSecret.name"),
            "make the Secret",
            is_cause=True,
        ),
        Hop("sessions", "follows", "no peer is to be told", ("none",)),
        Hop("wire", "unknown", "not known", ("not known: n1",)),
    ),
)


def drawn(*, width=None):
    stream = io.StringIO()
    terminal = {"force_terminal": True, "width": width} if width else {"width": 160, "soft_wrap": True}
    view.draw(DOCUMENT, Console(file=stream, highlight=False, **terminal))
    return stream.getvalue()


def test_in_a_pipe_each_hop_is_one_plain_line():
    text = drawn()
    assert "\x1b" not in text
    assert text.count("<-- here") == 1
    assert f"✗ intent         FAILED  {LONG}  <-- here\n" in text
    assert "edit: BGPPeer/metallb-system/up, spec.passwordSecret.name\n" in text
    assert "do:   make the Secret\n" in text
    assert text.endswith("note: Secrets: forbidden\n")


def test_details_are_shown_where_they_say_more():
    text = drawn()
    assert "n1: router bgp 64600" in text
    for redundant in ("public: serves", "what these objects give", "none", "not known: n1"):
        assert redundant not in text


def test_a_large_cluster_does_not_fill_the_screen():
    lines = tuple(f"n{number} to up: Active" for number in range(200))
    many = msgspec.structs.replace(DOCUMENT, hops=(Hop("sessions", "failed", "n0 to up: Active", lines),))
    stream = io.StringIO()
    view.draw(many, Console(file=stream, width=160, soft_wrap=True, highlight=False))
    assert "and 188 more; -o json has all of them\n" in stream.getvalue()
    assert stream.getvalue().count(": Active") == 12


@pytest.mark.parametrize("width", [72, 100])
def test_on_a_terminal_lines_fit_and_what_follows_is_dim(width):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False)
    with console.capture() as captured:
        view.draw(DOCUMENT, console)
    lines = captured.get().splitlines()
    plain = [Console().render_str(line).plain for line in map(_without_codes, lines)]
    assert max(map(len, plain)) <= width
    assert any("\x1b[2m" in line and "no peer is to be told" in line for line in lines)
    assert any("\x1b[1;31m" in line and "FAILED" in line for line in lines)


def _without_codes(line):
    return "".join(part.partition("m")[2] if place else part for place, part in enumerate(line.split("\x1b[")))
