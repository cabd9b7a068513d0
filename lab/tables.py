"""What people see: progress while the lab comes up, and the tables at the end. Prints; decides nothing."""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lab.places import Places, Recorded
from lab.program import Program
from lab.survey import ServiceView

_WIDE = 150
"""Columns of a terminal from which on the services fit without breaking lines."""
_SIGNS = {"waiting": "·", "done": "✓", "failed": "✗"}
_COLOURS = {"waiting": "dim", "working": "cyan", "done": "green", "failed": "red"}


def show_progress(updates: Iterable[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Show the steps while they change; the last state of them. Plain lines when nobody sits at a terminal."""
    console = Console()
    last: list[dict[str, Any]] = []
    if not console.is_terminal:
        told: dict[str, str] = {}
        for steps in updates:
            last = list(steps)
            for step in last:
                if step["status"] in {"done", "failed"} and told.get(step["name"]) != step["status"]:
                    told[step["name"]] = step["status"]
                    print(f"{step['seconds']:5.1f} s  {step['name']}: {step['status']} ({step['detail']})", flush=True)
        return last
    with Live(console=console, refresh_per_second=12) as live:
        spinner = Spinner("dots")
        for steps in updates:
            last = list(steps)
            live.update(_steps(last, spinner))
    return last


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on stderr that we wait for something, as long as it lasts."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(f"waiting for {what}"):
            yield
    else:
        print(f"         waiting for {what}", file=sys.stderr, flush=True)
        yield


def _steps(steps: Sequence[dict[str, Any]], spinner: Spinner) -> Table:
    grid = Table.grid(padding=(0, 1))
    for step in steps:
        colour = _COLOURS[step["status"]]
        sign = spinner if step["status"] == "working" else Text(_SIGNS[step["status"]], style=colour)
        seconds = f"{step['seconds']:.1f} s" if step["status"] in {"done", "failed"} else ""
        grid.add_row(sign, Text(step["name"], style=colour), Text(step["detail"]), Text(seconds, style="dim"))
    return grid


def show_services(views: Sequence[ServiceView]) -> None:
    """The table of services: address, who announces it, the router's route, who answered."""
    console = _console()
    table = Table(title="Services", title_justify="left", title_style="bold", expand=False)
    table.add_column("service", no_wrap=True)
    table.add_column("address", no_wrap=True)
    for column in ("announced by", "router's kernel route", "requests from the client"):
        table.add_column(column, overflow="fold")
    # One next hop per line where all of them would not fit beside each other.
    narrow = console.width < _WIDE
    for view in views:
        name = f"{view.service}\n{view.policy}"
        if not view.addresses:
            table.add_row(name, Text("pending", style="yellow"), "", "", "")
        for number, each in enumerate(view.addresses):
            style = "yellow" if each.trouble else ""
            announcers = f"{each.protocol}: {', '.join(each.announced_by) or 'nobody'}"
            route = each.route.rpartition(" via ")[2].replace(", ", "\n") if narrow else each.route
            answers = each.answers.replace(": ", "\n", 1) if narrow else each.answers
            table.add_row(
                name if number == 0 else "",
                each.address,
                Text(announcers, style=style),
                route,
                Text(answers, style=style),
            )
        table.add_section()
    console.print(table)


def show_commands(places: Places, recorded: Recorded, program: Program) -> None:
    """How to look further."""
    say = program.say
    rows = (
        ("kubectl", f"export KUBECONFIG={places.kubeconfig}"),
        ("a node's frr.conf", f"cat {places.node('n1')}/frr.conf"),
        ("FRR on a node", say("vtysh", "n1 -c 'show bgp summary'")),
        ("FRR on the router", say("vtysh", "up -c 'show bgp ipv4 unicast'")),
        ("a shell on a node", say("exec", "n1 -- bash")),
        ("logs", say("logs", "n1/speaker")),
        ("all logs", f"ls {places.logs}/*"),
        ("break something", say("stop", "n1/speaker")),
        ("what runs", say("status")),
        ("ask again", say("request", "web -n 20")),
        ("this again", say("show")),
        ("the end", f"{say('down')}{'' if program.option else '     (or: make lab-down)'}"),
    )
    table = Table(title="Look further", title_justify="left", title_style="bold", show_header=False)
    for what, how in rows:
        table.add_row(Text(what, style="dim"), Text(how, no_wrap=True))
    where = "as root" if recorded.root else "in a user namespace"
    line = Text(f"{recorded.nodes} nodes, FRR {recorded.frr}, {recorded.api} Kubernetes API, {where}", style="dim")
    _console().print(Group(table, line))


def show_status(answer: dict[str, Any]) -> None:
    """The child processes."""
    table = Table(title="Processes", title_justify="left", title_style="bold")
    for column in ("target", "runs", "pid", "since", "starts", "last exit", "log"):
        table.add_column(column, overflow="fold")
    for child in answer["children"]:
        runs = (
            Text("yes", style="green")
            if child["running"]
            else Text("restarting" if child["wanted"] else "stopped", style="yellow")
        )
        exit_code = "" if child["last_exit"] is None else str(child["last_exit"])
        table.add_row(
            child["target"],
            runs,
            str(child["pid"] or ""),
            f"{child['seconds']:.0f} s",
            str(child["starts"]),
            exit_code,
            child["log"],
        )
    _console().print(table)


def _console() -> Console:
    """As wide as the terminal, or wide enough that a file keeps whole lines."""
    return Console() if sys.stdout.isatty() else Console(width=200)
