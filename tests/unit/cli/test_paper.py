"""What others wrote is shown as it is, and never obeyed: not by the terminal, not by rich."""

import io

import pytest
import yaml
from rich.table import Table
from rich.text import Text

from cli.view import output, paper
from tests import bundled, command

NASTY = "\x1b]0;owned\x07\x1b[31m[bold red]x[/bold red]\r[/]\x9b31m\u202e:cd:"
WORLD = [
    {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "web", "namespace": "default", "annotations": {"metallb.io/loadBalancerIPs": NASTY}},
        "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "selector": {"app": "web"}},
    },
    {
        "kind": "IPAddressPool",
        "apiVersion": "metallb.io/v1beta1",
        "metadata": {"name": "public", "namespace": "metallb-system"},
        "spec": {"addresses": [NASTY]},
    },
    {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}},
]
TOLD = [
    {"kind": "Manifest", "gaps": [f"no right {NASTY}"], "source": f"lab {NASTY}"},
    {
        "kind": "NodeReport",
        "speaker": {"node": "n1", "takenAt": "", "version": "0", "flags": {}},
        "frrError": NASTY,
        "running": {"bgpd": f"router bgp 1\n description {NASTY}\n"},
    },
]


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "service", "default/web", "--from-bundle", "c.tar.gz"),
        ("status", "--from-bundle", "c.tar.gz"),
        ("owners", "--from-bundle", "c.tar.gz"),
        ("sessions", "--from-bundle", "c.tar.gz"),
        ("config", "n1", "--from-bundle", "c.tar.gz"),
        ("config", "n1", "--running", "--from-bundle", "c.tar.gz"),
        ("plan", "-f", "c.yaml", "--snapshot", "c.tar.gz"),
        ("validate", "-f", "c.yaml"),
        ("render", "-f", "c.yaml", "--node", "n1"),
        ("import", "-f", "c.yaml"),
    ],
)
def test_no_answer_talks_to_the_terminal(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.tar.gz").write_bytes(bundled.pack(yaml.safe_dump_all([*WORLD, *TOLD])))
    (tmp_path / "c.yaml").write_text(yaml.safe_dump_all(WORLD), encoding="utf-8")
    ran = command.run(*words)
    assert ran.status in (0, 1)
    said = ran.stdout + ran.stderr
    assert [each for each in said if not each.isprintable() and each != "\n"] == []
    if "owned" in said:
        assert "[bold red]x[/bold red]" in said


def test_brackets_colons_and_colours():
    console = output.console()
    assert isinstance(console, paper.Paper)
    console.file = io.StringIO()
    table = Table(box=None)
    table.add_row("metadata.annotations[metallb.io/address-pool]", "fd00:cd::1", Text("[a]", "red"))
    console.print(table)
    console.print("[red]:cd:[/red]")
    shown = console.file.getvalue()
    for text in ("annotations[metallb.io/address-pool]", "fd00:cd::1", "[a]", "[red]:cd:[/red]"):
        assert text in shown


def test_colours_of_our_own_stay():
    console = paper.Paper(file=io.StringIO(), force_terminal=True, color_system="standard", markup=False)
    console.print(Text("a\x1b[1mb", "red"))
    shown = console.file.getvalue()
    assert shown == "\x1b[31ma\N{REPLACEMENT CHARACTER}[1mb\x1b[0m\n"
