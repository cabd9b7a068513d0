"""The lab's command line, `python -m lab` and `frr-adapter-lab`: a cluster on this machine, up, shown, broken, down.

Each command is a thin shell: `world` starts and enters, `control` talks to the supervisor, `survey` looks, `tables`
prints. Errors are one line on stderr that says what to do; exit status 1. Modules with heavy libraries are imported in the
commands that need them, after entering the lab.
"""

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from typer.core import TyperGroup

from lab import control, plan, world
from lab.errors import LabError
from lab.places import DEFAULT_NAME, Places, Recorded, default_state
from lab.program import Program


class OneLineErrors(TyperGroup):
    """A group of commands that says a `LabError` in one line instead of a traceback."""

    def invoke(self, ctx: Any) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except LabError as error:
            print(f"lab: {error}", file=sys.stderr)
            raise SystemExit(1) from None


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="A whole cluster on one machine: nodes with real FRR, a router, a client, a Kubernetes API.",
)

Name = Annotated[str, typer.Option("--name", help="Name of the lab; several may run side by side.")]
State = Annotated[Path | None, typer.Option("--state", help="Directory for everything the lab writes.")]
Count = Annotated[int, typer.Option("-n", "--count", min=1, help="Requests per address.")]
Target = Annotated[str, typer.Argument(help="Such as `n1/speaker`, `n2/bgpd`, `controller`, `n1`, or `*/bgpd`.")]
_NODES = 3
_ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}


def _places(name: str, state: Path | None) -> Places:
    return Places((state or default_state(name)).absolute())


def _program(places: Places) -> Program:
    """How to call this program again for the same lab."""
    program = Path(sys.argv[0])
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())  # what a person would type
    words = f"{python} -m lab" if program.name == "__main__.py" else program.name
    return Program(words, "" if places.state == default_state(DEFAULT_NAME) else f" --state {places.state}")


@app.command()
def up(
    nodes: Annotated[
        int | None,
        typer.Option("--nodes", help=f"Number of nodes, 1 to {plan.MAX_NODES}; {_NODES} unless the lab runs already."),
    ] = None,
    name: Name = DEFAULT_NAME,
    state: State = None,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="No pools, peers and services: an empty cluster.")] = False,
    no_programs: Annotated[bool, typer.Option("--no-programs", help="Neither controller nor speakers.")] = False,
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", help="Use this cluster's API instead of a built-in one.")
    ] = None,
) -> None:
    """Bring a lab up and show it; when it is up already, only show it.

    Examples: `lab up`, `lab up --nodes 5`, `lab up --no-demo --name second`.
    """
    places = _places(name, state)
    count = _NODES if nodes is None else nodes
    places.check(plan.plan(count).routers[-1])
    arguments = ["--name", name, "--nodes", str(count), *_api_arguments(kubeconfig)]
    arguments += ["--no-demo"] if no_demo else []
    arguments += ["--no-programs"] if no_programs else []
    if not world.is_alive(places.recorded()):
        world.check_machine()
    with world.lock(places):
        recorded = places.recorded()
        if recorded is None or not world.is_alive(recorded):
            if recorded is not None:
                print(f"cleaning up what a crashed lab left in {places.state}")
            world.clear(places)
            world.start(places, arguments)
        elif nodes not in {None, recorded.nodes}:
            raise LabError(f"a lab with {recorded.nodes} nodes runs in {places.state}: `lab down` first")
        steps = control.ask(places.control_socket, {"op": "status"})["steps"]
        if any(step["status"] != "done" for step in steps):
            from lab import tables

            steps = tables.show_progress(control.progress(places.control_socket))
    if failed := [step for step in steps if step["status"] == "failed"]:
        say = _program(places).say
        raise LabError(f"{failed[0]['name']}: {failed[0]['detail']} (look: `{say('status')}`; end: `{say('down')}`)")
    is_whole = not no_demo and not any(step["detail"].startswith("left out") for step in steps)
    wait = ["--wait", "30"] if is_whole else []
    show_arguments = ["show", "--state", str(places.state), "--program", _program(places).words, *wait]
    world.reenter(world.running(places), show_arguments)


@app.command()
def show(
    name: Name = DEFAULT_NAME,
    state: State = None,
    count: Count = 20,
    output: Annotated[str, typer.Option("-o", "--output", help="`table` or `json`.")] = "table",
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait until everything works.")] = 0.0,
    program: Annotated[str, typer.Option("--program", hidden=True)] = "",
) -> None:
    """Show services, addresses, who announces them, the router's routes, and who answers.

    Examples: `lab show`, `lab show -n 100`, `lab show -o json`, `lab show --wait 30`.
    """
    if output not in {"table", "json"}:
        raise LabError(f"--output {output!r} is not known: use table or json")
    places = _places(name, state)
    recorded = world.running(places)
    called = _program(places)
    if program:
        called = Program(program, called.option)
    again = ["show", "--state", str(places.state), "-n", str(count), "-o", output, "--wait", str(wait)]
    world.reenter(recorded, [*again, "--program", called.words])
    from lab import survey, tables

    the_plan = plan.plan(recorded.nodes)
    end = time.monotonic() + wait
    views = survey.look(places, the_plan, count if wait == 0 else 4)
    if wait:
        with tables.waiting("services: addresses, routes, answers"):
            while survey.trouble(views) and time.monotonic() < end:
                time.sleep(0.1)
                views = survey.look(places, the_plan, 4)
            views = survey.look(places, the_plan, count)
    if output == "json":
        document = {"kubeconfig": str(places.kubeconfig), "services": views, "trouble": survey.trouble(views)}
        print(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        print(f"KUBECONFIG={places.kubeconfig}")
        tables.show_services(views)
        tables.show_commands(places, recorded, called)
    if wait and (lines := survey.trouble(views)):
        raise LabError(
            f"not everything works after {wait:.0f} s: {'; '.join(lines)}: look at `{called.say('status')}` and the logs"
        )


@app.command()
def down(name: Name = DEFAULT_NAME, state: State = None) -> None:
    """End the lab: no process, namespace or file stays. Does nothing when there is none.

    Examples: `lab down`, `lab down --name second`.
    """
    places = _places(name, state)
    if not places.state.exists():
        print("no lab to end")
        return
    with world.lock(places):
        if places.created_file.exists():
            _leave_cluster(places)
        was_there = world.end(places)
    print(f"lab in {places.state} ended" if was_there else f"{places.state} removed")


def _leave_cluster(places: Places) -> None:
    """Take the lab's objects out of a cluster that outlives it; a cluster that is gone does not keep the lab up."""
    import asyncio

    from lab import guest

    try:
        kept = asyncio.run(guest.forget(places))
    except LabError as error:
        print(f"lab: its objects stay in the cluster: {error}", file=sys.stderr)
    else:
        if kept:
            print(f"{kept} CustomResourceDefinitions stay in the cluster: deleting them would delete all their objects")


@app.command()
def status(
    name: Name = DEFAULT_NAME,
    state: State = None,
    output: Annotated[str, typer.Option("-o", "--output", help="`table` or `json`.")] = "table",
) -> None:
    """List the lab's processes.

    Examples: `lab status`, `lab status -o json`.
    """
    _, places = _running(name, state)
    answer = control.ask(places.control_socket, {"op": "status"})
    if output == "json":
        print(msgspec.json.format(msgspec.json.encode(answer)).decode())
    else:
        from lab import tables

        tables.show_status(answer)


@app.command()
def stop(target: Target, name: Name = DEFAULT_NAME, state: State = None) -> None:
    """Stop processes and keep them stopped.

    Examples: `lab stop n1/speaker`, `lab stop n2/bgpd`, `lab stop n3` (everything on the node), `lab stop controller`.
    """
    _order("stop", target, name, state)


@app.command()
def start(target: Target, name: Name = DEFAULT_NAME, state: State = None) -> None:
    """Start stopped processes again.

    Examples: `lab start n1/speaker`, `lab start n3`.
    """
    _order("start", target, name, state)


@app.command()
def restart(target: Target, name: Name = DEFAULT_NAME, state: State = None) -> None:
    """Stop and start processes.

    Examples: `lab restart n1/speaker`, `lab restart '*/speaker'`.
    """
    _order("restart", target, name, state)


@app.command()
def kill(
    target: Target,
    name: Name = DEFAULT_NAME,
    state: State = None,
    signal: Annotated[str, typer.Option("-s", "--signal", help="TERM, KILL, STOP, CONT, ...")] = "KILL",
) -> None:
    """Send a signal; what ends is started again after a second, as kubelet would.

    Examples: `lab kill n1/bgpd`, `lab kill -s STOP n2/speaker`.
    """
    _order("signal", target, name, state, signal=signal)


@app.command()
def request(
    service: Annotated[str, typer.Argument(help="Service (`web`, `default/web`) or address (`198.51.100.1`).")],
    name: Name = DEFAULT_NAME,
    state: State = None,
    count: Count = 20,
    port: Annotated[int, typer.Option("--port", help="TCP port.")] = 80,
) -> None:
    """Send requests from the client and count who answered.

    Examples: `lab request web`, `lab request web-local -n 100`, `lab request 2001:db8:100::1`.
    """
    recorded, places = _running(name, state)
    world.reenter(recorded, ["request", "--state", str(places.state), "-n", str(count), "--port", str(port), service])
    from lab import survey, traffic

    for address in survey.addresses_of(places, service):
        answers = traffic.request(places.netns(plan.CLIENT), address, port, count)
        print(f"{address}: {answers.sentence()}   client seen as: {', '.join(answers.clients) or '-'}")


@app.command(context_settings=_ANYTHING)
def exec(  # noqa: A001  # the command's name
    context: typer.Context,
    node: Annotated[str, typer.Argument(help="n1, n1-pod, up (router), client, sw (switch), control.")],
    name: Name = DEFAULT_NAME,
    state: State = None,
) -> None:
    """Run a command on a node, the router, the client or the switch.

    Examples: `lab exec n1 -- ip address`, `lab exec client -- curl http://198.51.100.1/`,
    `lab exec sw -- ip link set p-n1 down` (unplug n1).
    """
    recorded, places = _running(name, state)
    known = plan.plan(recorded.nodes).namespaces
    if node not in known:
        raise LabError(f"node {node!r} does not exist; there are: {' '.join(known)}")
    world.replace((*world.entry_to(recorded, places, node), *(context.args or ["sh"])))


@app.command(context_settings=_ANYTHING)
def vtysh(
    context: typer.Context,
    node: Annotated[str, typer.Argument(help="n1, n2, ... or up (router).")],
    name: Name = DEFAULT_NAME,
    state: State = None,
) -> None:
    """FRR's shell on a node or the router.

    Examples: `lab vtysh n1 -c 'show bgp summary'`, `lab vtysh up`.
    """
    recorded, places = _running(name, state)
    known = plan.plan(recorded.nodes).routers
    if node not in known:
        raise LabError(f"node {node!r} has no FRR; there are: {' '.join(known)}")
    world.replace((str(places.node(node) / "vtysh"), *context.args))


@app.command()
def logs(
    target: Target,
    name: Name = DEFAULT_NAME,
    state: State = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as they grow.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="Lines from the end.")] = 50,
) -> None:
    """Print the logs of processes.

    Examples: `lab logs n1/speaker`, `lab logs -f controller`, `lab logs n2`.
    """
    _, places = _running(name, state)
    files = places.log_files(target)
    world.replace(("tail", "-n", str(lines), *(["-F"] if follow else []), *files))


def _api_arguments(kubeconfig: Path | None) -> list[str]:
    """Which Kubernetes API: a given one, a real one from KUBEBUILDER_ASSETS, or (nothing) the built-in one."""
    if kubeconfig is not None:
        if not kubeconfig.is_file():
            raise LabError(f"--kubeconfig {kubeconfig} does not exist: give a kubeconfig file")
        return ["--kubeconfig", str(kubeconfig.absolute())]
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        from lab import apiserver_real

        if not apiserver_real.is_given(Path(assets)):
            raise LabError(f"KUBEBUILDER_ASSETS={assets} holds no etcd and kube-apiserver: correct or unset it")
        return ["--assets", str(Path(assets).absolute())]
    return []


def _running(name: str, state: Path | None) -> tuple[Recorded, Places]:
    places = _places(name, state)
    return world.running(places), places


def _order(operation: str, target: str, name: str, state: Path | None, **more: str) -> None:
    """Send an order to the supervisor and say whom it reached."""
    _, places = _running(name, state)
    answer = control.ask(places.control_socket, {"op": operation, "target": target, **more})
    print(f"{operation}: {' '.join(answer['targets'])}")
